//! A quick run, from the command to the last exported row: recorded whole, every ledger closed,
//! warm cells warm and cold cells cold, and told the same way however one asks.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::path::Path;

use common::{Csv, ONE_CELL, Said, Story, names};
use record::manifest::{Manifest, RunEnd};
use record::plan::{Claim, Metric};
use record::{CAUSES, Class, Expectation, RunDir, Sample, Selector, TrialStatus};

/// Share of operations that must be as the issue says.
const PURITY: f64 = 0.999;

/// What somebody who reads the samples with another tool relies on.
const REQUIRED_COLUMNS: [&str; 9] = [
    "trial",
    "cell",
    "op",
    "start_ns",
    "latency_ns",
    "pages",
    "pages_missed",
    "oracle_resident_pages",
    "class",
];

#[test]
fn needs_bpf_needs_time_a_quick_run_is_recorded_whole_and_told_the_same_way_by_all() {
    let _test = testkit::begin!();
    let story = Story::begin();
    let said = story.run(&[
        "run",
        "syslat",
        "--quick",
        "--rounds",
        "3",
        "--no-overhead",
        "--out",
        "out",
        "--dir",
        ".",
        "--seed",
        "7",
    ]);
    said.ended(0, &["36/36 trials"]);
    let run = story.recorded("out");
    let manifest = run.manifest().unwrap();
    let samples = samples(&run);

    nothing_is_missing(&run, &manifest);
    every_ledger_closes(&samples);
    cells_are_what_they_are_called(&manifest, &samples);
    the_probe_agrees_with_the_oracle(&manifest, &samples);
    exports_hold_the_same_rows(&story, run.path(), &samples);
    reports_agree(&story, &run, &said);
    assert_eq!(names(&story.path("out")).len(), 1, "nothing else was left");
}

fn samples(run: &RunDir) -> Vec<Sample> {
    let trials = run.trials().unwrap();
    trials
        .iter()
        .flat_map(|t| run.samples(t).unwrap())
        .collect()
}

fn nothing_is_missing(run: &RunDir, manifest: &Manifest) {
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
    let plan = &manifest.plans[0];
    assert_eq!(
        (
            plan.seed,
            plan.rounds,
            plan.cells.len(),
            plan.schedule.len()
        ),
        (7, 3, 12, 36)
    );
    let trials = run.trials().unwrap();
    let specs: Vec<_> = trials.iter().map(|t| t.spec.clone()).collect();
    assert_eq!(specs, plan.schedule, "all trials, in the order of the plan");
    for trial in &trials {
        assert_eq!(trial.status, TrialStatus::Complete);
        assert!(trial.samples > 0 && trial.wall_ms > 0);
        assert_eq!(run.samples(trial).unwrap().len() as u64, trial.samples);
        assert_eq!(run.readings(trial).unwrap().len() as u64, trial.readings);
        let pinned = trial.preconditions.iter().find(|p| p.name == "pinned");
        assert!(pinned.is_some_and(|p| p.checked > 0 && p.missed == 0));
    }
    assert_eq!(manifest.end, Some(RunEnd::Complete));
    assert!(manifest.command.iter().any(|a| a == "--quick"));
    assert!(manifest.bpf_object.is_some());
    assert!(!manifest.probes.is_empty() && !manifest.counters.is_empty());
    // What could not be armed says why, and what is not seen without it.
    for probe in manifest.probes.iter().filter(|p| p.missing.is_some()) {
        assert!(probe.blind.is_some(), "{probe:?}");
    }
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(manifest.host.kernel_release.value().unwrap(), kernel.trim());
    assert!(["cachestat", "mincore"].contains(&manifest.oracle.as_str()));
    assert!(!manifest.idle_policy.is_empty() && !manifest.host.cpus.is_empty());
    assert!(manifest.host.storage.is_some());
}

fn every_ledger_closes(samples: &[Sample]) {
    for s in samples {
        assert!(s.causes.closes(s.latency_ns), "{s:?}");
        assert!(s.latency_ns > 0, "{s:?}");
    }
}

