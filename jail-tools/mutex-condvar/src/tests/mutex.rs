use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::{Condvar, Mutex};

fn both(value: u32) -> [Mutex<u32>; 2] {
    [Mutex::new(value), Mutex::asymmetric(value)]
}

#[test]
fn a_locked_mutex_is_not_locked_again_until_it_is_dropped() {
    for mutex in both(1) {
        let mut guard = mutex.lock();
        assert!(mutex.try_lock().is_none());
        assert!(mutex.lock_until(Instant::now()).is_none());
        assert!(format!("{mutex:?}").contains("locked"));
        *guard += 1;
        drop(guard);
        assert_eq!(*mutex.try_lock().expect("free again"), 2);
        assert!(format!("{mutex:?}").contains('2'));
        assert_eq!(mutex.into_inner(), 2);
    }
}

#[test]
fn a_panic_unlocks_and_does_not_poison() {
    for mutex in both(1) {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            *mutex.lock() = 2;
            let _guard = mutex.lock();
            std::panic::resume_unwind(Box::new("no message wanted"));
        }));
        assert!(outcome.is_err());
        assert_eq!(*mutex.lock(), 2);
    }
}

#[test]
fn a_wait_for_a_lock_ends_at_its_deadline() {
    for mutex in both(0) {
        let guard = mutex.lock();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let deadline = Instant::now() + Duration::from_millis(20);
                let taken = mutex.lock_until(deadline).is_some();
                (taken, Instant::now() >= deadline)
            });
            assert_eq!(waiter.join().expect("no panic"), (false, true));
        });
        drop(guard);
        let far = Instant::now() + Duration::from_hours(1);
        assert!(mutex.lock_until(far).is_some());
    }
}

#[test]
fn a_wait_ends_at_its_deadline_or_by_a_notification() {
    let mutex = Mutex::new(false);
    let condvar = Condvar::new();
    let deadline = Instant::now() + Duration::from_millis(10);
    let mut guard = mutex.lock();
    loop {
        let timed_out;
        (guard, timed_out) = condvar.wait_until(guard, deadline);
        if timed_out {
            break;
        }
    }
    assert!(Instant::now() >= deadline);
    drop(guard);

    let waiting = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !waiting.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            *mutex.lock() = true;
            condvar.notify_all();
        });
        let guard = mutex.lock();
        waiting.store(true, Ordering::Release);
        assert!(*condvar.wait_while(guard, |ready| !*ready));
    });
}

#[test]
fn it_can_be_made_of_and_by_what_it_guards() {
    assert_eq!(*Mutex::from(3).lock(), 3);
    assert_eq!(*Mutex::<u8>::default().lock(), 0);
    let unsized_inside: &Mutex<[u8]> = &Mutex::new([1, 2, 3]);
    assert_eq!(unsized_inside.lock().len(), 3);
}
