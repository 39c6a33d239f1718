//! What stays while a command sleeps: the processes of each subject.

use std::time::Duration;

use anyhow::Result;
use nix::unistd::Pid;
use serde::Serialize;

use crate::child::Child;
use crate::procfs::{comm, family, is_pid1};
use crate::session::{HANG, Pipe, Session, with_last_line, words};
use crate::spawn::Streams;
use crate::subject::Subject;

/// The command: without an end, without a wake-up.
const SLEEP: [&str; 2] = ["/bin/sleep", "infinity"];

/// As the kernel names it.
const SLEEP_COMM: &str = "sleep";

/// Between looks whether the command runs.
const LOOK: Duration = Duration::from_millis(10);

/// From then until it is idle: what it does after the start of its command is start-up still.
const SETTLE: Duration = Duration::from_millis(500);

/// Which of a subject's processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// It was started, and is not PID 1.
    Supervisor,
    Pid1,
    /// One more, and not the command.
    Other,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Supervisor => "supervisor",
            Self::Pid1 => "PID 1",
            Self::Other => "one more",
        }
    }
}

/// A subject whose command sleeps.
pub(crate) struct Live {
    child: Child,
    pub(crate) processes: Vec<(Role, Pid)>,
    /// Its standard error: a write must not end it.
    _errors: std::fs::File,
}

/// Starts it, and waits until its command runs. What it fails at is inside; an interruption is
/// outside.
pub(crate) fn start(session: &Session<'_>, subject: Subject) -> Result<Result<Live, String>> {
    let mut program = match session.tools.resident(subject, &words(&SLEEP)) {
        Ok(program) => program,
        Err(why) => return Ok(Err(why)),
    };
    let errors = Pipe::new()?;
    let streams = Streams {
        stderr: errors.write_end(),
        ..session.silent()
    };
    let child = match program.start(streams, subject.namespaces()) {
        Ok(child) => child,
        Err(errno) => return Ok(Err(format!("it could not be started: {errno}"))),
    };
    let errors = errors.into_reader();
    for _ in 0..HANG.as_millis() / LOOK.as_millis() {
        session.interrupt.pause(LOOK)?;
        let family = family(child.pid());
        if family.iter().any(|pid| is_command(*pid)) {
            return Ok(Ok(Live {
                processes: processes(&family),
                child,
                _errors: errors,
            }));
        }
    }
    Ok(Err(with_last_line(
        "its command did not run".into(),
        errors,
    )))
}

fn is_command(pid: Pid) -> bool {
    comm(pid).is_some_and(|name| name == SLEEP_COMM)
}

/// All but the command, which comes last.
fn processes(family: &[Pid]) -> Vec<(Role, Pid)> {
    let kept = family.iter().filter(|pid| !is_command(**pid));
    let role = |(nth, pid): (usize, &Pid)| match (is_pid1(*pid), nth) {
        (true, _) => (Role::Pid1, *pid),
        (false, 0) => (Role::Supervisor, *pid),
        (false, _) => (Role::Other, *pid),
    };
    kept.enumerate().map(role).collect()
}

/// Waits until what was started is idle.
pub(crate) fn settle(session: &Session<'_>) -> Result<()> {
    session.interrupt.pause(SETTLE)
}

/// Ends it, in a way that lets it clean up.
pub(crate) fn end(session: &Session<'_>, live: Result<Live, String>) -> Result<()> {
    match live {
        Ok(live) => live.child.end(session.interrupt),
        // Whatever there was of it has been dropped.
        Err(_) => Ok(()),
    }
}
