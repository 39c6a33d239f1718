//! The futex mutex of three states (Drepper, "Futexes Are Tricky", mutex 2).

use crate::faults::{Fault, Faults};
use crate::raw::{LOCK_PAUSES, spin};
use crate::sync::{self, AtomicU32, Instant, Ordering, const_fn};

/// Nobody has it.
const FREE: u32 = 0;
/// Somebody has it, nobody sleeps.
const LOCKED: u32 = 1;
/// Somebody has it, and somebody may sleep: unlocking has to wake one.
const CONTENDED: u32 = 2;

/// One word.
#[derive(Debug)]
pub(crate) struct ThreeState {
    state: AtomicU32,
    faults: Faults,
}

impl ThreeState {
    const_fn! {
        pub(crate) const fn new(faults: Faults) -> Self {
            Self {
                state: AtomicU32::new(FREE),
                faults,
            }
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
        // Only while nobody sleeps: who comes later must not always be faster than those.
        let seen = || self.state.load(Ordering::Relaxed);
        if spin(LOCK_PAUSES, || seen() != LOCKED) && self.try_lock() {
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
    pub(crate) fn unlock(&self) {
        let order = if self.faults.has(Fault::RelaxedUnlock) {
            Ordering::Relaxed
        } else {
            Ordering::Release
        };
        if self.state.swap(FREE, order) == CONTENDED {
            self.wake_one();
        }
    }

    #[cold]
    fn wake_one(&self) {
        sync::wake(&self.state, 1);
    }
}
