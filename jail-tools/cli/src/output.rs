//! Standard output and standard error. Whoever reads them may go away (`| head`): that is no
//! error, and never a panic in the middle of a run, as it would be with `println!`.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

use anyhow::Context;

/// Writes a text to standard output, with one line feed at its end.
///
/// # Errors
/// Writing fails for another reason than that nobody reads any more.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(e).context("write to standard output"),
        _ => Ok(()),
    }
}

/// Says a line on standard error.
pub(crate) fn note(line: Arguments<'_>) {
    // If it cannot be said there, there is nowhere to say so.
    let _ = writeln!(std::io::stderr(), "{line}");
}
