//! A small run on whatever kernel this is: recorded whole, reported, exported, and described as
//! what it is. What it says of the kernel is compared with what the kernel says of itself.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::collections::BTreeMap;
use std::fs;

use common::{Csv, Said, Story};
use record::host_facts::CgroupFlavour;
use record::manifest::{Manifest, RunEnd};
use record::{RunDir, Sample, TrialStatus};

const CLOCKSOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

fn kernel_says(path: &str) -> String {
    fs::read_to_string(path).unwrap().trim().to_owned()
}

/// By the table of mounts: v1 hierarchies hold controllers, or the unified one does, or both are
/// there.
fn mounted_cgroups() -> (CgroupFlavour, &'static str) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let has = |kind: &str| mounts.lines().any(|l| l.split(' ').nth(2) == Some(kind));
    match (has("cgroup"), has("cgroup2")) {
        (false, true) => (CgroupFlavour::V2, "v2"),
        (true, true) => (CgroupFlavour::Hybrid, "hybrid"),
        _ => (CgroupFlavour::V1, "v1"),
    }
}

fn release() -> (u32, u32) {
    let text = kernel_says("/proc/sys/kernel/osrelease");
    let mut numbers = text.split(['.', '-']).map(|n| n.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

#[test]
fn needs_root_needs_bpf_needs_block_device_a_small_run_is_recorded_told_and_describes_this_kernel()
{
    let test = testkit::begin!();
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
        "--only",
        "size=4k",
        "--only",
        "access=random",
        "--only",
        "state=warm,cold",
    ]);
    said.ended(0, &["6/6 trials"]);
    let run = story.recorded("out");
    let manifest = run.manifest().unwrap();
    let samples = recorded(&run, &manifest);
    the_manifest_describes_this_kernel(&manifest);
    absent_probes_are_named(&manifest, &said);
    time_adds_up(&samples);
    the_oracle_agrees(&samples);
    every_way_tells_the_same(&story, &run, &said, samples.len());
    let doctor = doctor_knows_it(&story, &manifest);

    let clock = kernel_says(CLOCKSOURCE);
    let ops = samples.len();
    test.verified(
        "run, report, export and doctor",
        &format!("yes: {ops} operations, every ledger closes"),
    );
    test.verified(
        "arithmetic of time",
        &format!("holds, clock source {clock}"),
    );
    test.verified("oracle of residency", &manifest.oracle);
    test.verified("cgroups", &format!("{doctor}, and doctor says so"));
}

fn recorded(run: &RunDir, manifest: &Manifest) -> Vec<Sample> {
    assert_eq!(manifest.end, Some(RunEnd::Complete));
    assert!(manifest.bpf_object.is_some(), "{:?}", manifest.degraded);
    let trials = run.trials().unwrap();
    assert_eq!(trials.len(), 6);
    assert!(
        trials.iter().all(|t| t.status == TrialStatus::Complete),
        "{trials:?}"
    );
    trials
        .iter()
        .flat_map(|t| run.samples(t).unwrap())
        .collect()
}

fn the_manifest_describes_this_kernel(manifest: &Manifest) {
    let host = &manifest.host;
    let release_text = kernel_says("/proc/sys/kernel/osrelease");
    assert_eq!(host.kernel_release.value(), Some(&release_text));
    assert_eq!(host.clocksource.value(), Some(&kernel_says(CLOCKSOURCE)));
    assert_eq!(host.cgroups.value(), Some(&mounted_cgroups().0));
    assert_eq!(
        host.cpus.len(),
        std::thread::available_parallelism().unwrap().get()
    );
    // cachestat(2) came with Linux 6.5.
    let oracle = if release() >= (6, 5) {
        "cachestat"
    } else {
        "mincore"
    };
    assert_eq!(manifest.oracle, oracle);
}

