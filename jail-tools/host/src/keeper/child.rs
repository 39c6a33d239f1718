//! The keeper's own side: a loop that collects promises, and then undoes them.

use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::SigSet;
use nix::unistd::{getppid, setsid};

use super::undo::{self, Undo};
use super::{DONE, KEPT, READY};
use crate::sys;

/// Runs this process as keeper: reads promises from standard input, undoes them when its parent
/// closes the pipe or dies, and exits. 0 if everything was put back.
#[must_use]
pub fn main() -> ExitCode {
    let parent = shield();
    if say(READY).is_err() {
        return ExitCode::SUCCESS;
    }
    let promised = collect(parent.as_ref());
    let failed = undo::all(&promised);
    for failure in &failed {
        // The parent reports failures; if it is dead, standard error is the only place left.
        if say(failure).is_err() {
            // Not with eprintln: nobody may be there to read it, and that must not end this.
            let _ = writeln!(
                std::io::stderr(),
                "jail-tools was killed and its keeper could not put back: {failure}"
            );
        }
    }
    let _ = say(DONE);
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Takes this process out of everything that could end it together with its parent. Each step is
/// best effort: a keeper with one shield less is better than none.
fn shield() -> Option<OwnedFd> {
    // A descriptor of the parent held here would outlive it: a BPF link, a perf event.
    let _ = sys::close_inherited_fds();
    // Blocking is as good as ignoring for a process that never unblocks, and is one call.
    let _ = SigSet::all().thread_block();
    // Out of the parent's process group and terminal. Fails only if we lead a group already.
    let _ = setsid();
    // The last one that the OOM killer should take; lowering it needs CAP_SYS_RESOURCE.
    let _ = fs::write("/proc/self/oom_score_adj", "-1000");
    // The pipe alone would do, if no child of the parent had inherited its writing end.
    sys::pidfd_open(getppid().as_raw()).ok()
}

/// Collects promises until the pipe is closed or the parent is dead.
fn collect(parent: Option<&OwnedFd>) -> Vec<Undo> {
    let stdin = io::stdin();
    let mut promised = Vec::new();
    let mut pending: Vec<u8> = Vec::new();
    let mut chunk = [0; 4096];
    while wait_for_input(&stdin, parent) {
        let bytes = match nix::unistd::read(stdin.as_fd(), &mut chunk) {
            Ok(0) => break,
            Ok(bytes) => bytes,
            Err(Errno::EINTR) => continue,
            Err(_) => break,
        };
        pending.extend_from_slice(&chunk[..bytes]);
        while let Some(end) = pending.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            let Ok(undo) = serde_json::from_slice(&line) else {
                // Not answered with "kept", so the parent will not make the change.
                let _ = say("a promise that this keeper does not understand");
                continue;
            };
            promised.push(undo);
            let _ = say(KEPT);
        }
    }
    promised
}

/// Sleeps until there is something to read. False: the parent is dead, and what it still wrote
/// into the pipe was never answered, so it was never done.
fn wait_for_input(stdin: &io::Stdin, parent: Option<&OwnedFd>) -> bool {
    let input = PollFd::new(stdin.as_fd(), PollFlags::POLLIN);
    let Some(parent) = parent else { return true };
    let mut fds = [input, PollFd::new(parent.as_fd(), PollFlags::POLLIN)];
    match poll(&mut fds, PollTimeout::NONE) {
        Ok(_) => !fds[1].any().unwrap_or(false),
        Err(_) => true,
    }
}

fn say(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}
