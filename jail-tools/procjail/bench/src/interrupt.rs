//! ^C and its like, as something to wait for: whatever runs is then ended by its guard, and not
//! left behind by a process that just died.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The signals that ask a process to end.
const ENDING: [Signal; 4] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
];

/// They are blocked, and read here.
pub(crate) struct Interrupt(SignalFd);

impl Interrupt {
    /// Blocks them in the calling thread and in those that it starts afterwards.
    pub(crate) fn catch() -> Result<Self> {
        let set: SigSet = ENDING.into_iter().collect();
        set.thread_block()
            .context("block the signals that end a process")?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK);
        Ok(Self(fd.context("signalfd")?))
    }

    /// Waits until the descriptor can be read. False: the time is over.
    ///
    /// # Errors
    /// A signal came that asks us to end.
    pub(crate) fn wait_for(&self, fd: BorrowedFd<'_>, limit: Duration) -> Result<bool> {
        let mut fds = [self.entry(), PollFd::new(fd, PollFlags::POLLIN)];
        self.poll(&mut fds, limit)?;
        // A pipe without a writer only hangs up: that ends the wait too.
        Ok(fds[1].revents().is_some_and(|seen| !seen.is_empty()))
    }

    /// Sleeps.
    ///
    /// # Errors
    /// As [`Self::wait_for`].
    pub(crate) fn pause(&self, time: Duration) -> Result<()> {
        self.poll(&mut [self.entry()], time)
    }

    fn entry(&self) -> PollFd<'_> {
        PollFd::new(self.0.as_fd(), PollFlags::POLLIN)
    }

    fn poll(&self, fds: &mut [PollFd<'_>], limit: Duration) -> Result<()> {
        let limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        let mut seen = poll(fds, limit);
        while seen == Err(Errno::EINTR) {
            // We were stopped and go on.
            seen = poll(fds, limit);
        }
        seen.context("poll")?;
        if let Some(came) = self.0.read_signal().context("read the signalfd")? {
            let name = Signal::try_from(came.ssi_signo as i32).map_or("a signal", Signal::as_str);
            bail!("interrupted by {name}");
        }
        Ok(())
    }
}
