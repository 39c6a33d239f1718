//! What the tests of jails' ends share: the tool, started; its processes, found and held.

#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod door;
pub(crate) mod jail;
pub(crate) mod processes;

use std::ffi::OsStr;
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long something that must happen may take: far longer than it ever takes, so that a test
/// which runs out of it has found something.
const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until something is there.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "waited in vain: {what}");
        sleep(Duration::from_millis(2));
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    wait_for(what, || is_so().then_some(()));
}

/// The tool.
pub(crate) fn procjail() -> Command {
    Command::new(env!("CARGO_BIN_EXE_procjail"))
}

/// Runs a jail to its end.
pub(crate) fn run(options: &[&str], command: &[impl AsRef<OsStr>]) -> Output {
    let mut tool = procjail();
    tool.arg("run").args(options).arg("--").args(command);
    tool.output().expect("the tool starts")
}

/// Why jails with these options are not to be had here, if `true` does not run in one.
pub(crate) fn refused(options: &[&str]) -> Option<String> {
    let said = run(options, &["true"]);
    (!said.status.success()).then(|| String::from_utf8_lossy(&said.stderr).trim().to_owned())
}

pub(crate) fn is_guest() -> bool {
    std::env::var_os("JAIL_TOOLS_GUEST").is_some()
}

/// How many: with JAIL_TOOLS_LONG_TESTS, wherever that is; in an ordinary run; in a guest.
pub(crate) fn how_many(long: u32, ordinary: u32, guest: u32) -> u32 {
    if std::env::var_os("JAIL_TOOLS_LONG_TESTS").is_some() {
        long
    } else if is_guest() {
        guest
    } else {
        ordinary
    }
}
