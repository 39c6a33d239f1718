//! What a process finds when it is started.

use std::os::unix::ffi::OsStrExt;

use anyhow::Result;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{getpgrp, getpid, getppid, getsid, tcgetpgrp};

use crate::common::wire::{Signals, State, Who, hexadecimal};
use crate::door;

/// Highest signal of Linux.
const SIGNAL_LAST: i32 = 64;

/// Descriptors are looked for below this.
const FD_END: i32 = 4096;

/// The environment is told where it is asked for: it makes a line longer than what a pipe takes
/// in one piece.
pub(crate) fn observe(who: Who, environment: bool) -> Result<State> {
    let variables = || {
        let all = std::env::vars_os().map(|(name, value)| {
            let pair = [name.as_bytes(), value.as_bytes()].join(&b'=');
            hexadecimal(&pair)
        });
        all.collect()
    };
    Ok(State {
        who,
        pid: getpid().as_raw(),
        parent: getppid().as_raw(),
        group: getpgrp().as_raw(),
        session: getsid(None)?.as_raw(),
        foreground: tcgetpgrp(std::io::stdin())
            .ok()
            .map(nix::unistd::Pid::as_raw),
        blocked: door::blocked()?,
        ignored: ignored()?,
        pending: door::pending()?,
        open: (0..FD_END).filter(|fd| door::is_open(*fd)).collect(),
        arguments: std::env::args_os()
            .map(|a| hexadecimal(a.as_bytes()))
            .collect(),
        environment: if environment { variables() } else { Vec::new() },
        directory: std::env::current_dir()?.display().to_string(),
        umask: current_umask(),
    })
}

fn ignored() -> Result<Signals> {
    let mut set = Vec::new();
    for signal in 1..=SIGNAL_LAST {
        if door::is_ignored(signal)? {
            set.push(signal);
        }
    }
    Ok(Signals::of(&set))
}

/// It can only be read by setting it.
fn current_umask() -> u32 {
    let mask = umask(Mode::empty());
    umask(mask);
    mask.bits()
}
