//! What the observer costs, as measured: each arm once in each round.

use serde::{Deserialize, Serialize};

/// Name of the arm that every other is compared with: nothing observes.
pub const BARE: &str = "bare";

/// Name of the arm that the peers are compared with: the same code in a process of its own.
pub const BARE_PROCESS: &str = "own process, bare";

/// One arm in one round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shot {
    /// Round.
    pub round: u32,
    /// What observed.
    pub arm: String,
    /// The arm that it is compared with.
    pub against: String,
    /// Median of a warm 4 KiB pread, ns.
    pub pread_p50_ns: f64,
    /// Median of a getppid, ns.
    pub getppid_p50_ns: f64,
}

/// An arm that could not be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unavailable {
    /// Which.
    pub arm: String,
    /// Why.
    pub why: String,
}

/// All shots of a measurement.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Measurement {
    /// In the order in which they were taken.
    pub shots: Vec<Shot>,
    /// What could not be had.
    pub unavailable: Vec<Unavailable>,
}
