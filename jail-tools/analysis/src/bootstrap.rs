//! Block bootstrap over rounds and blocks of operations, seeded.
//!
//! Trials differ from each other more than operations within one do, and neighbouring operations
//! resemble each other. So rounds are drawn first, with replacement, and inside each drawn trial
//! blocks of neighbouring operations. To stay fast on millions of operations:
//!
//! - values are replaced by bins whose edges are order statistics of the cell itself (2,000 evenly
//!   spaced ranks, and 100 more in each of the upper decades), so a quantile of a resample
//!   is an observed value whose rank is right to 0.05 %;
//! - each trial is block-resampled [`INNER`] times once and for all; each of the [`OUTER`]
//!   resamples of rounds takes one of those at random.
//!
//! The interval is the *expanded* percentile interval (T. Hesterberg, "What Teachers Should Know
//! About the Bootstrap", 2015, section 4): the plain one is too narrow for the few rounds that a
//! run has, so its levels are widened by Student's t and by sqrt(n / (n - 1)).

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use record::verdict::Estimate;
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use crate::quantile::{Sorted, TAIL, rank};

/// Block resamples that are kept of each trial.
pub const INNER: usize = 40;
/// Resamples of rounds.
pub const OUTER: usize = 400;
/// Operations in a block at most; a block has `n^(1/3)` of them, the usual rule.
const BLOCK_MAX: usize = 50;
const RANKS: usize = 2_000;
const TAIL_RANKS: usize = 100;

/// One trial of a cell: its round, and per-unit latencies in time order, by thread.
#[derive(Debug, Clone, Default)]
pub struct Series {
    /// Round that the trial belongs to.
    pub round: u32,
    /// Latency per unit of each thread's operations, ns.
    pub threads: Vec<Vec<f64>>,
}

/// Block resamples of every trial of one cell, ready to be combined.
#[derive(Debug, Clone)]
pub struct Resampled {
    edges: Vec<f64>,
    /// By trial: its round and [`INNER`] histograms over `edges`.
    trials: Vec<(u32, Vec<Vec<u32>>)>,
    values: Sorted,
}

impl Resampled {
    /// Prepares a cell. The same seed and series give the same intervals.
    #[must_use]
    pub fn of(trials: &[Series], seed: u64) -> Self {
        let all: Vec<f64> = trials
            .iter()
            .flat_map(|t| t.threads.iter().flatten())
            .copied()
            .collect();
        let values = Sorted::of(&all);
        let edges = edges(values.values());
        let mut rng = Pcg64::seed_from_u64(seed);
        let trials = trials
            .iter()
            .filter(|t| t.threads.iter().any(|s| !s.is_empty()))
            .map(|t| (t.round, resample_trial(&t.threads, &edges, &mut rng)))
            .collect();
        Self {
            edges,
            trials,
            values,
        }
    }

    /// All values of the cell, sorted.
    #[must_use]
    pub fn values(&self) -> &Sorted {
        &self.values
    }

    /// The rounds that have operations of this cell, ascending.
    #[must_use]
    pub fn rounds(&self) -> Vec<u32> {
        let mut rounds: Vec<u32> = self.trials.iter().map(|t| t.0).collect();
        rounds.sort_unstable();
        rounds.dedup();
        rounds
    }

    /// The quantile at `p` and its bootstrap interval; unbounded with fewer than two rounds,
    /// because one round cannot show how rounds differ.
    #[must_use]
    pub fn quantile(&self, p: f64, seed: u64) -> Option<Estimate> {
        let value = self.values.quantile(p)?;
        let rounds = self.rounds();
        let mut rng = Pcg64::seed_from_u64(seed);
        let resamples: Vec<f64> = draws(rounds.len(), &mut rng)
            .into_iter()
            .filter_map(|draw| self.resampled_quantile(p, &rounds, &draw, &mut rng))
            .collect();
        Some(interval(value, &resamples, rounds.len()))
    }

