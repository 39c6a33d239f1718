//! What procjail promises, and whether it was seen. Pure.

use record::verdict::Estimate;
use serde::Serialize;

use crate::latency::Block;
use crate::residents::Role;
use crate::subject::Subject;
use crate::{idle, memory, startup};

/// Greatest ratio of `procjail run`'s start-up to bwrap's.
const RUN_OF_BWRAP_MAX: f64 = 0.5;

/// Greatest ratio of `procjail init` to the peer that it is set against.
const INIT_MAX: f64 = 1.0;

/// Memory that is PID 1's own and written to, KiB.
const DIRTY_MAX_KIB: u64 = 100;

/// The inits that are for a jail's PID 1.
const INITS: [Subject; 4] = [
    Subject::Catatonit,
    Subject::Tini,
    Subject::TiniStatic,
    Subject::DumbInit,
];

/// How it came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Met,
    /// The limit lies inside the interval.
    WithinTheInterval,
    Missed,
    /// Too few rounds.
    NoInterval,
    /// Nothing to judge by.
    NoFigure,
}

impl Outcome {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::WithinTheInterval => "within the interval",
            Self::Missed => "missed",
            Self::NoInterval => "no interval: too few rounds",
            Self::NoFigure => "no figure",
        }
    }

    /// Of a ratio that should be at most so much.
    fn of_ratio(ratio: &Estimate, limit: f64) -> Self {
        match (ratio.low, ratio.high) {
            (Some(_), Some(high)) if high <= limit => Self::Met,
            (Some(low), Some(_)) if low <= limit => Self::WithinTheInterval,
            (Some(_), Some(_)) => Self::Missed,
            _ => Self::NoInterval,
        }
    }

    fn of(holds: bool) -> Self {
        if holds { Self::Met } else { Self::Missed }
    }
}

/// One promise, judged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Judgement {
    pub(crate) promise: String,
    pub(crate) outcome: Outcome,
    /// A ratio of medians, where it is one that is judged.
    pub(crate) ratio: Option<Estimate>,
    /// What was seen otherwise, or why there is no figure.
    pub(crate) seen: String,
}

impl Judgement {
    fn of_ratio(promise: String, limit: f64, ratio: Result<Estimate, String>) -> Self {
        match ratio {
            Ok(ratio) => Self {
                promise,
                outcome: Outcome::of_ratio(&ratio, limit),
                ratio: Some(ratio),
                seen: String::new(),
            },
            Err(why) => Self::without(promise, why),
        }
    }

    fn without(promise: String, why: String) -> Self {
        Self {
            promise,
            outcome: Outcome::NoFigure,
            ratio: None,
            seen: why,
        }
    }

    fn of(promise: String, seen: Result<(bool, String), String>) -> Self {
        match seen {
            Ok((holds, seen)) => Self {
                promise,
                outcome: Outcome::of(holds),
                ratio: None,
                seen,
            },
            Err(why) => Self::without(promise, why),
        }
    }
}

/// Of start-up.
pub(crate) fn of_startup(rows: &[startup::Row]) -> Vec<Judgement> {
    let pairs = [
        (Subject::ProcjailRun, Subject::Bwrap, RUN_OF_BWRAP_MAX),
        (Subject::ProcjailInit, Subject::Catatonit, INIT_MAX),
    ];
    let judge = |(ours, theirs, limit): (Subject, Subject, f64)| {
        let promise = format!("start-up: {} <= {limit} x {}", ours.name(), theirs.name());
        let start = |subject: Subject| {
            let row = rows.iter().find(|row| row.subject == subject);
            let start = row.map(|row| row.start.as_result());
            start
                .unwrap_or(Err("not measured"))
                .map_err(|why| format!("{}: {why}", subject.name()))
        };
        let ratio = start(ours).and_then(|_| {
            let ratio = start(theirs)?.ours_over_it;
            ratio.ok_or_else(|| "no round has both".into())
        });
        Judgement::of_ratio(promise, limit, ratio)
    };
    pairs.into_iter().map(judge).collect()
}

/// Of a signal's way, in each stratum.
pub(crate) fn of_latency(blocks: &[Block]) -> Vec<Judgement> {
    let judge = |block: &Block| {
        let promise = format!(
            "SIGTERM, {}: procjail init <= the best of the other inits",
            block.stratum.name()
        );
        Judgement::of_ratio(promise, INIT_MAX, against_best(block))
    };
    blocks.iter().map(judge).collect()
}

fn against_best(block: &Block) -> Result<Estimate, String> {
    let ours = |row: &&crate::latency::Row| row.subject == Subject::ProcjailInit;
    let ours = block.rows.iter().find(ours);
    ours.map_or(Err("not measured"), |row| row.latency.as_result())
        .map_err(|why| format!("procjail init: {why}"))?;
    let peers = block.rows.iter().filter(|r| INITS.contains(&r.subject));
    let best = peers
        .filter_map(|row| row.latency.figure())
        .min_by(|a, b| a.ns.p50.value.total_cmp(&b.ns.p50.value));
    best.and_then(|best| best.ours_over_it)
        .ok_or_else(|| "no other init was measured".into())
}

/// Of sleep.
pub(crate) fn of_idle(rows: &[idle::Row]) -> Vec<Judgement> {
    let judge = |row: &idle::Row| {
        let promise = format!("idle: {} never wakes", title(row.subject, row.role));
        let seen = row.wakeups.as_result().map(|wakeups| {
            let seen = format!("{} in {:.1} s", wakeups.switches, wakeups.seconds);
            (wakeups.switches == 0, seen)
        });
        Judgement::of(promise, seen.map_err(str::to_owned))
    };
    let ours = rows.iter().filter(|row| is_ours(row.subject));
    ours.map(judge).collect()
}

