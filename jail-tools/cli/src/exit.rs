//! How a verb ends, and the exit status for it.

use std::process::ExitCode;

/// How a verb that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// As asked.
    Well,
    /// With `--check`: an expectation was refuted.
    Refuted,
    /// SIGINT or SIGTERM.
    Interrupted,
}

/// A wish that cannot be granted as it was put: exit status 2.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// The exit status; an error is printed whole.
pub(crate) fn code(result: anyhow::Result<Done>) -> ExitCode {
    match result {
        Ok(Done::Well) => ExitCode::SUCCESS,
        Ok(Done::Refuted) => ExitCode::from(3),
        Ok(Done::Interrupted) => ExitCode::from(130),
        Err(e) => {
            eprintln!("jail-tools: {e:#}");
            ExitCode::from(if e.downcast_ref::<Usage>().is_some() {
                2
            } else {
                1
            })
        }
    }
}