    /// This cell's quantile divided by another's, with an interval from resampling the rounds that
    /// both have: the same rounds are drawn for both, since what disturbs a round disturbs both.
    #[must_use]
    pub fn ratio(&self, other: &Self, p: f64, seed: u64) -> Option<Estimate> {
        let (mine, theirs) = (self.values.quantile(p)?, other.values.quantile(p)?);
        let value = (theirs > 0.0).then(|| mine / theirs)?;
        let shared = other.rounds();
        let rounds: Vec<u32> = self
            .rounds()
            .into_iter()
            .filter(|r| shared.contains(r))
            .collect();
        let mut rng = Pcg64::seed_from_u64(seed);
        let resamples: Vec<f64> = draws(rounds.len(), &mut rng)
            .into_iter()
            .filter_map(|draw| {
                let mine = self.resampled_quantile(p, &rounds, &draw, &mut rng)?;
                let theirs = other.resampled_quantile(p, &rounds, &draw, &mut rng)?;
                (theirs > 0.0).then(|| mine / theirs)
            })
            .collect();
        Some(interval(value, &resamples, rounds.len()))
    }

    fn resampled_quantile(
        &self,
        p: f64,
        rounds: &[u32],
        draw: &[usize],
        rng: &mut Pcg64,
    ) -> Option<f64> {
        let mut sum = vec![0u64; self.edges.len()];
        for index in draw {
            for (round, histograms) in &self.trials {
                if *round == rounds[*index] {
                    let histogram = &histograms[rng.random_range(0..INNER)];
                    sum.iter_mut()
                        .zip(histogram)
                        .for_each(|(s, h)| *s += u64::from(*h));
                }
            }
        }
        let mut left = rank(sum.iter().sum::<u64>() as usize, p)? as u64;
        for (edge, count) in self.edges.iter().zip(sum) {
            if left <= count {
                return Some(*edge);
            }
            left -= count;
        }
        None
    }
}

/// [`OUTER`] draws, each of as many rounds as there are, with replacement.
fn draws(rounds: usize, rng: &mut Pcg64) -> Vec<Vec<usize>> {
    let times = if rounds == 0 { 0 } else { OUTER };
    (0..times)
        .map(|_| (0..rounds).map(|_| rng.random_range(0..rounds)).collect())
        .collect()
}

/// The expanded percentile interval of bootstrap resamples that rest on `clusters` rounds. It is
/// stretched, if need be, to contain the estimate.
#[must_use]
pub fn interval(value: f64, resamples: &[f64], clusters: usize) -> Estimate {
    let sorted = Sorted::of(resamples);
    let Some(level) = expanded_level(clusters).filter(|_| !sorted.is_empty()) else {
        return Estimate {
            value,
            low: None,
            high: None,
        };
    };
    Estimate {
        value,
        low: sorted.quantile(level).map(|l| l.min(value)),
        high: sorted.quantile(1.0 - level).map(|h| h.max(value)),
    }
}

/// Percentile that takes the place of 2.5 %; `None` with fewer than two clusters.
fn expanded_level(clusters: usize) -> Option<f64> {
    let n = clusters as f64;
    let t = StudentsT::new(0.0, 1.0, n - 1.0)
        .ok()
        .filter(|_| clusters >= 2)?
        .inverse_cdf(TAIL);
    let z = (n / (n - 1.0)).sqrt() * t;
    Some(Normal::standard().cdf(z))
}

/// Upper edges of the bins: distinct observed values, dense where quantiles are asked for.
fn edges(sorted: &[f64]) -> Vec<f64> {
    let n = sorted.len();
    let Some(last) = n.checked_sub(1) else {
        return Vec::new();
    };
    let mut ranks: Vec<usize> = (0..=RANKS).map(|i| i * last / RANKS).collect();
    let mut tail = n / 10;
    while tail > 0 {
        ranks.extend((0..TAIL_RANKS).map(|i| last - i * tail / TAIL_RANKS));
        tail /= 10;
    }
    ranks.sort_unstable();
    let mut edges: Vec<f64> = ranks.into_iter().map(|r| sorted[r]).collect();
    edges.dedup();
    edges
}

fn resample_trial(threads: &[Vec<f64>], edges: &[f64], rng: &mut Pcg64) -> Vec<Vec<u32>> {
    let binned: Vec<Vec<u32>> = threads
        .iter()
        .map(|values| values.iter().map(|v| bin(edges, *v)).collect())
        .collect();
    (0..INNER)
        .map(|_| {
            let mut histogram = vec![0u32; edges.len()];
            for bins in &binned {
                draw_blocks(bins, &mut histogram, rng);
            }
            histogram
        })
        .collect()
}

fn bin(edges: &[f64], value: f64) -> u32 {
    let at = edges.partition_point(|e| *e < value);
    at.min(edges.len().saturating_sub(1)) as u32
}

