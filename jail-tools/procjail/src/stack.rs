//! A stack for the command's process until it executes. Not an array in a frame: the compiler
//! touches every page of such a frame, and PID 1 would carry them for ever.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::ptr::NonNull;

use nix::errno::Errno;

/// Of which about 8 KiB are used.
const BYTES: usize = 64 * 1024;

/// Memory of which no page exists before it is touched.
#[derive(Debug)]
pub(crate) struct Stack(NonNull<MaybeUninit<u8>>);

// SAFETY: it is memory that nobody but its owner has the address of.
unsafe impl Send for Stack {}

impl Stack {
    pub(crate) fn new() -> Result<Self, Errno> {
        // SAFETY: a new anonymous mapping touches nothing that is there.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        NonNull::new(address.cast()).map(Self).ok_or(Errno::ENOMEM)
    }

    /// Its end, where a stack begins.
    pub(crate) fn top(&self) -> *mut libc::c_void {
        // SAFETY: one past the end of the mapping.
        unsafe { self.0.as_ptr().add(BYTES) }.cast()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: made by `new` with this size; whoever ran on it has executed or ended.
        unsafe { libc::munmap(self.0.as_ptr().cast(), BYTES) };
    }
}
