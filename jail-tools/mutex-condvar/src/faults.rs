//! Deliberate mistakes, each the one that somebody has made: what the tests must catch.
//!
//! Without the feature `faults` nothing of this is in the code: [`Faults::has`] is constant
//! and false.

/// A mistake that can be injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "faults"), allow(dead_code))]
#[non_exhaustive]
pub enum Fault {
    /// After a wake-up the condition is believed instead of tested again (`if`, not `while`).
    IfForWhile,
    /// Closing wakes one waiter of each side instead of all.
    NotifyOneOnClose,
    /// The condition variable reads its sequence number after it has released the mutex, so
    /// that a notification in between is lost.
    SequenceReadAfterUnlock,
    /// A waiter takes the mutex as uncontended, and strands those who still sleep (musl
    /// 0db393d fixed the same).
    RelockUncontended,
    /// Unlocking does not publish what was written under the lock.
    RelaxedUnlock,
    /// A thread goes to sleep on the lock without the barrier that makes the owner's cheap
    /// unlock see it.
    NoHeavyFence,
    /// A consumer whose deadline came does not look whether it was given an item meanwhile.
    TimeoutWithoutLook,
    /// A waiter goes to sleep without saying so, and whoever ends its wait does not wake it.
    SleepUnannounced,
    /// With one condition variable for both sides one thread is woken: it may be of the
    /// wrong side.
    NotifyOneOfBoth,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::IfForWhile,
        Self::NotifyOneOnClose,
        Self::SequenceReadAfterUnlock,
        Self::RelockUncontended,
        Self::RelaxedUnlock,
        Self::NoHeavyFence,
        Self::TimeoutWithoutLook,
        Self::SleepUnannounced,
        Self::NotifyOneOfBoth,
    ];
}

/// The mistake that an object makes, if any.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    #[cfg(feature = "faults")]
    injected: Option<Fault>,
}

impl Faults {
    /// No mistake.
    pub const NONE: Self = Self {
        #[cfg(feature = "faults")]
        injected: None,
    };

    /// This one.
    #[cfg(feature = "faults")]
    #[must_use]
    pub const fn inject(fault: Fault) -> Self {
        Self {
            injected: Some(fault),
        }
    }

    #[inline]
    #[allow(clippy::unused_self)]
    pub(crate) const fn has(self, fault: Fault) -> bool {
        #[cfg(feature = "faults")]
        {
            matches!(self.injected, Some(injected) if injected as u8 == fault as u8)
        }
        #[cfg(not(feature = "faults"))]
        {
            _ = fault;
            false
        }
    }
}
