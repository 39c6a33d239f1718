//! What came of the tests on one kernel, for people and for the exit status. Pure.

use std::fmt;

use guest::{Ended, Outcome, Step};

use crate::vm::guest_run::{End, Ran};

/// What came of one kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KernelOutcome {
    /// Release and accelerator.
    pub(crate) kernel: String,
    pub(crate) passed: Vec<String>,
    /// Test and how it failed.
    pub(crate) failed: Vec<(String, String)>,
    /// Tests that the guest's accident came before. They count as failed.
    pub(crate) never_began: Vec<String>,
    /// Test and why it could not run.
    pub(crate) skipped: Vec<(String, String)>,
    /// What happened to the guest itself, with the lines that show it.
    pub(crate) accident: Option<(String, Vec<String>)>,
    pub(crate) kernel_warnings: Vec<String>,
}

impl KernelOutcome {
    /// From what the guest did. A step that it never came to has failed with the guest.
    pub(crate) fn of(kernel: String, steps: &[Step], ran: &Ran) -> Self {
        let mut outcome = Self {
            kernel,
            passed: Vec::new(),
            failed: Vec::new(),
            never_began: Vec::new(),
            skipped: Vec::new(),
            accident: accident(&ran.end),
            kernel_warnings: ran.kernel_warnings.clone(),
        };
        // The first that has no end is the one that ran.
        let began = (0..steps.len()).find(|number| !ran.ended.contains_key(number));
        for (number, step) in steps.iter().enumerate() {
            outcome.add(step, ran.ended.get(&number), Some(number) == began);
        }
        outcome
    }

    fn add(&mut self, step: &Step, ended: Option<&Ended>, running: bool) {
        let name = step.name.clone();
        let Some(ended) = ended else {
            let happened = self
                .accident
                .as_ref()
                .map_or("the guest ended early", |(what, _)| what);
            let how = format!("during this test {happened}");
            if running && self.accident.is_some() {
                self.failed.push((name, how));
            } else {
                self.never_began.push(name);
            }
            return;
        };
        // What a test leaves running is a failure of a test that ended by itself; of one that
        // was ended it is to be expected.
        let left = &ended.left_behind;
        let left_running = (!left.is_empty()).then(|| format!("left running: {}", left.join(", ")));
        match (&ended.outcome, left_running) {
            (Outcome::Passed, None) => self.passed.push(name),
            (Outcome::Skipped(why), None) => self.skipped.push((name, why.clone())),
            (Outcome::Passed | Outcome::Skipped(_), Some(left)) => self.failed.push((name, left)),
            (Outcome::Failed(how), None) => self.failed.push((name, how.clone())),
            (Outcome::Failed(how), Some(left)) => {
                self.failed.push((name, format!("{how}; {left}")));
            }
            (Outcome::TimedOut(s), _) => {
                self.failed.push((name, format!("hung: ended after {s} s")));
            }
        }
    }

    /// Nothing failed, and the guest came to its end.
    pub(crate) fn good(&self) -> bool {
        self.failures() == 0
    }

    /// Tests that failed, never began, or left something running; an accident with no test to
    /// blame, and a kernel that warned, count as one each.
    pub(crate) fn failures(&self) -> usize {
        let tests = self.failed.len() + self.never_began.len();
        tests.max(usize::from(self.accident.is_some()))
            + usize::from(!self.kernel_warnings.is_empty())
    }
}

fn accident(end: &End) -> Option<(String, Vec<String>)> {
    match end {
        End::Done => None,
        End::Broken(why) => Some((format!("PID 1 gave up: {why}"), Vec::new())),
        End::Panicked { trace } => {
            let what = trace
                .iter()
                .find_map(|l| Some(l[l.find("Kernel panic")?..].to_owned()));
            Some((
                format!("the kernel panicked ({})", what.unwrap_or_default()),
                trace.clone(),
            ))
        }
        End::Hung { after, console } => Some((
            format!(
                "the guest hung: nothing began or ended in it for {} s",
                after.as_secs()
            ),
            console.clone(),
        )),
        End::Died { status, console } => Some((
            format!("the machine ended by itself ({status})"),
            console.clone(),
        )),
    }
}

