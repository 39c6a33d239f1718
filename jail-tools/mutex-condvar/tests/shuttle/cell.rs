//! A cell that knows whether somebody is in it.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};

/// shuttle tracks no plain memory; this finds two threads inside at a time.
#[derive(Debug)]
pub(crate) struct UnsafeCell<T: ?Sized> {
    taken: AtomicBool,
    value: std::cell::UnsafeCell<T>,
}

impl<T> UnsafeCell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            taken: AtomicBool::new(false),
            value: std::cell::UnsafeCell::new(value),
        }
    }

    pub(crate) fn into_inner(self) -> T {
        assert!(
            !self.taken.load(Ordering::Relaxed),
            "exclusion broken: taken apart while somebody is inside"
        );
        self.value.into_inner()
    }
}

impl<T: ?Sized> UnsafeCell<T> {
    pub(crate) fn get_mut(&self) -> MutPtr<T> {
        let others = self.taken.swap(true, Ordering::Relaxed);
        assert!(!others, "exclusion broken: two are inside");
        MutPtr {
            taken: &raw const self.taken,
            value: self.value.get(),
        }
    }
}

/// The right to what is inside.
#[derive(Debug)]
pub(crate) struct MutPtr<T: ?Sized> {
    taken: *const AtomicBool,
    value: *mut T,
}

impl<T: ?Sized> MutPtr<T> {
    /// # Safety
    /// As of the library's own.
    #[allow(clippy::mut_from_ref)] // The right is the caller's promise.
    pub(crate) unsafe fn deref(&self) -> &mut T {
        // SAFETY: the caller promises it.
        unsafe { &mut *self.value }
    }
}

impl<T: ?Sized> Drop for MutPtr<T> {
    fn drop(&mut self) {
        // SAFETY: the cell is alive as long as somebody has the right to what is in it.
        unsafe { &*self.taken }.store(false, Ordering::Relaxed);
    }
}
