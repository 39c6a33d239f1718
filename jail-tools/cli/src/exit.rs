//! How a verb ends, and the exit status for it.

use std::process::ExitCode;

use crate::output::note;

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
            note(format_args!("jail-tools: {}", chain(&e)));
            ExitCode::from(if e.downcast_ref::<Usage>().is_some() {
                2
            } else {
                1
            })
        }
    }
}

/// An error with its causes. Many say their cause themselves: then it is not said twice.
fn chain(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    #[test]
    fn a_cause_that_was_said_is_not_said_again() {
        let inner = std::io::Error::other("full");
        let outer = anyhow!(inner).context("write x: full").context("run");
        assert_eq!(super::chain(&outer), "run: write x: full");
        let silent = Err::<(), _>(anyhow!("full")).context("write x");
        assert_eq!(super::chain(&silent.unwrap_err()), "write x: full");
    }
}
