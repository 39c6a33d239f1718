//! What can go wrong while the host is being changed.

use std::io;
use std::path::Path;

/// A change of the host that could not be made, or not be made safely.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call on an object failed.
    #[error("{call} {object}: {source}{}", advice(.next))]
    Call {
        /// The call (`write 0-1 to`, `sched_setaffinity CPU`).
        call: String,
        /// What it was made on.
        object: String,
        /// The kernel's answer.
        source: io::Error,
        /// What the user can do about it; empty if there is nothing to say.
        next: &'static str,
    },
    /// The call succeeded, but reading back shows something else.
    #[error("{object} was set to {asked} but reads back {found}{}", advice(.next))]
    NotTaken {
        /// What was set.
        object: String,
        /// The value that was asked for.
        asked: String,
        /// The value that is in force.
        found: String,
        /// What the user can do about it.
        next: &'static str,
    },
    /// The keeper doesn't answer, so nothing may be changed.
    #[error("keeper process {step}: {why}; nothing was changed that it has not promised to undo")]
    Keeper {
        /// What was being done with it.
        step: &'static str,
        /// What it did instead of answering.
        why: String,
    },
}

/// Result of a change.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn call(
        call: impl Into<String>,
        object: impl Into<String>,
        source: io::Error,
    ) -> Self {
        Self::Call {
            call: call.into(),
            object: object.into(),
            source,
            next: "",
        }
    }

    pub(crate) fn on_path(call: impl Into<String>, path: &Path, source: io::Error) -> Self {
        Self::call(call, path.display().to_string(), source)
    }

    /// The same error with what the user can do about it.
    pub(crate) fn advise(self, advice: &'static str) -> Self {
        match self {
            Self::Call {
                call,
                object,
                source,
                ..
            } => Self::Call {
                call,
                object,
                source,
                next: advice,
            },
            Self::NotTaken {
                object,
                asked,
                found,
                ..
            } => Self::NotTaken {
                object,
                asked,
                found,
                next: advice,
            },
            keeper @ Self::Keeper { .. } => keeper,
        }
    }
}

fn advice(next: &str) -> String {
    if next.is_empty() {
        String::new()
    } else {
        format!(" ({next})")
    }
}
