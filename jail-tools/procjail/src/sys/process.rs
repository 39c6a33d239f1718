//! Processes: made, awaited, replaced, ended.

use std::ffi::CStr;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

use super::{Call, answer, done};
use crate::stack::Stack;

/// What `clone3` is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CloneArgs {
    /// `CLONE_…`, without `CLONE_VM`.
    pub(crate) flags: u64,
    /// Directory of a v2 cgroup that the child is born in.
    pub(crate) cgroup: Option<RawFd>,
}

/// Which side of a clone runs.
#[derive(Debug)]
pub(crate) enum Side {
    Parent { pid: i32, pidfd: OwnedFd },
    Child,
}

/// Clones the calling thread into a process with a copy of the memory, and a descriptor for it.
///
/// The child may only make calls of this module and touch memory that was there before.
pub(crate) fn clone3(args: &CloneArgs) -> Call<Side> {
    /// include/uapi/linux/sched.h; libc has it as a c_int, which it does not fit.
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let mut pidfd: RawFd = -1;
    // SAFETY: `clone_args` is plain integers, for which zero is "not asked".
    let mut raw: libc::clone_args = unsafe { std::mem::zeroed() };
    raw.flags = args.flags | libc::CLONE_PIDFD as u64;
    raw.pidfd = (&raw mut pidfd) as u64;
    raw.exit_signal = libc::SIGCHLD as u64;
    if let Some(cgroup) = args.cgroup {
        raw.flags |= CLONE_INTO_CGROUP;
        raw.cgroup = cgroup as u64;
    }
    // SAFETY: no stack and no CLONE_VM: the child goes on here with a copy of everything, like after
    // fork. Callers (`spawn`, `keeper`) keep what this function's comment asks of the child.
    let pid = answer(unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw mut raw,
            size_of::<libc::clone_args>(),
        )
    })?;
    if pid == 0 {
        return Ok(Side::Child);
    }
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Side::Parent {
        pid: pid as i32,
        pidfd,
    })
}

/// Runs `child` in a process that shares this one's memory, on a stack of its own, and sleeps
/// until it executes a program or ends. Returns its pid and a descriptor for it.
///
/// No page table is copied: a third of the time of a fork of a small process.
pub(crate) fn clone_vm<T>(
    stack: &Stack,
    child: extern "C" fn(&T) -> i32,
    argument: &T,
) -> Call<(i32, OwnedFd)> {
    extern "C" fn enter<T>(call: *mut libc::c_void) -> i32 {
        // SAFETY: `call` is the pair below, alive while the parent sleeps in `clone`.
        let (child, argument) = unsafe { &*call.cast::<(extern "C" fn(&T) -> i32, &T)>() };
        child(argument)
    }
    let call = (child, argument);
    let mut pidfd: RawFd = -1;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: the stack is ours and nobody else's while the child runs, since CLONE_VFORK keeps us
    // in the call until the child has left our memory; `call` and `pidfd` outlive that too. The C
    // library aligns the stack's top.
    let pid = unsafe {
        libc::clone(
            enter::<T>,
            stack.top(),
            flags,
            (&raw const call).cast_mut().cast(),
            &raw mut pidfd,
        )
    };
    answer(pid.into())?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok((pid, unsafe { OwnedFd::from_raw_fd(pidfd) }))
}

/// Replaces the program. Returns only if that fails.
///
/// `argv` and `envp` must end with a null pointer.
pub(crate) fn exec(
    path: &CStr,
    argv: &[*const libc::c_char],
    envp: &[*const libc::c_char],
) -> Errno {
    debug_assert!(
        argv.last().is_some_and(|p| p.is_null()) && envp.last().is_some_and(|p| p.is_null())
    );
    // SAFETY: the arrays end with null, and the strings that they point to are owned by
    // `prepare::Program`, which made both and is not dropped before.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    Errno::last()
}

/// The same with arguments one of which was filled in last.
pub(crate) fn exec_cells(
    path: &CStr,
    argv: &[std::cell::Cell<*const libc::c_char>],
    envp: &[*const libc::c_char],
) -> Errno {
    // SAFETY: a Cell has the layout of what is in it, and nobody writes to it until `exec` returns.
    let argv = unsafe { std::slice::from_raw_parts(argv.as_ptr().cast(), argv.len()) };
    exec(path, argv, envp)
}

/// How and with what use of resources a process changed its state.
#[derive(Clone, Copy)]
pub(crate) struct Exit {
    pub(crate) pid: i32,
    /// As `wait4` gives it.
    pub(crate) raw_status: i32,
    pub(crate) usage: libc::rusage,
}

