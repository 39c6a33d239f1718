//! What the models replace: atomics, the tracked cell, the futex, fences, the clock.
//!
//! The rest of this crate uses nothing of `std::sync` or of the kernel but by this module;
//! `tests/loom` and `tests/shuttle` compile the same files against modules of the same shape.
#![allow(unsafe_code)]

pub(crate) use std::sync::Arc;
/// For numbers that races may lose, since nothing that must be right depends on them. The models
/// do not look at them: each access would multiply what they have to explore.
pub(crate) use std::sync::atomic::{AtomicU32 as Hint32, AtomicU64 as Hint64};
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
pub(crate) use std::time::Instant;

pub(crate) use crate::sys::{current_cpu, wait, wake, wake_at, yield_now};

/// `const` here; the models' atomics cannot be made in constants.
macro_rules! const_fn {
    ($(#[$meta:meta])* $vis:vis const fn $($rest:tt)*) => {
        $(#[$meta])* $vis const fn $($rest)*
    };
}
pub(crate) use const_fn;

/// So often a waiter lets others run before it sleeps. One is mostly enough where a yield is
/// good for anything; the second is for a third thread that ran in between.
pub(crate) const YIELDS: u32 = 2;

/// Has the deadline come?
pub(crate) fn passed(deadline: Instant) -> bool {
    Instant::now() >= deadline
}

/// Tells the processor that this is a polling loop.
pub(crate) fn pause() {
    std::hint::spin_loop();
}

/// Can [`heavy_fence`] be used in this process? Asks the kernel once.
pub(crate) fn asymmetric_fences() -> bool {
    use std::sync::OnceLock;
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    *REGISTERED.get_or_init(crate::sys::register_barrier)
}

/// The cheap half of an asymmetric pair: keeps the compiler from reordering. A [`heavy_fence`]
/// of another thread makes it a full barrier where that is needed. (P1202, "Asymmetric
/// fences", has the semantics.)
#[inline]
pub(crate) fn light_fence() {
    std::sync::atomic::compiler_fence(Ordering::SeqCst);
}

/// The dear half: a full barrier in every running thread of the process.
///
/// # Aborts
/// If the kernel refuses what it accepted at registration. Without the barrier a thread could
/// sleep for ever and nobody would know why; and unwinding would leave a waiting thread's node
/// in its list. (A seccomp filter that is installed in between does it.)
pub(crate) fn heavy_fence() {
    if !crate::sys::barrier_everywhere() {
        eprintln!(
            "membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) was refused after it had been \
             registered. If a seccomp filter forbids it, install that before the first queue."
        );
        std::process::abort();
    }
}

/// A cell whose accesses the models track.
#[derive(Debug, Default)]
pub(crate) struct UnsafeCell<T: ?Sized>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    pub(crate) fn into_inner(self) -> T {
        self.0.into_inner()
    }
}

impl<T: ?Sized> UnsafeCell<T> {
    /// A pointer to what is inside, for as long as the caller has the right to it.
    #[inline]
    pub(crate) fn get_mut(&self) -> MutPtr<T> {
        MutPtr(self.0.get())
    }
}

/// The right to what is inside an [`UnsafeCell`].
#[derive(Debug)]
pub(crate) struct MutPtr<T: ?Sized>(*mut T);

impl<T: ?Sized> MutPtr<T> {
    /// # Safety
    /// While the reference lives nobody else may have one, and the cell must be alive.
    #[inline]
    #[allow(clippy::mut_from_ref)] // The right is the caller's promise, as in the models' cells.
    pub(crate) unsafe fn deref(&self) -> &mut T {
        // SAFETY: the caller promises it.
        unsafe { &mut *self.0 }
    }
}
