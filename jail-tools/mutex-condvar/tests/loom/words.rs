//! Atomics whose end is an access too.
//!
//! loom does not know when memory is freed. Here an atomic that is dropped is written to by
//! who drops it: an access of another thread that is not ordered before it is a violation, as
//! of a waiter's word on a stack that is gone.

use std::ops::Deref;

macro_rules! words {
    ($($name:ident($int:ty)),+) => {$(
        #[derive(Debug)]
        pub(crate) struct $name(loom::sync::atomic::$name);

        impl $name {
            pub(crate) fn new(value: $int) -> Self {
                Self(loom::sync::atomic::$name::new(value))
            }
        }

        impl Deref for $name {
            type Target = loom::sync::atomic::$name;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                if !std::thread::panicking() {
                    self.0.with_mut(|_| ());
                }
            }
        }
    )+};
}

words!(AtomicU32(u32), AtomicU64(u64), AtomicUsize(usize));