/// Takes one change of state of any child, without waiting. `None`: there is none.
pub(crate) fn wait_any() -> Call<Option<Exit>> {
    wait(
        -1,
        libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED | libc::__WALL,
    )
}

/// Takes the change of state of one child; with `options` 0 it waits for its end.
pub(crate) fn wait_pid(pid: i32, options: i32) -> Call<Option<Exit>> {
    loop {
        match wait(pid, options | libc::__WALL) {
            Err(Errno::EINTR) => {}
            answer => return answer,
        }
    }
}

fn wait(pid: i32, options: i32) -> Call<Option<Exit>> {
    let mut raw_status = 0;
    // SAFETY: `rusage` is plain integers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to values of the kernel's types on this stack.
    let pid = answer(unsafe {
        libc::syscall(
            libc::SYS_wait4,
            pid,
            &raw mut raw_status,
            options,
            &raw mut usage,
        )
    })? as i32;
    Ok((pid != 0).then_some(Exit {
        pid,
        raw_status,
        usage,
    }))
}

/// Ends the process, without handlers or destructors.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: takes an integer and does not return.
    unsafe { libc::_exit(code) }
}

/// A descriptor that becomes readable when process `pid` dies (Linux 5.3).
pub(crate) fn pidfd_open(pid: i32) -> Call<OwnedFd> {
    // SAFETY: takes two integers.
    let fd = answer(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0u32) })?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// The signal that the calling process gets when the thread that made it ends; 0 for none.
pub(crate) fn parent_death_signal(signo: i32) -> Call<()> {
    // SAFETY: takes integers.
    done(unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, signo, 0, 0, 0) })
}

/// Makes the calling process the parent of its descendants' orphans.
pub(crate) fn set_subreaper() -> Call<()> {
    // SAFETY: takes integers.
    done(unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) })
}

/// Sets a limit of the calling process.
pub(crate) fn set_rlimit(resource: u32, limit: &libc::rlimit64) -> Call<()> {
    // SAFETY: the kernel reads one `rlimit64`; the old one is not asked for.
    done(unsafe {
        libc::syscall(
            libc::SYS_prlimit64,
            0,
            resource,
            std::ptr::from_ref(limit),
            std::ptr::null_mut::<libc::rlimit64>(),
        )
    })
}

/// Moves the calling thread into new namespaces.
pub(crate) fn unshare(flags: i32) -> Call<()> {
    // SAFETY: takes an integer.
    done(unsafe { libc::syscall(libc::SYS_unshare, flags) })
}

/// Names the host of the calling process's uts namespace.
pub(crate) fn set_hostname(name: &CStr) -> Call<()> {
    // SAFETY: the kernel reads `len` bytes of the string.
    done(unsafe { libc::syscall(libc::SYS_sethostname, name.as_ptr(), name.count_bytes()) })
}

/// Sleeps.
pub(crate) fn sleep_ms(ms: u32) {
    let time = libc::timespec {
        tv_sec: (ms / 1000).into(),
        tv_nsec: i64::from(ms % 1000) * 1_000_000,
    };
    // SAFETY: one time; what is left of it is not asked for.
    unsafe { libc::nanosleep(&raw const time, std::ptr::null_mut()) };
}

/// Does nothing (kernel/printk/printk.c, `do_syslog`). EPERM: no CAP_SYSLOG in the user namespace that
/// the kernel began with (`check_syslog_permissions`).
pub(crate) fn open_kernel_log() -> Call<()> {
    /// include/linux/syslog.h
    const SYSLOG_ACTION_OPEN: i32 = 1;
    let nothing = std::ptr::null_mut::<u8>();
    // SAFETY: this action takes no memory.
    done(unsafe { libc::syscall(libc::SYS_syslog, SYSLOG_ACTION_OPEN, nothing, 0) })
}

/// Sets the mode bits that new files do not get, and returns the ones before.
pub(crate) fn umask(mask: u32) -> u32 {
    // SAFETY: takes and returns an integer.
    unsafe { libc::umask(mask) }
}

/// Makes a character device that everybody may use.
pub(crate) fn make_device(path: &CStr, major: u32, minor: u32) -> Call<()> {
    // SAFETY: `path` is a C string.
    done(unsafe {
        libc::syscall(
            libc::SYS_mknodat,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::S_IFCHR | 0o666,
            libc::makedev(major, minor),
        )
    })
}

/// CLOCK_MONOTONIC; 0 if the kernel refuses it, which means "not noted" where it is used.
pub(crate) fn monotonic_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: one timespec to be filled.
    match unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) } {
        0 => time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64,
        _ => 0,
    }
}
