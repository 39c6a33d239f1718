//! What `src/sync.rs` is for the library: the same names, made of what the checker sees.

use std::cell::Cell;

pub(crate) use crate::cell::{MutPtr, UnsafeCell};
pub(crate) use crate::checker::{Arc, Ordering};
pub(crate) use crate::clock::{Instant, passed};
pub(crate) use crate::futex::{wait, wake, wake_at};
pub(crate) use crate::scheduling::{YIELDS, current_cpu, pause, yield_now};
pub(crate) use crate::words::{AtomicU32, AtomicU64, AtomicUsize};
/// Not for the checker: nothing that it checks depends on them.
pub(crate) use std::sync::atomic::{AtomicU32 as Hint32, AtomicU64 as Hint64};

/// The models' atomics cannot be made in constants.
macro_rules! const_fn {
    ($(#[$meta:meta])* $vis:vis const fn $($rest:tt)*) => {
        $(#[$meta])* $vis fn $($rest)*
    };
}
pub(crate) use const_fn;

std::thread_local! {
    // A checker runs all threads of a model in turn on the thread of its test.
    static NO_MEMBARRIER: Cell<bool> = const { Cell::new(false) };
}

pub(crate) fn asymmetric_fences() -> bool {
    !NO_MEMBARRIER.get()
}

/// What is made in it finds a kernel without membarrier(2).
pub(crate) fn without_membarrier<R>(make: impl FnOnce() -> R) -> R {
    NO_MEMBARRIER.set(true);
    let value = make();
    NO_MEMBARRIER.set(false);
    value
}

/// What the pair amounts to: P1202 gives `asymmetric_thread_fence_light` and `…_heavy`
/// together the force of two sequentially consistent fences.
pub(crate) fn light_fence() {
    crate::checker::fence(Ordering::SeqCst);
}

pub(crate) fn heavy_fence() {
    crate::checker::fence(Ordering::SeqCst);
}
