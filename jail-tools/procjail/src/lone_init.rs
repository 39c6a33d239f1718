//! Only the init: PID 1, or a subreaper, of somebody else's container.

use std::cell::Cell;
use std::ffi::OsString;
use std::os::fd::{AsRawFd, RawFd};

use nix::unistd::Pid;

use crate::blocked::Blocked;
use crate::error::Error;
use crate::facts;
use crate::init::spawn_command;
use crate::job::{Job, Line, Terminal};
use crate::page::Page;
use crate::pid1::{Outer, Pid1};
use crate::prepared::{Command, Session};
use crate::program::{Variable, program};
use crate::signals::{Rewrite, Signal};
use crate::stack::Stack;
use crate::sys::{self, SigSet};

/// What an init is asked for.
#[derive(Debug, Clone, Default)]
pub struct InitOptions {
    /// The program and its arguments.
    pub command: Vec<OsString>,
    /// Signals go to the command's process group.
    pub group: bool,
    /// Be the parent of orphans without being PID 1.
    pub subreaper: bool,
    /// The command gets a session of its own.
    pub session: bool,
    /// What is passed on in place of what.
    pub rewrite: Rewrite,
    /// What we get when our parent dies.
    pub parent_death: Option<Signal>,
}

/// Runs a command as its init, and returns the exit code that says how it ended.
///
/// # Errors
/// Whatever kept the command from running.
pub fn init(options: &InitOptions, blocked: &Blocked) -> Result<i32, Error> {
    let parent = nix::unistd::getppid();
    sys::occupy_standard().map_err(|errno| Error::call("open", "/dev/null", errno))?;
    if options.subreaper {
        sys::set_subreaper()
            .map_err(|errno| Error::call("prctl", "PR_SET_CHILD_SUBREAPER", errno))?;
    }
    if let Some(signal) = options.parent_death {
        watch_parent(signal, parent)
            .map_err(|errno| Error::call("prctl", "PR_SET_PDEATHSIG", errno))?;
    }
    let variables: Vec<Variable> = std::env::vars_os().collect();
    let (terminal, job) = terminal_and_job(options.session);
    let command = Command {
        program: program(&options.command, &variables)?,
        session: if options.session {
            Session::Own
        } else {
            Session::Group
        },
        terminal,
        mask: blocked.before,
        ignore_child: blocked.child_was_ignored,
        stack: Stack::new().map_err(|errno| Error::call("mmap", "a stack", errno))?,
        death_signal: None,
        harden: None,
    };
    let page = Page::default();
    let (pid, pidfd) = spawn_command(&command, &page).map_err(|errno| Error::Call {
        call: "clone",
        object: "the command's process".into(),
        errno,
        hint: "a pids limit, RLIMIT_NPROC or the pid space may be full",
    })?;
    let pid1 = Pid1 {
        page: &page,
        command: pid,
        command_fd: pidfd.as_raw_fd(),
        group: options.group,
        continues_group: job.is_some() || terminal.is_some(),
        rewrite: &options.rewrite,
        outer: job.as_ref().map_or(Outer::Nobody, Outer::Shell),
        asked: Cell::new(0),
    };
    let code = pid1.serve();
    if let Some(job) = &job {
        job.ended(Some(pid));
    }
    match page.failure() {
        Some(failure) => Err(Error::step(&failure, command.program.shown(), None)),
        None => Ok(code),
    }
}

/// The terminal that the command makes its own, and what we do for a shell above us. A session of its
/// own is no job of a shell's.
fn terminal_and_job(session: bool) -> (Option<RawFd>, Option<Job>) {
    let Some(terminal) = facts::terminal() else {
        return (None, None);
    };
    if session {
        return (for_another_session(&terminal), None);
    }
    let job = Job::new(terminal);
    (job.given_at_start(), Some(job))
}

/// Has us sent a signal when our parent dies, or now if it is not `parent` any more: of a death
/// before the call the kernel says nothing (prctl(2)).
fn watch_parent(signal: Signal, parent: Pid) -> sys::Call<()> {
    sys::parent_death_signal(signal.number())?;
    if nix::unistd::getppid() != parent {
        sys::kill(std::process::id().cast_signed(), signal.number())?;
    }
    Ok(())
}

/// A terminal controls one session: the command's can have it if it was ours to give, as it is where
/// we are the first process of a container; a shell above us keeps it.
fn for_another_session(terminal: &Terminal) -> Option<RawFd> {
    let Line::Standard(fd) = terminal.line else {
        return None;
    };
    let own = nix::unistd::getpid();
    let leads = nix::unistd::getsid(None) == Ok(own);
    if !leads || sys::give_up_terminal(fd).is_err() {
        return None;
    }
    for signo in [libc::SIGHUP, libc::SIGCONT] {
        // Those that say that the terminal is gone, which it is not; one that was pending before is
        // somebody's.
        if let Ok(Some(info)) = sys::take_info(SigSet::of(signo))
            && info.pid != own.as_raw()
        {
            let _ = sys::queue_info(own.as_raw(), &info);
        }
    }
    Some(fd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{CloneArgs, Side};

    /// In a process of its own, with one thread, what `watch_parent` sent it.
    fn sent_with_parent(parent: Pid) -> i32 {
        let set = SigSet::of(libc::SIGUSR1);
        let usr1 = Signal::new(libc::SIGUSR1).expect("a signal");
        let args = CloneArgs {
            flags: 0,
            cgroup: None,
        };
        match sys::clone3(&args).expect("a process") {
            Side::Child => {
                let watched = sys::set_mask(set).and_then(|_| watch_parent(usr1, parent));
                let taken = watched.and_then(|()| sys::take_info(set));
                sys::exit_now(taken.map_or(99, |info| info.map_or(0, |info| info.signo)))
            }
            Side::Parent { pid, .. } => {
                let exit = sys::wait_pid(pid, 0).expect("its end").expect("its end");
                libc::WEXITSTATUS(exit.raw_status)
            }
        }
    }

    #[test]
    fn a_parent_that_died_too_early_to_be_watched_is_noticed() {
        assert_eq!(sent_with_parent(nix::unistd::getpid()), 0);
        // Our own parent, who is not the new process's.
        assert_eq!(sent_with_parent(nix::unistd::getppid()), libc::SIGUSR1);
    }
}
