//! The privilege ladder: root; a user with CAP_BPF and CAP_PERFMON on the binary; a user with
//! nothing, with `kernel.perf_event_paranoid` at 2. Each gets a whole run, sees what it can see,
//! is told what it can't and what would change that, and nothing that it can't see is a 0.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
#[path = "privilege_ladder/honesty.rs"]
mod honesty;
#[path = "privilege_ladder/rungs.rs"]
mod rungs;

use std::path::Path;
use std::process::Stdio;

use common::account::{
    COLUMNS_OF_PROBES, COLUMNS_OF_THE_ACCOUNT, OF_PROBES, OF_THE_ACCOUNT, is_blind,
};
use common::processes::wait_until;
use common::{Csv, ONE_CELL, Said};
use honesty::{Telling, nothing_unavailable_is_printed_as_zero};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use record::ledger::{DEVICE, RESIDUAL, SELF};
use record::manifest::Manifest;
use record::{CAUSES, Class, Grade, Sample};
use rungs::{Ladder, View};
use testkit::{no_bpf, no_program};

#[test]
fn needs_root_needs_time_the_rung_without_privileges_infers_and_names_the_next() {
    let test = testkit::begin!();
    if let Some(why) = no_program(&["setpriv"]) {
        return test.skip(&why);
    }
    let ladder = match Ladder::begin() {
        Ok(ladder) => ladder,
        Err(why) => return test.skip(&why),
    };
    let view = ladder.climb(ladder.nobody());
    let manifest = &view.manifest;
    let setcap = setcap(&view.story.binary());
    view.said.ended(
        0,
        &["degraded: no probes (", &format!("to see more: {setcap}")],
    );
    let of_probes: Vec<_> = manifest
        .degraded
        .iter()
        .filter(|d| d.starts_with("no probes ("))
        .collect();
    assert_eq!(of_probes.len(), 1);
    assert!(
        of_probes[0].contains("ermi") || of_probes[0].contains("(os error 13)"),
        "it names the refusal: {of_probes:?}"
    );
    // The observer's cost was asked for: what could not be armed has a reason, not a figure.
    let cost = |arm: &str| manifest.observer.iter().find(|o| o.arm.contains(arm));
    for arm in ["bare", "getrusage"] {
        assert!(cost(arm).is_some_and(|o| o.p50_ns.value.is_some()), "{arm}");
    }
    assert!(cost("ledger").is_some_and(|o| o.p50_ns.value.is_none() && o.ratio.is_none()));

    is_blind(manifest, &view.samples);
    cold_reads_waited_for_the_device_by_the_account(manifest, &view.samples);
    the_counters_that_are_allowed_count(&view);
    the_report_has_no_invented_figure(&view);
    the_export_has_empty_fields(&view);
    view.names_what_it_cannot_see();
    assert!(view.commands().contains(&setcap.as_str()));
    let told = view.telling();
    nothing_unavailable_is_printed_as_zero(&told).unwrap();
    the_checker_would_have_found_it(told);
}

/// In this very report, and not only in the one that its own tests make up.
fn the_checker_would_have_found_it(mut told: Telling) {
    let honest = told.text.clone();
    for (before, row) in [
        (
            "  residual ",
            "  hard irq  0.00 ns  0 %  0  0.00 ns  0 %  0  counted\n",
        ),
        ("  task-clock ", "  context-switches  0  0  0\n"),
    ] {
        let at = honest.find(before).unwrap();
        told.text = format!("{}{row}{}", &honest[..at], &honest[at..]);
        let wrong = nothing_unavailable_is_printed_as_zero(&told).unwrap_err();
        assert!(wrong.contains("is unavailable, and"), "{wrong}");
    }
}

/// What the next rung needs.
fn setcap(binary: &Path) -> String {
    format!("sudo setcap cap_bpf,cap_perfmon+ep {}", binary.display())
}

/// A cold read that slept waited for its device, and a hit did not. (On some devices most reads
/// come back before the thread has gone to sleep.)
fn cold_reads_waited_for_the_device_by_the_account(manifest: &Manifest, samples: &[Sample]) {
    let usage = manifest.usage.as_ref().unwrap();
    let inferred =
        |part: usize| matches!(usage.of(CAUSES[part].column), Some(Grade::Inferred { .. }));
    if !OF_THE_ACCOUNT.iter().all(|part| inferred(*part)) {
        return println!("this kernel does not account for all of it: {usage:?}");
    }
    let share = |state: &str| {
        let plan = &manifest.plans[0];
        let of_state = |s: &&Sample| plan.cell(s.cell).unwrap().levels["state"] == state;
        let rows: Vec<&Sample> = samples.iter().filter(of_state).collect();
        let waited = |s: &&&Sample| s.causes.0[DEVICE].is_some_and(|ns| ns > 0);
        rows.iter().filter(waited).count() as f64 / rows.len() as f64
    };
    let (warm, cold, direct) = (share("warm"), share("cold"), share("direct"));
    println!(
        "waited for the device, by the account: warm {warm:.3}, cold {cold:.3}, direct {direct:.3}"
    );
    assert!(warm < 0.02 && cold > 0.1 && direct > 0.1);
    assert!(samples.iter().any(|s| s.causes.0[SELF].is_some()));
}

