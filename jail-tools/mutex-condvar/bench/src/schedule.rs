//! What is run when: rounds, and in each everything once, in an order that a seed gives.
//!
//! Cells are shuffled, and inside a cell the queues, but the queues of a cell stay together: they
//! are compared with each other within a round, and what drifts (the place of the virtual CPUs
//! above all) then has a fraction of a second to do so.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;
use serde::Serialize;

use crate::cells::Cell;
use crate::peers::Kind;

/// What a trial is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// Messages as fast as they go, and what they cost.
    Throughput,
    /// The same with futex calls counted, which slows them: only the count is kept.
    Counted,
    /// The closed loop.
    Handoff,
}

/// One trial to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) round: u32,
    /// Index of the cell.
    pub(crate) cell: usize,
    pub(crate) kind: Kind,
    pub(crate) mode: Mode,
}

/// What to plan.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) cells: Vec<Cell>,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) rounds: u32,
    /// Futex calls are counted in every n-th round, from the first; 0 is never.
    pub(crate) count_every: u32,
    pub(crate) handoff: bool,
    pub(crate) seed: u64,
}

impl Plan {
    /// Every queue of every cell that it can serve, in the order of the table.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (usize, Kind)> + '_ {
        self.cells.iter().enumerate().flat_map(|(index, cell)| {
            let kinds = self.kinds.iter().filter(|k| k.serves(cell.threads));
            kinds.map(move |kind| (index, *kind))
        })
    }

    /// What is run of each pair in this round.
    pub(crate) fn modes(&self, round: u32) -> Vec<Mode> {
        let counted = self.count_every > 0 && round.is_multiple_of(self.count_every);
        let mut modes = vec![Mode::Throughput];
        modes.extend(counted.then_some(Mode::Counted));
        modes.extend(self.handoff.then_some(Mode::Handoff));
        modes
    }

    /// All trials in their order.
    pub(crate) fn schedule(&self) -> Vec<Planned> {
        let mut rng = Pcg64Mcg::seed_from_u64(self.seed);
        let mut schedule = Vec::new();
        for round in 0..self.rounds {
            let mut cells: Vec<usize> = (0..self.cells.len()).collect();
            cells.shuffle(&mut rng);
            for cell in cells {
                for mode in self.modes(round) {
                    let served = |k: &&Kind| k.serves(self.cells[cell].threads);
                    let mut kinds: Vec<Kind> = self.kinds.iter().filter(served).copied().collect();
                    kinds.shuffle(&mut rng);
                    schedule.extend(kinds.into_iter().map(|kind| Planned {
                        round,
                        cell,
                        kind,
                        mode,
                    }));
                }
            }
        }
        schedule
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::{CAPACITIES, Cpus, THREADS, factorial};

    fn plan(seed: u64) -> Plan {
        Plan {
            cells: factorial(&CAPACITIES, &THREADS, &[Cpus::One, Cpus::All]),
            kinds: Kind::ALL.to_vec(),
            rounds: 4,
            count_every: 3,
            handoff: true,
            seed,
        }
    }

    #[test]
    fn each_round_has_each_queue_of_each_cell_once() {
        let (plan, schedule) = (plan(1), plan(1).schedule());
        for round in 0..plan.rounds {
            for mode in plan.modes(round) {
                let here = |t: &&Planned| t.round == round && t.mode == mode;
                let mut pairs: Vec<_> = schedule
                    .iter()
                    .filter(here)
                    .map(|t| (t.cell, t.kind))
                    .collect();
                pairs.sort_unstable();
                assert!(pairs.iter().copied().eq(plan.pairs()), "{mode:?}");
            }
        }
    }

    #[test]
    fn the_seed_is_the_order() {
        assert_eq!(plan(1).schedule(), plan(1).schedule());
        assert_ne!(plan(1).schedule(), plan(2).schedule());
    }

    #[test]
    fn calls_are_counted_in_every_third_round_or_never() {
        let counted: Vec<u32> = (0..4)
            .filter(|r| plan(1).modes(*r).contains(&Mode::Counted))
            .collect();
        assert_eq!(counted, [0, 3]);
        let never = Plan {
            count_every: 0,
            ..plan(1)
        };
        assert!(!never.modes(0).contains(&Mode::Counted));
    }
}
