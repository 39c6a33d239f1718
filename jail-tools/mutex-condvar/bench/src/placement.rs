//! Which CPUs the threads of a trial get, and how far apart two CPUs are at the moment.
//!
//! A cache line is passed to and fro before and after each trial on several CPUs, and trials are
//! sorted by it.

use analysis::quantile::Sorted;
use anyhow::{Context, Result};
use host::distance::{self, ends};
use serde::Serialize;

use crate::cells::{Cell, Cpus, Threads};
use crate::crew::Role;

/// One way of a cache line, ns: less is the same core complex, more is another. Between the two
/// modes that were seen on the virtual machine this was written on, about 55 and 220 ns: near
/// their geometric mean, 110.
pub(crate) const CUT_NS: f64 = 120.0;

/// CPUs of the producers and of the consumers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placement {
    producers: Vec<u32>,
    consumers: Vec<u32>,
}

impl Placement {
    /// Left to the kernel.
    pub(crate) fn everywhere(cpus: &[u32]) -> Self {
        Self {
            producers: cpus.to_vec(),
            consumers: cpus.to_vec(),
        }
    }

    /// Of a cell. One CPU is the last of the process: the first is where interrupts tend to be.
    /// One producer and one consumer on all CPUs stand on two different ones, or the kernel would
    /// at times put both on one, which is another cell.
    pub(crate) fn of_cell(cell: &Cell, cpus: &[u32]) -> Self {
        match (cell.cpus, ends(cpus)) {
            (Cpus::One, _) => Self::everywhere(cpus.last().map_or(&[], std::slice::from_ref)),
            (Cpus::All, Some((a, b))) if cell.threads == Threads::of(1, 1) => Self {
                producers: vec![a],
                consumers: vec![b],
            },
            (Cpus::All, _) => Self::everywhere(cpus),
        }
    }

    /// CPUs for this role.
    pub(crate) fn of(&self, role: Role) -> &[u32] {
        match role {
            Role::Producer => &self.producers,
            Role::Consumer => &self.consumers,
        }
    }
}

/// Under what condition a trial ran. Figures are never averaged over these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stratum {
    /// On one CPU, or the process has only one: there is no distance.
    One,
    /// Two CPUs of the process in one core complex.
    Near,
    /// In two.
    Far,
    /// Before and after the trial disagree: it belongs to neither.
    Moved,
}

impl Stratum {
    /// From the one-way times before and after.
    pub(crate) fn of(before_ns: f64, after_ns: f64) -> Self {
        match (before_ns < CUT_NS, after_ns < CUT_NS) {
            (true, true) => Self::Near,
            (false, false) => Self::Far,
            _ => Self::Moved,
        }
    }

    /// For a person.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Near => "near",
            Self::Far => "far",
            Self::Moved => "moved",
        }
    }
}

/// How far apart two CPUs are, ns.
pub(crate) fn one_way_ns(pair: (u32, u32)) -> Result<f64> {
    Sorted::of(&distance::one_way_ns(pair)?)
        .quantile(0.5)
        .context("a cache line was passed and no block ended")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(threads: Threads, cpus: Cpus) -> Cell {
        Cell {
            capacity: 1,
            threads,
            cpus,
        }
    }

    #[test]
    fn one_to_one_on_all_cpus_is_two_cpus() {
        let one_to_one = cell(Threads::of(1, 1), Cpus::All);
        let placement = Placement::of_cell(&one_to_one, &[0, 1, 5]);
        assert_eq!(placement.of(Role::Producer), [0]);
        assert_eq!(placement.of(Role::Consumer), [5]);
        let alone = Placement::of_cell(&one_to_one, &[3]);
        assert_eq!(alone, Placement::everywhere(&[3]));
    }

    #[test]
    fn one_cpu_is_one_for_all_and_more_threads_are_left_to_the_kernel() {
        let threads = Threads::of(2, 2);
        let one = Placement::of_cell(&cell(threads, Cpus::One), &[0, 1]);
        assert_eq!(one, Placement::everywhere(&[1]));
        let all = Placement::of_cell(&cell(threads, Cpus::All), &[0, 1]);
        assert_eq!(all, Placement::everywhere(&[0, 1]));
    }

    #[test]
    fn a_trial_whose_ends_disagree_belongs_nowhere() {
        assert_eq!(Stratum::of(55.0, 60.0), Stratum::Near);
        assert_eq!(Stratum::of(220.0, 190.0), Stratum::Far);
        assert_eq!(Stratum::of(55.0, 220.0), Stratum::Moved);
        assert_eq!(Stratum::of(220.0, 55.0), Stratum::Moved);
    }
}