/// Operations of the cells that a selector chooses.
fn of<'a>(manifest: &Manifest, samples: &'a [Sample], levels: &[(&str, &str)]) -> Vec<&'a Sample> {
    let selector = Selector::of(levels);
    let cells: Vec<u32> = manifest.plans[0]
        .cells
        .iter()
        .filter(|c| selector.matches(c))
        .map(|c| c.id)
        .collect();
    let found: Vec<_> = samples.iter().filter(|s| cells.contains(&s.cell)).collect();
    assert!(!found.is_empty(), "{levels:?}");
    found
}

fn share(of: &[&Sample], is_so: impl Fn(&Sample) -> bool) -> f64 {
    of.iter().filter(|s| is_so(s)).count() as f64 / of.len() as f64
}

fn cells_are_what_they_are_called(manifest: &Manifest, samples: &[Sample]) {
    let warm = of(manifest, samples, &[("state", "warm")]);
    let all_resident = |s: &Sample| s.oracle_resident_pages == s.pages && s.pages.is_some();
    assert!(share(&warm, |s| s.class == Class::Hit) >= PURITY);
    assert!(share(&warm, all_resident) >= PURITY);

    let cold = of(
        manifest,
        samples,
        &[("state", "cold"), ("access", "random")],
    );
    assert!(share(&cold, |s| s.class == Class::Miss) >= PURITY);
    assert!(share(&cold, |s| s.oracle_resident_pages == Some(0)) >= PURITY);
    assert!(
        share(&cold, |s| s.requests.is_some_and(|n| n > 0)) >= PURITY,
        "a miss reads the device"
    );

    // Past the page cache there are no pages to count, and missing is not zero.
    let direct = of(manifest, samples, &[("state", "direct")]);
    assert!(
        direct
            .iter()
            .all(|s| s.pages.is_none() && s.pages_missed.is_none())
    );
    assert!(share(&direct, |s| s.class == Class::Miss) >= PURITY);

    for s in samples {
        let size = s.pages.map_or(s.result, |p| i64::from(p) * 4096);
        assert_eq!(s.result, size, "every read is whole: {s:?}");
    }
}

fn the_probe_agrees_with_the_oracle(manifest: &Manifest, samples: &[Sample]) {
    let comparable: Vec<&Sample> = samples
        .iter()
        .filter(|s| s.pages.is_some() && s.pages_missed.is_some())
        .filter(|s| s.oracle_resident_pages.is_some())
        .collect();
    let through_cache = of(manifest, samples, &[("state", "warm")]).len()
        + of(manifest, samples, &[("state", "cold")]).len();
    assert_eq!(comparable.len(), through_cache);
    let agree = |s: &Sample| {
        let absent = s.pages.unwrap() - s.oracle_resident_pages.unwrap();
        s.pages_missed == Some(absent)
    };
    assert!(share(&comparable, agree) >= PURITY);
}

fn exports_hold_the_same_rows(story: &Story, run: &Path, samples: &[Sample]) {
    let export = |table: &str, format: &str| {
        let said = Said::by(
            story
                .tool()
                .arg("export")
                .arg(run)
                .args(["--table", table, "--format", format]),
        );
        assert_eq!((said.status, said.err.as_str()), (Some(0), ""));
        said
    };
    let csv = Csv::parse(&export("samples", "csv").out);
    for column in REQUIRED_COLUMNS {
        csv.column(column);
    }
    let parts: Vec<_> = csv
        .columns()
        .iter()
        .filter(|c| c.starts_with("ledger_"))
        .map(|c| csv.ints(c))
        .collect();
    assert_eq!(parts.len(), CAUSES.len());
    let latency = csv.ints("latency_ns");
    assert_eq!(latency.len(), samples.len());
    for (row, latency_ns) in latency.iter().enumerate() {
        let sum: i64 = parts.iter().filter_map(|p| p[row]).sum();
        assert_eq!(Some(sum), *latency_ns, "row {row} of the CSV");
        assert_eq!(Some(samples[row].latency_ns), *latency_ns);
    }
    json_is_the_csv(&csv, &export("samples", "json").json());

    let trials = export("trials", "json").json();
    assert_eq!(trials.as_array().unwrap().len(), 36);
    let readings = export("readings", "csv").out.lines().count();
    assert!(readings > 36, "{readings} lines of readings");
}

