//! The program under an init that tells each signal that reaches it, and obeys lines.

use std::ffi::OsString;
use std::io::{Read, stdin};
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{getppid, read};

use crate::common::wire::{Event, Received, Signals, Who};
use crate::door::{self, SIGNALFD_RECORD_BYTES};
use crate::{FORGOTTEN, LIFETIME_S, die, orphans, state, tell};

/// `serve [SIGNAL …]`: all signals but these are blocked and told.
pub(crate) fn serve(left: &[OsString]) -> Result<i32> {
    let mut told = Signals(u64::MAX);
    for word in left {
        let signal: i32 = word.to_str().context("no number")?.parse()?;
        told.0 &= !Signals::of(&[signal]).0;
    }
    Server::begin(Who::Child, told)?.run()
}

struct Server {
    who: Who,
    told: Signals,
    signals: OwnedFd,
    /// The end of standard input was not yet seen, and it is this process that reads it.
    reads: bool,
    unread: Vec<u8>,
}

impl Server {
    fn begin(who: Who, told: Signals) -> Result<Self> {
        let state = state::observe(who, false)?;
        door::set_blocked(told)?;
        // Whatever kills the init, no process of a test outlives it.
        set_pdeathsig(Signal::SIGKILL)?;
        let signals = door::signalfd(told)?;
        tell(&Event::Ready(Box::new(state)))?;
        Ok(Self {
            who,
            told,
            signals,
            reads: who == Who::Child,
            unread: Vec::new(),
        })
    }

    fn run(mut self) -> Result<i32> {
        loop {
            match self.wait()? {
                Woken::Signal => self.tell_signal()?,
                Woken::Input => {
                    if let Some(code) = self.take_lines()? {
                        return Ok(code);
                    }
                }
                Woken::Nothing => return Ok(FORGOTTEN),
            }
        }
    }

    /// Signals first: a line that was sent after a signal is taken after it.
    fn wait(&self) -> Result<Woken> {
        let input = stdin();
        let mut fds = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        if self.reads {
            fds.push(PollFd::new(input.as_fd(), PollFlags::POLLIN));
        }
        let limit_ms = LIFETIME_S as i32 * 1000;
        loop {
            match poll(&mut fds, PollTimeout::try_from(limit_ms)?) {
                Err(nix::Error::EINTR) => {}
                Err(error) => return Err(error).context("poll"),
                Ok(0) => return Ok(Woken::Nothing),
                Ok(_) if fds[0].any() == Some(true) => return Ok(Woken::Signal),
                Ok(_) => return Ok(Woken::Input),
            }
        }
    }

    fn tell_signal(&self) -> Result<()> {
        let mut record = [0; SIGNALFD_RECORD_BYTES];
        let read = read(&self.signals, &mut record).context("read of signalfd")?;
        if read != record.len() {
            bail!("signalfd gave {read} bytes");
        }
        let received = received(self.who, &record);
        // The kernel's, for a helper that has ended. One that somebody has sent is told.
        if received.signal == libc::SIGCHLD && received.code > 0 {
            return reap();
        }
        tell(&Event::Signal(received))
    }

    fn take_lines(&mut self) -> Result<Option<i32>> {
        let mut bytes = [0; 4096];
        let read = stdin().lock().read(&mut bytes).context("read of input")?;
        self.reads = read > 0;
        self.unread.extend_from_slice(&bytes[..read]);
        while let Some(end) = self.unread.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.unread.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            tell(&Event::Line(line.clone()))?;
            if let Some(code) = self.obey(&line)? {
                return Ok(Some(code));
            }
        }
        Ok(None)
    }

    fn obey(&self, line: &str) -> Result<Option<i32>> {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["exit", code] => return Ok(Some(code.parse()?)),
            ["die", signal] => return die(signal.parse()?).map(Some),
            ["orphans", count] => orphans::make(count.parse()?)?,
            ["linger"] => orphans::linger()?,
            ["grandchild"] => self.grandchild()?,
            ["kill-init", signal] => to_init(signal.parse()?, None)?,
            ["queue-init", signal, value] => to_init(signal.parse()?, Some(value.parse()?))?,
            // Something to be heard, as an answer.
            _ => {}
        }
        Ok(None)
    }

    /// A process in the same group that tells its signals too.
    fn grandchild(&self) -> Result<()> {
        if door::fork()?.is_none() {
            let ended = Self::begin(Who::Grandchild, self.told).and_then(Self::run);
            door::leave(ended.unwrap_or(1));
        }
        Ok(())
    }
}

enum Woken {
    Signal,
    Input,
    Nothing,
}

/// A `struct signalfd_siginfo`, whose fields stand at fixed places.
fn received(who: Who, record: &[u8; SIGNALFD_RECORD_BYTES]) -> Received {
    let word = |at: usize| -> [u8; 4] { std::array::from_fn(|i| record[at + i]) };
    let number = |at| i32::from_ne_bytes(word(at));
    let pointer: [u8; 8] = std::array::from_fn(|i| record[48 + i]);
    Received {
        who,
        signal: number(0),
        code: number(8),
        pid: number(12),
        uid: u32::from_ne_bytes(word(16)),
        value: i64::from_ne_bytes(pointer),
    }
}

/// The helpers that have ended.
fn reap() -> Result<()> {
    use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(nix::Error::ECHILD) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error).context("waitpid"),
        }
    }
}

/// From a process of its own, which names itself first.
fn to_init(signal: i32, value: Option<usize>) -> Result<()> {
    let init = getppid().as_raw();
    if door::fork()?.is_none() {
        let pid = std::process::id().cast_signed();
        let sent = tell(&Event::Sender { pid }).and_then(|()| match value {
            Some(value) => Ok(door::sigqueue(init, signal, value)?),
            None => Ok(door::kill(init, signal)?),
        });
        door::leave(i32::from(sent.is_err()));
    }
    Ok(())
}
