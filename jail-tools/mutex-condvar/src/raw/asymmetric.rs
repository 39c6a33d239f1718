//! A mutex whose owner unlocks by a plain store.
//!
//! An unlock has to see who sleeps, and who goes to sleep has to see the unlock: each writes
//! one word and reads the other's, which is the one order that processors do not keep. The
//! usual answer is an atomic swap at every unlock, half of the price of an uncontended
//! critical section. Here the unlock's side has only a compiler's fence, and whoever is about
//! to sleep makes it a real one in all running threads (membarrier(2)). That costs a sleeper
//! 0.3 µs to some µs, beside the 2 µs and more of the sleep; owners pay nothing.

use crate::event_count::EventCount;
use crate::faults::{Fault, Faults};
use crate::raw::{LOCK_PAUSES, spin};
use crate::sync::{self, AtomicU32, Instant, Ordering};

const FREE: u32 = 0;
const LOCKED: u32 = 1;

/// State and sleepers apart.
#[derive(Debug)]
pub(crate) struct Asymmetric {
    state: AtomicU32,
    sleepers: EventCount,
    faults: Faults,
}

impl Asymmetric {
    /// The caller has asked [`sync::asymmetric_fences`].
    pub(crate) fn new(faults: Faults) -> Self {
        Self {
            state: AtomicU32::new(FREE),
            sleepers: EventCount::new(),
            faults,
        }
    }

    #[inline]
    pub(crate) fn try_lock(&self) -> bool {
        self.state
            .compare_exchange(FREE, LOCKED, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    #[cold]
    pub(crate) fn lock_contended(&self, deadline: Option<Instant>) -> bool {
        loop {
            if spin(LOCK_PAUSES, || self.state.load(Ordering::Relaxed) == FREE) && self.try_lock() {
                return true;
            }
            // The owner was preempted in its critical section, more likely than not.
            sync::yield_now();
            if self.try_lock() {
                return true;
            }
            let ticket = self.sleepers.register();
            // Either the owner's store of FREE is seen below, or the owner will see the
            // registration after that store.
            if !self.faults.has(Fault::NoHeavyFence) {
                sync::heavy_fence();
            }
            if self.try_lock() {
                // If a notification was meant for this thread, another sleeper may need it:
                // it is passed on by this thread's own unlock, which sees the count.
                self.leave(ticket);
                return true;
            }
            if !self.sleepers.wait(ticket, deadline) {
                return self.try_lock();
            }
        }
    }

    fn leave(&self, ticket: crate::event_count::Ticket) {
        self.sleepers.cancel(ticket);
    }

    #[inline]
    pub(crate) fn unlock(&self) {
        self.state.store(
            FREE,
            if self.faults.has(Fault::RelaxedUnlock) {
                Ordering::Relaxed
            } else {
                Ordering::Release
            },
        );
        sync::light_fence();
        if self.sleepers.has_waiters() {
            self.sleepers.notify(1);
        }
    }
}
