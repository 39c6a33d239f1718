//! `Send` and `Sync` exactly where they are sound.

use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::Rc;

use crate::experiment::CondvarQueue;
use crate::{BoundedQueue, Condvar, Consumer, Mutex, MutexGuard, Producer};

/// Tells whether a type has a trait: the inherent constant, which exists only with the trait,
/// goes before that of the trait `No`.
macro_rules! has {
    ($bound:ident: $type:ty) => {{
        struct Probe<T: ?Sized>(PhantomData<T>);
        #[allow(dead_code)] // Where the type has the trait.
        trait No {
            const HAS: bool = false;
        }
        impl<T: ?Sized> No for Probe<T> {}
        impl<T: ?Sized + $bound> Probe<T> {
            #[allow(dead_code)] // Where the type has not the trait.
            const HAS: bool = true;
        }
        Probe::<$type>::HAS
    }};
}

#[test]
fn a_mutex_shares_what_can_be_sent() {
    assert!(has!(Sync: Mutex<Cell<u8>>) && has!(Send: Mutex<Cell<u8>>));
    assert!(!has!(Sync: Mutex<Rc<u8>>) && !has!(Send: Mutex<Rc<u8>>));
    assert!(has!(Sync: Condvar) && has!(Send: Condvar));
}

#[test]
fn a_guard_stays_in_its_thread_and_is_shared_if_what_it_guards_can_be() {
    assert!(!has!(Send: MutexGuard<'static, u8>));
    assert!(has!(Sync: MutexGuard<'static, u8>));
    assert!(!has!(Sync: MutexGuard<'static, Cell<u8>>));
}

#[test]
fn queues_and_their_ends_go_where_their_items_may() {
    assert!(has!(Sync: BoundedQueue<Cell<u8>>) && has!(Send: BoundedQueue<Cell<u8>>));
    assert!(has!(Sync: Producer<Cell<u8>>) && has!(Send: Producer<Cell<u8>>));
    assert!(has!(Sync: Consumer<Cell<u8>>) && has!(Send: Consumer<Cell<u8>>));
    assert!(has!(Sync: CondvarQueue<Cell<u8>>) && has!(Send: CondvarQueue<Cell<u8>>));
    assert!(!has!(Sync: BoundedQueue<Rc<u8>>) && !has!(Send: BoundedQueue<Rc<u8>>));
    assert!(!has!(Sync: Producer<Rc<u8>>) && !has!(Send: Producer<Rc<u8>>));
    assert!(!has!(Sync: Consumer<Rc<u8>>) && !has!(Send: Consumer<Rc<u8>>));
    assert!(!has!(Sync: CondvarQueue<Rc<u8>>) && !has!(Send: CondvarQueue<Rc<u8>>));
}
