//! Models of the condition variable.

use std::sync::Arc;

use crate::checker::{JoinHandle, spawn};
use crate::clock;
use crate::condvar::Condvar;
use crate::faults::Faults;
use crate::futex;
use crate::mutex::Mutex;
use crate::sync::Instant;

/// How many tokens there are, and news of that.
struct Tokens {
    count: Mutex<u32>,
    more: Condvar,
}

fn tokens(faults: Faults) -> Arc<Tokens> {
    Arc::new(Tokens {
        count: Mutex::three_state_with_faults(0, faults),
        more: Condvar::with_faults(faults),
    })
}

/// Waits for a token and takes it.
fn taker(tokens: &Arc<Tokens>) -> JoinHandle<bool> {
    let tokens = Arc::clone(tokens);
    spawn(move || {
        let mut count = tokens
            .more
            .wait_while(tokens.count.lock(), |count| *count == 0);
        *count -= 1;
        true
    })
}

/// The same until the deadline; whether it got one.
fn hurried_taker(tokens: &Arc<Tokens>) -> JoinHandle<bool> {
    let tokens = Arc::clone(tokens);
    spawn(move || {
        let mut count = tokens.count.lock();
        while *count == 0 {
            let timed_out;
            (count, timed_out) = tokens.more.wait_until(count, Instant::Soon);
            if timed_out && *count == 0 {
                return false;
            }
        }
        *count -= 1;
        true
    })
}

/// When to notify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    UnderLock,
    AfterUnlock,
}

/// A token and a notification for each of the waiters.
pub(crate) fn notify_one(waiters: u32, moment: Moment, faults: Faults) {
    let tokens = tokens(faults);
    let threads: Vec<_> = (0..waiters).map(|_| taker(&tokens)).collect();
    for _ in 0..waiters {
        let mut count = tokens.count.lock();
        *count += 1;
        if moment == Moment::AfterUnlock {
            drop(count);
        }
        tokens.more.notify_one();
    }
    all_home(&tokens, threads);
}

/// Tokens for all, and one notification.
pub(crate) fn notify_all(waiters: u32, disturbed: bool, faults: Faults) {
    let tokens = tokens(faults);
    let threads: Vec<_> = (0..waiters).map(|_| taker(&tokens)).collect();
    if disturbed {
        futex::disturb();
    }
    *tokens.count.lock() += waiters;
    tokens.more.notify_all();
    all_home(&tokens, threads);
}

fn all_home(tokens: &Tokens, threads: Vec<JoinHandle<bool>>) {
    for thread in threads {
        assert!(thread.join().expect("a thread of the model"));
    }
    assert_eq!(*tokens.count.lock(), 0);
}

/// One token, one notification, and a waiter that may give up while it comes: the token is
/// never left lying while the other sleeps.
pub(crate) fn wait_until(patient: bool) {
    let tokens = tokens(Faults::NONE);
    let hurried = hurried_taker(&tokens);
    let patient = patient.then(|| taker(&tokens));
    give(&tokens);
    clock::expire();
    let taken = hurried.join().expect("a thread of the model");
    match patient {
        None => assert_eq!(*tokens.count.lock(), u32::from(!taken)),
        Some(patient) => {
            if taken {
                give(&tokens);
            }
            all_home(&tokens, vec![patient]);
        }
    }
}

fn give(tokens: &Tokens) {
    *tokens.count.lock() += 1;
    tokens.more.notify_one();
}
