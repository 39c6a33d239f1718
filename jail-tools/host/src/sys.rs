//! The door to the two system calls that have no safe wrapper. Linux only.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// Closes every file descriptor from 3 upwards, whoever opened it.
///
/// Without `close_range` (before Linux 5.9) it closes nothing and says so: std opens files
/// close-on-exec, so only descriptors that were made inheritable on purpose are left then.
pub(crate) fn close_inherited_fds() -> io::Result<()> {
    // SAFETY: the only caller is the keeper's first line, before it has opened anything, so no
    // Rust object owns a descriptor above 2 that would be closed under it.
    let answer = unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, 0u32) };
    if answer == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// A descriptor that becomes readable when process `pid` dies (Linux 5.3).
pub(crate) fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two integers and touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0u32) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}
