//! The mutex: a raw lock and what it guards.
#![allow(unsafe_code)]

use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::faults::Faults;
use crate::raw::Raw;
use crate::sync::{Instant, MutPtr, UnsafeCell, const_fn};

/// Mutual exclusion around a value, for threads of one process.
///
/// There is no poisoning: a thread that panics with the guard in its hand unlocks, and the
/// value is as it left it. The lock is not recursive: locking it twice in one thread waits for
/// ever. It is not fair: a thread that comes at the right moment is faster than one that has
/// to be woken first.
///
/// Two protocols, chosen at construction:
///
/// | | [`Mutex::new`] | [`Mutex::asymmetric`] |
/// |---|---|---|
/// | in a `static` | yes | no |
/// | uncontended lock and unlock | two atomic operations | one, and a plain store |
/// | going to sleep on it | a system call | two: the first interrupts the process's other running threads |
/// | made for | everything | critical sections of nanoseconds that are hardly ever slept on |
///
/// A contended lock spins for ten or twenty microseconds at most, unless all waiters of the process were seen
/// on one CPU, and then sleeps in futex(2).
///
/// ```
/// use mutex_condvar::Mutex;
///
/// static TOTAL: Mutex<u64> = Mutex::new(0);
///
/// std::thread::scope(|scope| {
///     for n in 1..=4 {
///         scope.spawn(move || *TOTAL.lock() += n);
///     }
/// });
/// assert_eq!(*TOTAL.lock(), 10);
/// ```
///
/// Sources: futex(2); Ulrich Drepper, "Futexes Are Tricky" (2011), whose third mutex it is;
/// membarrier(2) for the other.
#[repr(C)] // The lock's words beside the first of what it guards: often one cache line.
pub struct Mutex<T: ?Sized> {
    raw: Raw,
    value: UnsafeCell<T>,
}

// SAFETY: the lock lets one thread at a time at the value, so that it moves from thread to
// thread, which is what `T: Send` allows. `T: Sync` is not needed: never are there two.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    const_fn! {
        /// A free mutex around the value.
        #[must_use]
        pub const fn new(value: T) -> Self {
            Self {
                raw: Raw::three_state(Faults::NONE),
                value: UnsafeCell::new(value),
            }
        }
    }

    /// A free mutex whose owner unlocks by a plain store. Where the kernel has no expedited
    /// membarrier(2) (before 4.14, or a seccomp filter) it is the same as [`Mutex::new`].
    ///
    /// The first one of a process registers it for membarrier, which takes up to some
    /// milliseconds when other threads run already.
    #[must_use]
    pub fn asymmetric(value: T) -> Self {
        Self {
            raw: Raw::asymmetric(Faults::NONE),
            value: UnsafeCell::new(value),
        }
    }

    /// [`Mutex::new`] with a mistake in it: for tests.
    pub(crate) fn three_state_with_faults(value: T, faults: Faults) -> Self {
        Self {
            raw: Raw::three_state(faults),
            value: UnsafeCell::new(value),
        }
    }

    /// [`Mutex::asymmetric`] with a mistake in it: for tests.
    pub(crate) fn asymmetric_with_faults(value: T, faults: Faults) -> Self {
        Self {
            raw: Raw::asymmetric(faults),
            value: UnsafeCell::new(value),
        }
    }

    /// The value; nobody else has the mutex.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits until the mutex is free and takes it.
    ///
    /// Everything that was written before an unlock is seen after the next lock.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        // Without a deadline it comes back with the lock only.
        self.raw.lock(None);
        // SAFETY: just locked, by this thread.
        unsafe { self.guard() }
    }

    /// Takes the mutex if it is free.
    #[inline]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        if !self.raw.try_lock() {
            return None;
        }
        // SAFETY: just locked, by this thread.
        Some(unsafe { self.guard() })
    }

    /// Waits for the mutex until the deadline; `None` if it was not free by then. A deadline
    /// in the past is [`Mutex::try_lock`] that may spin.
    #[inline]
    pub fn lock_until(&self, deadline: Instant) -> Option<MutexGuard<'_, T>> {
        if !self.raw.lock(Some(deadline)) {
            return None;
        }
        // SAFETY: just locked, by this thread.
        Some(unsafe { self.guard() })
    }

    /// # Safety
    /// The calling thread has locked `raw`, and makes one guard of it.
    #[inline]
    unsafe fn guard(&self) -> MutexGuard<'_, T> {
        MutexGuard {
            value: self.value.get_mut(),
            locked: Locked(&self.raw),
            mutex: self,
        }
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Mutex");
        match self.try_lock() {
            Some(guard) => debug.field("value", &&*guard).finish(),
            None => debug.field("value", &format_args!("<locked>")).finish(),
        }
    }
}

/// The right to the value of a locked [`Mutex`]; dropping it unlocks.
///
/// It stays in its thread, as guards of `std` do.
#[must_use = "the mutex is unlocked at once when the guard is dropped"]
pub struct MutexGuard<'a, T: ?Sized> {
    // The order matters: fields are dropped from the first on, and the right to the value
    // must have ended when the lock is released.
    value: MutPtr<T>,
    #[allow(dead_code)] // It is there to be dropped.
    locked: Locked<'a>,
    mutex: &'a Mutex<T>,
}

/// Unlocks when it is dropped.
struct Locked<'a>(&'a Raw);

impl Drop for Locked<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.unlock();
    }
}

// SAFETY: a shared guard gives out `&T` only, which is what `T: Sync` allows. (It is not
// `Send`: the pointer in it is not.)
unsafe impl<T: ?Sized + Sync> Sync for MutexGuard<'_, T> {}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// Unlocks; the mutex, to be locked again.
    pub(crate) fn unlock(self) -> &'a Mutex<T> {
        self.mutex
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard is the only one (`Mutex::guard`), and it is borrowed.
        unsafe { self.value.deref() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard is the only one (`Mutex::guard`), and it is borrowed mutably.
        unsafe { self.value.deref() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
