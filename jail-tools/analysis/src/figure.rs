//! The figures that predictions are judged by: a metric of a cell, or its ratio between two.
//!
//! The interval of a quantile's ratio comes from drawing rounds, the same ones for both cells; that
//! of a share is the wider of the same bootstrap and of Clopper–Pearson's, without which a share of
//! all operations would look certain.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use record::plan::Metric;
use record::sample::{Class, Sample};
use record::verdict::Estimate;

use crate::bootstrap::{OUTER, Resampled, interval};
use crate::quantile::wider;
use crate::rows::{CellRows, is_done};
use crate::{agreement, proportion, summary};

/// A cell with what is needed to judge it.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    /// Its rows.
    pub rows: &'a CellRows<'a>,
    /// Its bootstrap.
    pub resampled: &'a Resampled,
}

/// One pair or cell: its label, and the figure with the number of rounds that it rests on, or why
/// there is none.
pub type Figure = (String, Result<(Estimate, u32), String>);

/// Operations of which a metric is true, and operations of which it is known.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    yes: u64,
    known: u64,
}

/// The ratio of a metric between two cells, by drawing the rounds that both have.
pub fn pair(metric: Metric, left: &Judged<'_>, right: Option<&Judged<'_>>) -> Figure {
    let Some(right) = right else {
        let why = "the cell to compare it with was not in the plan";
        return (left.rows.label.clone(), Err(why.into()));
    };
    let label = format!("{} / {}", left.rows.label, right.rows.label);
    let seed = left.rows.seed() ^ right.rows.seed().rotate_left(32);
    let (ratio, rounds) = if let Metric::LatencyQuantile(p) = metric {
        let shared = right.resampled.rounds();
        let rounds = left
            .resampled
            .rounds()
            .iter()
            .filter(|r| shared.contains(r))
            .count();
        (left.resampled.ratio(right.resampled, p, seed), rounds)
    } else {
        ratio_of_shares(&by_round(metric, left), &by_round(metric, right), seed)
    };
    let figure = ratio
        .map(|r| (r, rounds as u32))
        .ok_or_else(|| nothing_known(metric).into());
    (label, figure)
}

/// A metric of one cell, with the number of rounds that it rests on.
///
/// # Errors
/// Why there is no figure.
pub fn value(metric: Metric, cell: &Judged<'_>) -> Result<(Estimate, u32), String> {
    let seed = cell.rows.seed();
    let (estimate, rounds) = if let Metric::LatencyQuantile(p) = metric {
        let binomial = cell.resampled.values().estimate(p);
        let both = binomial
            .zip(cell.resampled.quantile(p, seed))
            .map(|(a, b)| wider(a, b));
        (both, cell.resampled.rounds().len())
    } else {
        let counts: Vec<Count> = by_round(metric, cell).into_values().collect();
        let all = sum(counts.iter().copied());
        let drawn = resample(&counts, seed, |of| share(of.iter().copied()));
        let both = proportion::estimate(all.yes, all.known)
            .zip(drawn)
            .map(|(a, b)| wider(a, b));
        (both, counts.len())
    };
    estimate
        .map(|e| (e, rounds as u32))
        .ok_or_else(|| nothing_known(metric).into())
}

fn nothing_known(metric: Metric) -> &'static str {
    match metric {
        Metric::LatencyQuantile(_) => "no operation was recorded",
        Metric::HitRatioProbe | Metric::MissRatioProbe => "no probe could class the operations",
        Metric::HitRatioOracle | Metric::MissRatioOracle => "no oracle could class the operations",
        Metric::Agreement => "probe and oracle could not be compared",
    }
}

fn ratio_of_shares(
    left: &BTreeMap<u32, Count>,
    right: &BTreeMap<u32, Count>,
    seed: u64,
) -> (Option<Estimate>, usize) {
    let both = |(round, a): (&u32, &Count)| right.get(round).map(|b| (*a, *b));
    let shared: Vec<(Count, Count)> = left.iter().filter_map(both).collect();
    let ratio = resample(&shared, seed, |of| {
        let left = share(of.iter().map(|c| c.0))?;
        let right = share(of.iter().map(|c| c.1))?;
        (right > 0.0).then(|| left / right)
    });
    (ratio, shared.len())
}

/// Is the metric true of this operation? `None` where nothing can tell.
fn is_true(metric: Metric, sample: &Sample, direct: bool) -> Option<bool> {
    let class = |class: Class, wanted| (class != Class::Unknown).then_some(class == wanted);
    match metric {
        Metric::HitRatioProbe => class(sample.class, Class::Hit),
        Metric::MissRatioProbe => class(sample.class, Class::Miss),
        Metric::HitRatioOracle => class(summary::oracle_class(sample), Class::Hit),
        Metric::MissRatioOracle => class(summary::oracle_class(sample), Class::Miss),
        Metric::Agreement if !direct => agreement::compare(sample).map(|c| c.is_ok()),
        Metric::Agreement | Metric::LatencyQuantile(_) => None,
    }
}

/// The counts of each round in which something is known.
fn by_round(metric: Metric, cell: &Judged<'_>) -> BTreeMap<u32, Count> {
    let mut rounds: BTreeMap<u32, Count> = BTreeMap::new();
    for trial in &cell.rows.complete {
        for sample in trial.1.iter().filter(|s| is_done(s)) {
            if let Some(yes) = is_true(metric, sample, cell.rows.is_direct()) {
                let count = rounds.entry(trial.0.spec.round).or_default();
                count.yes += u64::from(yes);
                count.known += 1;
            }
        }
    }
    rounds
}

fn sum(counts: impl Iterator<Item = Count>) -> Count {
    counts.fold(Count::default(), |a, b| Count {
        yes: a.yes + b.yes,
        known: a.known + b.known,
    })
}

fn share(counts: impl Iterator<Item = Count>) -> Option<f64> {
    let all = sum(counts);
    (all.known > 0).then(|| all.yes as f64 / all.known as f64)
}

/// A figure of some rounds, and its interval from drawing them with replacement.
fn resample<T: Copy>(
    rounds: &[T],
    seed: u64,
    figure: impl Fn(&[T]) -> Option<f64>,
) -> Option<Estimate> {
    let value = figure(rounds)?;
    let mut rng = Pcg64::seed_from_u64(seed);
    let mut draw = || {
        rounds
            .iter()
            .map(|_| rounds[rng.random_range(0..rounds.len())])
            .collect::<Vec<T>>()
    };
    let resamples: Vec<f64> = (0..OUTER).filter_map(|_| figure(&draw())).collect();
    Some(interval(value, &resamples, rounds.len()))
}
