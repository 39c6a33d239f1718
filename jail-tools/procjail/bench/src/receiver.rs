//! What an init of the latency part has as its child: it takes SIGTERM after SIGTERM, and writes
//! when each came.

use std::io::Write;

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal};

use crate::clock::monotonic_ns;

/// The hidden subcommand.
pub(crate) const NAME: &str = "receiver";

/// A message: CLOCK_MONOTONIC, ns. The first says that signals are waited for from now on.
pub(crate) const BYTES: usize = size_of::<u64>();

/// Until it is killed, or nobody reads any more.
pub(crate) fn run() -> Result<()> {
    let term: SigSet = [Signal::SIGTERM].into_iter().collect();
    term.thread_block().context("block SIGTERM")?;
    // Unbuffered: `Stdout` would look for a line's end in it.
    let mut out =
        std::fs::File::from(nix::unistd::dup(std::io::stdout()).context("dup of standard output")?);
    loop {
        let at_ns = monotonic_ns();
        out.write_all(&at_ns.to_ne_bytes())
            .context("write a stamp")?;
        term.wait().context("sigwait")?;
    }
}
