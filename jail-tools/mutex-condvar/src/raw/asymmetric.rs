//! A mutex whose owner unlocks by a plain store.
//!
//! An unlock has to see who sleeps, and who goes to sleep has to see the unlock: each writes
//! one word and reads the other's, which is the one order that processors do not keep. The
//! usual answer is an atomic swap at every unlock, half of the price of an uncontended
//! critical section. Here the unlock's side has only a compiler's fence, and whoever is about
//! to sleep makes it a real one in all running threads (membarrier(2)). That costs a sleeper
//! 0.3 µs to some µs, beside the 2 µs and more of the sleep; owners pay nothing.

use crate::cpus;
use crate::faults::Fault;
use crate::raw::{FREE, LOCK_PAUSES, Raw, spin};
use crate::sync::{self, Instant, Ordering};

impl Raw {
    pub(super) fn asymmetric_lock(&self, deadline: Option<Instant>) -> bool {
        loop {
            let free = || self.state.load(Ordering::Relaxed) == FREE;
            if spin(&cpus::SEEN, LOCK_PAUSES, free) && self.try_lock() {
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
                // Whoever else sleeps is still counted, so that this thread's unlock sees it.
                self.sleepers.cancel(ticket);
                return true;
            }
            // Also after a notification: one that came late must not begin another turn. Who
            // has the lock then will see the others, who are still counted.
            if !self.sleepers.wait(ticket, deadline) || deadline.is_some_and(sync::passed) {
                return self.try_lock();
            }
        }
    }

    #[inline]
    pub(super) fn asymmetric_unlock(&self, order: Ordering) {
        self.state.store(FREE, order);
        sync::light_fence();
        if self.sleepers.has_waiters() {
            self.asymmetric_wake();
        }
    }

    #[cold]
    fn asymmetric_wake(&self) {
        self.sleepers.notify(1);
    }
}
