//! The calls to the kernel that no safe interface has.
#![allow(unsafe_code, reason = "the one door of these tests")]

use std::ffi::CString;
use std::io::{Error, Result};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

fn checked(result: libc::c_long) -> Result<libc::c_long> {
    if result == -1 {
        return Err(Error::last_os_error());
    }
    Ok(result)
}

/// Takes hold of a process.
pub(crate) fn pidfd_open(pid: i32) -> Result<OwnedFd> {
    // SAFETY: two integers; no memory is passed.
    let fd = checked(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: the kernel has just made it, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Signals the process that is held, and never another with its number.
pub(crate) fn pidfd_signal(process: &OwnedFd, signal: i32) -> Result<()> {
    let none = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null pointer asks the kernel to say itself who sends.
    checked(unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            signal,
            none,
            0,
        )
    })?;
    Ok(())
}

/// Sets procjail's mark on a directory.
pub(crate) fn set_mark(dir: &Path, value: &str) -> Result<()> {
    let path = CString::new(dir.as_os_str().as_bytes())?;
    let name = c"user.procjail".as_ptr();
    // SAFETY: both strings end with a null byte, and the value is read for its own length.
    let set = unsafe { libc::setxattr(path.as_ptr(), name, value.as_ptr().cast(), value.len(), 0) };
    checked(set.into())?;
    Ok(())
}

/// Does `child` in a process of its own; its exit code or, above 128, the signal that ended it.
///
/// It may make raw calls, and must not rely on any lock: the other threads are not there.
pub(crate) fn in_a_fork(child: impl FnOnce() -> i32) -> Result<i32> {
    // SAFETY: the child does what the function's comment allows, and leaves by `_exit`.
    let pid = checked(unsafe { libc::fork() }.into())? as i32;
    if pid == 0 {
        let code = child();
        // SAFETY: takes a number and does not return.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: the status is written to an integer on this stack.
    checked(unsafe { libc::waitpid(pid, &raw mut status, 0) }.into())?;
    Ok(if libc::WIFEXITED(status) {
        libc::WEXITSTATUS(status)
    } else {
        128 + libc::WTERMSIG(status)
    })
}
