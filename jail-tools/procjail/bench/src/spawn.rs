//! A door to the kernel: a child that executes a program, in new namespaces if wanted, started in
//! the way that costs the parent least; and its end.
//!
//! It is what posix_spawn(3) does (clone with CLONE_VM and CLONE_VFORK on a stack of its own), which
//! itself can't be told of namespaces. Every subject is started by it, so that none pays for a copy
//! of this process's page tables.
#![allow(unsafe_code)]

use std::ffi::{CString, c_char, c_int, c_void};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::unistd::Pid;

use crate::child::Child;
use crate::clock::monotonic_ns;

/// Enough for the few calls between clone and exec: posix_spawn(3) of glibc takes 32 KiB and the
/// arguments (`sysdeps/unix/sysv/linux/spawni.c`), which here lie elsewhere.
const STACK_BYTES: usize = 64 * 1024;

/// A stack for a child that shares our memory. Words of 16 bytes, since that is its alignment.
pub(crate) struct Stack(Vec<u128>);

impl Stack {
    pub(crate) fn new() -> Self {
        Self(vec![0; STACK_BYTES / size_of::<u128>()])
    }

    /// Where it starts: it grows down, on every architecture that Rust's std is built for.
    pub(crate) fn top(&mut self) -> *mut c_void {
        self.0.as_mut_ptr_range().end.cast()
    }
}

/// A program with its arguments and environment, as execve(2) wants them.
pub(crate) struct Program {
    /// What the pointers point at. A CString's bytes stay where they are when it is moved.
    _strings: Vec<CString>,
    argv: Vec<*const c_char>,
    envp: Vec<*const c_char>,
    stack: Stack,
}

/// Where the standard streams of a child go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Streams<'a> {
    pub(crate) stdin: BorrowedFd<'a>,
    pub(crate) stdout: BorrowedFd<'a>,
    pub(crate) stderr: BorrowedFd<'a>,
}

/// All that the child reads, and the one word that it writes.
pub(crate) struct Task {
    argv: *const *const c_char,
    envp: *const *const c_char,
    streams: [RawFd; 3],
    /// Why there was no exec; 0 if there was.
    failed: AtomicI32,
}

impl Program {
    /// The first word is the path of the program.
    pub(crate) fn new(argv: Vec<CString>, env: Vec<CString>) -> Self {
        let pointers = |strings: &[CString]| {
            let each = strings.iter().map(|s| s.as_ptr());
            each.chain(std::iter::once(std::ptr::null())).collect()
        };
        let (argv_pointers, envp) = (pointers(&argv), pointers(&env));
        Self {
            argv: argv_pointers,
            envp,
            _strings: argv.into_iter().chain(env).collect(),
            stack: Stack::new(),
        }
    }

    /// The child's side of it.
    pub(crate) fn task(&self, streams: Streams<'_>) -> Task {
        Task {
            argv: self.argv.as_ptr(),
            envp: self.envp.as_ptr(),
            streams: [streams.stdin, streams.stdout, streams.stderr].map(|fd| fd.as_raw_fd()),
            failed: AtomicI32::new(0),
        }
    }

    /// Starts it. It dies when the calling thread does.
    ///
    /// # Errors
    /// Of clone(2) or of execve(2).
    pub(crate) fn start(
        &mut self,
        streams: Streams<'_>,
        namespaces: CloneFlags,
    ) -> nix::Result<Child> {
        let task = self.task(streams);
        let arg = (&raw const task).cast_mut().cast();
        // SAFETY: `execute` takes a `Task`. CLONE_VFORK suspends this thread until the child has
        // executed or ended, so that `task`, `self` and the stack, which is the child's alone,
        // outlive its use of them.
        let child = unsafe { clone(execute, self.stack.top(), namespaces, arg) }?;
        task.outcome()?;
        Ok(child)
    }
}

impl Task {
    /// Did the exec fail? The child is reaped by its guard then.
    pub(crate) fn outcome(&self) -> nix::Result<()> {
        match self.failed.load(Ordering::Acquire) {
            0 => Ok(()),
            errno => Err(Errno::from_raw(errno)),
        }
    }

    /// To be said by a child that fails.
    pub(crate) fn fail(&self) {
        self.failed.store(Errno::last_raw(), Ordering::Release);
    }
}

/// clone(2) with what all of our children have, and the time before it.
///
/// # Safety
/// `entry` may be run on `arg` and on this stack, in this memory, while the calling thread is
/// suspended; it makes system calls only, and ends in an exec or in `_exit`.
pub(crate) unsafe fn clone(
    entry: extern "C" fn(*mut c_void) -> c_int,
    stack: *mut c_void,
    namespaces: CloneFlags,
    arg: *mut c_void,
) -> nix::Result<Child> {
    let ours = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    let mut pidfd: c_int = -1;
    let started_ns = monotonic_ns();
    // SAFETY: the caller's promise; with CLONE_PIDFD the fifth argument is a place for a
    // descriptor, which `pidfd` is until the call has returned.
    let pid = unsafe { libc::clone(entry, stack, ours | namespaces.bits(), arg, &raw mut pidfd) };
    let pid = Errno::result(pid)?;
    // SAFETY: clone succeeded, so that it stored a new descriptor, which nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Child::new(Pid::from_raw(pid), pidfd, started_ns))
}

/// What the child does: streams, signals as a shell gives them, exec.
pub(crate) extern "C" fn execute(arg: *mut c_void) -> c_int {
    // SAFETY: `arg` is a `Task` that outlives this (`Program::start`, `Floor::start`): the thread
    // that owns it is suspended. What it points at are NUL-terminated lists of strings. Only system
    // calls are made: this process has no other thread that holds a lock of libc's meanwhile, and
    // the handlers set to default here are a copy (no CLONE_SIGHAND).
    unsafe {
        let task = &*arg.cast::<Task>();
        die_with_parent();
        // A process group of its own: ^C is then ours alone to act on.
        libc::setpgid(0, 0);
        for (fd, stream) in task.streams.iter().zip(0..) {
            // Rust's runtime keeps 0, 1 and 2 open, so that no `fd` is one of them.
            libc::dup2(*fd, stream);
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        // Rust's runtime ignores it.
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        libc::execve(*task.argv, task.argv, task.envp);
        task.fail();
        libc::_exit(127)
    }
}

/// SIGKILL when the parent's thread dies, kept by exec.
pub(crate) fn die_with_parent() {
    // SAFETY: sets a property of the calling process; touches no memory.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// How a child ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    /// As wait(2) gives it.
    pub(crate) status: c_int,
    /// CPU time of it and of all that it waited for.
    pub(crate) cpu_ns: u64,
    /// When wait4(2) returned, CLOCK_MONOTONIC.
    pub(crate) at_ns: u64,
}

/// Waits for a child's end.
pub(crate) fn reap(pid: Pid) -> nix::Result<Ended> {
    let mut status = 0;
    // SAFETY: a rusage is plain numbers, for which zeroes are values.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both are places for what wait4 stores, until it has returned.
    let mut wait = || unsafe { libc::wait4(pid.as_raw(), &raw mut status, 0, &raw mut usage) };
    while let Err(errno) = Errno::result(wait()) {
        if errno != Errno::EINTR {
            return Err(errno);
        }
    }
    let ns = |t: libc::timeval| t.tv_sec as u64 * 1_000_000_000 + t.tv_usec as u64 * 1_000;
    Ok(Ended {
        status,
        cpu_ns: ns(usage.ru_utime) + ns(usage.ru_stime),
        at_ns: monotonic_ns(),
    })
}