/// Of the software events those that need no kernel, and no other: a switch would read 0.
fn the_counters_that_are_allowed_count(view: &View<'_>) {
    let counters = &view.manifest.counters;
    for (name, armed) in [
        ("task-clock", true),
        ("page-faults:u", true),
        ("context-switches", false),
        ("cpu-migrations", false),
        ("sched:sched_switch", false),
    ] {
        let counter = counters.iter().find(|c| c.name == name);
        assert!(
            counter.is_some_and(|c| c.missing.is_none() == armed),
            "{name}: {counter:?}"
        );
    }
    for trial in view.run.trials().unwrap() {
        for reading in view.run.readings(&trial).unwrap() {
            let allowed = ["task-clock", "page-faults:u", "major-faults:u"];
            let has_figure = reading.value.is_some();
            assert!(
                !has_figure
                    || allowed.contains(&reading.event.as_str())
                    || is_hardware(&reading.event)
            );
            assert!(
                reading.at_ns > 0,
                "a time at which it was read or refused: {reading:?}"
            );
            if reading.event == "task-clock" && reading.moment == record::reading::Moment::End {
                assert!(reading.value.is_some_and(|ns| ns > 0), "{reading:?}");
            }
        }
    }
}

/// Hardware events are counted in user mode, where there is a PMU.
fn is_hardware(event: &str) -> bool {
    event.ends_with(":u")
}

fn the_report_has_no_invented_figure(view: &View<'_>) {
    let said = &view.said;
    said.prints("none was loaded: causes that only probes see are unavailable");
    said.prints("inferred, not counted: from getrusage");
    let lines = said.out.lines().map(str::trim);
    let tables = lines.skip_while(|l| !l.starts_with("Where the time went"));
    let rows: Vec<&str> = tables
        .take_while(|l| !l.starts_with("Counters"))
        .filter_map(|l| l.split("  ").next())
        .collect();
    for part in OF_PROBES {
        let label = CAUSES[part].label;
        assert!(!rows.contains(&label), "{label} has a row");
    }
    assert!(rows.contains(&"residual"));

    let json = view.telling().json;
    let cells = json["analysis"]["experiments"][0]["cells"]
        .as_array()
        .unwrap();
    for cell in cells {
        assert!(cell["summary"]["n"].as_u64().unwrap() > 0);
        assert!(cell["summary"]["probe_hit_ratio"].is_null());
        for share in cell["blame"]["all"]["shares"].as_array().unwrap() {
            let column = share["column"].as_str().unwrap();
            let part = CAUSES.iter().position(|c| c.column == column).unwrap();
            if OF_PROBES.contains(&part) {
                assert!(share["total_ns"]["value"].is_null(), "{share}");
                assert!(share["per_op_ns"].is_null(), "{share}");
            }
            // Nothing is graded as if it had been counted by a probe.
            if OF_THE_ACCOUNT.contains(&part) || part == SELF || part == RESIDUAL {
                assert_ne!(share["total_ns"]["grade"], "counted", "{share}");
            }
        }
    }
}

fn the_export_has_empty_fields(view: &View<'_>) {
    let csv = Csv::parse(&view.export("samples", "csv").out);
    assert!(!csv.rows.is_empty());
    let causes = OF_PROBES.map(|p| CAUSES[p].column);
    for column in COLUMNS_OF_PROBES.into_iter().chain(causes) {
        assert!(csv.ints(column).iter().all(Option::is_none), "{column}");
    }
    for column in COLUMNS_OF_THE_ACCOUNT {
        assert!(csv.ints(column).iter().all(Option::is_some), "{column}");
    }
    let class = csv.column("class");
    assert!(csv.rows.iter().all(|r| r[class] == "unknown"));
    // Losses of probes that were not there are no losses, and not 0 either.
    let trials = view.export("trials", "json").json();
    for trial in trials.as_array().unwrap() {
        assert!(
            trial["ring_drops"].is_null() && trial["gaps"].is_null(),
            "{trial}"
        );
    }
}

