//! What locks and unlocks, without the data: two protocols behind one face.

mod asymmetric;
mod three_state;

use crate::cpus;
use crate::faults::Faults;
use crate::sync::{self, Instant, const_fn};

use asymmetric::Asymmetric;
use three_state::ThreeState;

/// A lock without data.
#[derive(Debug)]
pub(crate) enum Raw {
    /// One word; unlocking is an atomic swap.
    ThreeState(ThreeState),
    /// Three words; unlocking is a plain store, and who goes to sleep pays.
    Asymmetric(Asymmetric),
}

impl Raw {
    const_fn! {
        pub(crate) const fn three_state(faults: Faults) -> Self {
            Self::ThreeState(ThreeState::new(faults))
        }
    }

    /// The asymmetric protocol where the kernel has what it takes, else the other.
    pub(crate) fn asymmetric(faults: Faults) -> Self {
        if sync::asymmetric_fences() {
            Self::Asymmetric(Asymmetric::new(faults))
        } else {
            Self::three_state(faults)
        }
    }

    #[inline]
    pub(crate) fn try_lock(&self) -> bool {
        match self {
            Self::ThreeState(lock) => lock.try_lock(),
            Self::Asymmetric(lock) => lock.try_lock(),
        }
    }

    /// False if the deadline came first.
    #[inline]
    pub(crate) fn lock(&self, deadline: Option<Instant>) -> bool {
        match self {
            Self::ThreeState(lock) => lock.try_lock() || lock.lock_contended(deadline),
            Self::Asymmetric(lock) => lock.try_lock() || lock.lock_contended(deadline),
        }
    }

    /// By the owner alone.
    #[inline]
    pub(crate) fn unlock(&self) {
        match self {
            Self::ThreeState(lock) => lock.unlock(),
            Self::Asymmetric(lock) => lock.unlock(),
        }
    }
}

/// For the lock: an owner that locks again at once keeps the cache line for a few of its turns,
/// so that contention costs a transfer per batch and not one per operation. (Of 1, 4, 8, 16
/// and 32, 8 gave the most messages at capacity 64 and 1024 between two CPUs and lost nothing
/// at 1 and 8.)
pub(crate) const LOCK_PAUSES: u32 = 8;

/// For a word of one's own, which nobody is disturbed by reading.
pub(crate) const ITEM_PAUSES: u32 = 1;

/// Polls until `ready` or until it does not pay any more; off where all waiters were seen on
/// one CPU, since then nobody can make progress meanwhile. True if `ready` was.
///
/// The pauses double from `pauses` on, see [`LOCK_PAUSES`] and [`ITEM_PAUSES`]. In sum about 4 µs, a fraction of what a sleep and a
/// wake-up cost.
pub(crate) fn spin(mut pauses: u32, ready: impl Fn() -> bool) -> bool {
    const PAUSES_MAX: u32 = 128;
    const PAUSES_IN_ALL: u32 = 256;
    if cpus::SEEN.look() == 1 {
        return false;
    }
    let mut all = 0;
    while all < PAUSES_IN_ALL {
        for _ in 0..pauses {
            sync::pause();
        }
        if ready() {
            return true;
        }
        all += pauses;
        pauses = (2 * pauses).min(PAUSES_MAX);
    }
    false
}
