//! What is to be done, as data: an experiment's question and factors, what it expects, the
//! cells that follow, and the order in which trials run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One controlled variable and the levels that it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Factor {
    /// Name, as given on the command line (`state`).
    pub name: String,
    /// What is varied, in a sentence.
    pub about: String,
    /// Levels in their natural order (`warm`, `cold`, …).
    pub levels: Vec<String>,
}

/// Chooses the cells that have all of these levels; factors that are not named match any level.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Selector(pub BTreeMap<String, String>);

impl Selector {
    /// From `(factor, level)` pairs.
    #[must_use]
    pub fn of(levels: &[(&str, &str)]) -> Self {
        Self(
            levels
                .iter()
                .map(|(f, l)| ((*f).into(), (*l).into()))
                .collect(),
        )
    }

    /// Does this cell have every level that is asked for?
    #[must_use]
    pub fn matches(&self, cell: &Cell) -> bool {
        self.0.iter().all(|(f, l)| cell.levels.get(f) == Some(l))
    }
}

/// Which number of a cell an expectation speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// This quantile (0 to 1) of the latency per unit, ns.
    LatencyQuantile(f64),
    /// Share of operations that the probes class as hit, 0 to 1.
    HitRatioProbe,
    /// Share of operations that the oracle classes as hit, 0 to 1.
    HitRatioOracle,
    /// Share of operations that the probes class as miss, 0 to 1.
    MissRatioProbe,
    /// Share of operations that the oracle classes as miss, 0 to 1.
    MissRatioOracle,
    /// Share of operations whose page counts agree between probe and oracle, 0 to 1.
    Agreement,
}

/// What is claimed of the metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// Every cell that `left` selects has at least this value.
    AtLeast(f64),
    /// Each cell of `left` divided by the cell of `right` that agrees with it in all
    /// other factors is at least this.
    RatioAtLeast(f64),
    /// The same ratio is at most this.
    RatioAtMost(f64),
}

/// A prediction, made before the run and judged after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// Short name, unique within the experiment.
    pub id: String,
    /// The prediction in words, with its reason.
    pub says: String,
    /// The cells that it is about.
    pub left: Selector,
    /// The cells that they are compared with, for a ratio.
    pub right: Option<Selector>,
    /// Which number.
    pub metric: Metric,
    /// What is claimed of it.
    pub claim: Claim,
}

/// What has to be armed around an experiment's operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arms {
    /// The ledger page: per-operation causes.
    pub ledger: bool,
    /// Perf counters of each measured thread.
    pub counters: bool,
    /// One record per system call (slow: only to cross-check, or for programs not ours).
    pub bracket: bool,
}

/// An experiment as data: everything about it but the measured code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// Name on the command line.
    pub name: String,
    /// The question that the kernel has to answer.
    pub question: String,
    /// Controlled variables.
    pub factors: Vec<Factor>,
    /// Predictions.
    pub expectations: Vec<Expectation>,
    /// Conditions that are verified in every trial, in words.
    pub preconditions: Vec<String>,
    /// Measured threads of one trial.
    pub threads: u32,
    /// What to arm.
    pub arms: Arms,
}

/// One combination of levels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Number, unique within the run.
    pub id: u32,
    /// Experiment that it belongs to.
    pub experiment: String,
    /// Factor → level, one entry for each factor.
    pub levels: BTreeMap<String, String>,
}

impl Cell {
    /// The levels in the order of the experiment's factors (`4k warm random`).
    #[must_use]
    pub fn label(&self, factors: &[Factor]) -> String {
        let levels: Vec<&str> = factors
            .iter()
            .filter_map(|f| self.levels.get(&f.name))
            .map(String::as_str)
            .collect();
        levels.join(" ")
    }
}

/// Scheduling class of the measured threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchedClass {
    /// SCHED_OTHER, as inherited.
    Other,
    /// SCHED_BATCH.
    Batch,
    /// SCHED_FIFO, priority 1. Real-time throttling still takes its share.
    Fifo,
}

/// Conditions that are set on the trial's child process alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions {
    /// Address-space layout drawn anew for each trial (false: `ADDR_NO_RANDOMIZE`).
    pub aslr: bool,
    /// Bytes of padding in the environment, which moves the stack.
    pub env_bytes: u32,
    /// Scheduling class of the measured threads.
    pub sched: SchedClass,
    /// CPUs for the measured threads, in the order of the threads.
    pub cpus: Vec<u32>,
    /// Take part in this cgroup (a directory), if any.
    pub cgroup: Option<String>,
}

/// How much one trial does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Operations per trial at most, by class of cost that the experiment names.
    pub ops: BTreeMap<String, u64>,
    /// A trial ends after this long even if operations are left, ms.
    pub trial_ms: u64,
    /// Operations thrown away at the start of each trial.
    pub warmup_ops: u64,
}

/// One trial: a cell, in a round, at a place in the order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialSpec {
    /// Number, from 0, in the order of execution; unique within the run.
    pub trial: u32,
    /// The cell.
    pub cell: u32,
    /// The round.
    pub round: u32,
    /// Seed of everything random inside the trial.
    pub seed: u64,
}

/// The whole plan of one experiment in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The experiment.
    pub definition: Definition,
    /// Seed of the order and of the trials' seeds.
    pub seed: u64,
    /// Rounds; each has every cell once, in an order of its own.
    pub rounds: u32,
    /// Cells.
    pub cells: Vec<Cell>,
    /// Amount of work per trial.
    pub budget: Budget,
    /// Conditions of the measured process.
    pub conditions: Conditions,
    /// Trials in the order in which they run.
    pub schedule: Vec<TrialSpec>,
}

impl Plan {
    /// The cell with this number.
    #[must_use]
    pub fn cell(&self, id: u32) -> Option<&Cell> {
        self.cells.iter().find(|c| c.id == id)
    }
}
