//! From trials to figures: medians over rounds with 95 % intervals, never over strata. Pure.

use std::collections::BTreeMap;

use analysis::bootstrap::{OUTER, interval};
use analysis::quantile::Sorted;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use record::verdict::Estimate;
use serde::Serialize;

use crate::cells::Cell;
use crate::peers::{Class, Kind};
use crate::placement::Stratum;
use crate::schedule::{Mode, Plan};
use crate::shot::Shot;

/// Fewer rounds have no 95 % interval of the median: all six lie on one side of it with a
/// probability of 2 / 2^6, 3 %; all five with 6 %.
pub(crate) const ROUNDS_MIN: usize = 6;

/// What is measured of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Metric {
    MessagesPerS,
    CpuSPerMillion,
    VoluntaryPerMessage,
    InvoluntaryPerMessage,
    FutexPerMessage,
    AllCallsPerMessage,
    HandoffP50Ns,
    HandoffP99Ns,
}

impl Metric {
    /// The kind of trial that it is taken from.
    fn mode(self) -> Mode {
        match self {
            Self::FutexPerMessage | Self::AllCallsPerMessage => Mode::Counted,
            Self::HandoffP50Ns | Self::HandoffP99Ns => Mode::Handoff,
            _ => Mode::Throughput,
        }
    }

    /// Of one trial of that kind; `None` where it is not known.
    fn of(self, trial: &Shot) -> Option<f64> {
        let per_message = |count: u64| count as f64 / trial.messages as f64;
        match self {
            Self::MessagesPerS => Some(trial.messages as f64 / (trial.elapsed_ns as f64 / 1e9)),
            // ns per message are ms per million.
            Self::CpuSPerMillion => Some(per_message(trial.cpu_ns) / 1e3),
            Self::VoluntaryPerMessage => Some(per_message(trial.voluntary)),
            Self::InvoluntaryPerMessage => Some(per_message(trial.involuntary)),
            Self::FutexPerMessage => trial.futex_calls.map(per_message),
            Self::AllCallsPerMessage => trial.all_calls.map(per_message),
            Self::HandoffP50Ns => trial.handoff_p50_ns,
            Self::HandoffP99Ns => trial.handoff_p99_ns,
        }
    }
}

/// A median over rounds, and how many they were. The interval's ends are `None` for too few.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Figure {
    pub(crate) median: Option<Estimate>,
    pub(crate) rounds: usize,
}

/// A queue in one cell and stratum.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) queue: Kind,
    pub(crate) class: Class,
    pub(crate) messages_per_s: Figure,
    pub(crate) cpu_s_per_million: Figure,
    pub(crate) voluntary_per_message: Figure,
    pub(crate) involuntary_per_message: Figure,
    pub(crate) futex_per_message: Figure,
    /// Why there is no such figure.
    pub(crate) futex_missing: Option<String>,
    /// System calls of any kind, those included.
    pub(crate) all_calls_per_message: Figure,
    pub(crate) handoff_p50_ns: Figure,
    pub(crate) handoff_p99_ns: Figure,
}

/// A cell in one stratum.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Block {
    /// Index of the cell.
    pub(crate) index: usize,
    pub(crate) cell: Cell,
    pub(crate) stratum: Stratum,
    pub(crate) oversubscribed: bool,
    /// Trials of this cell that fell into no stratum.
    pub(crate) moved: usize,
    /// Trials of this cell, those included.
    pub(crate) trials: usize,
    pub(crate) rows: Vec<Row>,
}

/// All cells, each with the strata that it was seen in. A cell that only moved has a block too,
/// with rows that have no figures.
pub(crate) fn blocks(plan: &Plan, shots: &[Shot], cpus: usize) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (index, cell) in plan.cells.iter().enumerate() {
        let here: Vec<&Shot> = shots.iter().filter(|r| r.cell == index).collect();
        let mut strata: Vec<Stratum> = here.iter().map(|r| r.stratum).collect();
        strata.sort_unstable();
        strata.dedup();
        if strata.len() > 1 {
            strata.retain(|s| *s != Stratum::Moved);
        }
        for stratum in strata {
            let kinds = plan.kinds.iter().filter(|k| k.serves(cell.threads));
            blocks.push(Block {
                index,
                cell: *cell,
                stratum,
                oversubscribed: cell.is_oversubscribed(cpus),
                moved: here.iter().filter(|r| r.stratum == Stratum::Moved).count(),
                trials: here.len(),
                rows: kinds.map(|kind| row(&here, stratum, *kind)).collect(),
            });
        }
    }
    blocks
}

