//! What locks and unlocks, without the data: one state, two protocols.

mod asymmetric;
mod three_state;

use crate::cpus::Cpus;
use crate::event_count::EventCount;
use crate::faults::{Fault, Faults};
use crate::sync::{self, AtomicU32, Instant, Ordering, const_fn};

/// Nobody has it.
const FREE: u32 = 0;
/// Somebody has it.
const LOCKED: u32 = 1;

/// A lock without data.
#[derive(Debug)]
pub(crate) struct Raw {
    /// [`FREE`], [`LOCKED`], or of the three-state protocol also `CONTENDED`.
    state: AtomicU32,
    /// Which protocol; never changes.
    asymmetric: bool,
    faults: Faults,
    /// Of the asymmetric protocol. The other one's sleep on `state`.
    sleepers: EventCount,
}

impl Raw {
    const_fn! {
        pub(crate) const fn three_state(faults: Faults) -> Self {
            Self {
                state: AtomicU32::new(FREE),
                asymmetric: false,
                faults,
                sleepers: EventCount::new(),
            }
        }
    }

    /// The asymmetric protocol where the kernel has what it takes, else the other.
    pub(crate) fn asymmetric(faults: Faults) -> Self {
        Self {
            asymmetric: sync::asymmetric_fences(),
            ..Self::three_state(faults)
        }
    }

    #[inline]
    pub(crate) fn try_lock(&self) -> bool {
        self.state
            .compare_exchange(FREE, LOCKED, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// False if the deadline came first.
    #[inline]
    pub(crate) fn lock(&self, deadline: Option<Instant>) -> bool {
        self.try_lock() || self.lock_contended(deadline)
    }

    #[cold]
    fn lock_contended(&self, deadline: Option<Instant>) -> bool {
        if self.asymmetric {
            self.asymmetric_lock(deadline)
        } else {
            self.three_state_lock(deadline)
        }
    }

    /// By the owner alone.
    #[inline]
    pub(crate) fn unlock(&self) {
        let order = if self.faults.has(Fault::RelaxedUnlock) {
            Ordering::Relaxed
        } else {
            Ordering::Release
        };
        if self.asymmetric {
            self.asymmetric_unlock(order);
        } else {
            self.three_state_unlock(order);
        }
    }
}

/// For the lock: an owner that locks again at once keeps the cache line for a few of its turns,
/// so that contention costs a transfer per batch and not one per operation. Measured with one
/// producer and one consumer on two CPUs of a core complex, first pauses of 8, 16, 32 and 64:
/// at capacity 8 16–19, 14, 8 and 5 million messages a second, at 64 29–32, 33, 29 and 17, at
/// 1024 40–43, 47, 44–48 and 37. (`queue-bench`, 8 rounds each, AMD Milan, virtual.)
pub(crate) const LOCK_PAUSES: u32 = 8;

/// For a word of one's own, which nobody is disturbed by reading.
pub(crate) const ITEM_PAUSES: u32 = 1;

/// Polls until `ready` or until it does not pay any more; off where all waiters were seen on
/// one CPU, since then nobody can make progress meanwhile. True if `ready` was.
///
/// The pauses double from `pauses` on, see [`LOCK_PAUSES`] and [`ITEM_PAUSES`], to at most 383 in
/// all. At 33 to 47 ns each, on the machine this was written on, that is up to 18 µs: about what
/// a sleep and the wake-up of an idle virtual CPU cost there (16 to 20 µs, `queue-bench`'s
/// hand-off of queues that sleep), so that a wait that ends in sleep takes twice as long at worst.
pub(crate) fn spin(cpus: &Cpus, mut pauses: u32, ready: impl Fn() -> bool) -> bool {
    const PAUSES_MAX: u32 = 128;
    const PAUSES_IN_ALL: u32 = 256;
    if cpus.look() == 1 {
        return false;
    }
    let mut all = 0;
    while all < PAUSES_IN_ALL {
        for _ in 0..pauses {
            sync::pause();
        }
        if ready() {
            cpus.learn(true);
            return true;
        }
        all += pauses;
        pauses = (2 * pauses).min(PAUSES_MAX);
    }
    cpus.learn(false);
    false
}
