//! The disk is full in the middle of a run: the error says so, and what was finished reports.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{Said, Story, names};
use record::{RunDir, TrialStatus};
use testkit::no_program;

/// A filesystem of one megabyte in a mount namespace of its own, gone with the last process in
/// it. What is recorded there is copied out, and what was said and returned is written beside.
const SCRIPT: &str = r#"
set -u
binary=$1 small=$2 dir=$3 kept=$4
mount -t tmpfs -o size=1m small "$small" || exit 99
"$binary" run syslat --quick --no-overhead --no-probes --out "$small" --dir "$dir" \
    >"$kept/run.out" 2>"$kept/run.err"
echo $? >"$kept/run.status"
"$binary" report "$small"/* >"$kept/report.out" 2>"$kept/report.err"
echo $? >"$kept/report.status"
cp -r "$small"/* "$kept/recorded"
"#;

fn said(kept: &Path, what: &str) -> Said {
    let text = |suffix: &str| fs::read_to_string(kept.join(format!("{what}.{suffix}"))).unwrap();
    let said = Said {
        status: text("status").trim().parse().ok(),
        out: text("out"),
        err: text("err"),
    };
    assert!(!said.err.contains("panicked"), "{said:#?}");
    said
}

#[test]
fn needs_root_a_full_disk_ends_the_run_and_loses_nothing_that_was_finished() {
    let test = testkit::begin!();
    if let Some(why) = no_program(&["unshare", "mount", "sh"]) {
        return test.skip(&why);
    }
    let story = Story::begin();
    for name in ["small", "dir", "kept"] {
        fs::create_dir(story.path(name)).unwrap();
    }
    let kept = story.path("kept");
    let script = Command::new("unshare")
        .args(["--mount", "sh", "-c", SCRIPT, "sh"])
        .arg(story.binary())
        .args([story.path("small"), story.path("dir"), kept.clone()])
        .output()
        .unwrap();
    if !kept.join("run.status").exists() {
        let why = String::from_utf8_lossy(&script.stderr).trim().to_owned();
        return test.skip(&format!("no tmpfs in a mount namespace: {why}"));
    }
    story.wait_for_silence();

    let run = said(&kept, "run");
    run.ended(
        1,
        &[
            "No space left on device",
            "the run ended early; what was recorded is kept: jail-tools report",
            "free some space or choose another directory with --out",
            &story.path("small").display().to_string(),
        ],
    );
    let recorded = RunDir::open(&kept.join("recorded")).unwrap();
    let manifest = recorded.manifest().unwrap();
    let planned = manifest.plans[0].schedule.len();
    let trials = recorded.trials().unwrap();
    assert!((1..planned).contains(&trials.len()), "{}", trials.len());
    for trial in &trials {
        assert_eq!(trial.status, TrialStatus::Complete);
        let samples = recorded.samples(trial).unwrap();
        assert_eq!(samples.len() as u64, trial.samples);
        assert!(samples.iter().all(|s| s.causes.closes(s.latency_ns)));
    }
    let report = said(&kept, "report");
    report.ended(0, &[]).prints("PARTIAL: ");
    report.prints(&format!("{} of {planned} trials", trials.len()));
    assert_eq!(names(&story.path("dir")), [""; 0], "the file under test");
}
