//! The door to the kernel. Each function is one system call, allocates nothing, takes no lock
//! and may be called after a clone; the error is the call's own number.
//!
//! Calls that the C library wraps with state of its own (`fork`, `setuid` of a process with
//! threads, `raise`) are made raw: after `clone3` the library does not know that it is in
//! another process.
#![allow(unsafe_code)]
#![allow(clippy::wildcard_imports)] // one door, in five leaves

mod cgroup;
mod cred;
mod descriptor;
mod mount;
mod process;
mod signal;
mod statmount;
mod terminal;

use nix::errno::Errno;

pub(crate) use cgroup::*;
pub(crate) use cred::*;
pub(crate) use descriptor::*;
pub(crate) use mount::*;
pub(crate) use process::*;
pub(crate) use signal::*;
pub(crate) use statmount::*;
pub(crate) use terminal::*;

/// What a system call said.
pub(crate) type Call<T> = Result<T, Errno>;

/// The answer of a raw system call: −1 means that `errno` says why.
fn answer(returned: libc::c_long) -> Call<libc::c_long> {
    if returned == -1 {
        Err(Errno::last())
    } else {
        Ok(returned)
    }
}

/// The same without a value.
fn done(returned: libc::c_long) -> Call<()> {
    answer(returned).map(drop)
}
