//! Carries out a plan, trial by trial.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use counters::RawReading;
use experiments::Subject;
use experiments::interface::hang_limit;
use probes::Handles;
use record::manifest::{Armed, RunEnd};
use record::plan::Plan;
use record::trial::Losses;
use record::{Cell, Fact, Grade, Reading, Sample, TrialRecord, TrialSpec, TrialStatus};

use crate::clock::realtime_ns;
use crate::spawn::{self, Ended};
use crate::usage::UsageSight;
use crate::wire::{ChildReport, ChildSpec, Sight, WireReading};

/// What stands ready for all trials of a run.
#[derive(Debug, Clone)]
pub struct Rig {
    /// The ledger's descriptors and what the probes can see, if they are loaded.
    pub ledger: Option<(Handles, Sight)>,
    /// What a thread's account tells on this kernel: looked at where there is no ledger.
    pub usage: Option<UsageSight>,
    /// Arm counters?
    pub counters: bool,
    /// Read them every so many ms; 0: only at start and end.
    pub series_ms: u32,
    /// CPUs for everything that is not measured.
    pub housekeeping: Vec<u32>,
    /// The file under test.
    pub subject: Option<Subject>,
}

/// A trial that is over, ready to be recorded.
#[derive(Debug)]
pub struct Finished {
    /// Everything but its rows.
    pub record: TrialRecord,
    /// Operations.
    pub samples: Vec<Sample>,
    /// Counter readings.
    pub readings: Vec<Reading>,
    /// Counters: armed or not.
    pub counters: Vec<Armed>,
}

/// What ended a run early.
#[derive(Debug, thiserror::Error)]
pub enum RunFailure<E> {
    /// A trial's process could not be made.
    #[error("spawn of a trial's process: {0}")]
    Spawn(#[source] std::io::Error),
    /// The plan names a cell or an experiment that it does not have.
    #[error("the plan is inconsistent: {0}")]
    Plan(String),
    /// The caller could not take the trial.
    #[error(transparent)]
    Taken(E),
}

/// Runs all trials of a plan in their order, and hands each over as soon as it is over. Call it
/// from the main thread.
///
/// # Errors
/// See [`RunFailure`]. A trial that crashes, fails or hangs is no error: it is recorded as such.
pub fn run_plan<E>(
    plan: &Plan,
    rig: &Rig,
    stop: &AtomicBool,
    take: &mut dyn FnMut(Finished) -> Result<(), E>,
) -> Result<RunEnd, RunFailure<E>> {
    for spec in &plan.schedule {
        if stop.load(Ordering::Acquire) {
            return Ok(RunEnd::Interrupted);
        }
        let cell = plan
            .cell(spec.cell)
            .ok_or_else(|| RunFailure::Plan(format!("no cell {}", spec.cell)))?;
        match one(plan, spec, cell, rig, stop).map_err(RunFailure::Spawn)? {
            Some(finished) => take(finished).map_err(RunFailure::Taken)?,
            None => return Ok(RunEnd::Interrupted),
        }
    }
    Ok(RunEnd::Complete)
}

fn one(
    plan: &Plan,
    spec: &TrialSpec,
    cell: &Cell,
    rig: &Rig,
    stop: &AtomicBool,
) -> std::io::Result<Option<Finished>> {
    let arms = plan.definition.arms;
    let child = ChildSpec {
        parent_pid: std::process::id().cast_signed(),
        experiment: plan.definition.name.clone(),
        trial: spec.clone(),
        cell: cell.clone(),
        budget: plan.budget.clone(),
        conditions: plan.conditions.clone(),
        ledger: rig.ledger.clone().filter(|_| arms.ledger),
        usage: rig
            .usage
            .clone()
            .filter(|_| arms.ledger && rig.ledger.is_none()),
        counters: rig.counters && arms.counters,
        series_ms: rig.series_ms,
        housekeeping: rig.housekeeping.clone(),
        subject: rig.subject,
    };
    let started_at_ns = realtime_ns();
    let steal_before = steal_ms(plan);
    let since = Instant::now();
    let ended = spawn::run(&child, hang_limit(&plan.budget), stop)?;
    let wall_ms = since.elapsed().as_millis() as u64;
    let steal = steal_ms(plan)
        .zip(steal_before)
        .map(|(after, before)| after.saturating_sub(before));
    let mut record = TrialRecord {
        spec: spec.clone(),
        experiment: plan.definition.name.clone(),
        status: TrialStatus::Complete,
        started_at_ns,
        wall_ms,
        samples: 0,
        samples_crc32: 0,
        readings: 0,
        readings_crc32: 0,
        preconditions: Vec::new(),
        losses: Losses::default(),
        self_models: Vec::new(),
        irq_exit_ns: None,
        proc_stat_steal_ms: steal,
        floor_gaps_per_s: None,
        notes: Vec::new(),
    };
    Ok(match ended {
        Ended::Stopped => None,
        Ended::Lost(status) => {
            record.status = status;
            Some(Finished {
                record,
                samples: Vec::new(),
                readings: Vec::new(),
                counters: Vec::new(),
            })
        }
        Ended::Reported(report) => Some(finish(record, *report)),
    })
}

fn steal_ms(plan: &Plan) -> Option<u64> {
    match host::steal_ms(&plan.conditions.cpus) {
        Fact::Known { value, .. } => Some(value),
        Fact::Unavailable { .. } => None,
    }
}

fn finish(mut record: TrialRecord, report: ChildReport) -> Finished {
    record.preconditions = report.preconditions;
    record.losses = report.losses;
    record.self_models = report.self_models;
    record.irq_exit_ns = report.irq_exit_ns;
    record.floor_gaps_per_s = report.floor_gaps_per_s;
    record.notes = report.notes;
    let (trial, cell) = (record.spec.trial, record.spec.cell);
    let readings = report
        .readings
        .into_iter()
        .map(|r| reading(trial, cell, r))
        .collect();
    Finished {
        record,
        samples: report.samples,
        readings,
        counters: report.counters,
    }
}

fn reading(trial: u32, cell: u32, r: WireReading) -> Reading {
    let (value, enabled_ns, running_ns, grade) = match r.value {
        Ok((value, enabled_ns, running_ns)) => {
            let raw = RawReading {
                event: r.event.clone(),
                value,
                enabled_ns,
                running_ns,
            };
            (Some(value), Some(enabled_ns), Some(running_ns), raw.grade())
        }
        Err(why) => (None, None, None, Grade::Unavailable { why }),
    };
    // A group that never ran has read 0: that is not a figure.
    let value = value.filter(|_| !matches!(grade, Grade::Unavailable { .. }));
    Reading {
        trial,
        cell,
        thread: r.thread,
        at_ns: r.at_ns,
        moment: r.moment,
        event: r.event,
        value,
        enabled_ns,
        running_ns,
        grade,
    }
}
