//! Tells events to the host.

use std::fs::File;
use std::io::Write;

use anyhow::Context;
use guest::Event;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};

/// The open serial port.
#[derive(Debug)]
pub(crate) struct Teller {
    port: File,
}

impl Teller {
    /// Opens the port, raw: a terminal would double line feeds and echo.
    pub(crate) fn open(path: &str) -> anyhow::Result<Self> {
        let port = File::options()
            .read(true)
            .write(true)
            .open(path)
            .with_context(|| format!("open {path}"))?;
        let mut settings = tcgetattr(&port).with_context(|| format!("tcgetattr of {path}"))?;
        cfmakeraw(&mut settings);
        tcsetattr(&port, SetArg::TCSANOW, &settings)
            .with_context(|| format!("tcsetattr of {path}"))?;
        Ok(Self { port })
    }

    /// One event, one line, one write.
    pub(crate) fn tell(&mut self, event: &Event) -> anyhow::Result<()> {
        let mut line = guest::line(event);
        line.push('\n');
        self.port
            .write_all(line.as_bytes())
            .context("write an event")?;
        if matches!(event, Event::Output(_)) {
            return Ok(());
        }
        // Out of the machine before anything else can happen to it.
        nix::sys::termios::tcdrain(&self.port).context("tcdrain of the port of events")
    }
}
