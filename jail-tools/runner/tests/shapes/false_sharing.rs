//! The shape of false-sharing: threads released together, each operation a time slice of many
//! iterations on a line of one's own or of everybody's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use experiments::interface::level;
use experiments::{
    Announce, Experiment, ExperimentError, Found, Outcome, Pace, Report, Seen, Setup, Worker,
};
use probes::Handles;
use record::plan::Budget;
use record::trial::Precondition;
use record::{Class, Definition, Sample};
use runner::trial::TrialError;
use runner::wire::{ChildReport, Sight};

use crate::support::{ledger, load, my_turn};
use crate::{definition, run, slept, sound};

/// Iterations in one time slice.
const ITERATIONS: u64 = 20_000;

/// Two cache lines: adjacent ones may be fetched as a pair.
#[repr(align(128))]
#[derive(Default)]
struct Line([AtomicU64; 16]);

struct FalseSharing;

struct Spinner {
    lines: Arc<Vec<Line>>,
    place: (usize, usize),
    slices: u64,
    done: u64,
}

impl Spinner {
    fn word(&self) -> &AtomicU64 {
        &self.lines[self.place.0].0[self.place.1]
    }
}

impl Experiment for FalseSharing {
    type Worker = Spinner;

    fn definition() -> Definition {
        definition("false-sharing")
    }

    fn budget(_: Pace) -> (u32, Budget) {
        unreachable!("the test has a budget of its own")
    }

    fn subject_bytes(_: &Budget) -> Option<u64> {
        None
    }

    fn set_up(setup: &Setup<'_>) -> Result<Vec<Spinner>, ExperimentError> {
        let threads: usize = level(setup.cell, "threads")?.parse().unwrap();
        let same = level(setup.cell, "line")? == "same";
        let lines: Arc<Vec<Line>> = Arc::new((0..threads).map(|_| Line::default()).collect());
        let spinner = |i| Spinner {
            lines: Arc::clone(&lines),
            place: if same { (0, i) } else { (i, 0) },
            slices: setup.budget.ops["all"],
            done: 0,
        };
        Ok((0..threads).map(spinner).collect())
    }
}

impl Worker for Spinner {
    fn arrive(&mut self) -> Result<(), ExperimentError> {
        self.word().store(0, Ordering::Relaxed);
        Ok(())
    }

    fn before(&mut self, op: u64) -> Result<Option<Announce>, ExperimentError> {
        Ok((op < self.slices).then(Announce::default))
    }

    fn operate(&mut self) -> Outcome {
        for _ in 0..ITERATIONS {
            self.word().fetch_add(1, Ordering::Relaxed);
        }
        self.done += ITERATIONS;
        Outcome {
            result: 0,
            units: ITERATIONS,
            started_ns: None,
        }
    }

    fn after(&mut self) -> Result<Found, ExperimentError> {
        Ok(Found::default())
    }

    fn class(&self, _: &Seen, _: &Found) -> Class {
        Class::Unknown
    }

    fn finish(self) -> Report {
        let counted = self.word().load(Ordering::Relaxed);
        let counted = Precondition {
            name: "counted".into(),
            checked: self.done,
            missed: self.done.abs_diff(counted),
            detail: "every iteration in memory".into(),
        };
        Report {
            preconditions: vec![counted],
            notes: Vec::new(),
        }
    }
}

/// Share of the operations of `a` during which an operation of `b` went on, too.
fn overlapped(a: &[&Sample], b: &[&Sample]) -> f64 {
    let end_ns = |s: &Sample| s.start_ns + s.latency_ns.cast_unsigned();
    let both = a.iter().filter(|x| {
        b.iter()
            .any(|y| x.start_ns < end_ns(y) && y.start_ns < end_ns(x))
    });
    both.count() as f64 / a.len() as f64
}

fn trial(
    threads: usize,
    line: &str,
    ops: u64,
    trial_ms: u64,
    ledger: Option<(Handles, Sight)>,
) -> Result<ChildReport, TrialError> {
    let count = threads.to_string();
    let levels = [("threads", count.as_str()), ("line", line)];
    run::<FalseSharing>(&levels, threads, ops, trial_ms, ledger)
}

/// Both lines, two threads for 300 ms: long enough that neither can miss the other altogether.
fn two_threads(ledger: Option<&(Handles, Sight)>) {
    for line in ["same", "padded"] {
        let report = trial(2, line, 4000, 300, ledger.cloned()).unwrap();
        let rows = sound(&report, 2, ledger.is_some());
        assert!(rows.iter().all(|r| !r.is_empty()));
        assert!(report.samples.iter().all(|s| s.units == ITERATIONS));
        let share = overlapped(&rows[0], &rows[1]).min(overlapped(&rows[1], &rows[0]));
        println!(
            "{line}: {} and {} slices, {share:.3} overlapped",
            rows[0].len(),
            rows[1].len()
        );
        assert!(share >= 0.5, "{line}: only {share} overlapped");
        counted(&report, 2);
    }
}

fn counted(report: &ChildReport, threads: usize) {
    let counted = report.preconditions.iter().filter(|p| p.name == "counted");
    let counted: Vec<_> = counted.collect();
    assert_eq!(counted.len(), threads);
    assert!(counted.iter().all(|p| p.missed == 0 && p.checked > 0));
    let done: u64 = counted.iter().map(|p| p.checked).sum();
    assert_eq!(done, report.samples.iter().map(|s| s.units).sum::<u64>());
}

#[test]
fn needs_two_cpus_spinning_threads_are_released_together() {
    let _test = testkit::begin!();
    let _turn = my_turn();
    two_threads(None);
}

#[test]
fn needs_root_needs_bpf_needs_two_cpus_spinning_threads_have_closed_ledgers() {
    let test = testkit::begin!();
    let _turn = my_turn();
    if let Some(probes) = load(&test) {
        two_threads(Some(&ledger(&probes)));
    }
}

#[test]
fn needs_root_needs_bpf_more_threads_than_cpus_all_have_slots() {
    let test = testkit::begin!();
    let _turn = my_turn();
    let Some(probes) = load(&test) else { return };
    for (threads, ops) in [(8, 50), (64, 5)] {
        let report = trial(threads, "padded", ops, 10_000, Some(ledger(&probes))).unwrap();
        let rows = sound(&report, threads, true);
        assert!(rows.iter().all(|r| r.len() as u64 == ops));
        counted(&report, threads);
        let involuntary: u32 = report
            .samples
            .iter()
            .filter_map(|s| s.switches_involuntary)
            .sum();
        let voluntary: u64 = rows.iter().map(|r| slept(r)).sum();
        println!("{threads} threads: {involuntary} preemptions, {voluntary} sleeps");
    }
}

#[test]
fn needs_root_needs_bpf_a_thread_too_many_ends_the_trial_and_lets_its_peers_go() {
    let test = testkit::begin!();
    let _turn = my_turn();
    let Some(probes) = load(&test) else { return };
    let error = trial(65, "padded", 5, 10_000, Some(ledger(&probes))).unwrap_err();
    assert!(matches!(error, TrialError::Ledger(_)), "{error}");
    assert!(error.to_string().contains("slot 64"), "{error}");
}