fn json_is_the_csv(csv: &Csv, json: &serde_json::Value) {
    let rows = json.as_array().unwrap();
    assert_eq!(rows.len(), csv.rows.len());
    for (row, fields) in rows.iter().zip(&csv.rows) {
        let row = row.as_object().unwrap();
        assert_eq!(row.len(), fields.len());
        let mut latency_ns = 0;
        for (name, field) in csv.columns().iter().zip(fields) {
            let said = match &row[name] {
                serde_json::Value::Null => String::new(),
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(said, *field, "{name}");
            if name.starts_with("ledger_") {
                latency_ns += row[name].as_i64().unwrap_or(0);
            }
        }
        assert_eq!(row["latency_ns"].as_i64(), Some(latency_ns));
    }
}

fn reports_agree(story: &Story, run: &RunDir, said: &Said) {
    let report = |more: &[&str]| Said::by(story.tool().arg("report").arg(run.path()).args(more));
    let text = report(&[]);
    assert_eq!(text.ended(0, &[]).out, said.out, "the same table again");
    let rows: u64 = run.trials().unwrap().iter().map(|t| t.samples).sum();
    let closes = format!("Every ledger closes: {} operations", thousands(rows));
    text.prints("complete, 36 of 36 trials").prints(&closes);

    let first = report(&["--json"]);
    let json = first.ended(0, &[]).json();
    assert_eq!(first.out, report(&["--json"]).out, "reporting is pure");
    let manifest = serde_json::to_value(run.manifest().unwrap()).unwrap();
    assert_eq!(json["manifest"], manifest);
    let experiment = &json["analysis"]["experiments"][0];
    let cells = experiment["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 12);
    let n: u64 = cells
        .iter()
        .map(|c| c["summary"]["n"].as_u64().unwrap())
        .sum();
    assert_eq!(n, rows);
    for cell in cells {
        text.prints(cell["label"].as_str().unwrap());
        assert_eq!(cell["blame"]["open_ledgers"], 0);
    }
    let verdict: serde_json::Value =
        serde_json::from_slice(&fs::read(run.path().join("verdict.json")).unwrap()).unwrap();
    assert_eq!(experiment["judgements"], verdict["judgements"]);
    for judgement in verdict["judgements"].as_array().unwrap() {
        text.prints(judgement["expectation"].as_str().unwrap());
    }

    let refuted = verdict["judgements"]
        .as_array()
        .unwrap()
        .iter()
        .any(|j| j["standing"] == "refuted");
    let check = report(&["--check"]);
    check.ended(if refuted { 3 } else { 0 }, &[]);
    assert_eq!(check.out, text.out);
}

/// 12345 as `12,345`.
fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `--check` turns a refuted prediction, and nothing else, into exit status 3. The prediction is
/// changed in the record: what was measured stays, and every report judges anew.
#[test]
fn check_exits_with_3_exactly_when_a_prediction_is_refuted() {
    let story = Story::begin();
    let mut run = story.tool();
    run.args(ONE_CELL).args([
        "--rounds",
        "3",
        "--no-probes",
        "--out",
        "out",
        "--dir",
        ".",
        "--json",
    ]);
    let said = Said::by(&mut run);
    assert!(said.ended(0, &[]).json()["analysis"].is_object());

    let recorded = story.recorded("out");
    let check = |claim: Claim| {
        let mut manifest = recorded.manifest().unwrap();
        manifest.plans[0].definition.expectations = vec![Expectation {
            id: "changed-afterwards".into(),
            says: "a share of hits that the test chose".into(),
            left: Selector::of(&[("state", "warm")]),
            right: None,
            metric: Metric::HitRatioOracle,
            claim,
        }];
        recorded.write_manifest(&manifest).unwrap();
        let report =
            |more: &[&str]| Said::by(story.tool().arg("report").arg(recorded.path()).args(more));
        report(&[]).ended(0, &[]);
        report(&["--check"])
    };
    check(Claim::AtLeast(1.5))
        .ended(3, &[])
        .prints("changed-afterwards REFUTED");
    check(Claim::AtLeast(0.5))
        .ended(0, &[])
        .prints("changed-afterwards HOLDS");
}
