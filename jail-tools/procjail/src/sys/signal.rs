//! Signals, with all that the kernel says about them.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

use super::{Call, answer, done};

/// A set of signals as the kernel has it: bit `n − 1` for signal `n`. The C library's type would
/// leave out 32 and 33, which it keeps to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct SigSet(pub(crate) u64);

impl SigSet {
    /// Every signal. (KILL and STOP are let through by the kernel, whatever the set says.)
    pub(crate) const ALL: Self = Self(u64::MAX);

    /// One signal: bit n − 1 is signal n.
    pub(crate) const fn of(signo: i32) -> Self {
        Self(1 << (signo - 1))
    }
}

/// Size of the kernel's set: `_NSIG / 8` (include/linux/signal.h).
const SET_BYTES: usize = size_of::<SigSet>();

/// `siginfo_t`, as far as what processes send each other goes; 128 bytes
/// (include/uapi/asm-generic/siginfo.h: `SI_MAX_SIZE`; the union begins at 16 on 64 bits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct RawInfo {
    pub(crate) signo: i32,
    pub(crate) errno: i32,
    pub(crate) code: i32,
    pub(crate) pad: i32,
    pub(crate) pid: i32,
    pub(crate) uid: u32,
    pub(crate) value: u64,
    pub(crate) rest: [u64; 12],
}

const _: () = assert!(size_of::<RawInfo>() == 128 && size_of::<usize>() == 8);

impl RawInfo {
    pub(crate) const EMPTY: Self = Self {
        signo: 0,
        errno: 0,
        code: 0,
        pad: 0,
        pid: 0,
        uid: 0,
        value: 0,
        rest: [0; 12],
    };
}

/// Sets the calling thread's mask, and returns the one before.
pub(crate) fn set_mask(mask: SigSet) -> Call<SigSet> {
    let mut before = SigSet(0);
    // SAFETY: both pointers are to sets of `SET_BYTES`, on this stack.
    done(unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const mask,
            &raw mut before,
            SET_BYTES,
        )
    })?;
    Ok(before)
}

/// Sleeps until a signal of `set`, which must be blocked, is pending, and takes it.
pub(crate) fn wait_info(set: SigSet) -> Call<RawInfo> {
    let mut info = RawInfo::EMPTY;
    // SAFETY: the set has `SET_BYTES`; `info` has the 128 bytes that the kernel may write (asserted
    // above); no time limit is a null pointer.
    done(unsafe {
        libc::syscall(
            libc::SYS_rt_sigtimedwait,
            &raw const set,
            &raw mut info,
            std::ptr::null::<libc::timespec>(),
            SET_BYTES,
        )
    })?;
    Ok(info)
}

/// Takes a pending signal of `set`, which must be blocked, if there is one.
pub(crate) fn take_info(set: SigSet) -> Call<Option<RawInfo>> {
    let mut info = RawInfo::EMPTY;
    let now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: as in `wait_info`, with a time limit that the kernel reads.
    let taken = answer(unsafe {
        libc::syscall(
            libc::SYS_rt_sigtimedwait,
            &raw const set,
            &raw mut info,
            &raw const now,
            SET_BYTES,
        )
    });
    match taken {
        Ok(_) => Ok(Some(info)),
        Err(Errno::EAGAIN) => Ok(None),
        Err(other) => Err(other),
    }
}

/// Is it blocked, and has it been sent?
pub(crate) fn is_pending(signo: i32) -> bool {
    let mut pending = SigSet(0);
    // SAFETY: the kernel writes SET_BYTES to `pending`, which has as many.
    let asked =
        answer(unsafe { libc::syscall(libc::SYS_rt_sigpending, &raw mut pending, SET_BYTES) });
    asked.is_ok() && pending.0 & SigSet::of(signo).0 != 0
}

/// Sends a signal with its information to a process.
pub(crate) fn queue_info(pid: i32, info: &RawInfo) -> Call<()> {
    // SAFETY: the kernel reads 128 bytes from `info`, which has them.
    done(unsafe {
        libc::syscall(
            libc::SYS_rt_sigqueueinfo,
            pid,
            info.signo,
            std::ptr::from_ref(info),
        )
    })
}

/// Sends a signal by descriptor, with its information, or as `kill` would.
pub(crate) fn pidfd_send(pidfd: RawFd, signo: i32, info: Option<&RawInfo>) -> Call<()> {
    pidfd_send_flags(pidfd, signo, info, 0)
}

/// The same to the process group of the process (Linux 6.9).
pub(crate) fn pidfd_send_group(pidfd: RawFd, signo: i32, info: &RawInfo) -> Call<()> {
    /// include/uapi/linux/pidfd.h
    const PIDFD_SIGNAL_PROCESS_GROUP: u32 = 1 << 2;
    pidfd_send_flags(pidfd, signo, Some(info), PIDFD_SIGNAL_PROCESS_GROUP)
}

fn pidfd_send_flags(pidfd: RawFd, signo: i32, info: Option<&RawInfo>, flags: u32) -> Call<()> {
    let info = info.map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `info` is null or points to the 128 bytes that the kernel reads.
    done(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd, signo, info, flags) })
}

/// A descriptor from which pending signals of `set` are read. Close-on-exec, never blocks.
pub(crate) fn signal_fd(set: SigSet) -> Call<OwnedFd> {
    // SAFETY: the set has `SET_BYTES`.
    let fd = answer(unsafe {
        libc::syscall(
            libc::SYS_signalfd4,
            -1,
            &raw const set,
            SET_BYTES,
            libc::SFD_CLOEXEC | libc::SFD_NONBLOCK,
        )
    })?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// The kernel's `struct sigaction` (include/linux/signal_types.h).
#[repr(C)]
struct Action {
    handler: usize,
    flags: u64,
    restorer: usize,
    mask: SigSet,
}

impl Action {
    const DEFAULT: Self = Self {
        handler: libc::SIG_DFL,
        flags: 0,
        restorer: 0,
        mask: SigSet(0),
    };
}

/// Has a signal ignored, or not if it was: other dispositions stay. Says whether it was ignored.
pub(crate) fn set_ignored(signo: i32, ignored: bool) -> Call<bool> {
    let mut before = Action::DEFAULT;
    act(signo, None, Some(&mut before))?;
    let was = before.handler == libc::SIG_IGN;
    if was != ignored {
        let handler = if ignored {
            libc::SIG_IGN
        } else {
            libc::SIG_DFL
        };
        let action = Action {
            handler,
            ..Action::DEFAULT
        };
        act(signo, Some(&action), None)?;
    }
    Ok(was)
}

fn act(signo: i32, new: Option<&Action>, old: Option<&mut Action>) -> Call<()> {
    let new = new.map_or(std::ptr::null(), std::ptr::from_ref);
    let old = old.map_or(std::ptr::null_mut(), std::ptr::from_mut);
    // SAFETY: both are null or point to actions with a set of `SET_BYTES`.
    done(unsafe { libc::syscall(libc::SYS_rt_sigaction, signo, new, old, SET_BYTES) })
}

/// Sends a signal as `kill` does; a negative number is a process group.
pub(crate) fn kill(pid: i32, signo: i32) -> Call<()> {
    // SAFETY: takes integers.
    done(unsafe { libc::syscall(libc::SYS_kill, pid, signo) })
}
