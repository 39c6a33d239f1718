//! `jail-probe`: what tests put into a jail, and what starts an init for them.
//!
//! `launch SPEC -- PROGRAM …` starts a program as asked and tells what becomes of it. The other
//! verbs are what runs under an init: they tell what they find and what they receive.
//!
//! (It is not called `main.rs`: cargo would take it for a test program.)
#![no_main]

#[path = "../common/mod.rs"]
mod common;
mod door;
mod launch;
mod orphans;
mod serve;
mod state;

use std::ffi::OsString;

use anyhow::{Context, Result, bail};

use common::wire::{Event, Signals, Who};

/// What it ends with when it was asked for nonsense, or when something failed.
const BROKEN: i32 = 120;

/// Nothing has come for so long: whoever asked is gone.
pub(crate) const LIFETIME_S: i64 = 120;

/// It ends with this after that time.
pub(crate) const FORGOTTEN: i32 = 99;

/// The code with which `term` says that it was not TERM that came first.
const NO_TERM: i32 = 77;

fn begin() -> i32 {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match obey(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("jail-probe: {error:#}");
            BROKEN
        }
    }
}

fn obey(arguments: &[OsString]) -> Result<i32> {
    let verb = arguments.first().context("no verb")?;
    let rest = &arguments[1..];
    let number = || -> Result<i32> {
        let word = rest.first().and_then(|w| w.to_str()).context("no number")?;
        word.parse().with_context(|| format!("{word} is no number"))
    };
    match verb.to_str() {
        Some("launch") => launch::launch(rest),
        Some("exit") => number(),
        Some("die") => die(number()?),
        Some("report") => {
            let state = state::observe(Who::Child, true)?;
            tell(&Event::Ready(Box::new(state)))?;
            Ok(0)
        }
        Some("serve") => serve::serve(rest),
        Some("term") => term(),
        _ => bail!("{} is no verb", verb.display()),
    }
}

/// One line, in one write: others write to the same pipe.
pub(crate) fn tell(event: &Event) -> Result<()> {
    use std::io::Write;
    let line = serde_json::to_string(event)? + "\n";
    std::io::stdout()
        .write_all(line.as_bytes())
        .context("write to standard output")
}

pub(crate) fn die(signal: i32) -> Result<i32> {
    // SIGKILL's disposition cannot be set, and need not be.
    let _ = door::set_ignored(signal, false);
    door::set_blocked(Signals::default())?;
    door::kill(std::process::id().cast_signed(), signal)?;
    bail!("signal {signal} did not end this process")
}

/// Ends with 0 on TERM, and with [`NO_TERM`] on WINCH, which whoever asks sends afterwards. Of two
/// that are pending the kernel gives the one with the lower number first.
fn term() -> Result<i32> {
    let wanted = Signals::of(&[libc::SIGTERM, libc::SIGWINCH]);
    door::set_blocked(wanted)?;
    tell(&Event::Ready(Box::new(state::observe(Who::Child, false)?)))?;
    Ok(match door::wait_for_signal(wanted, LIFETIME_S)? {
        Some(libc::SIGTERM) => 0,
        Some(_) => NO_TERM,
        None => FORGOTTEN,
    })
}
