//! Less than everything: each part that is missing is named, and the run goes on.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::account::is_blind;
use common::{Csv, ONE_CELL, Said, Story};
use record::manifest::{Manifest, Remedy, RunEnd, Unseen};
use record::{Sample, TrialStatus};
use testkit::no_program;

/// Adds the arguments of a small run to a command that starts the tool, and runs it.
fn small_run(command: &mut Command, more: &[&str]) -> Said {
    command
        .args(ONE_CELL)
        .args([
            "--rounds",
            "2",
            "--no-overhead",
            "--out",
            "out",
            "--dir",
            ".",
        ])
        .args(more);
    Said::by(command)
}

/// It ran to its end and recorded every trial.
fn went_well(story: &Story, said: &Said) -> (Manifest, Vec<Sample>) {
    said.ended(0, &[]).prints("complete, 2 of 2 trials");
    let run = story.recorded("out");
    let manifest = run.manifest().unwrap();
    assert_eq!(manifest.end, Some(RunEnd::Complete));
    let trials = run.trials().unwrap();
    assert!(trials.iter().all(|t| t.status == TrialStatus::Complete));
    let samples: Vec<Sample> = trials
        .iter()
        .flat_map(|t| run.samples(t).unwrap())
        .collect();
    assert!(!samples.is_empty());
    assert!(samples.iter().all(|s| s.causes.closes(s.latency_ns)));
    // What the oracle knows it knows without probes.
    assert!(samples.iter().all(|s| s.oracle_resident_pages.is_some()));
    (manifest, samples)
}

/// The one line of the manifest that says this; the terminal and the report say it too.
#[track_caller]
fn degradation<'a>(manifest: &'a Manifest, said: &Said, begins: &str) -> &'a str {
    let lines: Vec<_> = manifest
        .degraded
        .iter()
        .filter(|d| d.starts_with(begins))
        .collect();
    assert_eq!(lines.len(), 1, "{begins}: {:?}", manifest.degraded);
    assert!(said.err.contains(&format!("degraded: {}", lines[0])));
    said.prints(&format!("Degraded: {begins}"));
    lines[0]
}

/// What the report says would bring the probes, on a line of its own if it is a command.
#[track_caller]
fn remedy<'a>(manifest: &'a Manifest, said: &Said) -> &'a Remedy {
    let of_probes = |u: &&Unseen| u.what.iter().any(|w| w == "steal");
    let unseen = manifest.unseen.iter().find(of_probes).unwrap();
    match &unseen.remedy {
        Remedy::Command(command) => {
            let line = format!("$ {command}");
            assert!(said.out.lines().any(|l| l.trim() == line), "{said:#?}");
        }
        Remedy::Nothing(needed) => {
            said.prints(&format!("no command would: it takes {needed}"));
        }
    }
    &unseen.remedy
}

/// No command would help, and it says what would.
#[track_caller]
fn nothing_but(remedy: &Remedy, says: &str) {
    assert!(
        matches!(remedy, Remedy::Nothing(needed) if needed.contains(says)),
        "{remedy:?}"
    );
}

#[test]
fn no_probes_is_a_choice_and_is_said() {
    let story = Story::begin();
    let said = small_run(&mut story.tool(), &["--no-probes"]);
    let (manifest, samples) = went_well(&story, &said);
    degradation(&manifest, &said, "no probes (--no-probes)");
    is_blind(&manifest, &samples);
}

#[test]
fn no_counters_leaves_no_reading() {
    let story = Story::begin();
    let said = small_run(&mut story.tool(), &["--no-probes", "--no-counters"]);
    let (manifest, _) = went_well(&story, &said);
    assert!(manifest.counters.is_empty());
    said.prints("0 counters");
    let run = story.recorded("out");
    assert!(run.trials().unwrap().iter().all(|t| t.readings == 0));
    let export = Said::by(
        story
            .tool()
            .arg("export")
            .arg(run.path())
            .args(["--table", "readings"]),
    );
    let csv = Csv::parse(&export.ended(0, &[]).out);
    assert!(csv.columns().len() > 3 && csv.rows.is_empty());
}

#[test]
fn an_object_that_is_none_is_named_and_the_run_goes_on() {
    let story = Story::begin();
    let garbage = story.path("garbage.o");
    fs::write(&garbage, b"this was never compiled").unwrap();
    let said = small_run(story.tool().env("JAIL_TOOLS_BPF_OBJECT", &garbage), &[]);
    let (manifest, samples) = went_well(&story, &said);
    let line = degradation(&manifest, &said, "no probes (");
    assert!(line.contains(&garbage.display().to_string()) && line.contains("ELF"));
    is_blind(&manifest, &samples);
}

#[test]
fn an_object_that_is_missing_is_named_and_the_run_goes_on() {
    let story = Story::begin();
    let missing = story.path("missing.o");
    let said = small_run(story.tool().env("JAIL_TOOLS_BPF_OBJECT", &missing), &[]);
    let (manifest, samples) = went_well(&story, &said);
    let line = degradation(&manifest, &said, "no probes (");
    assert!(line.contains(&missing.display().to_string()));
    assert!(line.contains("No such file"), "{line}");
    is_blind(&manifest, &samples);
    let command = format!(
        "env -u JAIL_TOOLS_BPF_OBJECT {} run syslat",
        story.binary().display()
    );
    let remedy = remedy(&manifest, &said);
    assert!(
        matches!(remedy, Remedy::Command(c) if c.starts_with(&command)),
        "{remedy:?}"
    );
}

