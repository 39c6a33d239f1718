//! What an experiment gives to the trial loop.
//!
//! The loop does, for each operation of each worker, on a pinned thread of its own:
//!
//! ```text
//! announce = worker.before(op)      untimed: prepare, verify the precondition, what will be asked
//! t0; first look at the ledger
//! outcome  = worker.operate()       timed
//! second look at the ledger; t1
//! found    = worker.after()         untimed: what the oracle and the operation itself said
//! ```
//!
//! An operation is one read, one time slice of a spinning loop (`units` iterations of it), one
//! message taken (its latency begins at the stamp that the sender put in: `started_ns`), or one
//! signal sent and answered. That is how one loop carries all four investigations.

use std::time::Duration;

use record::plan::Budget;
use record::trial::Precondition;
use record::{Cell, Class, Definition};

use crate::error::ExperimentError;
use crate::subject::Subject;

/// How much to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// About ten seconds in all.
    Quick,
    /// About a minute in all.
    Full,
}

/// What a trial's workers are made from, inside the trial's own process.
#[derive(Debug)]
pub struct Setup<'a> {
    /// The cell: the levels of this trial.
    pub cell: &'a Cell,
    /// Seed of everything random in the trial.
    pub seed: u64,
    /// Amount of work.
    pub budget: &'a Budget,
    /// The file under test, if the experiment has one.
    pub subject: Option<Subject>,
    /// CPUs of the measured threads, in their order: for placing helpers elsewhere.
    pub cpus: &'a [u32],
}

/// The byte range that an operation will ask for; empty for operations without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Announce {
    /// First byte.
    pub start: u64,
    /// Byte after the last.
    pub end: u64,
}

/// What a timed operation says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Bytes, or minus errno.
    pub result: i64,
    /// Units of work done: the latency is divided by it. At least 1.
    pub units: u64,
    /// CLOCK_MONOTONIC at which the operation really began, if that was elsewhere and earlier
    /// (the sender's stamp in a message), ns.
    pub started_ns: Option<u64>,
}

/// What was found out about an operation outside its timed window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Found {
    /// Pages that it covers, if it has pages and goes through the page cache.
    pub pages: Option<u32>,
    /// Those of them that were resident just before, by the oracle.
    pub oracle_resident_pages: Option<u32>,
}

/// What the probes saw of an operation, as far as classing it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Demanded pages added to the page cache within it.
    pub pages_missed: u32,
    /// Block requests that the thread started.
    pub requests: u32,
    /// Did the thread sleep?
    pub slept: bool,
}

/// What a worker has to say at the end of a trial.
#[derive(Debug, Default)]
pub struct Report {
    /// Preconditions as verified.
    pub preconditions: Vec<Precondition>,
    /// Anything else worth knowing.
    pub notes: Vec<String>,
}

/// The measured code of one thread.
pub trait Worker: Send {
    /// On its own, pinned thread, before the gate: touch what must be warm, build what must be
    /// local.
    ///
    /// # Errors
    /// The trial fails.
    fn arrive(&mut self) -> Result<(), ExperimentError> {
        Ok(())
    }

    /// Prepares operation `op`, untimed. `None`: this worker has nothing left to do.
    ///
    /// # Errors
    /// The trial fails.
    fn before(&mut self, op: u64) -> Result<Option<Announce>, ExperimentError>;

    /// The operation. Nothing but it happens in the timed window.
    fn operate(&mut self) -> Outcome;

    /// What was found out about the operation that was just done, untimed.
    ///
    /// # Errors
    /// The trial fails.
    fn after(&mut self) -> Result<Found, ExperimentError> {
        Ok(Found::default())
    }

    /// Classes an operation from what the probes saw of it. Pure.
    fn class(&self, _seen: &Seen, _found: &Found) -> Class {
        Class::Unknown
    }

    /// Right after the last operation, before anything else is measured on the thread: let go
    /// whoever waits for this worker. A worker that fails earlier must do so when it is dropped.
    fn leave(&mut self) {}

    /// The end of the trial.
    fn finish(self) -> Report
    where
        Self: Sized,
    {
        Report::default()
    }
}

/// One investigation.
pub trait Experiment {
    /// Its measured code.
    type Worker: Worker;

    /// Question, factors, expectations, preconditions and what to arm, as data.
    fn definition() -> Definition;

    /// Rounds and the amount of work per trial.
    fn budget(pace: Pace) -> (u32, Budget);

    /// Bytes that the file under test must have, or `None` if there is none.
    fn subject_bytes(budget: &Budget) -> Option<u64>;

    /// Makes one worker for each measured thread, in the trial's own process.
    ///
    /// # Errors
    /// The trial fails.
    fn set_up(setup: &Setup<'_>) -> Result<Vec<Self::Worker>, ExperimentError>;
}

/// A level of a cell, or an error that names what is missing.
///
/// # Errors
/// The cell has no such factor: the plan was made by another version.
pub fn level<'a>(cell: &'a Cell, factor: &str) -> Result<&'a str, ExperimentError> {
    cell.levels.get(factor).map(String::as_str).ok_or_else(|| {
        ExperimentError::Plan(format!("cell {} has no level of factor {factor}", cell.id))
    })
}

/// The longest that a trial may take before it counts as hung: generous, because a trial that
/// waits for a stalled device is a result, not an error.
#[must_use]
pub fn hang_limit(budget: &Budget) -> Duration {
    Duration::from_millis(budget.trial_ms) * 10 + Duration::from_secs(30)
}
