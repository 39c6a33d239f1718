//! `manifest.json`: what a run was, on which machine, with what armed.

use serde::{Deserialize, Serialize};

use crate::grade::{Grade, Graded};
use crate::host_facts::HostFacts;
use crate::plan::Plan;

/// Version of the run directory's form. Raised when an older reader would misread it.
pub const FORMAT_VERSION: u32 = 1;

/// One probe or counter, armed or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Armed {
    /// Name of the program or event.
    pub name: String,
    /// `None` when armed, else why not.
    pub missing: Option<String>,
    /// What can't be seen without it.
    pub blind: Option<String>,
}

/// A setting that was changed on the host for the run, and put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostChange {
    /// What was asked for.
    pub asked: String,
    /// Did it take, as read back? Else why not.
    pub refused: Option<String>,
}

/// Where the BPF object came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BpfObject {
    /// `rebuilt` (from the sources, here), `prebuilt` (as committed), or a path.
    pub origin: String,
    /// CRC-32 of the object.
    pub crc32: u32,
    /// ABI number of its wire format.
    pub abi: u32,
}

/// What the observer costs on this machine, measured: one line of `jail-tools overhead`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObserverCost {
    /// What was armed.
    pub arm: String,
    /// The operation that it was measured on.
    pub operation: String,
    /// Median, ns.
    pub p50_ns: Graded<f64>,
    /// Ratio to the bare operation, paired within rounds: estimate, low, high.
    pub ratio: Option<(f64, f64, f64)>,
}

/// How one part of the ledgers is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartGrade {
    /// Column of the `samples` table.
    pub column: String,
    /// From what it is inferred, or why it cannot be.
    #[serde(flatten)]
    pub grade: Grade,
}

/// Where causes come from in trials without a ledger page: the kernel's own accounting of a thread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// What was read around each operation; nothing where it is refused.
    pub read: Vec<String>,
    /// The parts that it can tell of, and those that one might expect of it and it can't.
    pub parts: Vec<PartGrade>,
}

impl Usage {
    /// How this column is known; `None` if the account has nothing to do with it.
    #[must_use]
    pub fn of(&self, column: &str) -> Option<&Grade> {
        self.parts
            .iter()
            .find(|p| p.column == column)
            .map(|p| &p.grade)
    }

    /// Why no account could be read; `None` if one was.
    #[must_use]
    pub fn absent(&self) -> Option<&str> {
        if !self.read.is_empty() {
            return None;
        }
        match &self.parts.first()?.grade {
            Grade::Unavailable { why } => Some(why),
            _ => None,
        }
    }
}

/// What would show something that was not seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// This command, for a shell.
    Command(String),
    /// No command: what would be needed, in words.
    Nothing(String),
}

/// Something that a run could not see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unseen {
    /// What it is.
    pub what: Vec<String>,
    /// Why it could not be seen.
    pub why: String,
    /// What would change that.
    pub remedy: Remedy,
}

/// Everything about a run that is not a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT_VERSION`] of the writer.
    pub format_version: u32,
    /// Version of the tool.
    pub tool_version: String,
    /// The command line.
    pub command: Vec<String>,
    /// CLOCK_REALTIME at the start, ns since the epoch.
    pub started_at_ns: u64,
    /// One plan for each experiment.
    pub plans: Vec<Plan>,
    /// The host.
    pub host: HostFacts,
    /// Settings changed for the run.
    pub host_changes: Vec<HostChange>,
    /// Idle policy that ruled during the run, in words.
    pub idle_policy: String,
    /// The oracle of residency that was used (`cachestat`, `mincore`), or why none.
    pub oracle: String,
    /// The BPF object, if any was loaded.
    pub bpf_object: Option<BpfObject>,
    /// Probes.
    pub probes: Vec<Armed>,
    /// Where causes come from if no ledger page was armed.
    #[serde(default)]
    pub usage: Option<Usage>,
    /// Counters.
    pub counters: Vec<Armed>,
    /// What could not be seen, and the one command that would change it.
    #[serde(default)]
    pub unseen: Vec<Unseen>,
    /// Named degradations: what could not be had and what that means.
    pub degraded: Vec<String>,
    /// The observer's cost, in short form.
    pub observer: Vec<ObserverCost>,
    /// How the run ended; `None` while it runs, and for ever if it was killed.
    pub end: Option<RunEnd>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunEnd {
    /// All trials of the plan were run.
    Complete,
    /// SIGINT or SIGTERM: what was finished is kept.
    Interrupted,
    /// An error ended it.
    Failed,
}
