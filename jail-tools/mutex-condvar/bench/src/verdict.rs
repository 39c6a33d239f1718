//! Ours against each peer, cell by cell and stratum by stratum. Pure.

use serde::Serialize;

use crate::cells::Cell;
use crate::peers::{Class, Kind};
use crate::placement::Stratum;
use crate::shot::Shot;
use crate::summary::{Against, Block, Compared, Metric, by_round, compare};

/// What ours should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    /// Messages per second: at least as many as a peer that parks, within the interval.
    ThroughputOfParking,
    /// Futex calls per message: at most as many as a peer that parks.
    FutexOfParking,
    /// CPU time per message: less than a peer that spins.
    CpuOfSpinning,
    /// Messages per second: at least as many as a peer that spins, within the interval.
    ThroughputOfSpinning,
}

impl Target {
    const ALL: [Self; 4] = [
        Self::ThroughputOfParking,
        Self::FutexOfParking,
        Self::CpuOfSpinning,
        Self::ThroughputOfSpinning,
    ];

    /// In words.
    pub(crate) fn says(self) -> &'static str {
        match self {
            Self::ThroughputOfParking => "(a) throughput >= each parking peer's",
            Self::FutexOfParking => "(a) futex calls per message <= each parking peer's",
            Self::CpuOfSpinning => "(b) CPU time per message < crossbeam's and kanal's",
            Self::ThroughputOfSpinning => "(b) throughput >= crossbeam's and kanal's",
        }
    }

    fn class(self) -> Class {
        match self {
            Self::ThroughputOfParking | Self::FutexOfParking => Class::Parks,
            Self::CpuOfSpinning | Self::ThroughputOfSpinning => Class::Spins,
        }
    }

    fn metric(self) -> Metric {
        match self {
            Self::ThroughputOfParking | Self::ThroughputOfSpinning => Metric::MessagesPerS,
            Self::FutexOfParking => Metric::FutexPerMessage,
            Self::CpuOfSpinning => Metric::CpuSPerMillion,
        }
    }

    fn against(self) -> Against {
        match self {
            Self::FutexOfParking => Against::Difference,
            _ => Against::Ratio,
        }
    }

    /// Judges a comparison. What no interval could be had for is unclear unless it is met by any.
    fn judge(self, compared: &Compared) -> Outcome {
        let estimate = compared.estimate;
        let (low, high) = (estimate.low, estimate.high);
        match self {
            Self::ThroughputOfParking | Self::ThroughputOfSpinning => match high {
                Some(high) if high < 1.0 => Outcome::Missed,
                Some(_) => Outcome::Met,
                None => Outcome::Unclear,
            },
            Self::CpuOfSpinning => match (low, high) {
                (_, Some(high)) if high < 1.0 => Outcome::Met,
                (Some(low), _) if low >= 1.0 => Outcome::Missed,
                _ => Outcome::Unclear,
            },
            Self::FutexOfParking => match low {
                _ if estimate.value <= 0.0 => Outcome::Met,
                Some(low) if low > 0.0 => Outcome::Missed,
                _ => Outcome::Unclear,
            },
        }
    }
}

/// How it came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Met,
    /// The interval decides neither way, or there is none.
    Unclear,
    Missed,
    /// Nothing to compare.
    NoFigure,
}

/// One comparison, judged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Judgement {
    pub(crate) cell: Cell,
    pub(crate) stratum: Stratum,
    pub(crate) oversubscribed: bool,
    pub(crate) peer: Kind,
    pub(crate) target: Target,
    pub(crate) outcome: Outcome,
    pub(crate) compared: Option<Compared>,
    /// Why there is nothing to compare.
    pub(crate) missing: Option<String>,
}

/// Judgements of one target by how they came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Count {
    pub(crate) target: Target,
    /// In cells with more runnable threads than CPUs?
    pub(crate) oversubscribed: bool,
    pub(crate) met: usize,
    pub(crate) unclear: usize,
    pub(crate) missed: usize,
    pub(crate) no_figure: usize,
}

/// Every target in every block, for every peer; nothing where ours was not run.
pub(crate) fn judge(blocks: &[Block], shots: &[Shot], seed: u64) -> Vec<Judgement> {
    let mut judgements = Vec::new();
    for block in blocks {
        if !block.rows.iter().any(|r| r.queue == Kind::Ours) {
            continue;
        }
        let here: Vec<&Shot> = shots.iter().filter(|r| r.cell == block.index).collect();
        for target in Target::ALL {
            let peers = block.rows.iter().filter(|r| r.class == target.class());
            judgements.extend(peers.map(|row| one(block, &here, target, row.queue, seed)));
        }
    }
    judgements
}

fn one(block: &Block, here: &[&Shot], target: Target, peer: Kind, seed: u64) -> Judgement {
    let of = |kind| by_round(here, block.stratum, kind, target.metric());
    let compared = compare(&of(Kind::Ours), &of(peer), target.against(), seed);
    let outcome = compared.as_ref().map(|c| target.judge(c));
    Judgement {
        cell: block.cell,
        stratum: block.stratum,
        oversubscribed: block.oversubscribed,
        peer,
        target,
        outcome: outcome.unwrap_or(Outcome::NoFigure),
        missing: compared
            .is_none()
            .then(|| why_missing(block, target.metric(), peer)),
        compared,
    }
}