impl fmt::Display for KernelOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kernel = &self.kernel;
        for (test, why) in &self.skipped {
            writeln!(f, "{kernel}: skipped: {test}: {why}")?;
        }
        for warning in &self.kernel_warnings {
            writeln!(f, "{kernel}: FAILED: the kernel warns: {warning}")?;
        }
        for (test, how) in &self.failed {
            writeln!(f, "{kernel}: FAILED: {test}: {how}")?;
        }
        if !self.never_began.is_empty() {
            let names = self.never_began.join(", ");
            writeln!(
                f,
                "{kernel}: FAILED: {} tests never began: {names}",
                self.never_began.len()
            )?;
        }
        if let Some((what, lines)) = &self.accident {
            writeln!(f, "{kernel}: FAILED: {what}")?;
            for line in lines {
                writeln!(f, "    {line}")?;
            }
        }
        write!(
            f,
            "{kernel}: {} passed, {} failed, {} skipped",
            self.passed.len(),
            self.failures(),
            self.skipped.len()
        )
    }
}

/// The last line, over all kernels.
pub(crate) fn sum(outcomes: &[KernelOutcome]) -> String {
    let count = |of: fn(&KernelOutcome) -> usize| outcomes.iter().map(of).sum::<usize>();
    format!(
        "{} passed, {} failed, {} skipped",
        count(|o| o.passed.len()),
        count(KernelOutcome::failures),
        count(|o| o.skipped.len())
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn steps() -> Vec<Step> {
        ["a", "b", "c"]
            .map(|name| Step {
                name: name.into(),
                command: vec![],
                dir: "/".into(),
                limit_s: 1,
                expects: None,
            })
            .to_vec()
    }

    fn ran(outcomes: &[Outcome], end: End) -> Ran {
        let ended = |(step, outcome): (usize, &Outcome)| {
            let outcome = outcome.clone();
            (
                step,
                Ended {
                    step,
                    outcome,
                    took_ms: 1,
                    left_behind: vec![],
                },
            )
        };
        Ran {
            up: None,
            ended: outcomes.iter().enumerate().map(ended).collect(),
            verified: vec![],
            end,
            kernel_warnings: vec![],
        }
    }

    fn outcome(outcomes: &[Outcome], end: End) -> KernelOutcome {
        KernelOutcome::of("6.1 (tcg)".into(), &steps(), &ran(outcomes, end))
    }

    #[test]
    fn passes_failures_hangs_and_skips_are_counted_apart_and_named_with_the_kernel() {
        let seen = [
            Outcome::Passed,
            Outcome::TimedOut(7),
            Outcome::Skipped("no disk".into()),
        ];
        let outcome = outcome(&seen, End::Done);
        let text = outcome.to_string();
        assert!(text.contains("6.1 (tcg): skipped: c: no disk"), "{text}");
        assert!(
            text.contains("6.1 (tcg): FAILED: b: hung: ended after 7 s"),
            "{text}"
        );
        assert!(
            text.ends_with("6.1 (tcg): 1 passed, 1 failed, 1 skipped"),
            "{text}"
        );
        assert!(!outcome.good());
        assert_eq!(sum(&[outcome]), "1 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn a_panic_fails_the_test_that_ran_and_all_that_never_began() {
        let trace = vec!["[1] Kernel panic - not syncing: x".to_owned()];
        let outcome = outcome(&[Outcome::Passed], End::Panicked { trace });
        assert_eq!(outcome.failed.len(), 1);
        assert!(
            outcome.failed[0]
                .1
                .starts_with("during this test the kernel panicked")
        );
        assert_eq!(outcome.never_began, ["c"]);
        assert_eq!(outcome.failures(), 2);
        assert!(outcome.to_string().contains("    [1] Kernel panic"));
    }

    #[test]
    fn an_accident_after_the_last_test_is_a_failure_all_the_same() {
        let all = [Outcome::Passed, Outcome::Passed, Outcome::Passed];
        let hung = End::Hung {
            after: Duration::from_secs(30),
            console: vec![],
        };
        let outcome = outcome(&all, hung);
        assert!(!outcome.good());
        assert_eq!(sum(&[outcome]), "3 passed, 1 failed, 0 skipped");
    }

    #[test]
    fn what_a_test_leaves_running_and_what_the_kernel_warns_of_are_failures() {
        let all = [
            Outcome::Passed,
            Outcome::Passed,
            Outcome::Skipped("x".into()),
        ];
        let mut ran = ran(&all, End::Done);
        assert!(KernelOutcome::of("k".into(), &steps(), &ran).good());
        if let Some(ended) = ran.ended.get_mut(&1) {
            ended.left_behind.push("sleep (7)".into());
        }
        ran.kernel_warnings.push("WARNING: x".into());
        let outcome = KernelOutcome::of("k".into(), &steps(), &ran);
        assert_eq!(outcome.failures(), 2);
        let text = outcome.to_string();
        assert!(
            text.contains("k: FAILED: b: left running: sleep (7)"),
            "{text}"
        );
        assert!(
            text.contains("k: FAILED: the kernel warns: WARNING: x"),
            "{text}"
        );
    }
}