/// Of memory.
pub(crate) fn of_memory(rows: &[memory::Row]) -> Vec<Judgement> {
    let judge = |row: &memory::Row| {
        let title = title(row.subject, row.role);
        let promise = format!("memory: Private_Dirty of {title} <= {DIRTY_MAX_KIB} KiB");
        let seen = row.memory.as_result().map(|memory| {
            let dirty_kib = memory.private_dirty_kib;
            (dirty_kib <= DIRTY_MAX_KIB, format!("{dirty_kib} KiB"))
        });
        Judgement::of(promise, seen.map_err(str::to_owned))
    };
    let judged = |row: &&memory::Row| is_ours(row.subject) && row.role == Role::Pid1;
    rows.iter().filter(judged).map(judge).collect()
}

fn is_ours(subject: Subject) -> bool {
    matches!(subject, Subject::ProcjailRun | Subject::ProcjailInit)
}

fn title(subject: Subject, role: Role) -> String {
    format!("{}, {}", subject.name(), role.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::tests::drifting;
    use crate::idle::Wakeups;
    use crate::latency::{Latency, Row, Stratum};
    use crate::procfs::Memory;
    use crate::taken::Taken;

    fn estimate(low: Option<f64>, high: Option<f64>) -> Estimate {
        let value = 0.5;
        Estimate { value, low, high }
    }

    #[test]
    fn a_ratio_is_judged_by_the_ends_of_its_interval() {
        let table = [
            (Some(0.3), Some(0.5), Outcome::Met),
            (Some(0.4), Some(0.6), Outcome::WithinTheInterval),
            (Some(0.51), Some(0.6), Outcome::Missed),
            (None, None, Outcome::NoInterval),
        ];
        for (low, high, outcome) in table {
            assert_eq!(Outcome::of_ratio(&estimate(low, high), 0.5), outcome);
        }
    }

    fn latency(subject: Subject, middle: f64) -> Row {
        let (ours, values) = (drifting(9, 100.0), drifting(9, middle));
        Row {
            subject,
            latency: Taken::Figure(Latency {
                ns: values.figure(1).expect("values"),
                ours_over_it: ours.ratio(&values, 1),
                values_ns: values,
            }),
        }
    }

    fn block(rows: Vec<Row>) -> Block {
        Block {
            stratum: Stratum::OneCpu,
            sender_cpu: 0,
            receiver_cpu: 0,
            line_one_way_ns: Vec::new(),
            rows,
        }
    }

    #[test]
    fn the_best_of_the_peers_is_what_counts_and_the_direct_way_is_none() {
        let rows = vec![
            latency(Subject::Bare, 10.0),
            latency(Subject::ProcjailInit, 100.0),
            latency(Subject::Tini, 50.0),
            latency(Subject::DumbInit, 200.0),
        ];
        let judged = &of_latency(&[block(rows)])[0];
        assert_eq!(judged.outcome, Outcome::Missed, "{judged:?}");
        assert!(judged.ratio.is_some_and(|r| (r.value - 2.0).abs() < 1e-9));
    }

    #[test]
    fn what_was_not_measured_has_no_figure_and_is_not_met() {
        let ours_alone = block(vec![latency(Subject::ProcjailInit, 100.0)]);
        let peer_alone = block(vec![latency(Subject::Tini, 100.0)]);
        for judged in of_latency(&[ours_alone, peer_alone]) {
            assert_eq!(judged.outcome, Outcome::NoFigure, "{judged:?}");
        }
        for judged in of_startup(&[]) {
            assert_eq!(judged.outcome, Outcome::NoFigure, "{judged:?}");
        }
    }

    fn resident(subject: Subject, role: Role, switches: u64) -> idle::Row {
        let seconds = 5.0;
        idle::Row {
            subject,
            role,
            wakeups: Taken::Figure(Wakeups { switches, seconds }),
        }
    }

    #[test]
    fn only_ours_must_sleep_and_each_of_its_processes() {
        let rows = [
            resident(Subject::ProcjailRun, Role::Supervisor, 1),
            resident(Subject::ProcjailRun, Role::Pid1, 0),
            resident(Subject::Tini, Role::Pid1, 5),
        ];
        let outcomes: Vec<_> = of_idle(&rows).iter().map(|j| j.outcome).collect();
        assert_eq!(outcomes, [Outcome::Missed, Outcome::Met]);
    }

    #[test]
    fn only_our_pid_1_has_a_limit_and_what_cannot_be_read_is_not_below_it() {
        let of = |role, private_dirty_kib: Option<u64>| memory::Row {
            subject: Subject::ProcjailRun,
            role,
            memory: private_dirty_kib
                .map(|private_dirty_kib| Memory {
                    private_dirty_kib,
                    private_clean_kib: 0,
                    pss_kib: 0,
                    rss_kib: 0,
                })
                .ok_or_else(|| "EACCES".to_owned())
                .into(),
        };
        let rows = [
            of(Role::Supervisor, Some(1_000)),
            of(Role::Pid1, Some(100)),
            of(Role::Pid1, Some(101)),
            of(Role::Pid1, None),
        ];
        let outcomes: Vec<_> = of_memory(&rows).iter().map(|j| j.outcome).collect();
        assert_eq!(outcomes, [Outcome::Met, Outcome::Missed, Outcome::NoFigure]);
    }
}
