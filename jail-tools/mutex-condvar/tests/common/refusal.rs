//! Why an operation did not happen, in one type for all of them.

use mutex_condvar::{PopDeadlineError, PushDeadlineError, TryPopError, TryPushError};

/// Why an operation did not do what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Refusal {
    /// Full or empty: now, or until the deadline.
    Blocked,
    /// Closed (for a pop: and empty).
    Closed,
}

impl From<TryPopError> for Refusal {
    fn from(error: TryPopError) -> Self {
        match error {
            TryPopError::Empty => Self::Blocked,
            TryPopError::Closed => Self::Closed,
        }
    }
}

impl From<PopDeadlineError> for Refusal {
    fn from(error: PopDeadlineError) -> Self {
        match error {
            PopDeadlineError::TimedOut => Self::Blocked,
            PopDeadlineError::Closed => Self::Closed,
        }
    }
}

pub(crate) fn refused<T>(error: TryPushError<T>) -> (T, Refusal) {
    match error {
        TryPushError::Full(item) => (item, Refusal::Blocked),
        TryPushError::Closed(item) => (item, Refusal::Closed),
    }
}

pub(crate) fn refused_late<T>(error: PushDeadlineError<T>) -> (T, Refusal) {
    match error {
        PushDeadlineError::TimedOut(item) => (item, Refusal::Blocked),
        PushDeadlineError::Closed(item) => (item, Refusal::Closed),
    }
}
