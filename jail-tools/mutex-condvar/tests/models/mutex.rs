//! Models of the mutex, of both protocols.

use std::sync::Arc;

use crate::checker::spawn;
use crate::clock;
use crate::faults::Faults;
use crate::futex;
use crate::mutex::Mutex;
use crate::sync::Instant;

/// How a mutex unlocks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Protocol {
    ThreeState,
    Asymmetric,
}

fn mutex(protocol: Protocol, faults: Faults) -> Arc<Mutex<u32>> {
    Arc::new(match protocol {
        Protocol::ThreeState => Mutex::three_state_with_faults(0, faults),
        Protocol::Asymmetric => Mutex::asymmetric_with_faults(0, faults),
    })
}

/// What happens besides while threads lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aside {
    Nothing,
    /// Whoever sleeps wakes up for nothing once.
    Disturbed,
}

/// Each thread, this one too, adds to a plain number: one at a time, seeing what the one before
/// wrote, and all come home.
pub(crate) fn exclusion(
    protocol: Protocol,
    threads: u32,
    rounds: u32,
    aside: Aside,
    faults: Faults,
) {
    let mutex = mutex(protocol, faults);
    let add = move |mutex: &Mutex<u32>| (0..rounds).for_each(|_| *mutex.lock() += 1);
    let others: Vec<_> = (1..threads)
        .map(|_| {
            let mutex = Arc::clone(&mutex);
            spawn(move || add(&mutex))
        })
        .collect();
    if aside == Aside::Disturbed {
        futex::disturb();
    } else {
        add(&mutex);
    }
    for other in others {
        other.join().expect("a thread of the model");
    }
    let locking = threads - u32::from(aside == Aside::Disturbed);
    assert_eq!(*mutex.lock(), locking * rounds, "an addition is lost");
}

/// Some give up when the deadline comes, at whatever moment: those who said that they had the
/// lock had it, and nobody is left asleep because another gave up.
pub(crate) fn giving_up(protocol: Protocol, hurried: u32, patient: u32, faults: Faults) {
    let mutex = mutex(protocol, faults);
    let one = |deadline: Option<Instant>| {
        let mutex = Arc::clone(&mutex);
        spawn(move || add_until(&mutex, deadline))
    };
    let hurried: Vec<_> = (0..hurried).map(|_| one(Some(Instant::Soon))).collect();
    let patient: Vec<_> = (0..patient).map(|_| one(None)).collect();
    let mut sum = add_until(&mutex, None);
    clock::expire();
    for thread in patient {
        let got = thread.join().expect("a thread of the model");
        assert_eq!(got, 1, "a lock without a deadline gave up");
        sum += got;
    }
    for thread in hurried {
        sum += thread.join().expect("a thread of the model");
    }
    assert_eq!(*mutex.lock(), sum, "what was told is not what was done");
}

fn add_until(mutex: &Mutex<u32>, deadline: Option<Instant>) -> u32 {
    let guard = match deadline {
        Some(deadline) => mutex.lock_until(deadline),
        None => Some(mutex.lock()),
    };
    let Some(mut guard) = guard else {
        return 0;
    };
    *guard += 1;
    1
}

/// A deadline that has passed: the lock if it is free, and no sleep.
pub(crate) fn no_time(protocol: Protocol) {
    let mutex = mutex(protocol, Faults::NONE);
    let held = mutex.lock();
    assert!(mutex.lock_until(Instant::Past).is_none());
    assert!(mutex.try_lock().is_none());
    drop(held);
    assert!(mutex.lock_until(Instant::Past).is_some());
}
