//! The calls to the kernel that no safe interface has.
#![allow(unsafe_code, reason = "the one door of this program")]

use std::io::{Error, Result};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

/// A process that can't be mistaken for another that got its number later.
#[derive(Debug)]
pub(crate) struct PidFd(OwnedFd);

/// What comes with a signal that is queued.
#[derive(Debug, Clone, Copy)]
pub(crate) struct With {
    pub(crate) value: u64,
    /// Whom the signal says to be from: a sender may claim anyone.
    pub(crate) uid: u32,
}

/// As long as the kernel's `siginfo_t`.
const SIGINFO_BYTES: usize = 128;

impl PidFd {
    pub(crate) fn open(pid: i32) -> Result<Self> {
        // SAFETY: no memory is passed.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        if fd == -1 {
            return Err(Error::last_os_error());
        }
        // SAFETY: the kernel has just made it (close-on-exec), and nobody else knows of it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd as i32) }))
    }

    /// As kill(2) would.
    pub(crate) fn send(&self, signal: i32) -> Result<()> {
        self.send_info(signal, None)
    }

    /// As sigqueue(3) would.
    pub(crate) fn queue(&self, signal: i32, with: With) -> Result<()> {
        self.send_info(signal, Some(with))
    }

    fn send_info(&self, signal: i32, with: Option<With>) -> Result<()> {
        let info = with.map(|with| siginfo(signal, with));
        let pointer = info.as_ref().map_or(ptr::null(), |i| i.as_ptr());
        // SAFETY: the kernel reads nothing, or a siginfo_t of SIGINFO_BYTES, as long as `info`,
        // which lives until the call has returned. It judges what it reads.
        let sent = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.0.as_raw_fd(),
                signal,
                pointer,
                0,
            )
        };
        if sent == -1 {
            return Err(Error::last_os_error());
        }
        Ok(())
    }
}

/// `siginfo_t` of a queued signal, with the offsets that 64-bit Linux has on every architecture
/// (asm-generic/siginfo.h).
fn siginfo(signal: i32, with: With) -> [u8; SIGINFO_BYTES] {
    let mut info = [0; SIGINFO_BYTES];
    let mut put = |at: usize, bytes: &[u8]| info[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &signal.to_ne_bytes());
    put(8, &libc::SI_QUEUE.to_ne_bytes());
    put(16, &std::process::id().to_ne_bytes());
    put(20, &with.uid.to_ne_bytes());
    put(24, &with.value.to_ne_bytes());
    info
}