/// A probe that is missing is so because this kernel has no such tracepoint, and the report names
/// it.
fn absent_probes_are_named(manifest: &Manifest, said: &Said) {
    let absent: Vec<_> = manifest
        .probes
        .iter()
        .filter(|p| p.missing.is_some())
        .collect();
    for probe in &absent {
        let why = probe.missing.as_deref().unwrap();
        assert!(why.contains("no such tracepoint"), "{}: {why}", probe.name);
        assert!(probe.blind.is_some());
        said.prints(&probe.name);
    }
    let armed = manifest.probes.len() - absent.len();
    said.prints(&format!("{armed} of {} probes", manifest.probes.len()));
    // block_io_start and block_io_done came with Linux 6.5.
    let io_start = absent.iter().any(|p| p.name == "block_io_start");
    assert_eq!(io_start, release() < (6, 5));
}

/// Whatever the clock source: ledgers close, no operation takes no time or a negative one, and
/// none begins before the one before it has ended.
fn time_adds_up(samples: &[Sample]) {
    let mut last_ns: BTreeMap<(u32, u32), u64> = BTreeMap::new();
    for s in samples {
        assert!(s.causes.closes(s.latency_ns) && s.latency_ns > 0, "{s:?}");
        let last_ns = last_ns.entry((s.trial, s.thread)).or_default();
        assert!(s.start_ns >= *last_ns, "{s:?} begins before {last_ns}");
        *last_ns = s.start_ns + s.latency_ns.cast_unsigned();
        for (cause, ns) in record::CAUSES.iter().zip(s.causes.0) {
            let signed = ["ledger_self_ns", "ledger_residual_ns"].contains(&cause.column);
            assert!(
                signed || ns.is_none_or(|ns| ns >= 0),
                "{}: {s:?}",
                cause.column
            );
        }
    }
}

fn the_oracle_agrees(samples: &[Sample]) {
    let agree = |s: &&Sample| {
        let missed = s
            .pages
            .zip(s.oracle_resident_pages)
            .map(|(all, resident)| all - resident);
        missed == s.pages_missed
    };
    let agreeing = samples.iter().filter(agree).count();
    println!(
        "{agreeing} of {} operations agree with the oracle",
        samples.len()
    );
    assert!(agreeing * 1000 >= samples.len() * 999);
    assert!(samples.iter().any(|s| s.pages_missed == Some(1)));
    assert!(samples.iter().any(|s| s.pages_missed == Some(0)));
}

fn every_way_tells_the_same(story: &Story, run: &RunDir, said: &Said, rows: usize) {
    said.prints(&kernel_says("/proc/sys/kernel/osrelease"));
    let again = Said::by(story.tool().arg("report").arg(run.path()));
    assert_eq!(again.ended(0, &[]).out, said.out, "the same report again");
    let json = Said::by(story.tool().arg("report").arg(run.path()).arg("--json"));
    assert!(json.ended(0, &[]).json()["analysis"]["experiments"][0]["cells"].is_array());
    let csv = Said::by(
        story
            .tool()
            .arg("export")
            .arg(run.path())
            .args(["--table", "samples"]),
    );
    assert_eq!(Csv::parse(&csv.ended(0, &[]).out).rows.len(), rows);
}

/// What doctor says of the cgroups here, which has to be what is mounted.
fn doctor_knows_it(story: &Story, manifest: &Manifest) -> &'static str {
    let doctor = story.run(&["doctor", "--json"]).ended(0, &[]).json();
    let facts = doctor["facts"].to_string();
    for known in [
        kernel_says("/proc/sys/kernel/osrelease"),
        kernel_says(CLOCKSOURCE),
    ] {
        assert!(facts.contains(&known), "{known}: {facts}");
    }
    // The same probes as the run had, and the same absent.
    let bpf = &doctor["bpf"]["Ok"];
    assert_eq!(
        bpf["programs"],
        serde_json::to_value(&manifest.probes).unwrap()
    );
    assert_eq!(bpf["layout"].as_array().unwrap().len(), 3);
    assert_eq!(bpf["kinds"]["Ok"].as_array().unwrap().len(), 3);
    let (flavour, name) = mounted_cgroups();
    let said = &doctor["facts"]["cgroups"]["known"];
    assert_eq!(
        said["value"],
        serde_json::to_value(flavour).unwrap(),
        "{said}"
    );
    name
}
