//! A child of ours, which is gone when this is.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::interrupt::Interrupt;
use crate::spawn::{Ended, reap};

/// A supervisor that was asked to end gets so long; then it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// Until it is reaped its number is nobody else's, so that signals go to it and to nothing else.
#[derive(Debug)]
pub(crate) struct Child {
    pid: Pid,
    /// Can be read when it has ended.
    fd: OwnedFd,
    started_ns: u64,
    reaped: bool,
}

/// A child's life.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    /// From before clone(2) to wait4(2)'s return.
    pub(crate) wall_ns: u64,
    pub(crate) cpu_ns: u64,
    /// As wait(2) gives it.
    pub(crate) status: i32,
}

impl Child {
    pub(crate) fn new(pid: Pid, fd: OwnedFd, started_ns: u64) -> Self {
        Self {
            pid,
            fd,
            started_ns,
            reaped: false,
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits for its end; `None` if it takes longer than that.
    ///
    /// # Errors
    /// We were interrupted. It is killed when it is dropped.
    pub(crate) fn wait(&mut self, interrupt: &Interrupt, limit: Duration) -> Result<Option<Life>> {
        if !interrupt.wait_for(self.fd.as_fd(), limit)? {
            return Ok(None);
        }
        let ended = self.reap()?;
        Ok(Some(Life {
            wall_ns: ended.at_ns.saturating_sub(self.started_ns),
            cpu_ns: ended.cpu_ns,
            status: ended.status,
        }))
    }

    /// Asks it to end, so that it can clean up, and waits for it.
    pub(crate) fn end(mut self, interrupt: &Interrupt) -> Result<()> {
        kill(self.pid, Signal::SIGTERM).context("ask a child to end")?;
        if interrupt.wait_for(self.fd.as_fd(), GRACE)? {
            self.reap()?;
        }
        Ok(())
    }

    fn reap(&mut self) -> Result<Ended> {
        let ended = reap(self.pid).context("wait4")?;
        self.reaped = true;
        Ok(ended)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            // It is ours and not reaped: neither call can fail in a way that could be mended here.
            let _ = kill(self.pid, Signal::SIGKILL);
            let _ = self.reap();
        }
    }
}
