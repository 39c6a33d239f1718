//! A run directory that was cut off at any instant keeps every finished trial.

use std::fs;
use std::path::Path;

use record::run_dir::RunError;
use record::trial::Losses;
use record::{Causes, Class, RunDir, Sample, TrialRecord, TrialSpec, TrialStatus};

fn record(trial: u32) -> TrialRecord {
    TrialRecord {
        spec: TrialSpec {
            trial,
            cell: 0,
            round: 0,
            seed: u64::MAX,
        },
        experiment: "syslat".into(),
        status: TrialStatus::Complete,
        started_at_ns: 1,
        wall_ms: 1,
        samples: 0,
        samples_crc32: 0,
        readings: 0,
        readings_crc32: 0,
        preconditions: Vec::new(),
        losses: Losses::default(),
        self_models: Vec::new(),
        irq_exit_ns: None,
        proc_stat_steal_ms: None,
        floor_gaps_per_s: None,
        notes: Vec::new(),
    }
}

fn sample(trial: u32, op: u64) -> Sample {
    Sample {
        trial,
        cell: 0,
        thread: 0,
        op,
        start_ns: op,
        latency_ns: 700,
        units: 1,
        causes: Causes::default(),
        steal_late_ns: None,
        pages: None,
        pages_missed: None,
        pages_readahead: None,
        oracle_resident_pages: None,
        requests: None,
        request_bytes: None,
        request_ns: None,
        interrupts: None,
        switches_voluntary: None,
        switches_involuntary: None,
        faults: None,
        migrations: None,
        gaps: None,
        result: 4096,
        class: Class::Unknown,
    }
}

fn run_of(trials: u32, parent: &Path) -> RunDir {
    let run = RunDir::create(parent, "20260101T000000Z", "test").expect("a run directory");
    for trial in 0..trials {
        let samples: Vec<Sample> = (0..10).map(|op| sample(trial, op)).collect();
        run.add_trial(record(trial), &samples, &[])
            .expect("a trial");
    }
    run
}

#[test]
fn a_trial_whose_record_was_not_written_does_not_count_and_harms_none() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = run_of(3, dir.path());
    // Killed between the tables and the record of trial 2, and while writing the next one.
    fs::remove_file(run.path().join("trials/trial-00002.json")).expect("remove");
    fs::write(run.path().join("trials/trial-00003.part"), b"{\"spec\"").expect("write");
    let trials = run.trials().expect("trials");
    assert_eq!(
        trials.iter().map(|t| t.spec.trial).collect::<Vec<_>>(),
        [0, 1]
    );
    for trial in &trials {
        let samples = run.samples(trial).expect("samples");
        assert_eq!(
            samples,
            (0..10)
                .map(|op| sample(trial.spec.trial, op))
                .collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_damaged_record_does_not_take_the_others_with_it() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = run_of(3, dir.path());
    fs::write(run.path().join("trials/trial-00001.json"), b"").expect("write");
    assert!(run.trials().is_err());
    let each = run.each_trial().expect("the directory");
    assert_eq!(
        each.iter().map(Result::is_ok).collect::<Vec<_>>(),
        [true, false, true]
    );
}

#[test]
fn a_table_that_was_changed_is_refused() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = run_of(2, dir.path());
    let (from, to) = ("samples/trial-00000.parquet", "samples/trial-00001.parquet");
    fs::copy(run.path().join(from), run.path().join(to)).expect("copy");
    let trials = run.trials().expect("trials");
    assert!(run.samples(&trials[0]).is_ok());
    let error = run.samples(&trials[1]).expect_err("another trial's rows");
    assert!(
        matches!(&error, RunError::NotARun { why, .. } if why.contains("checksum")),
        "{error}"
    );
}

#[test]
fn a_trial_is_never_overwritten() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = run_of(1, dir.path());
    assert!(run.add_trial(record(0), &[sample(0, 99)], &[]).is_err());
    let trials = run.trials().expect("trials");
    assert_eq!(run.samples(&trials[0]).expect("samples").len(), 10);
}

#[test]
fn what_is_no_run_or_another_version_says_so() {
    let dir = tempfile::tempdir().expect("tempdir");
    let error = RunDir::open(dir.path())
        .expect_err("no manifest")
        .to_string();
    assert!(error.contains("no manifest.json"), "{error}");
    for (text, expected) in [
        ("", "not a readable run"),
        ("{}", "no format_version"),
        ("{\"format_version\": 99}", "version 99"),
    ] {
        fs::write(dir.path().join("manifest.json"), text).expect("write");
        let run = RunDir::open(dir.path()).expect("it has a manifest");
        let error = run.manifest().expect_err("not ours").to_string();
        assert!(error.contains(expected), "{error}");
    }
}
