//! Models of the model: is it the futex that the library was written for?

use std::sync::Arc;

use crate::checker::{AtomicBool, Ordering, spawn};
use crate::clock;
use crate::futex;
use crate::sync::{AtomicU32, Instant};

/// A store and a wake-up after it are never missed, whenever they come.
pub(crate) fn a_change_is_not_missed() {
    let word = Arc::new(AtomicU32::new(0));
    let sleeper = Arc::clone(&word);
    let thread = spawn(move || {
        while sleeper.load(Ordering::Acquire) == 0 {
            futex::wait(&*sleeper, 0, None);
        }
    });
    word.store(1, Ordering::Release);
    futex::wake(&*word, 1);
    thread.join().expect("a thread of the model");
}

/// A wake-up that changed nothing is lost if nobody sleeps yet: some interleaving ends in a
/// deadlock.
pub(crate) fn a_wake_up_is_not_kept() {
    let word = Arc::new(AtomicU32::new(0));
    let sleeper = Arc::clone(&word);
    let thread = spawn(move || futex::wait(&*sleeper, 0, None));
    futex::wake(&*word, 1);
    thread.join().expect("a thread of the model");
}

/// Nobody who is not woken comes back: one wake-up for two.
pub(crate) fn one_wake_up_is_for_one() {
    let word = Arc::new(AtomicU32::new(0));
    let threads = [(); 2].map(|()| {
        let sleeper = Arc::clone(&word);
        spawn(move || futex::wait(&*sleeper, 0, None))
    });
    word.store(1, Ordering::Release);
    futex::wake(&*word, 1);
    for thread in threads {
        thread.join().expect("a thread of the model");
    }
}

/// Who came first is woken first.
pub(crate) fn first_come_first_served() {
    let word = Arc::new(AtomicU32::new(0));
    let first_is_awake = Arc::new(AtomicBool::new(false));
    let threads = [true, false].map(|first| {
        let word = Arc::clone(&word);
        let first_is_awake = Arc::clone(&first_is_awake);
        let before = futex::sleeping();
        let thread = spawn(move || {
            futex::wait(&*word, 0, None);
            if first {
                first_is_awake.store(true, Ordering::SeqCst);
                word.store(1, Ordering::SeqCst);
                futex::wake(&*word, 1);
            } else {
                assert!(
                    first_is_awake.load(Ordering::SeqCst),
                    "the second was first"
                );
            }
        });
        futex::until_sleeping(before + 1);
        thread
    });
    futex::wake(&*word, 1);
    for thread in threads {
        thread.join().expect("a thread of the model");
    }
}

/// Nobody notifies, and the sleeper comes back.
pub(crate) fn a_spurious_wake_up() {
    let word = Arc::new(AtomicU32::new(0));
    let sleeper = Arc::clone(&word);
    let thread = spawn(move || futex::wait(&*sleeper, 0, None));
    futex::until_sleeping(1);
    futex::disturb();
    thread.join().expect("a thread of the model");
}

/// A deadline ends a wait, before it has begun or after, and no other wait.
pub(crate) fn deadlines() {
    let word = Arc::new(AtomicU32::new(0));
    futex::wait(&*word, 0, Some(Instant::Past));
    let threads = [Instant::Soon, Instant::Never].map(|deadline| {
        let sleeper = Arc::clone(&word);
        spawn(move || {
            while !clock::passed(deadline) && sleeper.load(Ordering::Acquire) == 0 {
                futex::wait(&*sleeper, 0, Some(deadline));
            }
            sleeper.load(Ordering::Acquire)
        })
    });
    clock::expire();
    let [soon, never] = threads;
    assert_eq!(soon.join().expect("a thread of the model"), 0);
    word.store(1, Ordering::Release);
    futex::wake(&*word, 1);
    assert_eq!(never.join().expect("a thread of the model"), 1);
}

/// A wake-up at the address of a word that is gone does no harm, and is for nobody else.
pub(crate) fn a_word_that_is_gone() {
    let word = Arc::new(AtomicU32::new(0));
    let gone = Box::new(AtomicU32::new(0));
    let address = std::ptr::from_ref(&*gone);
    let sleeper = Arc::clone(&word);
    let thread = spawn(move || {
        futex::wait(&*sleeper, 0, None);
        assert_eq!(sleeper.load(Ordering::Acquire), 1, "woken by a stranger");
    });
    drop(gone);
    futex::wake_at(address, 1);
    word.store(1, Ordering::Release);
    futex::wake(&*word, 1);
    thread.join().expect("a thread of the model");
}
