//! One trial loop carries every shape of experiment: a small experiment of each of the other
//! three shapes goes through `runner::trial::run`, without a loop of its own.
//!
//! Each runs without a ledger everywhere, and with one where there are root and BPF (and an
//! object in `JAIL_TOOLS_BPF_OBJECT`).

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support/mod.rs"]
mod support;

mod false_sharing;
mod queue;
mod signals;

use experiments::Experiment;
use probes::Handles;
use record::ledger;
use record::plan::{Arms, Budget, Conditions, SchedClass};
use record::{Cell, Definition, Sample, TrialSpec};
use runner::trial::{self, TrialError};
use runner::wire::{ChildReport, ChildSpec, Sight};

/// Identity of the trial and the cell, to be found again in every row.
const TRIAL: u32 = 7;
const CELL: u32 = 3;

/// A definition with nothing to judge.
fn definition(name: &str) -> Definition {
    Definition {
        name: name.into(),
        question: "does it fit the loop?".into(),
        factors: Vec::new(),
        expectations: Vec::new(),
        preconditions: Vec::new(),
        threads: 2,
        arms: Arms {
            ledger: true,
            counters: false,
            bracket: false,
        },
    }
}

/// Runs one trial in this process: `threads` CPUs in turn, at most `ops` operations each.
fn run<E: Experiment>(
    levels: &[(&str, &str)],
    threads: usize,
    ops: u64,
    trial_ms: u64,
    ledger: Option<(Handles, Sight)>,
) -> Result<ChildReport, TrialError> {
    let cpus = support::cpus();
    let levels = levels
        .iter()
        .map(|(f, l)| ((*f).into(), (*l).into()))
        .collect();
    trial::run::<E>(&ChildSpec {
        parent_pid: std::process::id().cast_signed(),
        experiment: E::definition().name,
        trial: TrialSpec {
            trial: TRIAL,
            cell: CELL,
            round: 0,
            seed: 1,
        },
        cell: Cell {
            id: CELL,
            experiment: E::definition().name,
            levels,
        },
        budget: Budget {
            ops: [("all".to_owned(), ops)].into(),
            trial_ms,
            warmup_ops: 0,
        },
        conditions: Conditions {
            aslr: true,
            env_bytes: 0,
            sched: SchedClass::Other,
            cpus: cpus.into_iter().cycle().take(threads).collect(),
            cgroup: None,
        },
        usage: ledger
            .is_none()
            .then(|| runner::usage::UsageSight::of_this_kernel().unwrap()),
        ledger,
        counters: false,
        series_ms: 0,
        housekeeping: Vec::new(),
        subject: None,
    })
}

/// What holds in every trial of every shape. Returns the rows of each thread.
fn sound(report: &ChildReport, threads: usize, with_ledger: bool) -> Vec<Vec<&Sample>> {
    let mut of_thread = vec![Vec::new(); threads];
    for s in &report.samples {
        assert_eq!((s.trial, s.cell), (TRIAL, CELL));
        assert!(s.causes.closes(s.latency_ns), "{s:?}");
        assert!(s.latency_ns > 0, "{s:?}");
        // Switches are counted either way; what only probes see is there with them, or missing.
        assert!(s.switches_voluntary.is_some(), "{s:?}");
        for seen in [
            s.migrations.is_some(),
            s.causes.0[ledger::HARDIRQ].is_some(),
        ] {
            assert_eq!(seen, with_ledger, "{s:?}");
        }
        let blocked = s.causes.0[ledger::BLOCKED].is_some();
        assert!(blocked || !with_ledger, "{s:?}");
        of_thread[s.thread as usize].push(s);
    }
    for rows in &of_thread {
        assert!(rows.windows(2).all(|w| w[0].op + 1 == w[1].op));
    }
    let pins = report
        .preconditions
        .iter()
        .filter(|p| p.name == "pinned")
        .collect::<Vec<_>>();
    assert_eq!(pins.len(), threads);
    assert!(pins.iter().all(|p| p.missed == 0), "{pins:?}");
    assert_eq!(report.losses.torn_reads, 0);
    of_thread
}

/// Did the thread sleep in any of these operations?
fn slept(rows: &[&Sample]) -> u64 {
    let switches = rows.iter().filter_map(|s| s.switches_voluntary);
    switches.map(u64::from).sum()
}
