//! PID 1: passes signals on and reaps, and ends as its command ends. It sleeps until a signal is
//! there; it allocates nothing, takes no lock and makes raw calls only.
//!
//! Every signal is blocked, from before this process existed: what is sent at any time stays
//! pending until it is taken here, and the kernel cannot drop one because PID 1 has no handler
//! (kernel/signal.c, `sig_ignored`: a blocked signal is never ignored when it is sent).

use std::cell::Cell;
use std::os::fd::RawFd;

use nix::errno::Errno;

use crate::command::FAILED;
use crate::job::Job;
use crate::page::Page;
use crate::signals::{Rewrite, passed_on};
use crate::step::Step;
use crate::sys::{self, Exit, RawInfo, SigSet};

/// What PID 1 serves.
#[derive(Debug)]
pub(crate) struct Pid1<'a> {
    pub(crate) page: &'a Page,
    /// The command's process.
    pub(crate) command: i32,
    pub(crate) command_fd: RawFd,
    /// Signals go to the command's process group.
    pub(crate) group: bool,
    /// What continues the command continues its group, as a terminal's stops stop that.
    pub(crate) continues_group: bool,
    pub(crate) rewrite: &'a Rewrite,
    pub(crate) outer: Outer<'a>,
    /// The last signal that was passed on.
    pub(crate) asked: Cell<i32>,
}

/// Who hears that the command was stopped or goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outer<'a> {
    /// The supervisor, by an eventfd.
    Bell(RawFd),
    /// The shell that started us.
    Shell(&'a Job),
    /// Nobody.
    Nobody,
}

impl Pid1<'_> {
    /// Serves until the command has ended, and returns the exit code that says how.
    pub(crate) fn serve(&self) -> i32 {
        loop {
            match sys::wait_info(SigSet::ALL) {
                Ok(info) if info.signo == libc::SIGCHLD => {
                    if let Some(exit) = self.reap() {
                        return exit_code(exit.raw_status);
                    }
                }
                Ok(info) => self.pass_on(&info),
                Err(Errno::EINTR) => {}
                Err(errno) => {
                    self.page.fail(errno);
                    return FAILED;
                }
            }
        }
    }

    /// Takes every child that has changed: one SIGCHLD may stand for many. Returns the command's end.
    fn reap(&self) -> Option<Exit> {
        let (mut reaped, mut end) = (0, None);
        while let Ok(Some(exit)) = sys::wait_any() {
            let status = exit.raw_status;
            let of_command = exit.pid == self.command;
            if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
                reaped += 1;
                if of_command {
                    end = Some(exit);
                    break;
                }
            } else if of_command {
                self.stopped_or_continued(status);
            }
        }
        self.page.reaped(reaped);
        if let Some(exit) = &end {
            self.page.at(Step::Ended, 0);
            self.page.set_ended(exit);
        }
        end
    }

    fn stopped_or_continued(&self, status: i32) {
        let signo = if libc::WIFSTOPPED(status) {
            libc::WSTOPSIG(status)
        } else {
            0
        };
        self.page.set_stopped(signo);
        match self.outer {
            Outer::Bell(bell) => ring(bell),
            Outer::Shell(job) if signo != 0 => self.stop_with(job, signo),
            Outer::Shell(_) | Outer::Nobody => {}
        }
    }

    /// Job control without a supervisor.
    fn stop_with(&self, job: &Job, signo: i32) {
        let asked = self.asked.get() == signo;
        if job.stopped(signo, asked, || Some(self.command)) {
            // The number is the command's: it is ours to reap, and has not been.
            let _ = sys::kill(-self.command, libc::SIGCONT);
        }
    }

    fn pass_on(&self, received: &RawInfo) {
        let signo = self.rewrite.apply(received.signo);
        if signo == 0 {
            return;
        }
        if let (libc::SIGCONT, Outer::Shell(job)) = (received.signo, self.outer) {
            job.continued(|| Some(self.command));
        }
        self.asked.set(signo);
        let to_group = self.group || (signo == libc::SIGCONT && self.continues_group);
        let info = passed_on(received, signo);
        let sent = if to_group {
            sys::pidfd_send_group(self.command_fd, signo, &info)
        } else {
            // The number is the command's: it is ours to reap, and has not been.
            sys::queue_info(self.command, &info)
        };
        match sent {
            Ok(()) => self.page.forwarded(received, true),
            Err(Errno::ESRCH) => {}
            // A full queue (RLIMIT_SIGPENDING), or a kernel before 6.9 that knows no groups: without
            // the value, but not lost.
            Err(_) => {
                let to = if to_group {
                    -self.command
                } else {
                    self.command
                };
                if sys::kill(to, signo).is_ok() {
                    self.page.forwarded(received, false);
                }
            }
        }
    }
}

/// Wakes the supervisor, to look at the page.
pub(crate) fn ring(bell: RawFd) {
    sys::write_all(bell, &1u64.to_ne_bytes());
}

/// The command's code, or 128 and the signal's number.
pub(crate) fn exit_code(raw_status: i32) -> i32 {
    if libc::WIFEXITED(raw_status) {
        libc::WEXITSTATUS(raw_status)
    } else {
        128 + libc::WTERMSIG(raw_status)
    }
}
