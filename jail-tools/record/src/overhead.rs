//! What the observer costs, as measured: each arm once in each round, between two bare goes.

use serde::{Deserialize, Serialize};

/// Name of the arm that every other is compared with: nothing observes.
pub const BARE: &str = "bare";

/// Name of the arm that the peers are compared with: the same code in a process of its own.
pub const BARE_PROCESS: &str = "own process, bare";

/// Medians of the two operations in one go, ns.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Medians {
    /// Of a warm 4 KiB pread.
    pub pread_p50_ns: f64,
    /// Of a getppid.
    pub getppid_p50_ns: f64,
}

impl Medians {
    /// Half-way between two.
    #[must_use]
    pub fn midway(self, other: Self) -> Self {
        Self {
            pread_p50_ns: f64::midpoint(self.pread_p50_ns, other.pread_p50_ns),
            getppid_p50_ns: f64::midpoint(self.getppid_p50_ns, other.getppid_p50_ns),
        }
    }
}

/// One arm in one round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shot {
    /// Round.
    pub round: u32,
    /// What observed.
    pub arm: String,
    /// The arm that it is compared with.
    pub against: String,
    /// With the observer.
    pub observed: Medians,
    /// Without it, in the same round: half-way between just before and just after, so that a
    /// steady drift cancels.
    pub base: Medians,
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
