//! `procjail`: jail a command, be only its PID 1, or clean up after crashes.
//!
//! The C library calls `main` here, without Rust's runtime before it: that would set SIGPIPE to
//! "ignore", and a command must get the dispositions that its caller had.
#![cfg_attr(not(test), no_main)]
#![allow(unsafe_code)]
// Tests have a `main` of their own, and look at the words alone.
#![cfg_attr(test, allow(dead_code))]

mod arena;
mod args;
mod help;
mod values;
#[cfg(not(test))]
mod verbs;

#[cfg(not(test))]
#[global_allocator]
static MEMORY: arena::Arena = arena::Arena::new();

/// Called by the C library.
#[cfg(not(test))]
// SAFETY: it is the program's only `main`, with the signature that the C library expects.
#[unsafe(no_mangle)]
extern "C" fn main(count: i32, words: *const *const libc::c_char) -> i32 {
    // Before all else: a signal that is sent from now on is not lost.
    match procjail::Blocked::now() {
        Ok(blocked) => {
            // SAFETY: `count` and `words` are those of a C program, alive until it ends.
            let words = unsafe { self::words(count, words) };
            let code = verbs::run(words.into_iter(), &blocked);
            // The mask stays: a signal that is still pending must not change the exit code.
            std::mem::forget(blocked);
            code
        }
        Err(error) => verbs::failed(&error),
    }
}

/// The words that we were started with. Not every C library tells Rust's `std::env` of them when
/// its runtime does not run.
///
/// # Safety
/// `words` points to `count` C strings that live as long as the process.
#[cfg(not(test))]
unsafe fn words(count: i32, words: *const *const libc::c_char) -> Vec<std::ffi::OsString> {
    use std::os::unix::ffi::OsStrExt;
    let word = |n: usize| {
        // SAFETY: `n` is below `count`; see above.
        let word = unsafe { std::ffi::CStr::from_ptr(*words.add(n)) };
        std::ffi::OsStr::from_bytes(word.to_bytes()).to_owned()
    };
    (0..usize::try_from(count).unwrap_or(0)).map(word).collect()
}
