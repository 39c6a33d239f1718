//! Lines from a pipe, a FIFO or a terminal, each waited for until a deadline.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

pub(crate) struct Lines {
    file: File,
    unread: Vec<u8>,
}

/// Why there is no line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoLine {
    /// Nobody can write any more.
    Closed,
    Silent,
}

impl Lines {
    pub(crate) fn new(fd: OwnedFd) -> std::io::Result<Self> {
        let flags = OFlag::from_bits_retain(fcntl(&fd, FcntlArg::F_GETFL)?);
        fcntl(&fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        Ok(Self {
            file: fd.into(),
            unread: Vec::new(),
        })
    }

    pub(crate) fn next(&mut self, patience: Duration) -> Result<String, NoLine> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(end) = self.unread.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            self.wait(deadline)?;
            let mut bytes = [0; 4096];
            match self.file.read(&mut bytes) {
                // Also what a terminal says when its other side is closed (EIO).
                Ok(0) => return Err(NoLine::Closed),
                Ok(read) => self.unread.extend_from_slice(&bytes[..read]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return Err(NoLine::Closed),
            }
        }
    }

    fn wait(&self, deadline: Instant) -> Result<(), NoLine> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(NoLine::Silent);
        }
        // One more, so that the last turn is not one of 0 ms that spins.
        let left_ms = u16::try_from(left.as_millis() + 1).unwrap_or(u16::MAX);
        let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
        // Interrupted, or too early: the caller looks at the clock again.
        let _ = poll(&mut fds, PollTimeout::from(left_ms));
        Ok(())
    }
}
