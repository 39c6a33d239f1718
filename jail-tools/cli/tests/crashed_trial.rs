//! A trial's process that dies costs that trial: the run goes on, and says what became of it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::process::Stdio;

use common::processes::wait_until;
use common::{Said, Story};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use record::manifest::RunEnd;
use record::{RunDir, TrialRecord, TrialStatus};

fn crashed(run: &RunDir) -> Vec<TrialRecord> {
    // Records appear whole, so that they can be read while the run goes on.
    let mut trials = run.trials().unwrap();
    trials.retain(|t| matches!(t.status, TrialStatus::Crashed { .. }));
    trials
}

/// Sends the signal to trials until one of them has died of it: one may be just done.
fn crash_a_trial(story: &Story, signal: Signal) {
    let now = || {
        story
            .runs("out")
            .first()
            .and_then(|r| RunDir::open(r).ok())
            .map_or(0, |run| crashed(&run).len())
    };
    let before = now();
    wait_until("a trial has crashed", || {
        if now() > before {
            return true;
        }
        if let Some(trial) = story.processes().iter().find(|p| p.verb == "trial") {
            let _ = kill(Pid::from_raw(trial.pid), signal);
        }
        false
    });
}

#[test]
fn a_trial_that_is_killed_costs_one_trial() {
    let story = Story::begin();
    let mut tool = story.tool();
    tool.args(["run", "syslat", "--quick", "--no-overhead", "--no-probes"])
        .args(["--out", "out", "--dir", "."])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let tool = tool.spawn().unwrap();
    crash_a_trial(&story, Signal::SIGKILL);
    crash_a_trial(&story, Signal::SIGSEGV);
    let said = Said::from(tool);
    story.wait_for_silence();

    let run = story.recorded("out");
    let manifest = run.manifest().unwrap();
    assert_eq!(manifest.end, Some(RunEnd::Complete), "the run went on");
    let trials = run.trials().unwrap();
    assert_eq!(trials.len(), manifest.plans[0].schedule.len());
    let lost = crashed(&run);
    assert!(lost.len() >= 2);
    for trial in &lost {
        assert!(run.samples(trial).unwrap().is_empty());
        let TrialStatus::Crashed { how, .. } = &trial.status else {
            unreachable!("they were chosen by it");
        };
        assert!(
            how.contains("killed by SIGKILL") || how.contains("killed by SIGSEGV"),
            "{how}"
        );
        let line = format!("trial {} (", trial.spec.trial);
        assert!(said.err.contains(&line), "{line:?} is not in {said:#?}");
    }
    let others = trials.iter().filter(|t| t.status == TrialStatus::Complete);
    assert_eq!(others.count(), trials.len() - lost.len());

    let status = format!(
        "PARTIAL: trials are missing; {} of {} trials",
        trials.len() - lost.len(),
        trials.len()
    );
    let warning = format!("Trials without rows: {} crashed, 0 failed", lost.len());
    said.ended(0, &[]).prints(&status).prints(&warning);
    exported(&story, &run, lost.len());
}

fn exported(story: &Story, run: &RunDir, lost: usize) {
    let export = |table: &str| {
        Said::by(
            story
                .tool()
                .arg("export")
                .arg(run.path())
                .args(["--table", table, "--format", "json"]),
        )
    };
    let trials = export("trials").ended(0, &[]).json();
    let statuses = trials.as_array().unwrap().iter().map(|t| &t["status"]);
    assert_eq!(statuses.filter(|s| *s == "crashed").count(), lost);
    let samples = export("samples").ended(0, &[]).json();
    let all: u64 = run.trials().unwrap().iter().map(|t| t.samples).sum();
    assert_eq!(samples.as_array().unwrap().len() as u64, all);
}
