//! The condition variable.

use crate::event_count::EventCount;
use crate::faults::{Fault, Faults};
use crate::mutex::MutexGuard;
use crate::sync::{Instant, const_fn};

/// Waiting for a condition on what a [`Mutex`](crate::Mutex) guards.
///
/// A wait may end without a notification: test the condition in a loop, or let
/// [`Condvar::wait_while`] do it. Change the condition under the mutex; notify under it or
/// after it, no notification is lost either way. (After it is better: who is woken under the
/// lock runs into it.) Waiters are woken in the order in which they came to sleep.
///
/// A notification with nobody waiting makes no system call, and neither does one for a waiter
/// that was notified before and has not run yet.
///
/// ```
/// use mutex_condvar::{Condvar, Mutex};
///
/// static READY: Mutex<bool> = Mutex::new(false);
/// static CHANGED: Condvar = Condvar::new();
///
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         *READY.lock() = true;
///         CHANGED.notify_one();
///     });
///     let ready = CHANGED.wait_while(READY.lock(), |ready| !*ready);
///     assert!(*ready);
/// });
/// ```
///
/// A waiter that is not run between its registration and its system call while exactly 2³²
/// notifications are sent misses them all. Sources: futex(2); musl's commit 37195db names the
/// same hole.
#[derive(Debug)]
pub struct Condvar {
    events: EventCount,
    faults: Faults,
}

impl Default for Condvar {
    fn default() -> Self {
        Self::new()
    }
}

impl Condvar {
    const_fn! {
        /// With nobody waiting.
        #[must_use]
        pub const fn new() -> Self {
            Self {
                events: EventCount::new(),
                faults: Faults::NONE,
            }
        }
    }

    /// With a mistake in it: for tests.
    pub(crate) fn with_faults(faults: Faults) -> Self {
        Self {
            events: EventCount::new(),
            faults,
        }
    }

    /// Unlocks, sleeps until a notification, and locks again.
    pub fn wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.sleep(guard, None).0
    }

    /// Waits while the condition holds.
    ///
    /// # Panics
    /// If `condition` does; the mutex is unlocked then.
    pub fn wait_while<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        while condition(&mut guard) {
            guard = self.wait(guard);
        }
        guard
    }

    /// Like [`Condvar::wait`], but at most until the deadline. True if it came first. (The
    /// condition may have come true meanwhile: look at it before you give up.) Taking the
    /// mutex again is not bounded by it.
    pub fn wait_until<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: Instant,
    ) -> (MutexGuard<'a, T>, bool) {
        self.sleep(guard, Some(deadline))
    }

    /// Wakes one of the waiters, if there are any.
    pub fn notify_one(&self) {
        self.events.notify(1);
    }

    /// Wakes all waiters.
    pub fn notify_all(&self) {
        self.events.notify_all();
    }

    /// The guard again, and whether the deadline came first.
    pub(crate) fn sleep<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: Option<Instant>,
    ) -> (MutexGuard<'a, T>, bool) {
        // Registered before the unlock: whoever changes the condition after it sees us.
        let mut ticket = self.events.register();
        let mutex = guard.unlock();
        if self.faults.has(Fault::SequenceReadAfterUnlock) {
            ticket = self.events.late_ticket();
        }
        let notified = self.events.wait(ticket, deadline);
        (mutex.lock(), !notified)
    }
}