fn row(here: &[&Shot], stratum: Stratum, kind: Kind) -> Row {
    let figure = |metric| median(&by_round(here, stratum, kind, metric));
    let mine = |r: &&&Shot| r.queue == kind && r.stratum == stratum;
    Row {
        queue: kind,
        class: kind.class(),
        messages_per_s: figure(Metric::MessagesPerS),
        cpu_s_per_million: figure(Metric::CpuSPerMillion),
        voluntary_per_message: figure(Metric::VoluntaryPerMessage),
        involuntary_per_message: figure(Metric::InvoluntaryPerMessage),
        futex_per_message: figure(Metric::FutexPerMessage),
        futex_missing: here
            .iter()
            .filter(mine)
            .find_map(|r| r.futex_missing.clone()),
        all_calls_per_message: figure(Metric::AllCallsPerMessage),
        handoff_p50_ns: figure(Metric::HandoffP50Ns),
        handoff_p99_ns: figure(Metric::HandoffP99Ns),
    }
}

/// The metric of a queue in each round that has it, of the trials of one cell and stratum. What
/// moved has no figure.
pub(crate) fn by_round(
    here: &[&Shot],
    stratum: Stratum,
    kind: Kind,
    metric: Metric,
) -> BTreeMap<u32, f64> {
    here.iter()
        .filter(|r| r.stratum == stratum && stratum != Stratum::Moved)
        .filter(|r| r.queue == kind && r.mode == metric.mode())
        .filter_map(|r| Some((r.round, metric.of(r)?)))
        .collect()
}

fn median(rounds: &BTreeMap<u32, f64>) -> Figure {
    let values: Vec<f64> = rounds.values().copied().collect();
    Figure {
        median: Sorted::of(&values).estimate(0.5),
        rounds: rounds.len(),
    }
}

/// How two medians are set against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Against {
    /// Ours / theirs.
    Ratio,
    /// Ours - theirs: for counts, of which the peer's may be 0.
    Difference,
}

impl Against {
    fn of(self, ours: f64, theirs: f64) -> Option<f64> {
        match self {
            Self::Ratio => (theirs > 0.0).then(|| ours / theirs),
            Self::Difference => Some(ours - theirs),
        }
    }
}

/// Ours against a peer's, in the rounds that both have.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Compared {
    pub(crate) ours: f64,
    pub(crate) theirs: f64,
    pub(crate) against: Against,
    /// Of the medians; the interval's ends are `None` for too few rounds.
    pub(crate) estimate: Estimate,
    pub(crate) rounds: usize,
}

/// Compares the medians over shared rounds. The interval is the bootstrap's: the same rounds are
/// drawn for both, since what disturbs a round disturbs both.
pub(crate) fn compare(
    ours: &BTreeMap<u32, f64>,
    theirs: &BTreeMap<u32, f64>,
    against: Against,
    seed: u64,
) -> Option<Compared> {
    let shared = ours
        .iter()
        .filter_map(|(round, a)| Some((*a, *theirs.get(round)?)));
    let shared: Vec<(f64, f64)> = shared.collect();
    let (ours, theirs) = medians(&shared)?;
    let value = against.of(ours, theirs)?;
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let mut resample = || {
        let draw = || shared[rng.random_range(0..shared.len())];
        let drawn: Vec<_> = std::iter::repeat_with(draw).take(shared.len()).collect();
        medians(&drawn).and_then(|(a, b)| against.of(a, b))
    };
    let enough = shared.len() >= ROUNDS_MIN;
    let times = if enough { OUTER } else { 0 };
    let resamples: Vec<f64> = (0..times).filter_map(|_| resample()).collect();
    Some(Compared {
        ours,
        theirs,
        against,
        estimate: interval(value, &resamples, shared.len()),
        rounds: shared.len(),
    })
}

