//! What a reader should know before believing a number. Found in [`crate::detection`], explained
//! in [`crate::advice`].

use record::manifest::RunEnd;
use record::trial::Losses;
use serde::Serialize;

/// One thing that bends, weakens or limits the results.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "the fields are the numbers of the sentence that `advice` makes of them"
)]
pub enum Warning {
    /// The run did not finish.
    Partial {
        end: Option<RunEnd>,
        complete: u32,
        planned: u32,
    },
    /// Something of the run directory cannot be read.
    Damaged { what: String },
    /// Trials that gave no rows.
    TrialsLost {
        crashed: u32,
        failed: u32,
        timed_out: u32,
        first: String,
    },
    /// A ledger does not close.
    OpenLedgers { cell: String, rows: u64 },
    /// Operations that returned an error.
    OperationErrors { cell: String, errors: u64, n: u64 },
    /// A precondition did not hold every time.
    PreconditionMissed {
        experiment: String,
        name: String,
        missed: u64,
        checked: u64,
        detail: String,
    },
    /// Records were lost on the way.
    Losses { losses: Losses },
    /// Switches never reached the probe, and were healed.
    GapsHealed { gaps: u64 },
    /// Not enough rounds to see how rounds differ.
    FewRounds { experiment: String, rounds: u32 },
    /// Trials of the same cell differ much.
    Noisy {
        cell: String,
        min_ns: f64,
        max_ns: f64,
    },
    /// The data cannot bound a quantile.
    UnboundedQuantile { p: f64, cells: Vec<String> },
    /// The hypervisor took time.
    Steal {
        proc_stat_ms: Option<u64>,
        ledger_ns: Option<i64>,
        ops: Option<u64>,
    },
    /// Other tasks took the CPU.
    InvoluntarySwitches { ops: u64, switches: u64 },
    /// A large part of the time is unexplained.
    LargeResidual { cell: String, share: f64 },
    /// Unexplained stalls are more frequent than the machine's own.
    StallsAboveFloor {
        cell: String,
        stalls_per_s: f64,
        floor_per_s: f64,
    },
    /// Nobody measured the machine's own floor.
    NoFloor,
    /// A model of the undisturbed operation rests on few operations.
    WeakSelfModel { cell: String, class: String, n: u64 },
    /// Probe and oracle differ.
    Disagreement {
        cell: String,
        differing: u64,
        compared: u64,
        reason: String,
    },
    /// The device's interrupt arrives on certain CPUs.
    InterruptElsewhere {
        interrupt: String,
        irq_cpus: Vec<u32>,
        measured_cpus: Vec<u32>,
    },
    /// The idle policy is part of every blocking figure.
    IdlePolicy { policy: String },
    /// A named degradation of the run.
    Degraded { item: String },
    /// Probes or counters that could not be armed, by reason.
    NotArmed {
        names: Vec<String>,
        why: String,
        blind: Option<String>,
    },
    /// A host setting that was asked for and did not take.
    HostChangeRefused { asked: String, why: String },
    /// The cost of observing was not measured here.
    ObserverUnknown,
}
