//! `cargo xtask vm --self-check`: does the machinery notice what it is there to notice?
//!
//! A guest is made to fail in each way that is not a failing test, and the verdict on it has to
//! say so. A check that cannot fail would be none.

use anyhow::{Result, bail};
use guest::Step;

use crate::vm::deb::Kernel;
use crate::vm::outcome::KernelOutcome;

/// One way to fail, and what the outcome then has to say.
struct Case {
    name: &'static str,
    steps: Vec<Step>,
    says: &'static [&'static str],
}

fn step(name: &str, command: &[&str], limit_s: u64) -> Step {
    Step {
        name: name.to_owned(),
        command: command.iter().map(|w| (*w).to_owned()).collect(),
        dir: "/".to_owned(),
        limit_s,
        expects: None,
    }
}

fn cases() -> Vec<Case> {
    let fine = || step("fine", &["/bin/true"], 10);
    vec![
        Case {
            name: "a test that hangs is ended by its limit, and the next one runs",
            steps: vec![step("hangs", &["/bin/sleep", "1000"], 3), fine()],
            says: &[
                "FAILED: hangs: hung: ended after 3 s",
                "1 passed, 1 failed, 0 skipped",
            ],
        },
        Case {
            name: "a test that leaves a process behind has failed",
            steps: vec![
                step("leaves", &["/bin/sh", "-c", "sleep 1000 & exit 0"], 10),
                fine(),
            ],
            says: &["FAILED: leaves: left running: sleep", "1 passed, 1 failed"],
        },
        Case {
            name: "a test that fails is named, with how it ended",
            steps: vec![step("fails", &["/bin/false"], 10), fine()],
            says: &["FAILED: fails: exit status: 1", "1 passed, 1 failed"],
        },
        Case {
            name: "a kernel that warns has failed, whatever its tests say",
            steps: vec![step(
                "warns",
                &["/bin/sh", "-c", "echo '<4>WARNING: on purpose' > /dev/kmsg"],
                10,
            )],
            says: &["FAILED: the kernel warns", "1 passed, 1 failed"],
        },
        Case {
            name: "a kernel that panics is a failure with its trace",
            steps: vec![
                fine(),
                step(
                    "panics",
                    &["/bin/sh", "-c", "echo c > /proc/sysrq-trigger"],
                    60,
                ),
                fine(),
            ],
            says: &[
                "FAILED: panics: during this test the kernel panicked",
                "FAILED: 1 tests never began: fine",
                "Call Trace",
                "1 passed, 2 failed",
            ],
        },
        Case {
            name: "a guest that falls silent is ended by the host, its console shown",
            steps: vec![step("silent", &[guest::SILENCE], 2)],
            says: &[
                "FAILED: silent: during this test the guest hung",
                "FAILED: the guest hung",
                "Kernel panic - not syncing: NMI",
            ],
        },
    ]
}

/// Runs every case on the first kernel.
pub(crate) fn run(
    kernels: &[Kernel],
    mut guest: impl FnMut(&Kernel, Vec<Step>) -> Result<KernelOutcome>,
) -> Result<()> {
    let Some(kernel) = kernels.first() else {
        bail!("no kernel to check on");
    };
    let (mut passed, mut failed) = (0, 0);
    for case in cases() {
        println!("\n== {}", case.name);
        let outcome = guest(kernel, case.steps)?;
        let text = outcome.to_string();
        println!("{text}");
        let missing: Vec<&&str> = case.says.iter().filter(|s| !text.contains(**s)).collect();
        if missing.is_empty() && !outcome.good() {
            passed += 1;
        } else {
            failed += 1;
            println!("NOT NOTICED: {missing:?}");
        }
    }
    println!("\n{passed} passed, {failed} failed, 0 skipped");
    if failed > 0 {
        bail!("{failed} ways to fail were not noticed");
    }
    Ok(())
}
