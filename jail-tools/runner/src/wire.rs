//! What parent and child say to each other: the specification in JSON on standard input, the
//! report in postcard on standard output.

use experiments::Subject;
use probes::Handles;
use record::ledger::{HARDIRQ, IPI, PARTS, TIMER};
use record::manifest::Armed;
use record::plan::{Budget, Conditions};
use record::trial::{Losses, Precondition, SelfModel};
use record::{Cell, Sample, TrialSpec};
use serde::{Deserialize, Serialize};

use crate::usage::UsageSight;

/// What the probes can see on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    /// For each part of the ledger: is it observed?
    pub causes: [bool; PARTS],
    /// Pages added to the page cache.
    pub pages: bool,
    /// Block requests.
    pub requests: bool,
    /// Their completion.
    pub completions: bool,
    /// Switches.
    pub switches: bool,
    /// Interrupts of every kind.
    pub interrupts: bool,
    /// Faults.
    pub faults: bool,
}

impl Sight {
    /// What these probes see.
    #[must_use]
    pub fn of(probes: &probes::Probes) -> Self {
        let blind = probes.blind();
        Self {
            causes: std::array::from_fn(|i| blind[i].is_none()),
            pages: probes.has("mm_filemap_add_to_page_cache"),
            requests: probes.has("block_io_start") || probes.has("block_rq_issue"),
            completions: probes.has("block_rq_complete"),
            switches: probes.has("sched_switch"),
            interrupts: [HARDIRQ, TIMER, IPI].iter().all(|c| blind[*c].is_none()),
            faults: probes.has("page_fault_user") && probes.has("page_fault_kernel"),
        }
    }
}

/// Everything that a trial's process needs to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChildSpec {
    /// The parent: the child ends with it.
    pub parent_pid: i32,
    /// The experiment.
    pub experiment: String,
    /// The trial.
    pub trial: TrialSpec,
    /// The cell.
    pub cell: Cell,
    /// Amount of work.
    pub budget: Budget,
    /// Conditions of the measured threads.
    pub conditions: Conditions,
    /// The ledger's descriptors, if the probes are armed.
    pub ledger: Option<(Handles, Sight)>,
    /// What the thread's account tells, if that is to be looked at because there is no ledger.
    pub usage: Option<UsageSight>,
    /// Arm the counters?
    pub counters: bool,
    /// Read the counters every so many ms from another thread; 0: only at start and end.
    pub series_ms: u32,
    /// CPUs for everything that is not measured.
    pub housekeeping: Vec<u32>,
    /// The file under test.
    pub subject: Option<Subject>,
}

/// A counter reading on the way to the parent. (Grades don't travel in postcard.)
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WireReading {
    /// Measured thread.
    pub thread: u32,
    /// CLOCK_MONOTONIC, ns.
    pub at_ns: u64,
    /// When in the trial.
    pub moment: record::reading::Moment,
    /// Event.
    pub event: String,
    /// Value, ns enabled, ns running; or why there is none.
    pub value: Result<(u64, u64, u64), String>,
}

/// What a trial's process reports.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ChildReport {
    /// Operations, their ledgers closed.
    pub samples: Vec<Sample>,
    /// Counters.
    pub readings: Vec<WireReading>,
    /// Counters: armed or not.
    pub counters: Vec<Armed>,
    /// Preconditions as verified.
    pub preconditions: Vec<Precondition>,
    /// Losses.
    pub losses: Losses,
    /// Models of the undisturbed operation.
    pub self_models: Vec<SelfModel>,
    /// An interrupt's time outside its tracepoints, ns, and the number of interrupts behind it.
    pub irq_exit_ns: Option<(i64, u64)>,
    /// Unexplained gaps per second in a pure spin.
    pub floor_gaps_per_s: Option<f64>,
    /// Anything else.
    pub notes: Vec<String>,
}