fn why_missing(block: &Block, metric: Metric, peer: Kind) -> String {
    let pair = |r: &&crate::summary::Row| r.queue == Kind::Ours || r.queue == peer;
    let known = block
        .rows
        .iter()
        .filter(pair)
        .find_map(|r| r.futex_missing.clone());
    known
        .filter(|_| metric == Metric::FutexPerMessage)
        .unwrap_or_else(|| "no round in which both were measured in this stratum".into())
}

/// The throughput of ours over a peer's, for the table; whatever the peer is.
pub(crate) fn throughput_ratio(
    block: &Block,
    shots: &[Shot],
    peer: Kind,
    seed: u64,
) -> Option<Compared> {
    let here: Vec<&Shot> = shots.iter().filter(|r| r.cell == block.index).collect();
    let of = |kind| by_round(&here, block.stratum, kind, Metric::MessagesPerS);
    compare(&of(Kind::Ours), &of(peer), Against::Ratio, seed)
}

/// How the judgements came out.
pub(crate) fn count(judgements: &[Judgement]) -> Vec<Count> {
    let mut counts = Vec::new();
    for target in Target::ALL {
        for oversubscribed in [false, true] {
            let these = |j: &&Judgement| j.target == target && j.oversubscribed == oversubscribed;
            let came_out = |outcome| {
                let these = judgements.iter().filter(these);
                these.filter(|j| j.outcome == outcome).count()
            };
            counts.push(Count {
                target,
                oversubscribed,
                met: came_out(Outcome::Met),
                unclear: came_out(Outcome::Unclear),
                missed: came_out(Outcome::Missed),
                no_figure: came_out(Outcome::NoFigure),
            });
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use record::verdict::Estimate;

    use super::*;
    use crate::schedule::Mode;
    use crate::summary::blocks;
    use crate::summary::tests::{plan, trial};

    fn compared(value: f64, ends: Option<(f64, f64)>) -> Compared {
        Compared {
            ours: value,
            theirs: 1.0,
            against: Against::Ratio,
            estimate: Estimate {
                value,
                low: ends.map(|e| e.0),
                high: ends.map(|e| e.1),
            },
            rounds: 9,
        }
    }

    #[test]
    fn each_target_is_judged_by_the_right_end_of_the_interval() {
        use Outcome::{Met, Missed, Unclear};
        let table = [
            (Target::ThroughputOfParking, 0.9, Some((0.8, 0.95)), Missed),
            (Target::ThroughputOfParking, 0.9, Some((0.8, 1.0)), Met),
            (Target::ThroughputOfSpinning, 2.0, Some((1.5, 3.0)), Met),
            (Target::ThroughputOfSpinning, 2.0, None, Unclear),
            (Target::CpuOfSpinning, 0.5, Some((0.4, 0.9)), Met),
            (Target::CpuOfSpinning, 0.9, Some((0.8, 1.1)), Unclear),
            (Target::CpuOfSpinning, 1.2, Some((1.0, 1.3)), Missed),
            (Target::CpuOfSpinning, 0.1, None, Unclear),
            (Target::FutexOfParking, 0.0, None, Met),
            (Target::FutexOfParking, 0.1, None, Unclear),
            (Target::FutexOfParking, 0.1, Some((-0.1, 0.2)), Unclear),
            (Target::FutexOfParking, 0.1, Some((0.05, 0.2)), Missed),
        ];
        for (target, value, ends, outcome) in table {
            let found = target.judge(&compared(value, ends));
            assert_eq!(found, outcome, "{target:?} {value} {ends:?}");
        }
    }

    #[test]
    fn every_peer_is_judged_and_what_was_not_counted_says_why() {
        let kinds = [Kind::Ours, Kind::Flume, Kind::Kanal];
        let mut trials = Vec::new();
        for round in 0..9 {
            for (kind, messages) in kinds.into_iter().zip([1_000, 2_000, 500]) {
                trials.push(trial(round, kind, Stratum::Near, messages));
                let mut counted = trial(round, kind, Stratum::Near, messages);
                counted.mode = Mode::Counted;
                counted.futex_missing = Some("EACCES".into());
                trials.push(counted);
            }
        }
        let blocks = blocks(&plan(&kinds), &trials, 2);
        let judgements = judge(&blocks, &trials, 1);
        let of = |target, peer| {
            let found = judgements
                .iter()
                .find(|j| j.target == target && j.peer == peer);
            found.expect("judged")
        };
        let slower = of(Target::ThroughputOfParking, Kind::Flume);
        assert_eq!(slower.outcome, Outcome::Missed);
        let faster = of(Target::ThroughputOfSpinning, Kind::Kanal);
        assert_eq!(faster.outcome, Outcome::Met);
        assert_eq!(
            of(Target::CpuOfSpinning, Kind::Kanal).outcome,
            Outcome::Missed
        );
        let unknown = of(Target::FutexOfParking, Kind::Flume);
        assert_eq!(unknown.outcome, Outcome::NoFigure);
        assert_eq!(unknown.missing.as_deref(), Some("EACCES"));
        assert_eq!(judgements.len(), 4);
        let counts = count(&judgements);
        let all = counts
            .iter()
            .map(|c| c.met + c.unclear + c.missed + c.no_figure);
        assert_eq!(all.sum::<usize>(), judgements.len());
    }

    #[test]
    fn without_ours_nothing_is_judged() {
        let trials = [trial(0, Kind::Flume, Stratum::Near, 10)];
        let blocks = blocks(&plan(&[Kind::Flume]), &trials, 2);
        assert_eq!(judge(&blocks, &trials, 1), []);
    }
}
