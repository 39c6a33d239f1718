//! A door to the kernel: the least that a jail can be. Four namespaces, a private tree of mounts
//! with a fresh /proc, and a PID 1 that starts the command and reaps it; no exec of a tool's own.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::ptr::null;

use nix::sched::CloneFlags;

use crate::child::Child;
use crate::spawn::{Program, Stack, Streams, Task, clone, die_with_parent, execute};

/// The namespaces that `procjail run` and the bwrap command of the comparison make.
const NAMESPACES: CloneFlags = CloneFlags::CLONE_NEWPID
    .union(CloneFlags::CLONE_NEWNS)
    .union(CloneFlags::CLONE_NEWUTS)
    .union(CloneFlags::CLONE_NEWIPC);

/// A command to be run so.
pub(crate) struct Floor {
    program: Program,
    outer: Stack,
    inner: Stack,
}

/// What PID 1 needs.
struct Init {
    task: Task,
    stack: *mut c_void,
}

impl Floor {
    pub(crate) fn new(program: Program) -> Self {
        Self {
            program,
            outer: Stack::new(),
            inner: Stack::new(),
        }
    }

    /// Starts it; with a PID 1 that shares our memory, that is to say: runs it.
    ///
    /// # Errors
    /// Of the first call that failed.
    pub(crate) fn start(&mut self, streams: Streams<'_>) -> nix::Result<Child> {
        let init = Init {
            task: self.program.task(streams),
            stack: self.inner.top(),
        };
        let arg = (&raw const init).cast_mut().cast();
        // SAFETY: `pid1` takes an `Init`. CLONE_VFORK suspends this thread until PID 1 has ended,
        // so that `init`, `self` and the two stacks outlive it and its child.
        let child = unsafe { clone(pid1, self.outer.top(), NAMESPACES, arg) }?;
        init.task.outcome()?;
        Ok(child)
    }
}

extern "C" fn pid1(arg: *mut c_void) -> c_int {
    // SAFETY: `arg` is an `Init` that outlives this, see `Floor::start`. Only system calls are
    // made. The child runs on a stack that nobody else uses, and this thread is suspended until it
    // has executed. The strings are literals.
    unsafe {
        let init = &*arg.cast::<Init>();
        die_with_parent();
        let private = libc::MS_REC | libc::MS_PRIVATE;
        let usual = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
        let proc = c"proc".as_ptr();
        if libc::mount(null(), c"/".as_ptr(), null(), private, null()) != 0
            || libc::mount(proc, c"/proc".as_ptr(), proc, usual, null()) != 0
        {
            init.task.fail();
            libc::_exit(126);
        }
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        let task = (&raw const init.task).cast_mut().cast();
        let pid = libc::clone(execute, init.stack, flags, task);
        let mut status = 0;
        if pid < 0 || libc::waitpid(pid, &raw mut status, 0) != pid {
            init.task.fail();
            libc::_exit(126);
        }
        libc::_exit(if libc::WIFEXITED(status) {
            libc::WEXITSTATUS(status)
        } else {
            125
        })
    }
}