fn medians(pairs: &[(f64, f64)]) -> Option<(f64, f64)> {
    let median = |side: fn(&(f64, f64)) -> f64| {
        Sorted::of(&pairs.iter().map(side).collect::<Vec<_>>()).quantile(0.5)
    };
    Some((median(|p| p.0)?, median(|p| p.1)?))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::cells::{Cpus, Threads};

    /// A trial of one second: so many messages, each 1 us of CPU.
    pub(crate) fn trial(round: u32, queue: Kind, stratum: Stratum, messages: u64) -> Shot {
        Shot {
            round,
            cell: 0,
            queue,
            mode: Mode::Throughput,
            stratum,
            one_way_ns: None,
            messages,
            elapsed_ns: 1_000_000_000,
            cpu_ns: messages * 1_000,
            voluntary: messages / 2,
            involuntary: 0,
            futex_calls: None,
            futex_missing: None,
            all_calls: None,
            handoff_p50_ns: None,
            handoff_p99_ns: None,
        }
    }

    pub(crate) fn plan(kinds: &[Kind]) -> Plan {
        Plan {
            cells: vec![Cell {
                capacity: 1,
                threads: Threads::of(1, 1),
                cpus: Cpus::All,
            }],
            kinds: kinds.to_vec(),
            rounds: 9,
            count_every: 3,
            handoff: true,
            seed: 1,
        }
    }

    #[test]
    fn strata_have_medians_of_their_own_and_what_moved_has_none() {
        let strata = [Stratum::Near, Stratum::Far, Stratum::Moved];
        let trials: Vec<Shot> = (0..9)
            .map(|round| {
                let at = round as usize % 3;
                trial(round, Kind::Flume, strata[at], [1_000, 100, 10][at])
            })
            .collect();
        let blocks = blocks(&plan(&[Kind::Flume]), &trials, 2);
        let found: Vec<_> = blocks
            .iter()
            .map(|b| {
                let figure = b.rows[0].messages_per_s;
                (b.stratum, figure.median.unwrap().value, figure.rounds)
            })
            .collect();
        assert_eq!(
            found,
            [(Stratum::Near, 1_000.0, 3), (Stratum::Far, 100.0, 3)]
        );
        assert!(blocks.iter().all(|b| (b.moved, b.trials) == (3, 9)));
        let cpu = blocks[0].rows[0].cpu_s_per_million.median.unwrap();
        assert!((cpu.value - 1.0).abs() < 1e-9, "1 us each is 1 s a million");
    }

    #[test]
    fn a_cell_that_only_moved_is_shown_without_figures() {
        let moved = [trial(0, Kind::Flume, Stratum::Moved, 10)];
        let blocks = blocks(&plan(&[Kind::Flume]), &moved, 2);
        assert_eq!(blocks.len(), 1);
        assert_eq!(blocks[0].rows[0].messages_per_s.median, None);
    }

    #[test]
    fn what_was_not_counted_is_missing_with_its_reason_and_not_zero() {
        let mut counted = trial(0, Kind::Flume, Stratum::Near, 100);
        counted.mode = Mode::Counted;
        counted.futex_missing = Some("no tracefs".into());
        let blocks = blocks(&plan(&[Kind::Flume]), &[counted], 2);
        let row = &blocks[0].rows[0];
        assert_eq!(row.futex_per_message.median, None);
        assert_eq!(row.futex_missing.as_deref(), Some("no tracefs"));
    }

    #[test]
    fn drift_between_rounds_cancels_and_few_rounds_have_no_interval() {
        let rounds = |n: u32, factor: f64| -> BTreeMap<u32, f64> {
            let drifting = |r| (r, factor * (100.0 + 50.0 * f64::from(r)));
            (0..n).map(drifting).collect()
        };
        let compared = compare(&rounds(9, 2.0), &rounds(9, 1.0), Against::Ratio, 1).unwrap();
        let e = compared.estimate;
        assert!((e.value - 2.0).abs() < 1e-9);
        assert!(e.low.is_some_and(|l| l > 1.99) && e.high.is_some_and(|h| h < 2.01));
        let few = compare(&rounds(5, 2.0), &rounds(5, 1.0), Against::Ratio, 1).unwrap();
        assert_eq!((few.estimate.low, few.estimate.high), (None, None));
    }

    #[test]
    fn rounds_that_only_one_has_do_not_count() {
        let ours = BTreeMap::from([(0, 1.0), (1, 3.0)]);
        let theirs = BTreeMap::from([(1, 2.0), (2, 9.0)]);
        let compared = compare(&ours, &theirs, Against::Difference, 1).unwrap();
        assert_eq!((compared.rounds, compared.estimate.value), (1, 1.0));
        assert_eq!(compare(&ours, &BTreeMap::new(), Against::Ratio, 1), None);
    }
}
