//! A stalled thread cannot be ended, a process can: each broken variant runs in one of its own.

use std::fmt;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use mutex_condvar::{Fault, Faults};
use testkit::Test;

use crate::crew::Trouble;

/// The child's role, `fault` or `control`.
const ROLE: &str = "JAIL_TOOLS_STRESS_ROLE";

/// The child saw trouble, and has said so.
const CAUGHT: i32 = 42;

/// What the child says of it, and nothing else begins so.
const EVIDENCE: &str = "evidence: ";

/// Nobody moves for so long: a stall. What moves here moves within microseconds.
pub(crate) const LIMIT: Duration = Duration::from_secs(3);

/// So long the fault is looked for, and so long the same run goes well without it.
const HUNT: Duration = Duration::from_secs(10);
const CONTROL: Duration = Duration::from_millis(700);

/// Then it is ended: it is not even able to say that it stalled.
const CHILD_LIMIT: Duration = Duration::from_mins(1);

/// Runs for about so long with these mistakes in the queue, unless there is trouble.
pub(crate) type Workload = fn(Faults, Duration) -> Result<(), Trouble>;

/// What came of a child.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: Option<ExitStatus>,
    pub(crate) said: String,
}

impl Seen {
    fn evidence(&self) -> Option<&str> {
        let caught = self.status?.code() == Some(CAUGHT);
        let (_, evidence) = self.said.split_once(EVIDENCE)?;
        caught.then_some(evidence.trim())
    }

    /// It reported a data race: ThreadSanitizer's exit status is 66 then.
    pub(crate) fn race(&self) -> Option<&str> {
        let reported = self.status?.code() != Some(0);
        let (_, report) = self
            .said
            .split_once("WARNING: ThreadSanitizer: data race")?;
        reported.then_some(report)
    }

    fn went_well(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "{status}; it said:\n{}", self.said),
            None => write!(f, "ended after {CHILD_LIMIT:?}; it said:\n{}", self.said),
        }
    }
}

/// In the child: plays its role, and does not come back. In the test: nothing.
pub(crate) fn play(fault: Fault, workload: Workload) {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let played = if role == "control" {
        workload(Faults::NONE, CONTROL)
    } else {
        workload(Faults::inject(fault), HUNT)
    };
    if let Err(trouble) = played {
        println!("{EVIDENCE}{trouble}");
        // Other threads may hang: nobody waits for them.
        std::process::exit(CAUGHT);
    }
    std::process::exit(0);
}

/// The mistake is caught, in so many tries at most, and the same goes well without it.
pub(crate) fn catches(test: &Test, fault: Fault, workload: Workload, tries: u32) {
    play(fault, workload);
    if std::env::var_os("JAIL_TOOLS_GUEST").is_some() {
        test.skip("an emulated machine is too slow, and runs its CPUs one after the other");
        return;
    }
    assert!(
        (0..tries).any(|_| caught(test, fault)),
        "{fault:?} was not caught in {tries} tries of {HUNT:?}"
    );
    goes_well(test, fault);
}

/// One try.
pub(crate) fn caught(test: &Test, fault: Fault) -> bool {
    let begun = Instant::now();
    let seen = run(test, "fault");
    if let Some(evidence) = seen.evidence() {
        let after = begun.elapsed();
        println!("caught: {fault:?} by stress: {evidence}\n({after:.1?})");
        return true;
    }
    assert!(seen.went_well(), "{fault:?}: {seen}");
    false
}

pub(crate) fn goes_well(test: &Test, fault: Fault) {
    let seen = run(test, "control");
    assert!(seen.went_well(), "without {fault:?}: {seen}");
}

/// This test again, alone in a process.
pub(crate) fn run(test: &Test, role: &str) -> Seen {
    let program = std::env::current_exe().expect("this program's path");
    let mut child = Command::new(program)
        .args([test.name(), "--exact", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        // One report of ThreadSanitizer's is enough.
        .env("TSAN_OPTIONS", "halt_on_error=1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("this program runs");
    let out = reading(child.stdout.take());
    let err = reading(child.stderr.take());
    let status = wait(&mut child);
    let said = [out, err].map(|reader| reader.join().expect("a reader"));
    Seen {
        status,
        said: said.concat(),
    }
}

/// Reads along, so that the child never waits for a full pipe.
fn reading(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_end(&mut bytes).expect("a pipe is read");
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn wait(child: &mut Child) -> Option<ExitStatus> {
    let until = Instant::now() + CHILD_LIMIT;
    while Instant::now() < until {
        if let Some(status) = child.try_wait().expect("the child's status") {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("one's own child is ended");
    child.wait().expect("and is gone");
    None
}
