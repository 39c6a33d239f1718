//! What a killed supervisor leaves: its jail's PID 1 dies, and becomes a child of ours instead of
//! the machine's PID 1, which need not be one that reaps.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Looks for orphans that are about to die, and the time between two.
const LOOKS: u32 = 200;
const BETWEEN: Duration = Duration::from_millis(10);

/// Reaps them when it is dropped.
pub(crate) struct Adopted(());

impl Adopted {
    /// From now on.
    pub(crate) fn from_now() -> Result<Self> {
        set_child_subreaper(true).context("become the reaper of orphans")?;
        Ok(Self(()))
    }
}

impl Drop for Adopted {
    fn drop(&mut self) {
        for _ in 0..LOOKS {
            match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
                // They die, but have not yet.
                Ok(WaitStatus::StillAlive) => sleep(BETWEEN),
                Ok(_) => {}
                // There are none.
                Err(_) => return,
            }
        }
    }
}
