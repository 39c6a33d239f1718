//! Time as the models have it: three instants, one of which comes when the checker likes.

use crate::futex;

/// A deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instant {
    /// It has come.
    Past,
    /// It comes with [`expire`]: before, while or after its thread sleeps, and also between a
    /// wake-up and the moment when its thread runs.
    Soon,
    /// It will not come.
    Never,
}

/// Has the deadline come?
pub(crate) fn passed(deadline: Instant) -> bool {
    match deadline {
        Instant::Past => true,
        Instant::Soon => futex::has_expired(),
        Instant::Never => false,
    }
}

/// [`Instant::Soon`] is now.
pub(crate) fn expire() {
    futex::expire();
}
