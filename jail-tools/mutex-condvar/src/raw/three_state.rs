//! The futex mutex of three states (Drepper, "Futexes Are Tricky", the third mutex).

use crate::cpus;
use crate::faults::Fault;
use crate::raw::{FREE, LOCK_PAUSES, LOCKED, Raw, spin};
use crate::sync::{self, Instant, Ordering};

/// Somebody has it, and somebody may sleep: unlocking has to wake one.
const CONTENDED: u32 = 2;

impl Raw {
    pub(super) fn three_state_lock(&self, deadline: Option<Instant>) -> bool {
        // Only while nobody sleeps: who comes later must not always be faster than those.
        let seen = || self.state.load(Ordering::Relaxed);
        if spin(&cpus::SEEN, LOCK_PAUSES, || seen() != LOCKED) && self.try_lock() {
            return true;
        }
        let mut retake = CONTENDED;
        loop {
            // From here on this thread can only take it as contended: it cannot know who
            // else sleeps, and an unlock of LOCKED would wake nobody.
            if self.state.swap(retake, Ordering::Acquire) == FREE {
                return true;
            }
            if deadline.is_some_and(sync::passed) {
                return false;
            }
            sync::wait(&self.state, CONTENDED, deadline);
            if self.faults.has(Fault::RelockUncontended) {
                retake = LOCKED;
            }
        }
    }

    #[inline]
    pub(super) fn three_state_unlock(&self, order: Ordering) {
        if self.state.swap(FREE, order) == CONTENDED {
            self.three_state_wake();
        }
    }

    #[cold]
    fn three_state_wake(&self) {
        sync::wake(&self.state, 1);
    }
}
