//! From values to figures: medians over rounds with 95 % intervals, and their ratios. Pure.

use std::collections::BTreeMap;

use analysis::bootstrap::{Resampled, Series};
use record::verdict::Estimate;
use serde::Serialize;

/// Fewer rounds have no interval: all five lie on one side of the median with a probability of
/// 2 / 2^5, 6 %.
pub(crate) const ROUNDS_MIN: usize = 6;

/// Values of one subject, by round and in the order in which they were taken.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Values(BTreeMap<u32, Vec<f64>>);

impl Values {
    pub(crate) fn add(&mut self, round: u32, value: f64) {
        self.0.entry(round).or_default().push(value);
    }

    fn resampled(&self, seed: u64) -> Resampled {
        let series = self.0.iter().map(|(round, values)| Series {
            round: *round,
            threads: vec![values.clone()],
        });
        Resampled::of(&series.collect::<Vec<_>>(), seed)
    }

    /// Its figure; `None` if nothing was taken.
    pub(crate) fn figure(&self, seed: u64) -> Option<Figure> {
        let resampled = self.resampled(seed);
        let at = |p| {
            resampled
                .quantile(p, seed)
                .map(|e| bounded(e, self.0.len()))
        };
        Some(Figure {
            p50: at(0.5)?,
            p90: at(0.9)?,
            values: resampled.values().len(),
            rounds: self.0.len(),
        })
    }

    /// The ratio of this median to another's, from the rounds that both have.
    pub(crate) fn ratio(&self, other: &Self, seed: u64) -> Option<Estimate> {
        let shared = self.0.keys().filter(|round| other.0.contains_key(*round));
        let (mine, theirs) = (self.resampled(seed), other.resampled(!seed));
        let ratio = mine.ratio(&theirs, 0.5, seed)?;
        Some(bounded(ratio, shared.count()))
    }
}

/// Without the interval that so few rounds cannot have.
fn bounded(estimate: Estimate, rounds: usize) -> Estimate {
    let enough = rounds >= ROUNDS_MIN;
    Estimate {
        value: estimate.value,
        low: estimate.low.filter(|_| enough),
        high: estimate.high.filter(|_| enough),
    }
}

/// What is said of the values of one subject.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Figure {
    pub(crate) p50: Estimate,
    pub(crate) p90: Estimate,
    pub(crate) values: usize,
    pub(crate) rounds: usize,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// So many rounds of ten values about `middle`, which drift from round to round.
    pub(crate) fn drifting(rounds: u32, middle: f64) -> Values {
        let mut values = Values::default();
        for round in 0..rounds {
            for pass in 0..10 {
                let drift = 1.0 + 0.1 * f64::from(round % 3) + 0.001 * f64::from(pass);
                values.add(round, middle * drift);
            }
        }
        values
    }

    #[test]
    fn drift_that_both_have_leaves_their_ratio_alone() {
        let ratio = drifting(9, 200.0).ratio(&drifting(9, 100.0), 1);
        let ratio = ratio.expect("both have values");
        assert!(ratio.low.is_some_and(|l| l > 1.8) && ratio.high.is_some_and(|h| h < 2.2));
    }

    #[test]
    fn few_rounds_have_a_median_without_an_interval_and_none_has_nothing() {
        let figure = drifting(5, 100.0).figure(1).expect("values");
        assert_eq!((figure.p50.low, figure.p50.high), (None, None));
        assert_eq!((figure.values, figure.rounds), (50, 5));
        assert_eq!(Values::default().figure(1), None);
        assert_eq!(Values::default().ratio(&drifting(9, 1.0), 1), None);
    }
}
