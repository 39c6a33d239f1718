//! Job control. To the shell that started us we are the job, by the process group that we are in; the
//! command has a group of its own, which has the terminal while it is in the foreground.

use std::cell::Cell;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::sys;

/// The terminal that controls us.
#[derive(Debug)]
pub(crate) struct Terminal {
    pub(crate) line: Line,
    /// 0, 1 and 2 are all this terminal. What is redirected may share our group with others who need
    /// the terminal (a pager; the script that put us into the background), and the command gets it
    /// only when it asks for it, by reading.
    pub(crate) whole: bool,
    /// Our group had its foreground when we started.
    pub(crate) foreground: bool,
    /// Somebody above us can continue us if we stop.
    pub(crate) shell: bool,
}

/// A descriptor of it.
#[derive(Debug)]
pub(crate) enum Line {
    /// One of 0, 1 and 2.
    Standard(RawFd),
    /// None of them is the terminal.
    Opened(OwnedFd),
}

impl Line {
    pub(crate) fn fd(&self) -> RawFd {
        match self {
            Self::Standard(fd) => *fd,
            Self::Opened(fd) => fd.as_raw_fd(),
        }
    }
}

/// What is to be done for a command that was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    /// It wanted the terminal, which is ours to give.
    HandOver,
    /// The shell is to see its job stop.
    StopToo,
    /// A key was pressed, and there is no shell that would continue the command ever.
    GoOn,
    /// Somebody stopped it on purpose, and nobody would continue us: we go on to pass on signals.
    Stay,
}

/// `asked`: we have passed on the signal that stopped the command.
fn decide(signo: i32, asked: bool, ours_now: bool, shell: bool) -> Act {
    match signo {
        libc::SIGTTIN | libc::SIGTTOU if ours_now => Act::HandOver,
        _ if shell => Act::StopToo,
        // As for a group without a shell above it, whose stops by the terminal the kernel leaves out
        // (kernel/signal.c: `is_current_pgrp_orphaned`). The command's is not one: we are above it.
        libc::SIGTSTP if !asked => Act::GoOn,
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
    /// The command starts, with the terminal if it is to have it at once.
    pub(crate) fn new(terminal: Terminal) -> Self {
        Self {
            given: Cell::new(terminal.whole && terminal.foreground),
            terminal,
            last: Cell::new(None),
        }
    }

    /// What the command makes its own as it starts.
    pub(crate) fn given_at_start(&self) -> Option<RawFd> {
        self.given.get().then(|| self.terminal.line.fd())
    }

    /// The command was stopped, by this signal. We stop as well, where a shell can continue us, and
    /// return when it has: SIGCONT is pending then. True: the command is to be continued at once.
    /// `asked`: we have passed on the signal. `command` tells its group.
    pub(crate) fn stopped(
        &self,
        signo: i32,
        asked: bool,
        command: impl FnOnce() -> Option<i32>,
    ) -> bool {
        match decide(signo, asked, self.is_ours_now(), self.terminal.shell) {
            Act::HandOver if self.hand_over(command) => true,
            Act::GoOn => true,
            Act::Stay => false,
            // Also if there was nobody to hand it over to: the shell may find another way.
            Act::HandOver if !self.terminal.shell => false,
            Act::HandOver | Act::StopToo => {
                self.take();
                // A stop would throw it away (kernel/signal.c, `prepare_signal`), and it was meant for
                // what is stopped already: it is taken next. Between here and the stop are two system
                // calls; a SIGCONT just then is lost, as it is for anything that stops itself.
                if sys::is_pending(libc::SIGCONT) {
                    return false;
                }
                // All of our group: the shell waits until its whole job has stopped, and a script that
                // started us was sent nothing when the command had the terminal.
                let _ = sys::kill(0, libc::SIGSTOP);
                false
            }
        }
    }

    /// SIGCONT came, which is what a shell sends after it has put a job into the foreground, and also
    /// for one that goes on in the background. A command that had the terminal has it again.
    pub(crate) fn continued(&self, command: impl FnOnce() -> Option<i32>) {
        if self.is_ours_now() && (self.terminal.whole || self.last.get().is_some()) {
            self.hand_over(command);
        }
    }

    /// The command has ended. A script that started us has no job control of its own, and wants its
    /// terminal back.
    pub(crate) fn ended(&self, command: Option<i32>) {
        if self.given.replace(false) {
            sys::take_back(self.terminal.line.fd(), command);
        }
    }

    fn is_ours_now(&self) -> bool {
        match sys::own_group() {
            // It is outside of our pid namespace, as another one may be that has the terminal.
            0 => sys::terminal_lets_us_read(),
            own => sys::foreground(self.terminal.line.fd()) == Ok(own),
        }
    }

    /// To the group that had it, if that is still there, or to the command's.
    fn hand_over(&self, command: impl FnOnce() -> Option<i32>) -> bool {
        let give = |group| sys::give_foreground(self.terminal.line.fd(), group).is_ok();
        let given = self.last.take().is_some_and(give) || command().is_some_and(give);
        self.given.set(given);
        given
    }

    /// Ours again, if it was the command's; what a shell has given to another job stays there.
    fn take(&self) {
        if self.given.replace(false) {
            let holder = sys::foreground(self.terminal.line.fd()).ok();
            self.last.set(holder.filter(|group| *group > 0));
            let _ = sys::give_foreground(self.terminal.line.fd(), sys::own_group());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stopped_for_the_terminal_gets_it_if_it_is_there_to_give() {
        for signo in [libc::SIGTTIN, libc::SIGTTOU] {
            assert_eq!(decide(signo, false, true, true), Act::HandOver);
            assert_eq!(decide(signo, false, true, false), Act::HandOver);
            assert_eq!(decide(signo, false, false, true), Act::StopToo);
        }
        assert_eq!(decide(libc::SIGTSTP, false, true, true), Act::StopToo);
    }

    #[test]
    fn without_a_shell_we_never_stop_and_a_key_stops_nothing() {
        for signo in [libc::SIGTTIN, libc::SIGTSTP, libc::SIGSTOP] {
            assert_eq!(decide(signo, true, false, false), Act::Stay);
        }
        assert_eq!(decide(libc::SIGTSTP, false, false, false), Act::GoOn);
        assert_eq!(decide(libc::SIGSTOP, false, false, false), Act::Stay);
        assert_eq!(decide(libc::SIGTTIN, false, false, false), Act::Stay);
    }
}
