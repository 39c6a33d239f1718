//! SIGINT (or SIGTERM) in the middle: exit status 130, the finished trials kept and reported, the
//! host put back.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::process::Stdio;

use common::host_state::{BpfObjects, Cpuset, HostState};
use common::processes::wait_until;
use common::{Said, Story, names};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use record::TrialStatus;
use record::manifest::RunEnd;

/// Trials that are let finish before the signal.
const FINISHED: usize = 3;

fn finished(story: &Story) -> usize {
    story
        .runs("out")
        .first()
        .map_or(0, |run| names(&run.join("trials")).len())
}

/// What every interrupted run keeps and says.
fn is_kept(story: &Story, said: &Said) {
    let run = story.recorded("out");
    let manifest = run.manifest().unwrap();
    assert_eq!(manifest.end, Some(RunEnd::Interrupted));
    let trials = run.trials().unwrap();
    let planned = manifest.plans[0].schedule.len();
    assert!((FINISHED..planned).contains(&trials.len()));
    for trial in &trials {
        assert_eq!(trial.status, TrialStatus::Complete);
        assert_eq!(run.samples(trial).unwrap().len() as u64, trial.samples);
    }
    assert_eq!(
        names(run.path()),
        [
            "manifest.json",
            "readings",
            "samples",
            "trials",
            "verdict.json"
        ]
    );
    let status = format!("PARTIAL: interrupted; {} of {planned} trials", trials.len());
    said.ended(130, &[])
        .prints(&status)
        .prints("It was interrupted.");
    let report = Said::by(story.tool().arg("report").arg(run.path()));
    assert_eq!(report.ended(0, &[]).out, said.out, "the same report again");
}

#[test]
fn sigterm_in_the_middle_keeps_what_was_finished() {
    let story = Story::begin();
    let mut tool = story.tool();
    tool.args(["run", "syslat", "--quick", "--no-overhead", "--no-probes"])
        .args(["--out", "out", "--dir", "."])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let tool = tool.spawn().unwrap();
    wait_until("some trials are finished", || finished(&story) >= FINISHED);
    kill(Pid::from_raw(tool.id().cast_signed()), Signal::SIGTERM).unwrap();
    let said = Said::from(tool);
    story.wait_for_silence();
    is_kept(&story, &said);
}

/// As ^C at a terminal does it: the whole process group gets it.
#[test]
fn needs_root_needs_cpuset_v1_sigint_in_the_middle_puts_the_host_back() {
    let test = testkit::begin!();
    let cpuset = match Cpuset::make("interrupted") {
        Ok(cpuset) => cpuset,
        Err(why) => return test.skip(&why),
    };
    let story = Story::begin();
    fs::create_dir(story.path("dir")).unwrap();
    let before = HostState::now();
    let mut tool = story.tool();
    tool.args([
        "run",
        "syslat",
        "--quick",
        "--no-overhead",
        "--idle",
        "poll",
    ])
    .args(["--isolate", "--isolate-within", &cpuset.name()])
    .args(["--out", "out", "--dir", "dir"])
    .stdout(Stdio::piped())
    .stderr(Stdio::piped());
    let tool = tool.spawn().unwrap();
    let pid = Pid::from_raw(tool.id().cast_signed());
    wait_until("some trials are finished", || finished(&story) >= FINISHED);
    let bpf = BpfObjects::of(pid.as_raw());
    assert!(HostState::now().is_polling(), "--idle poll is in force");
    assert_eq!(cpuset.inside().len(), 2, "--isolate is in force");
    killpg(pid, Signal::SIGINT).unwrap();
    let said = Said::from(tool);

    // An orderly end has put everything back when it has ended: nothing to wait for.
    assert_eq!(cpuset.inside(), [""; 0]);
    cpuset.wait_for_return();
    before.wait_for_return();
    story.wait_for_silence();
    bpf.wait_until_gone();
    assert_eq!(names(&story.path("dir")), [""; 0], "the file under test");
    let manifest = story.recorded("out").manifest().unwrap();
    assert!(manifest.idle_policy.contains("polling"));
    let refused: Vec<_> = manifest
        .host_changes
        .iter()
        .filter(|c| c.refused.is_some())
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
    is_kept(&story, &said);
}
