//! Reports of whole, killed, blind and damaged runs.

#[path = "../../analysis/tests/common/mod.rs"]
mod common;

use std::fs;

use common::{Shape, WHOLE};
use record::ledger::DEVICE;
use record::manifest::{PartGrade, Usage};
use record::verdict::Standing;
use record::{CAUSES, Grade, TrialStatus, Verdict};
use report::Report;
use report::terminal::{Style, render};

fn text_of(run: &record::RunDir) -> String {
    render(&Report::of(run).expect("a report"), Style::default())
}

fn standing<'a>(verdict: &'a Verdict, expectation: &str) -> &'a Standing {
    let judgement = verdict
        .judgements
        .iter()
        .find(|j| j.expectation == expectation);
    &judgement.expect("the expectation was judged").standing
}

#[test]
fn a_whole_run_shows_every_section_within_the_width() {
    let dir = tempfile::tempdir().expect("tempdir");
    let text = text_of(&common::make(dir.path(), WHOLE, 12));
    for expected in [
        "run 20260101T000000Z-test",
        "complete, 12 of 12 trials",
        "What does a pread() cost",
        "4k cold",
        "100 %",
        "Every ledger closes: 4,800 operations re-checked.",
        "HOLDS, conditionally",
        "a noisy neighbour",
        "page-faults",
        "no PMU in this guest",
        "Losses",
        "Before you believe it",
    ] {
        assert!(text.contains(expected), "no {expected:?} in:\n{text}");
    }
    let widest = text.lines().map(|l| l.chars().count()).max().unwrap_or(0);
    assert!(widest <= 120, "{widest} columns:\n{text}");
    assert!(!text.contains('\x1b'));
}

#[test]
fn expectations_are_judged_each_on_its_own_evidence() {
    let dir = tempfile::tempdir().expect("tempdir");
    let verdict = Report::of(&common::make(dir.path(), WHOLE, 12))
        .expect("a report")
        .analysis
        .verdict();
    assert!(matches!(
        standing(&verdict, "miss-is-slow"),
        Standing::Conditional { .. }
    ));
    assert!(matches!(
        standing(&verdict, "warm-hits"),
        Standing::Conditional { .. }
    ));
    assert_eq!(standing(&verdict, "miss-is-cheap"), &Standing::Refuted);
    assert!(verdict.refuted());
    // Direct I/O adds no page to the cache by design: there is nothing to agree about.
    assert!(matches!(
        standing(&verdict, "direct-agrees"),
        Standing::NotMeasured { .. }
    ));
}

#[test]
fn a_killed_run_still_reports_and_says_that_it_is_partial() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = common::make(dir.path(), Shape { end: None, ..WHOLE }, 5);
    let text = text_of(&run);
    assert!(
        text.contains("PARTIAL: killed, or still running; 5 of 12 trials"),
        "{text}"
    );
    assert!(
        text.contains("5 of 12 trials. It was killed, or still runs."),
        "{text}"
    );
    // Two rounds, of which the second lacks a cell: nothing can hold yet.
    let verdict = Report::of(&run).expect("a report").analysis.verdict();
    assert!(matches!(
        standing(&verdict, "miss-is-slow"),
        Standing::Inconclusive {
            more_rounds: Some(1)
        }
    ));
}

#[test]
fn a_run_killed_before_its_first_trial_has_nothing_to_show_and_says_so() {
    let dir = tempfile::tempdir().expect("tempdir");
    let text = text_of(&common::make(dir.path(), Shape { end: None, ..WHOLE }, 0));
    assert!(text.contains("No trial has completed"), "{text}");
}

#[test]
fn without_bpf_no_cause_is_shown_as_zero() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = common::make(
        dir.path(),
        Shape {
            bpf: false,
            ..WHOLE
        },
        12,
    );
    let text = text_of(&run);
    assert!(
        !text.contains("watched, and no time in it"),
        "nothing was watched:\n{text}"
    );
    assert!(text.contains("no BPF program was loaded"), "{text}");
    assert!(
        text.contains("no probe could class these operations"),
        "{text}"
    );
    let report = Report::of(&run).expect("a report");
    for cell in &report.analysis.experiments[0].cells {
        for share in cell
            .blame
            .all
            .shares
            .iter()
            .filter(|s| s.column != "ledger_residual_ns")
        {
            assert_eq!(share.total_ns.value, None, "{}", share.column);
            assert_eq!(
                (share.share, share.per_op_ns, share.touched),
                (None, None, None)
            );
        }
        assert_eq!(cell.summary.probe_hit_ratio, None);
        assert_eq!(cell.summary.agreement, None);
        let cycles = cell
            .counters
            .iter()
            .find(|c| c.event == "cycles")
            .expect("cycles");
        assert_eq!((cycles.total.value, cycles.per_op), (None, None));
    }
}

