//! The order: rounds, in each some passes, in each everything once, shuffled by a seed. Pure.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;
use serde::Serialize;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Plan {
    pub(crate) rounds: u32,
    /// Passes in a round.
    pub(crate) passes: u32,
    pub(crate) seed: u64,
    /// How long idle processes are watched, s.
    pub(crate) idle_s: u64,
}

/// Everything once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pass<T> {
    pub(crate) round: u32,
    pub(crate) order: Vec<T>,
    /// Is it the last of its round?
    pub(crate) last: bool,
}

impl Plan {
    /// All passes over these.
    pub(crate) fn passes_over<T: Copy>(&self, all: &[T]) -> Vec<Pass<T>> {
        let mut rng = Pcg64Mcg::seed_from_u64(self.seed);
        let mut passes = Vec::new();
        for round in 0..self.rounds {
            for pass in 1..=self.passes {
                let mut order = all.to_vec();
                order.shuffle(&mut rng);
                let last = pass == self.passes;
                passes.push(Pass { round, order, last });
            }
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(seed: u64) -> Plan {
        Plan {
            rounds: 3,
            passes: 4,
            seed,
            idle_s: 5,
        }
    }

    #[test]
    fn each_pass_has_everything_once() {
        let passes = plan(1).passes_over(&[1, 2, 3, 4, 5]);
        assert_eq!(passes.len(), 12);
        assert_eq!(passes.iter().filter(|p| p.last).count(), 3);
        for mut pass in passes {
            pass.order.sort_unstable();
            assert_eq!(pass.order, [1, 2, 3, 4, 5]);
        }
    }

    #[test]
    fn the_seed_is_the_order() {
        let all: Vec<u32> = (0..20).collect();
        assert_eq!(plan(1).passes_over(&all), plan(1).passes_over(&all));
        assert_ne!(plan(1).passes_over(&all), plan(2).passes_over(&all));
    }
}
