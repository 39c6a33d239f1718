//! The tracked cell.

pub(crate) use loom::cell::MutPtr;

/// loom's, but what comes out of it at the end is an access too.
#[derive(Debug)]
pub(crate) struct UnsafeCell<T: ?Sized>(loom::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::cell::UnsafeCell::new(value))
    }

    pub(crate) fn into_inner(self) -> T {
        drop(self.0.get_mut());
        self.0.into_inner()
    }
}

impl<T: ?Sized> UnsafeCell<T> {
    pub(crate) fn get_mut(&self) -> MutPtr<T> {
        self.0.get_mut()
    }
}
