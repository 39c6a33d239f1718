//! The numbers of one cell: latency quantiles with intervals, how trials differ from each other,
//! and how operations were found.
//!
//! Which interval is printed: for p50, p90 and p99 the wider of the binomial one (operations
//! independent, trials alike) and the bootstrap over rounds (neither assumed). For p99.9 the
//! binomial one alone, because a bootstrap cannot go beyond the few extremes that were seen.
//! With a single round there is no bootstrap interval, and the binomial one stands alone.

use record::sample::{Class, Sample};
use record::verdict::Estimate;
use serde::Serialize;

use crate::agreement::{self, Agreement};
use crate::bootstrap::{Resampled, Series};
use crate::correlation::effective_size;
use crate::quantile::{REPORTED, Sorted, wider};
use crate::rows::CellRows;

/// What an interval rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Order statistics of all operations, taken as independent.
    Binomial,
    /// The wider of that and the bootstrap over rounds and blocks of operations.
    WiderOfBinomialAndBootstrap,
}

/// One quantile of latency per unit of work.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Quantile {
    /// Which, 0 to 1.
    pub p: f64,
    /// Estimate and 95 % interval, ns; an end that the data cannot bound is `None`.
    pub latency_ns: Estimate,
    /// What the interval rests on.
    pub basis: Basis,
}

/// Least, middle and greatest of the trials' own figures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Least.
    pub min: f64,
    /// Median.
    pub median: f64,
    /// Greatest.
    pub max: f64,
}

/// Operations by how they were found.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Found {
    /// All of it was there.
    pub hit: u64,
    /// Some of it.
    pub partial: u64,
    /// None of it.
    pub miss: u64,
    /// It was there but not ready: somebody else was reading it (the oracle cannot tell this).
    pub wait: u64,
    /// Nothing that could tell was armed.
    pub unknown: u64,
}

impl Found {
    /// Operations of which something is known.
    #[must_use]
    pub fn known(&self) -> u64 {
        self.hit + self.partial + self.miss + self.wait
    }

    /// Share of hits; `None` where nothing is known.
    #[must_use]
    pub fn hit_ratio(&self) -> Option<f64> {
        (self.known() > 0).then(|| self.hit as f64 / self.known() as f64)
    }

    /// Share of misses; `None` where nothing is known.
    #[must_use]
    pub fn miss_ratio(&self) -> Option<f64> {
        (self.known() > 0).then(|| self.miss as f64 / self.known() as f64)
    }

    fn add(&mut self, class: Class) {
        *match class {
            Class::Hit => &mut self.hit,
            Class::Partial => &mut self.partial,
            Class::Miss => &mut self.miss,
            Class::Wait => &mut self.wait,
            Class::Unknown => &mut self.unknown,
        } += 1;
    }
}

/// The numbers of one cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Operations that count.
    pub n: u64,
    /// Operations that returned an error; they count nowhere else.
    pub errors: u64,
    /// Trials that completed.
    pub trials: u32,
    /// Trials that were lost.
    pub trials_lost: u32,
    /// Independent operations that the correlated ones are worth, within trials.
    pub n_effective: Option<f64>,
    /// Quantiles of the latency per unit.
    pub quantiles: Vec<Quantile>,
    /// Greatest latency per unit, ns. It has no interval.
    pub max_ns: Option<f64>,
    /// The trials' own medians, ns.
    pub trial_p50_ns: Option<Spread>,
    /// As the probes class the operations.
    pub probe: Found,
    /// Share of hits by the probes.
    pub probe_hit_ratio: Option<f64>,
    /// As the oracle found the ranges just before the operations.
    pub oracle: Found,
    /// Share of hits by the oracle.
    pub oracle_hit_ratio: Option<f64>,
    /// Do both count the same pages? `None` where either cannot count, and for direct I/O.
    pub agreement: Option<Agreement>,
}

impl Summary {
    /// The quantile at `p`, if it is among those reported.
    #[must_use]
    pub fn quantile(&self, p: f64) -> Option<&Quantile> {
        self.quantiles.iter().find(|q| (q.p - p).abs() < 1e-9)
    }
}

/// Summarises a cell. `resampled` is its bootstrap.
#[must_use]
pub fn summarise(rows: &CellRows<'_>, series: &[Series], resampled: &Resampled) -> Summary {
    let sorted = resampled.values();
    let (mut probe, mut oracle) = (Found::default(), Found::default());
    for sample in rows.done() {
        probe.add(sample.class);
        oracle.add(oracle_class(sample));
    }
    Summary {
        n: sorted.len() as u64,
        errors: rows.all().filter(|s| s.result < 0).count() as u64,
        trials: rows.complete.len() as u32,
        trials_lost: rows.lost.len() as u32,
        n_effective: sorted.quantile(0.5).map(|median| effective(series, median)),
        quantiles: REPORTED
            .iter()
            .filter_map(|p| quantile(*p, resampled, rows.seed()))
            .collect(),
        max_ns: sorted.max(),
        trial_p50_ns: spread(series),
        probe_hit_ratio: probe.hit_ratio(),
        oracle_hit_ratio: oracle.hit_ratio(),
        probe,
        oracle,
        agreement: agreement::of(rows),
    }
}

/// How the oracle classes an operation: it sees pages, and nothing of other people's I/O.
#[must_use]
pub fn oracle_class(sample: &Sample) -> Class {
    match (sample.pages, sample.oracle_resident_pages) {
        (Some(pages), Some(resident)) if resident >= pages => Class::Hit,
        (Some(_), Some(0)) => Class::Miss,
        (Some(_), Some(_)) => Class::Partial,
        _ => Class::Unknown,
    }
}

fn quantile(p: f64, resampled: &Resampled, seed: u64) -> Option<Quantile> {
    let binomial = resampled.values().estimate(p)?;
    if p > 0.99 || resampled.rounds().len() < 2 {
        return Some(Quantile {
            p,
            latency_ns: binomial,
            basis: Basis::Binomial,
        });
    }
    let bootstrap = resampled.quantile(p, seed)?;
    Some(Quantile {
        p,
        latency_ns: wider(binomial, bootstrap),
        basis: Basis::WiderOfBinomialAndBootstrap,
    })
}

fn effective(series: &[Series], median: f64) -> f64 {
    series
        .iter()
        .flat_map(|s| &s.threads)
        .map(|t| effective_size(t, median))
        .sum()
}

fn spread(series: &[Series]) -> Option<Spread> {
    let medians: Vec<f64> = series
        .iter()
        .filter_map(|s| {
            let values: Vec<f64> = s.threads.iter().flatten().copied().collect();
            Sorted::of(&values).quantile(0.5)
        })
        .collect();
    let medians = Sorted::of(&medians);
    Some(Spread {
        min: medians.quantile(0.0)?,
        median: medians.quantile(0.5)?,
        max: medians.max()?,
    })
}