/// Adds as many operations as the series has, in blocks of neighbours (circular, so that the
/// ends are drawn as often as the middle).
fn draw_blocks(bins: &[u32], histogram: &mut [u32], rng: &mut Pcg64) {
    let n = bins.len();
    let block = ((n as f64).cbrt().ceil() as usize).clamp(1, BLOCK_MAX);
    let mut left = n;
    while left > 0 {
        let start = rng.random_range(0..n);
        let length = block.min(left);
        let straight = length.min(n - start);
        for b in bins[start..start + straight]
            .iter()
            .chain(&bins[..length - straight])
        {
            histogram[*b as usize] += 1;
        }
        left -= length;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn series(round: u32, n: usize, centre: f64, rng: &mut Pcg64) -> Series {
        let values = (0..n)
            .map(|_| (centre + rng.random_range(-50.0..50.0f64)).round())
            .collect();
        Series {
            round,
            threads: vec![values],
        }
    }

    fn cell(centres: &[f64], n: usize) -> Vec<Series> {
        let mut rng = Pcg64::seed_from_u64(7);
        centres
            .iter()
            .zip(0..)
            .map(|(c, round)| series(round, n, *c, &mut rng))
            .collect()
    }

    fn width(e: Estimate) -> f64 {
        e.high.unwrap() - e.low.unwrap()
    }

    #[test]
    fn trials_that_differ_widen_the_interval_though_the_operations_are_as_many() {
        let alike = Resampled::of(&cell(&[1000.0; 6], 2000), 1)
            .quantile(0.5, 2)
            .unwrap();
        let apart = cell(&[900.0, 950.0, 1000.0, 1050.0, 1100.0, 1000.0], 2000);
        let apart = Resampled::of(&apart, 1).quantile(0.5, 2).unwrap();
        assert!(width(apart) > 5.0 * width(alike), "{apart:?} {alike:?}");
    }

    #[test]
    fn the_interval_covers_the_truth_about_as_often_as_it_says() {
        // Six trials, each off by up to 100 ns of its own; the true median is 1000 ns.
        let mut rng = Pcg64::seed_from_u64(11);
        let covered = (0..100u64)
            .filter(|seed| {
                let mut trial = |round| {
                    let centre = 1000.0 + rng.random_range(-100.0..100.0f64);
                    series(round, 60, centre, &mut rng)
                };
                let trials: Vec<Series> = (0..6).map(&mut trial).collect();
                let e = Resampled::of(&trials, *seed).quantile(0.5, !*seed).unwrap();
                e.low.unwrap() <= 1000.0 && 1000.0 <= e.high.unwrap()
            })
            .count();
        assert!((88..=100).contains(&covered), "{covered} of 100");
    }

    #[test]
    fn one_round_bounds_nothing() {
        let e = Resampled::of(&cell(&[1000.0], 500), 1)
            .quantile(0.5, 2)
            .unwrap();
        assert_eq!((e.low, e.high), (None, None));
    }

    #[test]
    fn a_disturbance_that_both_cells_share_leaves_their_ratio_alone() {
        let slow = Resampled::of(&cell(&[2000.0, 4000.0, 6000.0, 2000.0, 8000.0], 1000), 1);
        let fast = Resampled::of(&cell(&[1000.0, 2000.0, 3000.0, 1000.0, 4000.0], 1000), 2);
        let ratio = slow.ratio(&fast, 0.5, 3).unwrap();
        assert!(
            ratio.low.unwrap() > 1.7 && ratio.high.unwrap() < 2.3,
            "{ratio:?}"
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let trials = cell(&[1000.0, 1010.0, 1020.0], 300);
        let once = Resampled::of(&trials, 5).quantile(0.99, 6);
        assert_eq!(once, Resampled::of(&trials, 5).quantile(0.99, 6));
    }

    #[test]
    fn few_rounds_ask_for_the_outermost_resamples() {
        assert_eq!(expanded_level(1), None);
        assert!(expanded_level(3).unwrap() < 1e-6);
        assert!((expanded_level(10_000).unwrap() - TAIL).abs() < 1e-4);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_interval_contains_the_estimate(
            values in proptest::collection::vec(proptest::collection::vec(0.0f64..1e6, 1..80), 2..5), p in 0.01f64..0.99,
        ) {
            let trials: Vec<Series> =
                values.into_iter().zip(0..).map(|(v, round)| Series { round, threads: vec![v] }).collect();
            let e = Resampled::of(&trials, 1).quantile(p, 2).unwrap();
            prop_assert!(e.low.unwrap() <= e.value && e.value <= e.high.unwrap());
        }
    }
}
