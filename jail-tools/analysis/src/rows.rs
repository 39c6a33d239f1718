//! The rows of one cell, gathered from its trials.

use record::{Cell, Manifest, Plan, Reading, Sample, TrialRecord, TrialStatus};

use crate::bootstrap::Series;

/// One trial as loaded: its record, its operations, its counter readings.
pub type Trial = (TrialRecord, Vec<Sample>, Vec<Reading>);

/// One cell with the trials that have finished.
#[derive(Debug, Clone)]
pub struct CellRows<'a> {
    /// The run.
    pub manifest: &'a Manifest,
    /// The cell.
    pub cell: &'a Cell,
    /// Its levels, in the order of the experiment's factors.
    pub label: String,
    /// Trials that completed, in order of execution.
    pub complete: Vec<&'a Trial>,
    /// Trials that crashed, failed or took too long. They have no rows that count.
    pub lost: Vec<&'a TrialRecord>,
}

impl<'a> CellRows<'a> {
    /// Gathers the trials of a cell.
    #[must_use]
    pub fn of(manifest: &'a Manifest, plan: &Plan, cell: &'a Cell, trials: &'a [Trial]) -> Self {
        let mine = || trials.iter().filter(|t| t.0.spec.cell == cell.id);
        let complete = |t: &&Trial| t.0.status == TrialStatus::Complete;
        Self {
            manifest,
            cell,
            label: cell.label(&plan.definition.factors),
            complete: mine().filter(complete).collect(),
            lost: mine().filter(|t| !complete(t)).map(|t| &t.0).collect(),
        }
    }

    /// All operations, those that failed included.
    pub fn all(&self) -> impl Iterator<Item = &'a Sample> + '_ {
        self.complete.iter().flat_map(|t| &t.1)
    }

    /// The operations that count: they did what they were asked to.
    pub fn done(&self) -> impl Iterator<Item = &'a Sample> + '_ {
        self.all().filter(|s| is_done(s))
    }

    /// Latencies per unit in time order, by trial and thread.
    #[must_use]
    pub fn series(&self) -> Vec<Series> {
        self.complete.iter().map(|t| series(t)).collect()
    }

    /// Do its operations bypass the page cache? Then pages are not added to it by design, and
    /// probe and oracle have nothing to agree about.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.cell
            .levels
            .get("state")
            .is_some_and(|level| level == "direct")
    }

    /// A seed of its own, the same whenever the run is analysed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        0x6a61_696c_0000_0000 ^ u64::from(self.cell.id)
    }
}

/// Latency of one unit of work, ns.
#[must_use]
pub fn per_unit_ns(sample: &Sample) -> f64 {
    sample.latency_ns as f64 / sample.units.max(1) as f64
}

pub(crate) fn is_done(sample: &Sample) -> bool {
    sample.result >= 0 && sample.units > 0
}

fn series(trial: &Trial) -> Series {
    let mut threads: Vec<Vec<f64>> = Vec::new();
    for sample in trial.1.iter().filter(|s| is_done(s)) {
        let thread = sample.thread as usize;
        // A thread number is an index; one that is out of all proportion is damage, not a thread.
        if thread >= threads.len() && thread < trial.1.len() {
            threads.resize(thread + 1, Vec::new());
        }
        if let Some(values) = threads.get_mut(thread) {
            values.push(per_unit_ns(sample));
        }
    }
    Series {
        round: trial.0.spec.round,
        threads,
    }
}
