//! What `cargo xtask vm` and the PID 1 of its guests say to each other: the plan, as a file on
//! the guest's disk, and events, a line of JSON each, on the guest's second serial port.
//!
//! The first serial port is the kernel's console: what the kernel prints never gets between
//! two halves of an event.

use serde::{Deserialize, Serialize};

/// Where the plan stands on the guest's disk.
pub const PLAN: &str = "/etc/guest-plan.json";

/// The serial port of the events (16550 at 0x2f8, built into distribution kernels).
pub const EVENTS: &str = "/dev/ttyS1";

/// The file in the initramfs that names the kernel modules to load, in their order.
pub const MODULES: &str = "/modules.list";

/// On the kernel's command line: do nothing but open a shell on the console.
pub const SHELL_OPTION: &str = "guest.shell";

/// Instead of a program: PID 1 falls silent for ever, so that the host's own limit can be tested.
pub const SILENCE: &str = "(fall silent)";

/// What the guest is to do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Plan {
    /// Environment of every step; nothing else is in it.
    pub env: Vec<(String, String)>,
    /// One after the other.
    pub steps: Vec<Step>,
}

/// One test, in a process of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// `package::program::test`, for people.
    pub name: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Working directory.
    pub dir: String,
    /// A step that takes longer is ended, with its process group, s.
    pub limit_s: u64,
    /// Lines that the program has to print for its exit status 0 to count: libtest succeeds
    /// also where a name matches no test.
    pub expects: Option<String>,
}

/// What the guest says of itself once it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Up {
    /// uname release.
    pub kernel: String,
    /// Clock source in use.
    pub clocksource: String,
    /// Controllers of the unified hierarchy.
    pub cgroup_controllers: String,
}

/// One thing that happened in the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The root is mounted and the plan is read.
    Up(Up),
    /// A step begins, by its number in the plan.
    Begin(usize),
    /// A line that the step printed, on either stream.
    Output(String),
    /// A step says what it has verified on this kernel.
    Verified(Verified),
    /// The step is over.
    End(Ended),
    /// All steps are over.
    Done,
    /// The guest could not do its work.
    Broken(String),
}

/// Something about a kernel that a test has verified: a cell of the kernel table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Verified {
    /// Row of the table.
    pub feature: String,
    /// The test that saw it.
    pub test: String,
    /// What it saw.
    pub what: String,
}

impl Verified {
    /// From a line of the log that tests write: `feature`, `test` and `what`, separated by tabs.
    #[must_use]
    pub fn from_line(line: &str) -> Option<Self> {
        let mut fields = line.splitn(3, '\t').map(|f| f.trim().to_owned());
        let (feature, test, what) = (fields.next()?, fields.next()?, fields.next()?);
        let named = !feature.is_empty() && !test.is_empty();
        named.then_some(Self {
            feature,
            test,
            what,
        })
    }
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Its number in the plan.
    pub step: usize,
    /// Passed, failed, skipped, …
    pub outcome: Outcome,
    /// Wall time, ms.
    pub took_ms: u64,
    /// Processes that outlived it and were ended: what it left behind.
    pub left_behind: Vec<String>,
}

/// Passed or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It did what it should.
    Passed,
    /// It did not: how it ended.
    Failed(String),
    /// It noted itself as skipped: why.
    Skipped(String),
    /// Still running at its limit, s.
    TimedOut(u64),
}

impl Outcome {
    /// From how the process ended, what it printed and what it noted. Pure.
    ///
    /// `status` is `None` when the limit ended it. A failure is one whatever was noted.
    #[must_use]
    pub fn of(
        step: &Step,
        status: Option<Result<(), String>>,
        output: &[String],
        skipped: &str,
    ) -> Self {
        match status {
            None => Self::TimedOut(step.limit_s),
            Some(Err(how)) => Self::Failed(match panic_message(output) {
                Some(message) => format!("{how}: {message}"),
                None => how,
            }),
            Some(Ok(())) => {
                let expected = step.expects.as_deref();
                if expected.is_some_and(|e| !output.iter().any(|line| line.contains(e))) {
                    return Self::Failed(format!(
                        "exit status 0, but it never printed `{}`",
                        expected.unwrap_or_default()
                    ));
                }
                match skipped.lines().find(|l| !l.trim().is_empty()) {
                    Some(line) => Self::Skipped(
                        line.split_once(": ")
                            .map_or("no reason given", |(_test, why)| why)
                            .trim()
                            .to_owned(),
                    ),
                    None => Self::Passed,
                }
            }
        }
    }
}

/// What a panicking test said: the line after the one that says where (std's default hook).
fn panic_message(output: &[String]) -> Option<&str> {
    let at = output
        .iter()
        .position(|line| line.contains("panicked at "))?;
    output.get(at + 1).map(|line| line.trim())
}

/// An event as a line, without the line feed.
#[must_use]
pub fn line(event: &Event) -> String {
    // Strings and numbers only: serializing them cannot fail.
    serde_json::to_string(event).unwrap_or_default()
}

/// An event from a line; `None` for anything else, such as a line that was cut off.
#[must_use]
pub fn parse(line: &str) -> Option<Event> {
    serde_json::from_str(line.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn step() -> Step {
        Step {
            name: "p::t".into(),
            command: vec!["/t".into()],
            dir: "/".into(),
            limit_s: 9,
            expects: Some("1 passed".into()),
        }
    }

    #[test]
    fn a_program_that_ran_no_test_has_not_passed() {
        let ran = ["test result: ok. 1 passed; 0 failed".to_owned()];
        assert_eq!(
            Outcome::of(&step(), Some(Ok(())), &ran, ""),
            Outcome::Passed
        );
        let none = ["test result: ok. 0 passed; 0 failed".to_owned()];
        assert!(matches!(
            Outcome::of(&step(), Some(Ok(())), &none, ""),
            Outcome::Failed(_)
        ));
    }

    #[test]
    fn a_panic_is_said_with_the_failure() {
        let said = [
            "thread 't' (7) panicked at tests/x.rs:1:1:".to_owned(),
            "program block_rq_issue: refused".to_owned(),
        ];
        let failed = Outcome::of(&step(), Some(Err("exit status: 101".into())), &said, "");
        let how = "exit status: 101: program block_rq_issue: refused";
        assert_eq!(failed, Outcome::Failed(how.into()));
    }

    #[test]
    fn a_failure_is_one_whatever_was_noted_and_a_hang_is_none_of_both() {
        let died = Some(Err("killed by SIGSEGV".to_owned()));
        assert_eq!(
            Outcome::of(&step(), died, &[], "t: not here\n"),
            Outcome::Failed("killed by SIGSEGV".into())
        );
        assert_eq!(Outcome::of(&step(), None, &[], ""), Outcome::TimedOut(9));
        let ran = ["1 passed".to_owned()];
        assert_eq!(
            Outcome::of(&step(), Some(Ok(())), &ran, "t: not: here\n"),
            Outcome::Skipped("not: here".into())
        );
    }

    proptest! {
        #[test]
        fn every_event_is_one_line_and_comes_back(text in ".*", ms: u64) {
            let ended = Ended { step: 3, outcome: Outcome::Failed(text.clone()), took_ms: ms, left_behind: vec![text.clone()] };
            for event in [Event::Output(text), Event::End(ended), Event::Done] {
                let line = line(&event);
                prop_assert!(!line.contains('\n'));
                prop_assert_eq!(parse(&line), Some(event));
            }
        }

        #[test]
        fn no_line_makes_it_panic(text in ".*") {
            let _ = (parse(&text), Verified::from_line(&text));
        }
    }
}
