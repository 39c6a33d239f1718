//! Descriptors: opened, copied, closed, written and waited for.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

use super::{Call, answer, done};

/// Opens what is closed of 0, 1 and 2, so that no descriptor of ours gets such a number; closed
/// again by the next exec: the command has them as our caller left them.
pub(crate) fn occupy_standard() -> Call<()> {
    for fd in 0..3 {
        // SAFETY: only asks for flags of a descriptor.
        let flags = answer(unsafe { libc::syscall(libc::SYS_fcntl, fd, libc::F_GETFD) });
        if flags == Err(Errno::EBADF) {
            // The lowest free number, which is this one.
            std::mem::forget(open_file(c"/dev/null", libc::O_RDWR)?);
        }
    }
    Ok(())
}

/// Closes every descriptor from `first` on but two, which are not below it.
pub(crate) fn close_all_but(first: u32, a: RawFd, b: RawFd) -> Call<()> {
    let (low, high) = (a.min(b) as u32, a.max(b) as u32);
    for (from, end) in [(first, low), (low + 1, high), (high + 1, u32::MAX)] {
        if from < end {
            close_range(from, end - 1)?;
        }
    }
    Ok(())
}

/// Closes the descriptors from `first` to `last`.
pub(crate) fn close_range(first: u32, last: u32) -> Call<()> {
    // SAFETY: the callers are processes that have just been cloned and run raw calls alone: no Rust
    // object of theirs closes a descriptor again.
    done(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0u32) })
}

/// Has the descriptors from `first` to `last` closed by the next exec (Linux 5.11).
pub(crate) fn mark_cloexec_from(first: u32, last: u32) -> Call<()> {
    // SAFETY: only changes flags of descriptors.
    done(unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            last,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    })
}

/// Has a descriptor stay open over an exec.
pub(crate) fn keep_over_exec(fd: u32) -> Call<()> {
    // SAFETY: only changes a flag of a descriptor.
    done(unsafe { libc::syscall(libc::SYS_fcntl, fd, libc::F_SETFD, 0) })
}

/// Writes to a descriptor; nobody is there to hear of a failure.
pub(crate) fn write_all(fd: RawFd, bytes: &[u8]) {
    // SAFETY: the kernel reads the slice.
    let _ = answer(unsafe { libc::syscall(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) });
}

/// Writes bytes in one call.
pub(crate) fn write_once(fd: RawFd, bytes: &[u8]) -> Call<()> {
    // SAFETY: the kernel reads the slice.
    done(unsafe { libc::syscall(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) })
}

/// Writes what there is room for, and returns how much that was.
pub(crate) fn write_some(fd: RawFd, bytes: &[u8]) -> Call<usize> {
    // SAFETY: the kernel reads the slice.
    let wrote = answer(unsafe { libc::syscall(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) })?;
    Ok(wrote as usize)
}

/// The same to a socket: without waiting, and without SIGPIPE.
pub(crate) fn send_now(socket: RawFd, bytes: &[u8]) -> Call<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the kernel reads the slice; there is no address.
    let sent = answer(unsafe {
        libc::syscall(
            libc::SYS_sendto,
            socket,
            bytes.as_ptr(),
            bytes.len(),
            flags,
            std::ptr::null::<libc::sockaddr>(),
            0,
        )
    })?;
    Ok(sent as usize)
}

/// Reads into a buffer; 0 is the end.
pub(crate) fn read_once(fd: RawFd, buffer: &mut [u8]) -> Call<usize> {
    // SAFETY: the kernel writes at most the slice's length.
    let got =
        answer(unsafe { libc::syscall(libc::SYS_read, fd, buffer.as_mut_ptr(), buffer.len()) })?;
    Ok(got as usize)
}

/// Opens a file to write. Close-on-exec.
pub(crate) fn open_write(path: &CStr) -> Call<OwnedFd> {
    open_file(path, libc::O_WRONLY)
}

/// Opens a file to read. Close-on-exec.
pub(crate) fn open_read(path: &CStr) -> Call<OwnedFd> {
    open_file(path, libc::O_RDONLY)
}

/// Makes an empty file if there is nothing: what is there is not opened, for it may be a device.
pub(crate) fn create_file(path: &CStr) -> Call<()> {
    match open_file(path, libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL) {
        Ok(_) | Err(Errno::EEXIST) => Ok(()),
        Err(other) => Err(other),
    }
}

pub(super) fn open_file(path: &CStr, flags: i32) -> Call<OwnedFd> {
    // SAFETY: `path` is a C string.
    let fd = answer(unsafe {
        libc::syscall(
            libc::SYS_openat,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags | libc::O_CLOEXEC,
            0o644,
        )
    })?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Is there something to read, without waiting?
pub(crate) fn is_readable(fd: RawFd) -> Call<bool> {
    let mut poll = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    let now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: one pollfd, one time, no mask.
    let ready = answer(unsafe {
        libc::syscall(
            libc::SYS_ppoll,
            &raw mut poll,
            1,
            &raw const now,
            std::ptr::null::<u64>(),
            0,
        )
    })?;
    Ok(ready > 0)
}

/// What a descriptor is open on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Directory,
    Pipe,
    Socket,
    CharDevice,
    Other,
}

/// What the descriptor is open on. EBADF: it is not open.
pub(crate) fn file_kind(fd: RawFd) -> Call<FileKind> {
    // SAFETY: `stat` is plain integers; the kernel fills it.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    done(unsafe { libc::fstat(fd, &raw mut stat) }.into())?;
    Ok(match stat.st_mode & libc::S_IFMT {
        libc::S_IFDIR => FileKind::Directory,
        libc::S_IFIFO => FileKind::Pipe,
        libc::S_IFSOCK => FileKind::Socket,
        libc::S_IFCHR => FileKind::CharDevice,
        _ => FileKind::Other,
    })
}

/// A copy of a descriptor, with a number above the standard ones. Close-on-exec.
pub(crate) fn duplicate(fd: RawFd) -> Call<OwnedFd> {
    // SAFETY: takes integers.
    let copy = answer(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) }.into())?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy as RawFd) })
}

/// Opens what a descriptor is open on once more, to write without waiting: the flags of the first
/// one, which others have too, stay as they are.
pub(crate) fn open_anew_to_write(fd: RawFd) -> Call<OwnedFd> {
    let path = std::ffi::CString::new(format!("/proc/self/fd/{fd}")).map_err(|_| Errno::EINVAL)?;
    let own = open_file(&path, libc::O_WRONLY | libc::O_NONBLOCK | libc::O_NOCTTY)?;
    // Of the standard ones none must be ours, where one is closed.
    if own.as_raw_fd() < 3 {
        return duplicate(own.as_raw_fd());
    }
    Ok(own)
}

/// Waits until one of the descriptors has something to read, or the time is over, or a signal
/// that is not blocked arrives. Sets `revents`.
pub(crate) fn poll(fds: &mut [libc::pollfd], timeout_ms: i32) -> Call<()> {
    // SAFETY: the slice and its length.
    match answer(unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as u64, timeout_ms) }.into()) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(other) => Err(other),
    }
}

/// A counter to wake somebody with. Close-on-exec.
pub(crate) fn event_fd() -> Call<OwnedFd> {
    // SAFETY: takes integers.
    let fd = answer(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }.into())?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}
