//! Notes of tests, in files that an environment variable names. Nobody listens without it.

use std::fs::File;
use std::io::Write;

/// Appends a line. Tabs and line feeds are what the readers split at, so that a text's own line
/// feeds become spaces.
pub(crate) fn append(variable: &str, line: &str) {
    let Some(path) = std::env::var_os(variable) else {
        return;
    };
    let opened = File::options().append(true).create(true).open(&path);
    // One write, so that tests of other programs don't get into the line.
    let written =
        opened.and_then(|mut f| f.write_all(format!("{}\n", line.replace('\n', " ")).as_bytes()));
    if let Err(error) = written {
        panic!("append to {}: {error}", path.display());
    }
}
