//! The calls to the kernel that no safe interface has.
#![allow(unsafe_code, reason = "the one door of this program")]

use std::io::{Error, Result};
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;

use crate::common::wire::{End, Signals};

/// Where the program begins: not in std, which ignores SIGPIPE before `main`.
#[unsafe(no_mangle)]
extern "C" fn main(_count: libc::c_int, _arguments: *const *const libc::c_char) -> libc::c_int {
    crate::begin()
}

/// The kernel's `sigset_t`: libc's is longer, and hides the two signals that it keeps for itself.
const SET_BYTES: usize = size_of::<u64>();

/// The size of `struct signalfd_siginfo`, which is fixed.
pub(crate) const SIGNALFD_RECORD_BYTES: usize = 128;

fn checked(result: libc::c_long) -> Result<libc::c_long> {
    if result == -1 {
        return Err(Error::last_os_error());
    }
    Ok(result)
}

pub(crate) fn blocked() -> Result<Signals> {
    let mut set = 0_u64;
    // SAFETY: the kernel writes SET_BYTES to `set`, which has as many, and reads no new set.
    checked(unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_BLOCK,
            ptr::null::<u64>(),
            &raw mut set,
            SET_BYTES,
        )
    })?;
    Ok(Signals(set))
}

pub(crate) fn set_blocked(set: Signals) -> Result<()> {
    // SAFETY: the kernel reads SET_BYTES from `set`. Nothing here relies on libc's own signals.
    checked(unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const set.0,
            ptr::null_mut::<u64>(),
            SET_BYTES,
        )
    })?;
    Ok(())
}

pub(crate) fn pending() -> Result<Signals> {
    let mut set = 0_u64;
    // SAFETY: the kernel writes SET_BYTES to `set`, which has as many.
    checked(unsafe { libc::syscall(libc::SYS_rt_sigpending, &raw mut set, SET_BYTES) })?;
    Ok(Signals(set))
}

/// At least as long as the kernel's `struct sigaction` of any architecture; the handler is its
/// first word on those that Rust's Linux targets have.
type KernelAction = [usize; 8];

pub(crate) fn is_ignored(signal: i32) -> Result<bool> {
    let mut action: KernelAction = [0; 8];
    // SAFETY: the kernel writes its struct, which fits into `action`, and reads no new one.
    checked(unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            signal,
            ptr::null::<KernelAction>(),
            &raw mut action,
            SET_BYTES,
        )
    })?;
    Ok(action[0] == libc::SIG_IGN)
}

/// Ignored, or as it is by default.
pub(crate) fn set_ignored(signal: i32, ignored: bool) -> Result<()> {
    let mut action: KernelAction = [0; 8];
    action[0] = if ignored {
        libc::SIG_IGN
    } else {
        libc::SIG_DFL
    };
    // SAFETY: the kernel reads its struct, which is shorter than `action`; no flag, no restorer
    // and no mask are all zeros, and neither disposition is the address of a handler.
    checked(unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            signal,
            &raw const action,
            ptr::null_mut::<KernelAction>(),
            SET_BYTES,
        )
    })?;
    Ok(())
}

/// A descriptor that gives the signals of the set, which have to be blocked.
pub(crate) fn signalfd(set: Signals) -> Result<OwnedFd> {
    // SAFETY: the kernel reads SET_BYTES from `set`; -1 asks for a new descriptor.
    let fd = checked(unsafe {
        libc::syscall(
            libc::SYS_signalfd4,
            -1,
            &raw const set.0,
            SET_BYTES,
            libc::SFD_CLOEXEC,
        )
    })?;
    // SAFETY: the kernel has just made it, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Sends any signal, also one of those that `nix` has no name for.
pub(crate) fn kill(pid: i32, signal: i32) -> Result<()> {
    // SAFETY: no memory is passed.
    checked(unsafe { libc::kill(pid, signal) }.into())?;
    Ok(())
}

pub(crate) fn sigqueue(pid: i32, signal: i32, value: usize) -> Result<()> {
    let value = libc::sigval {
        sival_ptr: ptr::without_provenance_mut(value),
    };
    // SAFETY: `value` is passed on as a number; no one takes it for an address.
    checked(unsafe { libc::sigqueue(pid, signal, value) }.into())?;
    Ok(())
}

/// `None` in the child.
pub(crate) fn fork() -> Result<Option<i32>> {
    // SAFETY: this program has one thread, so that the child finds no lock taken.
    let pid = checked(unsafe { libc::fork() }.into())?;
    Ok((pid != 0).then_some(pid as i32))
}

/// Makes the terminal that is standard input the controlling terminal of a session's leader.
pub(crate) fn take_terminal() -> Result<()> {
    // SAFETY: the argument is a number: 0, do not steal it from another session.
    checked(unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) }.into())?;
    Ok(())
}

pub(crate) fn is_open(fd: i32) -> bool {
    // SAFETY: no memory is passed, and the descriptor is not changed.
    unsafe { libc::fcntl(fd, libc::F_GETFD) != -1 }
}

/// Closes every descriptor from this one on, up to the last.
pub(crate) fn close(first: u32, last: u32) -> Result<()> {
    // SAFETY: called before this program has opened anything, or for its standard three, which
    // nobody uses after that: nothing owns what is closed.
    checked(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) })?;
    Ok(())
}

/// Reaps a child.
pub(crate) fn wait(pid: i32) -> Result<()> {
    // SAFETY: a null pointer: the status is not asked for.
    checked(unsafe { libc::waitpid(pid, ptr::null_mut(), 0) }.into())?;
    Ok(())
}

/// Reaps whichever child ends next. An error: there is none.
pub(crate) fn reap_any() -> Result<()> {
    wait(-1)
}

/// How a child has ended, which is left a zombie: its number stays its own. `None`: it has not.
pub(crate) fn end_without_reaping(pid: i32) -> Result<Option<End>> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let flags = libc::WEXITED | libc::WNOWAIT | libc::WNOHANG;
    // SAFETY: the kernel writes a siginfo_t to `info`, which is one.
    checked(unsafe { libc::waitid(libc::P_PID, pid as u32, info.as_mut_ptr(), flags) }.into())?;
    // SAFETY: all zeros are a siginfo_t, and the kernel has left them, or written what SIGCHLD has,
    // which is what si_status is read from.
    let (code, status) = unsafe {
        let info = info.assume_init();
        (info.si_code, info.si_status())
    };
    Ok(match code {
        0 => None,
        libc::CLD_EXITED => Some(End::Exited(status)),
        _ => Some(End::Killed(status)),
    })
}

/// Waits at most so long for a blocked signal of the set. `None`: none came.
pub(crate) fn wait_for_signal(set: Signals, seconds: i64) -> Result<Option<i32>> {
    let limit = libc::timespec {
        tv_sec: seconds,
        tv_nsec: 0,
    };
    // SAFETY: the kernel reads SET_BYTES from `set` and `limit`, and writes no siginfo.
    let signal = checked(unsafe {
        libc::syscall(
            libc::SYS_rt_sigtimedwait,
            &raw const set.0,
            ptr::null_mut::<libc::siginfo_t>(),
            &raw const limit,
            SET_BYTES,
        )
    });
    match signal {
        Ok(signal) => Ok(Some(signal as i32)),
        Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Ends at once, without what a forked process has inherited of its parent's buffers.
pub(crate) fn leave(code: i32) -> ! {
    // SAFETY: _exit takes a number and does not return.
    unsafe { libc::_exit(code) }
}
