//! A place to sleep until the next notification: what a condition variable is made of, and
//! where the asymmetric lock's waiters sleep.

use crate::sync::{self, AtomicU64, Instant, Ordering, const_fn};

/// In one word: in the low half, where threads sleep, the number of notifications so far; in
/// the high half the number of waiters that no notification has been given to.
///
/// Whoever notifies takes a waiter off the count. So nobody makes a system call for a waiter
/// that has been woken already and has only not run yet; and the two halves change in one
/// step, so that a waiter that gives up knows whether it is still counted. The count is never
/// too low. It is too high by one where a waiter left on a notification meant for another:
/// that costs one needless wake-up, which corrects it.
///
/// A waiter that sleeps through exactly 2³² notifications between its registration and its
/// system call misses them (musl 37195db has the same hole).
#[derive(Debug)]
pub(crate) struct EventCount {
    word: AtomicU64,
}

const ONE_WAITER: u64 = 1 << 32;

/// A registered waiter's view: how many notifications there had been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket(u32);

fn notifications(word: u64) -> u32 {
    word as u32
}

fn waiters(word: u64) -> u32 {
    (word >> 32) as u32
}

fn with(notifications: u32, waiters: u32) -> u64 {
    u64::from(waiters) << 32 | u64::from(notifications)
}

impl EventCount {
    const_fn! {
        pub(crate) const fn new() -> Self {
            Self {
                word: AtomicU64::new(0),
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn with_state(notifications: u32, waiters: u32) -> Self {
        Self {
            word: AtomicU64::new(with(notifications, waiters)),
        }
    }

    /// From here on a notification will be for this thread too.
    pub(crate) fn register(&self) -> Ticket {
        Ticket(notifications(
            self.word.fetch_add(ONE_WAITER, Ordering::SeqCst),
        ))
    }

    /// What a wrong condition variable does: a ticket that is younger than the registration.
    pub(crate) fn late_ticket(&self) -> Ticket {
        Ticket(notifications(self.word.load(Ordering::SeqCst)))
    }

    /// Sleeps until a notification after the ticket's; false if the deadline came first.
    pub(crate) fn wait(&self, ticket: Ticket, deadline: Option<Instant>) -> bool {
        loop {
            if notifications(self.word.load(Ordering::Acquire)) != ticket.0 {
                return true;
            }
            if deadline.is_some_and(sync::passed) {
                return !self.cancel(ticket);
            }
            sync::wait(&self.word, ticket.0, deadline);
        }
    }

    /// A registered waiter leaves; false if there has been a notification, which may have
    /// been for it.
    pub(crate) fn cancel(&self, ticket: Ticket) -> bool {
        self.word
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |word| {
                (notifications(word) == ticket.0)
                    .then(|| with(ticket.0, waiters(word).saturating_sub(1)))
            })
            .is_ok()
    }

    /// Does anybody wait that no notification has been given to? Sequenced by the caller.
    #[inline]
    pub(crate) fn has_waiters(&self) -> bool {
        waiters(self.word.load(Ordering::Relaxed)) != 0
    }

    /// Wakes so many waiters; no system call if there is none.
    pub(crate) fn notify(&self, count: u32) {
        if self.take_off(|waiters| waiters.saturating_sub(count)) {
            sync::wake(&self.word, count);
        }
    }

    /// Wakes all waiters; no system call if there is none.
    pub(crate) fn notify_all(&self) {
        if self.take_off(|_| 0) {
            sync::wake(&self.word, u32::MAX);
        }
    }

    /// False if nobody waits.
    fn take_off(&self, left: impl Fn(u32) -> u32) -> bool {
        self.word
            .fetch_update(Ordering::SeqCst, Ordering::Relaxed, |word| {
                let waiting = waiters(word);
                (waiting != 0).then(|| with(notifications(word).wrapping_add(1), left(waiting)))
            })
            .is_ok()
    }
}
