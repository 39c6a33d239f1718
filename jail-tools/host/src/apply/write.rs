//! Writing a setting and reading it back.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};

/// The value of a setting, without white space around it.
pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path)
        .map(|t| t.trim().to_owned())
        .map_err(|e| Error::on_path("read", path, e))
}

/// Writes a setting in one write(2), as the kernel wants it. Does not create the file: a setting
/// that is not there is an error.
pub(crate) fn write(path: &Path, value: &str) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    let written = options
        .write(true)
        .open(path)
        .and_then(|mut f| std::io::Write::write_all(&mut f, value.as_bytes()));
    written.map_err(|e| Error::on_path(format!("write {value:?} to"), path, e))
}