#[test]
fn an_account_that_was_refused_is_named_in_the_header_and_at_each_part() {
    let dir = tempfile::tempdir().expect("tempdir");
    let blind = Shape {
        bpf: false,
        ..WHOLE
    };
    let run = common::make(dir.path(), blind, 12);
    let mut manifest = run.manifest().expect("the manifest");
    let why = "getrusage(RUSAGE_THREAD): EPERM";
    manifest.usage = Some(Usage {
        read: Vec::new(),
        parts: vec![PartGrade {
            column: CAUSES[DEVICE].column.into(),
            grade: Grade::Unavailable { why: why.into() },
        }],
    });
    run.write_manifest(&manifest).expect("write");
    let text = text_of(&run);
    assert!(
        text.contains(&format!("no account of the threads: {why}")),
        "{text}"
    );
    assert!(!text.contains("inferred, not counted"), "{text}");
    let report = Report::of(&run).expect("a report");
    for cell in &report.analysis.experiments[0].cells {
        let device = &cell.blame.all.shares[DEVICE].total_ns;
        assert_eq!(device.value, None);
        assert_eq!(device.grade, Grade::Unavailable { why: why.into() });
    }
}

#[test]
fn counters_are_differences_and_multiplexed_ones_are_scaled() {
    let dir = tempfile::tempdir().expect("tempdir");
    let report = Report::of(&common::make(dir.path(), WHOLE, 12)).expect("a report");
    let counters = &report.analysis.experiments[0].cells[0].counters;
    let per_op = |event: &str| {
        counters
            .iter()
            .find(|c| c.event == event)
            .and_then(|c| c.per_op)
    };
    assert_eq!(per_op("page-faults"), Some(2.0));
    assert_eq!(per_op("shared-event"), Some(4.0));
    assert_eq!(per_op("cycles"), None);
}

#[test]
fn a_crashed_trial_costs_itself_and_is_named() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = common::make(dir.path(), WHOLE, 11);
    let last = &common::plan(WHOLE).schedule[11];
    let status = TrialStatus::Crashed {
        how: "SIGSEGV".into(),
        stderr: String::new(),
    };
    run.add_trial(common::record(last, status), &[], &[])
        .expect("a record");
    let text = text_of(&run);
    assert!(
        text.contains("1 crashed, 0 failed, 0 timed out (trial 11: SIGSEGV)"),
        "{text}"
    );
    assert!(
        text.contains("PARTIAL: trials are missing; 11 of 12 trials"),
        "{text}"
    );
}

#[test]
fn a_damaged_trial_is_left_out_with_a_warning() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = common::make(dir.path(), WHOLE, 12);
    fs::write(
        run.path().join("samples/trial-00003.parquet"),
        b"PAR1 no more",
    )
    .expect("write");
    fs::write(run.path().join("trials/trial-00007.json"), b"{").expect("write");
    let report = Report::of(&run).expect("a report");
    assert_eq!(report.analysis.trials.complete, 10);
    let text = render(&report, Style::default());
    assert!(
        text.contains("trial-00003.parquet") && text.contains("checksum"),
        "{text}"
    );
    assert!(text.contains("trial-00007.json"), "{text}");
}

#[test]
fn an_open_ledger_is_found_though_the_file_is_intact() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = common::make(dir.path(), WHOLE, 11);
    let last = &common::plan(WHOLE).schedule[11];
    let mut sample = common::sample(last, "direct", 0, true, &mut common::Dice(1));
    sample.latency_ns += 1;
    run.add_trial(common::record(last, TrialStatus::Complete), &[sample], &[])
        .expect("a trial");
    assert!(text_of(&run).contains("1 of 4,401 ledgers DON'T CLOSE"));
}

/// Fields that came later are missing in older runs, which report all the same.
#[test]
fn a_run_of_before_the_privilege_ladder_still_reports() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = common::make(dir.path(), WHOLE, 12);
    let path = run.path().join("manifest.json");
    let text = fs::read_to_string(&path).expect("the manifest");
    let mut manifest: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let fields = manifest.as_object_mut().expect("an object");
    for later in ["usage", "unseen"] {
        assert!(fields.remove(later).is_some(), "{later}");
    }
    let host = fields["host"].as_object_mut().expect("an object");
    assert!(host.remove("privilege").is_some());
    fs::write(&path, manifest.to_string()).expect("write");
    let text = text_of(&run);
    assert!(text.contains("complete, 12 of 12 trials"), "{text}");
    assert!(
        !text.contains("Not seen, and what would change it"),
        "{text}"
    );
}

#[test]
fn json_says_the_same_and_keeps_missing_as_null() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = common::make(
        dir.path(),
        Shape {
            bpf: false,
            ..WHOLE
        },
        12,
    );
    let text = report::json::render(&Report::of(&run).expect("a report")).expect("JSON");
    let v: serde_json::Value = serde_json::from_str(&text).expect("valid JSON");
    let cell = &v["analysis"]["experiments"][0]["cells"][1];
    assert_eq!(cell["label"], "4k cold");
    assert!(cell["summary"]["quantiles"][0]["latency_ns"]["low"].is_number());
    let device = &cell["blame"]["all"]["shares"][record::ledger::DEVICE];
    assert!(device["total_ns"]["value"].is_null());
    assert_eq!(device["total_ns"]["grade"], "unavailable");
    let warning = &v["analysis"]["warnings"][0];
    assert!(warning["warning"]["kind"].is_string() && warning["next"].is_string());
}