/// The command that the rung below is told is all that this rung needs.
#[test]
fn needs_root_needs_bpf_needs_time_the_rung_with_cap_bpf_and_cap_perfmon_has_the_ledger_page() {
    let test = testkit::begin!();
    if let Some(why) = no_program(&["setpriv", "setcap"]) {
        return test.skip(&why);
    }
    let ladder = match Ladder::begin_raised() {
        Ok(ladder) => ladder,
        Err(why) => return test.skip(&why),
    };

    let view = ladder.climb(ladder.nobody());
    let manifest = &view.manifest;
    assert_eq!(manifest.host.euid.value(), Some(&65_534));
    let capabilities = manifest.host.capabilities.value().unwrap();
    // CAP_PERFMON is 38, CAP_BPF 39, and there is no other.
    assert_eq!(u64::from_str_radix(capabilities, 16), Ok(0b11 << 38));
    assert!(manifest.bpf_object.is_some(), "{:?}", manifest.degraded);
    assert!(manifest.usage.is_none());
    view.said
        .prints("counted on the ledger page, by the probes");

    // The same probes as root has, in every trial.
    let root = ladder.story.run(
        &[
            &ONE_CELL[..],
            &[
                "--rounds",
                "1",
                "--no-overhead",
                "--out",
                "root",
                "--dir",
                ".",
            ],
        ]
        .concat(),
    );
    root.ended(0, &[]);
    let of_root = ladder.story.recorded("root").manifest().unwrap();
    assert_eq!(manifest.probes, of_root.probes);
    for s in &view.samples {
        assert_ne!(s.class, Class::Unknown, "{s:?}");
        assert!(s.switches_voluntary.is_some() && s.gaps.is_some() && s.requests.is_some());
    }
    let graded = |part: usize| view.samples.iter().all(|s| s.causes.0[part].is_some());
    assert!(OF_THE_ACCOUNT.iter().all(|part| graded(*part)));

    // What it lacks of root's view is what only tracefs tells, and a command for that.
    view.names_what_it_cannot_see();
    let missing = |m: &Manifest| -> Vec<String> {
        let missing = m.counters.iter().filter(|c| c.missing.is_some());
        missing.map(|c| c.name.clone()).collect()
    };
    let beyond_root: Vec<String> = missing(manifest)
        .into_iter()
        .filter(|name| !missing(&of_root).contains(name))
        .collect();
    assert!(
        beyond_root.iter().all(|name| name.contains(':')),
        "{beyond_root:?}"
    );
    for command in view.commands() {
        assert!(command.starts_with("sudo mount "), "{command}");
    }
    assert_eq!(view.commands().is_empty(), beyond_root.is_empty());
    nothing_unavailable_is_printed_as_zero(&view.telling()).unwrap();
}

/// The kernel forgets PDEATHSIG when a binary with capabilities is executed, so that each trial has
/// to ask for it itself.
#[test]
fn needs_root_needs_bpf_a_raised_tool_that_is_killed_takes_its_trial_with_it() {
    let test = testkit::begin!();
    if let Some(why) = no_program(&["setpriv", "setcap"]) {
        return test.skip(&why);
    }
    let ladder = match Ladder::begin_raised() {
        Ok(ladder) => ladder,
        Err(why) => return test.skip(&why),
    };
    let mut run = ladder.nobody();
    run.args(ONE_CELL).args([
        "--rounds",
        "1000",
        "--no-overhead",
        "--out",
        "out",
        "--dir",
        ".",
    ]);
    let child = run
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let a_trial = || {
        let mut all = ladder.story.processes().into_iter();
        all.find(|p| p.verb == "trial")
    };
    wait_until("a trial runs", || a_trial().is_some());
    let pid = Pid::from_raw(child.id().cast_signed());
    kill(pid, Signal::SIGKILL).unwrap();
    Said::from(child);
    ladder.story.wait_for_silence();
}

#[test]
fn needs_root_needs_time_the_rung_of_root_sees_what_this_machine_has() {
    let test = testkit::begin!();
    let ladder = match Ladder::begin() {
        Ok(ladder) => ladder,
        Err(why) => return test.skip(&why),
    };
    let view = ladder.climb(ladder.story.tool());
    view.names_what_it_cannot_see();
    nothing_unavailable_is_printed_as_zero(&view.telling()).unwrap();
    if let Some(why) = no_bpf() {
        return println!("root without BPF ({why}): no more can be asked of it");
    }
    assert!(
        view.manifest.bpf_object.is_some(),
        "{:?}",
        view.manifest.degraded
    );
    // No command of any user's shows more than this.
    assert_eq!(view.commands(), Vec::<&str>::new());
    for name in ["context-switches", "task-clock"] {
        let counter = view.manifest.counters.iter().find(|c| c.name == name);
        assert!(counter.is_some_and(|c| c.missing.is_none()), "{counter:?}");
    }
}
