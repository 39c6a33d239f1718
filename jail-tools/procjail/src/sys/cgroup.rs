//! Directories of cgroups, without the heap: the keeper removes them too.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::{Call, answer, done};

/// Fills `buffer` with entries (`struct linux_dirent64`) of an open directory; 0: no more.
pub(crate) fn read_dir_raw(dir: &OwnedFd, buffer: &mut [u8]) -> Call<usize> {
    // SAFETY: the kernel writes at most the buffer's length.
    let filled = answer(unsafe {
        libc::syscall(
            libc::SYS_getdents64,
            dir.as_raw_fd(),
            buffer.as_mut_ptr(),
            buffer.len(),
        )
    })?;
    Ok(filled as usize)
}

/// Removes an empty directory.
pub(crate) fn remove_dir_at(dir: RawFd, name: &CStr) -> Call<()> {
    // SAFETY: `name` is a C string.
    done(unsafe { libc::syscall(libc::SYS_unlinkat, dir, name.as_ptr(), libc::AT_REMOVEDIR) })
}

/// Sets an extended attribute of a file.
pub(crate) fn mark(path: &CStr, name: &CStr, value: &[u8]) -> Call<()> {
    // SAFETY: two C strings and a buffer with its length.
    done(unsafe {
        libc::syscall(
            libc::SYS_setxattr,
            path.as_ptr(),
            name.as_ptr(),
            value.as_ptr(),
            value.len(),
            0,
        )
    })
}

/// Reads an extended attribute into `buffer`, and returns its length.
pub(crate) fn marked(path: &CStr, name: &CStr, buffer: &mut [u8]) -> Call<usize> {
    // SAFETY: two C strings and a buffer with its length.
    let length = answer(unsafe {
        libc::syscall(
            libc::SYS_getxattr,
            path.as_ptr(),
            name.as_ptr(),
            buffer.as_mut_ptr(),
            buffer.len(),
        )
    })?;
    Ok(length as usize)
}

/// Removes an extended attribute.
pub(crate) fn unmark(path: &CStr, name: &CStr) -> Call<()> {
    // SAFETY: two C strings.
    done(unsafe { libc::syscall(libc::SYS_removexattr, path.as_ptr(), name.as_ptr()) })
}

/// Holds an exclusive lock on an open directory until its descriptor is closed.
pub(crate) fn lock_dir(dir: &OwnedFd) -> Call<()> {
    // SAFETY: takes integers.
    done(unsafe { libc::syscall(libc::SYS_flock, dir.as_raw_fd(), libc::LOCK_EX) })
}
