//! Job control. To the shell that started us we are the job, by the process group that we are in; the
//! command has a group of its own, which has the terminal while the job is in the foreground.

use std::cell::Cell;
use std::os::fd::RawFd;

use crate::sys;

/// The terminal that controls us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terminal {
    pub(crate) fd: RawFd,
    /// Our group had its foreground when we started: the command's gets it.
    pub(crate) foreground: bool,
    /// Somebody above us can continue us if we stop.
    pub(crate) shell: bool,
}

/// What is to be done for a command that was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    /// It wanted the terminal, which the shell has given to us meanwhile.
    HandOver,
    /// The shell is to see its job stop.
    StopToo,
    /// Nobody would continue us, and stopped we could pass on no signal.
    Stay,
}

fn decide(signo: i32, ours_now: bool, shell: bool) -> Act {
    match signo {
        libc::SIGTTIN | libc::SIGTTOU if ours_now => Act::HandOver,
        _ if shell => Act::StopToo,
        _ => Act::Stay,
    }
}

/// Who has the terminal of a job.
#[derive(Debug)]
pub(crate) struct Job {
    terminal: Terminal,
    /// A group of the command's.
    given: Cell<bool>,
    /// Which group that was when the command was stopped: a shell in the jail gives it on.
    last: Cell<Option<i32>>,
}

impl Job {
    /// The command has started, with the terminal if we had it.
    pub(crate) fn new(terminal: Terminal) -> Self {
        Self {
            terminal,
            given: Cell::new(terminal.foreground),
            last: Cell::new(None),
        }
    }

    /// The command was stopped. We stop as well, where a shell can continue us, and return when it
    /// has: SIGCONT is pending then. True: the command has the terminal that it was stopped for, and
    /// is to be continued at once. `command` tells its group.
    pub(crate) fn stopped(&self, signo: i32, command: impl FnOnce() -> Option<i32>) -> bool {
        let handed_over = match decide(signo, self.is_ours_now(), self.terminal.shell) {
            Act::HandOver => self.hand_over(command),
            Act::StopToo => false,
            Act::Stay => return false,
        };
        if !handed_over {
            self.take();
            let _ = sys::kill(std::process::id().cast_signed(), libc::SIGSTOP);
        }
        handed_over
    }

    /// SIGCONT came, which is what a shell sends after it has put a job into the foreground, and also
    /// for one that goes on in the background.
    pub(crate) fn continued(&self, command: impl FnOnce() -> Option<i32>) {
        if self.is_ours_now() {
            self.hand_over(command);
        }
    }

    /// The command has ended. A script that started us has no job control of its own, and wants its
    /// terminal back.
    pub(crate) fn ended(&self, command: Option<i32>) {
        if self.given.replace(false) {
            sys::take_back(self.terminal.fd, command);
        }
    }

    fn is_ours_now(&self) -> bool {
        sys::foreground(self.terminal.fd) == Ok(sys::own_group())
    }

    /// To the group that had it, if that is still there, or to the command's.
    fn hand_over(&self, command: impl FnOnce() -> Option<i32>) -> bool {
        let give = |group| sys::give_foreground(self.terminal.fd, group).is_ok();
        let given = self.last.take().is_some_and(give) || command().is_some_and(give);
        self.given.set(given);
        given
    }

    /// Ours again, if it was the command's; what a shell has given to another job stays there.
    fn take(&self) {
        if self.given.replace(false) {
            let holder = sys::foreground(self.terminal.fd).ok();
            self.last.set(holder.filter(|group| *group > 0));
            let _ = sys::give_foreground(self.terminal.fd, sys::own_group());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stopped_for_the_terminal_gets_it_if_it_is_there_to_give() {
        for signo in [libc::SIGTTIN, libc::SIGTTOU] {
            assert_eq!(decide(signo, true, true), Act::HandOver);
            assert_eq!(decide(signo, true, false), Act::HandOver);
            assert_eq!(decide(signo, false, true), Act::StopToo);
        }
        assert_eq!(decide(libc::SIGTSTP, true, true), Act::StopToo);
    }

    #[test]
    fn without_a_shell_we_never_stop() {
        for signo in [libc::SIGTTIN, libc::SIGTSTP, libc::SIGSTOP] {
            assert_eq!(decide(signo, false, false), Act::Stay);
        }
    }
}