#[test]
fn needs_bpf_a_refusal_of_bpf_is_named_and_the_run_goes_on() {
    let test = testkit::begin!();
    if let Some(why) = no_program(&["setpriv"]) {
        return test.skip(&why);
    }
    let story = Story::begin();
    // Root in name only: CAP_PERFMON (38), CAP_BPF (39) and the one that contains them are gone.
    let without = ["--bounding-set=-sys_admin,-cap_38,-cap_39"];
    let said = small_run(&mut story.through("setpriv", &without), &[]);
    let (manifest, samples) = went_well(&story, &said);
    let line = degradation(&manifest, &said, "no probes (");
    assert!(line.contains("not permitted"), "{line}");
    is_blind(&manifest, &samples);
    // sudo would be of no use to a root that is bounded.
    nothing_but(remedy(&manifest, &said), "--cap-add");
}

/// The tool, with directories of the kernel's covered by empty ones in a mount namespace of its
/// own.
fn behind_a_cover(story: &Story, covered: &[&str], wrapper: &[&str]) -> Command {
    let there = covered.iter().filter(|dir| Path::new(dir).is_dir());
    let mut script: Vec<String> = there
        .map(|dir| format!("mount -t tmpfs none {dir}"))
        .collect();
    script.push("exec \"$@\"".into());
    let script = script.join(" && ");
    let unshare = ["--mount", "sh", "-c", &script, "sh"];
    story.through("unshare", &[&unshare, wrapper].concat())
}

#[test]
fn needs_root_a_kernel_without_btf_is_named_and_the_run_goes_on() {
    let test = testkit::begin!();
    if let Some(why) = no_program(&["unshare", "mount"]) {
        return test.skip(&why);
    }
    let story = Story::begin();
    let said = small_run(&mut behind_a_cover(&story, &["/sys/kernel/btf"], &[]), &[]);
    let (manifest, samples) = went_well(&story, &said);
    let line = degradation(&manifest, &said, "no probes (");
    assert!(
        line.contains("BTF") || line.contains("/sys/kernel/btf"),
        "{line}"
    );
    is_blind(&manifest, &samples);
    nothing_but(remedy(&manifest, &said), "CONFIG_DEBUG_INFO_BTF");
}

/// Without a mount of tracefs, and without the right to make one of its own, the probes still
/// load: they need BTF only.
#[test]
fn needs_bpf_a_host_without_tracefs_keeps_its_probes_and_names_the_counters_it_lacks() {
    let test = testkit::begin!();
    if let Some(why) = no_program(&["unshare", "mount", "setpriv"]) {
        return test.skip(&why);
    }
    let story = Story::begin();
    let covered = ["/sys/kernel/tracing", "/sys/kernel/debug"];
    let without = ["setpriv", "--bounding-set=-sys_admin"];
    let said = small_run(&mut behind_a_cover(&story, &covered, &without), &[]);
    let (manifest, samples) = went_well(&story, &said);
    assert!(manifest.bpf_object.is_some(), "{:?}", manifest.degraded);
    assert!(samples.iter().all(|s| s.pages_missed.is_some()));
    let counters = manifest.counters.iter();
    let tracepoint = counters.clone().find(|c| c.name.starts_with("sched:"));
    let why = tracepoint.and_then(|c| c.missing.as_deref());
    let level = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap();
    if level.trim().parse::<i32>().unwrap() > 2 {
        // Debian's own level: without CAP_SYS_ADMIN there is no perf event at all.
        assert!(counters.clone().all(|c| c.missing.is_some()));
        assert!(
            why.is_some_and(|w| w.contains("perf_event_open")),
            "{tracepoint:?}"
        );
        // To root it need not say sudo.
        said.prints("$ sysctl -w kernel.perf_event_paranoid=2");
    } else {
        assert!(why.is_some_and(|w| w.contains("tracefs")), "{tracepoint:?}");
        assert!(counters.clone().any(|c| c.missing.is_none()), "others work");
    }
}

#[test]
fn on_one_cpu_it_measures_where_it_lives_and_says_so() {
    let test = testkit::begin!();
    if let Some(why) = no_program(&["taskset"]) {
        return test.skip(&why);
    }
    let allowed = fs::read_to_string("/proc/self/status").unwrap();
    let allowed = allowed
        .lines()
        .find_map(|l| l.strip_prefix("Cpus_allowed_list:"));
    let last = allowed.unwrap().trim().rsplit([',', '-']).next().unwrap();
    let story = Story::begin();
    let said = small_run(&mut story.through("taskset", &["-c", last]), &[]);
    let (manifest, _) = went_well(&story, &said);
    let line = degradation(&manifest, &said, "no CPU is left for housekeeping");
    assert!(line.contains(&format!("measured CPU {last}")), "{line}");
    let cpu: u32 = last.parse().unwrap();
    assert_eq!(manifest.plans[0].conditions.cpus, [cpu]);
}
