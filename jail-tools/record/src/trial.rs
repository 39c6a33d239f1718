//! What is known of one trial besides its rows.

use serde::{Deserialize, Serialize};

use crate::plan::TrialSpec;

/// How a trial ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialStatus {
    /// Every operation that the budget allowed was done.
    Complete,
    /// The child died. The trial has no rows; the run goes on.
    Crashed {
        /// Exit or signal, in words.
        how: String,
        /// The end of its standard error.
        stderr: String,
    },
    /// The child reported an error.
    Failed {
        /// The error, whole.
        error: String,
    },
    /// It was killed for taking too long.
    TimedOut {
        /// After this long, ms.
        after_ms: u64,
    },
}

/// One precondition as verified in a trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Precondition {
    /// Short name (`pinned`, `state`, `quiet`).
    pub name: String,
    /// Number of times it was checked.
    pub checked: u64,
    /// Number of times it did not hold.
    pub missed: u64,
    /// What was asked and what was found, in words.
    pub detail: String,
}

/// Things that were lost on the way to the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Losses {
    /// Ring-buffer records that could not be reserved.
    pub ring_drops: u64,
    /// Block requests that could not be remembered, so their completion was not seen.
    pub request_drops: u64,
    /// Block requests whose completion never reached a probe: the wait of their operation is
    /// booked up to its end, or not at all.
    #[serde(default)]
    pub completions: u64,
    /// Switches that never reached a probe and were healed.
    pub gaps: u64,
    /// Slot reads that kept changing and were given up.
    pub torn_reads: u64,
    /// Exits without a start (bracketing mode).
    pub orphans: u64,
}

impl Losses {
    /// Adds another trial's losses.
    pub fn add(&mut self, other: &Self) {
        self.ring_drops += other.ring_drops;
        self.request_drops += other.request_drops;
        self.completions += other.completions;
        self.gaps += other.gaps;
        self.torn_reads += other.torn_reads;
        self.orphans += other.orphans;
    }
}

/// The undisturbed operation, calibrated within the trial from operations that no event touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfModel {
    /// Class of operation that it models (`hit`, `miss` …), or what else sets its kind apart.
    pub class: String,
    /// Pages of the operation.
    pub pages: u32,
    /// Demanded pages that were added within it, where something could tell.
    pub pages_missed: Option<u32>,
    /// The model, ns.
    pub self_ns: i64,
    /// Undisturbed operations that it rests on.
    pub n: u64,
    /// The rule.
    pub how: String,
}

/// Everything about a trial that is not a row of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialRecord {
    /// As planned.
    pub spec: TrialSpec,
    /// Experiment.
    pub experiment: String,
    /// How it ended.
    pub status: TrialStatus,
    /// CLOCK_REALTIME at the start, ns since the epoch.
    pub started_at_ns: u64,
    /// Wall time of the child process, spawn to reaping, ms.
    pub wall_ms: u64,
    /// Rows in `samples`.
    pub samples: u64,
    /// CRC-32 of the samples file, as written.
    pub samples_crc32: u32,
    /// Rows in `readings`.
    pub readings: u64,
    /// CRC-32 of the readings file, as written.
    pub readings_crc32: u32,
    /// Preconditions as verified.
    pub preconditions: Vec<Precondition>,
    /// Losses.
    pub losses: Losses,
    /// Models of the undisturbed operation.
    pub self_models: Vec<SelfModel>,
    /// Inferred cost of one timer interrupt outside its tracepoints, ns, and the number of
    /// interrupts that it rests on.
    pub irq_exit_ns: Option<(i64, u64)>,
    /// Steal of the measured CPUs over the trial by /proc/stat, ms (a tick is 10 ms).
    pub proc_stat_steal_ms: Option<u64>,
    /// Rate of gaps above 5 µs in a pure user-space TSC spin on the measured CPU, per second:
    /// the machine's own floor, measured beside the operations.
    pub floor_gaps_per_s: Option<f64>,
    /// Anything that the experiment had to say.
    pub notes: Vec<String>,
}
