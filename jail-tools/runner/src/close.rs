//! From what was seen of a trial's operations to rows with closed ledgers. Pure.

use experiments::{Found, Seen};
use probes::{Diff, counter};
use record::ledger::{self, Causes, IRQ_EXIT, MEASURED, PARTS, UPSTREAM};
use record::{Class, Sample};

use crate::infer;
use crate::lens::Look;
use crate::self_model::{Models, Row};
use crate::usage::{BLOCK_BYTES, UsageDiff};
use crate::wire::Sight;

/// One operation as the trial loop left it.
#[derive(Debug, Clone)]
pub struct RawOp {
    /// Number within the thread.
    pub op: u64,
    /// Through the lens.
    pub look: Look,
    /// Beside it.
    pub found: Found,
    /// By the experiment's own rule; `Unknown` if no probe could tell.
    pub class: Class,
}

/// Identity of the rows of one thread.
#[derive(Debug, Clone, Copy)]
pub struct Who {
    /// Trial.
    pub trial: u32,
    /// Cell.
    pub cell: u32,
    /// Thread within the trial.
    pub thread: u32,
}

/// Which counter of the slot feeds which part of the ledger.
const SOURCES: [(usize, usize); 12] = [
    (ledger::DEVICE, counter::DEVICE_NS),
    (ledger::BLOCKED, counter::BLOCKED_NS),
    (ledger::WAKEUP, counter::WAKEUP_NS),
    (ledger::RUNQUEUE, counter::RUNQUEUE_NS),
    (ledger::PREEMPTED, counter::PREEMPTED_NS),
    (ledger::HARDIRQ, counter::HARDIRQ_NS),
    (ledger::TIMER, counter::TIMER_NS),
    (ledger::IPI, counter::IPI_NS),
    (ledger::SOFTIRQ, counter::SOFTIRQ_NS),
    (ledger::STEAL, counter::STEAL_NS),
    (ledger::GAP, counter::GAP_NS),
    (ledger::INFLIGHT, counter::INFLIGHT_NS),
];

/// What the probes saw, for the experiment's class. `None` without a ledger that shows pages and
/// switches: then nothing could tell.
#[must_use]
pub fn seen(diff: Option<&Diff>, sight: Option<&Sight>) -> Option<Seen> {
    let sight = sight.filter(|s| s.pages && s.switches)?;
    let zero = Diff::default();
    let diff = diff.unwrap_or(&zero);
    Some(Seen {
        pages_missed: clamp(diff.get(counter::PAGES_DEMANDED)),
        requests: if sight.requests {
            clamp(diff.get(counter::REQUESTS))
        } else {
            0
        },
        slept: diff.get(counter::SWITCHES_VOLUNTARY) > 0,
    })
}

/// Closes the ledgers of one thread's operations.
///
/// `irq_exit_ns` is the inferred cost of one timer interrupt outside its tracepoints.
#[must_use]
pub fn close(
    who: Who,
    ops: &[RawOp],
    sight: Option<&Sight>,
    irq_exit_ns: Option<i64>,
) -> (Vec<Sample>, Models) {
    let measured: Vec<Causes> = ops
        .iter()
        .map(|op| measured(op, sight, irq_exit_ns))
        .collect();
    // Without a ledger or an account "undisturbed" cannot be known, so that there is nothing to
    // calibrate from.
    let rows: Vec<Row> = ops
        .iter()
        .zip(&measured)
        .filter_map(|(op, m)| row(op, m, sight))
        .collect();
    let models = Models::calibrate(&rows);
    let samples = ops
        .iter()
        .zip(measured)
        .map(|(op, m)| sample(who, op, m, sight, &models))
        .collect();
    (samples, models)
}

/// When the operation began: at its window's start, or where its own stamp says, be that before
/// (a message that lay in a queue) or within the window (one that had to be waited for).
fn begun_ns(op: &RawOp) -> u64 {
    let stamp_ns = op.look.outcome.started_ns.unwrap_or(op.look.start_ns);
    stamp_ns.min(op.look.end_ns)
}

fn latency_ns(op: &RawOp) -> i64 {
    (op.look.end_ns - begun_ns(op)).cast_signed()
}

fn measured(op: &RawOp, sight: Option<&Sight>, irq_exit_ns: Option<i64>) -> Causes {
    let mut causes = Causes([None; PARTS]);
    causes.0[UPSTREAM] = Some(op.look.start_ns.saturating_sub(begun_ns(op)).cast_signed());
    // A consumer that waited for a message that had not been sent yet: its sleep until then is
    // no part of the message's latency.
    let idle_ns = begun_ns(op).saturating_sub(op.look.start_ns).cast_signed();
    let Some(sight) = sight else {
        if let Some(seen) = &op.look.usage {
            let room_ns = latency_ns(op) - causes.sum_ns();
            let upstream = causes.0[UPSTREAM];
            causes = infer::infer(seen, idle_ns, room_ns);
            causes.0[UPSTREAM] = upstream;
        }
        return causes;
    };
    let get = |index| op.look.diff.as_ref().map_or(0, |d| d.get(index));
    for (part, source) in SOURCES {
        causes.0[part] = sight.causes[part].then(|| get(source).cast_signed());
    }
    causes.0[ledger::BLOCKED] = causes.0[ledger::BLOCKED].map(|ns| (ns - idle_ns).max(0));
    causes.0[IRQ_EXIT] = irq_exit_ns
        .filter(|_| sight.interrupts)
        .map(|ns| ns * get(counter::TIMERS).cast_signed());
    causes
}

/// The operation as the model sees it; `None` where nothing could tell that it was disturbed.
fn row(op: &RawOp, measured: &Causes, sight: Option<&Sight>) -> Option<Row> {
    let (class, pages, pages_missed) = kind(op, sight)?;
    let undisturbed = match (sight, &op.look.usage) {
        (Some(_), _) => untouched(op),
        (None, seen) => seen.as_ref().is_some_and(infer::undisturbed),
    };
    // Steal is credited last, and only as far as it fits: time in flight may hold it too.
    let certain_ns = measured.attributed_ns() - measured.0[ledger::STEAL].unwrap_or(0);
    Some(Row {
        class,
        pages,
        pages_missed,
        left_ns: (latency_ns(op) - certain_ns) / units(op),
        undisturbed,
    })
}

/// What sets operations apart that have a model each.
fn kind(op: &RawOp, sight: Option<&Sight>) -> Option<(&'static str, u32, Option<u32>)> {
    let pages = op.found.pages.unwrap_or(0);
    match (sight, &op.look.usage) {
        (Some(_), _) => Some((op.class.name(), pages, Some(pages_missed(op)))),
        (None, Some(seen)) => Some((infer::kind(seen), pages, None)),
        (None, None) => None,
    }
}

/// Did no event touch it, by the probes?
fn untouched(op: &RawOp) -> bool {
    let diff = op.look.diff.as_ref();
    let none = |indices: &[usize]| diff.is_none_or(|d| indices.iter().all(|i| d.get(*i) == 0));
    none(&[
        counter::TIMER_NS,
        counter::IPI_NS,
        counter::SWITCHES_INVOLUNTARY,
        counter::GAPS,
        counter::MIGRATIONS,
        counter::FAULTS_USER,
        counter::FAULTS_KERNEL,
    ])
        // An operation that waits for a device has the device's interrupt and softirq, and a
        // doorbell that the hypervisor may answer with steal: they belong to it.
        && (!none(&[counter::REQUESTS])
            || none(&[counter::HARDIRQ_NS, counter::SOFTIRQ_NS, counter::STEAL_NS]))
}

fn pages_missed(op: &RawOp) -> u32 {
    op.look
        .diff
        .as_ref()
        .map_or(0, |d| clamp(d.get(counter::PAGES_DEMANDED)))
}

fn units(op: &RawOp) -> i64 {
    op.look.outcome.units.max(1).cast_signed()
}

fn clamp(v: u64) -> u32 {
    u32::try_from(v).unwrap_or(u32::MAX)
}

fn sample(
    who: Who,
    op: &RawOp,
    measured: Causes,
    sight: Option<&Sight>,
    models: &Models,
) -> Sample {
    let latency_ns = latency_ns(op);
    let self_ns = kind(op, sight)
        .and_then(|(class, pages, missed)| models.of(class, pages, missed))
        .map(|ns| ns * units(op));
    let closed = ledger::close(latency_ns, measured, self_ns);
    let zero = Diff::default();
    let diff = op.look.diff.as_ref().unwrap_or(&zero);
    let if_seen =
        |visible: fn(&Sight) -> bool, v: u64| sight.filter(|s| visible(s)).map(|_| clamp(v));
    // What the kernel counts of a thread is counted without probes too, if over a window that is
    // a few µs wider.
    let counted = |of: fn(&UsageDiff) -> u64| op.look.usage.as_ref().map(|seen| clamp(of(seen)));
    let through_cache = op.found.pages.is_some();
    let demanded = diff.get(counter::PAGES_DEMANDED);
    let ahead = diff.get(counter::PAGES_ADDED).saturating_sub(demanded);
    Sample {
        trial: who.trial,
        cell: who.cell,
        thread: who.thread,
        op: op.op,
        start_ns: begun_ns(op),
        latency_ns,
        units: op.look.outcome.units.max(1),
        causes: closed.causes,
        steal_late_ns: closed.causes.0[ledger::STEAL].map(|_| closed.steal_late_ns),
        pages: op.found.pages,
        pages_missed: if_seen(|s| s.pages, demanded).filter(|_| through_cache),
        pages_readahead: if_seen(|s| s.pages, ahead).filter(|_| through_cache),
        oracle_resident_pages: op.found.oracle_resident_pages,
        requests: if_seen(|s| s.requests, diff.get(counter::REQUESTS)),
        request_bytes: sight
            .filter(|s| s.requests)
            .map(|_| diff.get(counter::REQUEST_BYTES))
            .or_else(|| Some(op.look.usage?.input_blocks? * BLOCK_BYTES)),
        request_ns: sight.filter(|s| s.completions).map(|_| diff.completed_ns),
        interrupts: if_seen(|s| s.interrupts, diff.get(counter::INTERRUPTS)),
        switches_voluntary: if_seen(|s| s.switches, diff.get(counter::SWITCHES_VOLUNTARY))
            .or_else(|| counted(|seen| seen.switches_voluntary)),
        switches_involuntary: if_seen(|s| s.switches, diff.get(counter::SWITCHES_INVOLUNTARY))
            .or_else(|| counted(|seen| seen.switches_involuntary)),
        faults: if_seen(
            |s| s.faults,
            diff.get(counter::FAULTS_USER) + diff.get(counter::FAULTS_KERNEL),
        )
        .or_else(|| counted(|seen| seen.faults)),
        migrations: if_seen(|s| s.switches, diff.get(counter::MIGRATIONS)),
        gaps: if_seen(|s| s.switches, diff.get(counter::GAPS)),
        result: op.look.outcome.result,
        class: op.class,
    }
}

/// The causes that travel through [`SOURCES`] are all measured ones but the two made elsewhere.
const _: () = assert!(SOURCES.len() + 2 == MEASURED);

#[cfg(test)]
mod tests {
    use experiments::Outcome;
    use proptest::prelude::*;

    use super::*;

    fn sight() -> Sight {
        Sight {
            causes: [true; PARTS],
            pages: true,
            requests: true,
            completions: true,
            switches: true,
            interrupts: true,
            faults: true,
        }
    }

    fn op(start_ns: u64, end_ns: u64, started_ns: Option<u64>, diff: Option<&Diff>) -> RawOp {
        let outcome = Outcome {
            result: 4096,
            units: 1,
            started_ns,
        };
        RawOp {
            op: 0,
            look: Look {
                start_ns,
                end_ns,
                outcome,
                diff: diff.copied(),
                usage: None,
            },
            found: Found {
                pages: Some(1),
                oracle_resident_pages: Some(1),
            },
            class: Class::Hit,
        }
    }

    const WHO: Who = Who {
        trial: 0,
        cell: 0,
        thread: 0,
    };

    proptest! {
        #[test]
        fn every_row_closes_whatever_was_seen(
            ops in proptest::collection::vec((0u64..1_000_000, 0u64..1_000_000, proptest::option::of(0u64..1_000_000),
                proptest::option::of(proptest::array::uniform32(0u64..2_000_000))), 1..40),
            irq in proptest::option::of(0i64..50_000),
            blind in any::<bool>(),
        ) {
            let ops: Vec<RawOp> = ops.into_iter().map(|(start, len, before, counters)| {
                let diff = counters.map(|counters| Diff { counters, ..Diff::default() });
                op(start, start + len, before, diff.as_ref())
            }).collect();
            let sight = (!blind).then(sight);
            let (samples, _) = close(WHO, &ops, sight.as_ref(), irq);
            for s in &samples {
                prop_assert!(s.causes.closes(s.latency_ns));
                prop_assert_eq!(s.causes.0[ledger::DEVICE].is_none(), blind);
                prop_assert_eq!(s.pages_missed.is_none(), blind);
            }
        }
    }

    #[test]
    fn a_messages_time_in_the_queue_is_upstream() {
        let (samples, _) = close(
            WHO,
            &[op(1_000, 1_500, Some(400), None)],
            Some(&sight()),
            None,
        );
        assert_eq!(samples[0].latency_ns, 1_100);
        assert_eq!(samples[0].causes.0[UPSTREAM], Some(600));
        assert_eq!(samples[0].start_ns, 400);
    }

    #[test]
    fn waiting_for_a_message_that_was_not_sent_yet_is_nobodys_latency() {
        let mut diff = Diff::default();
        diff.counters[counter::BLOCKED_NS] = 3_000;
        let (samples, _) = close(
            WHO,
            &[op(1_000, 4_500, Some(3_900), Some(&diff))],
            Some(&sight()),
            None,
        );
        let s = &samples[0];
        assert_eq!((s.start_ns, s.latency_ns), (3_900, 600));
        assert_eq!(s.causes.0[UPSTREAM], Some(0));
        assert_eq!(s.causes.0[ledger::BLOCKED], Some(100));
    }

    fn by_account(latency_ns: u64, usage: UsageDiff) -> RawOp {
        let mut op = op(0, latency_ns, None, None);
        op.look.usage = Some(usage);
        op.class = Class::Unknown;
        op
    }

    /// Reads from the device are slower by themselves than hits, so they have a model of their own.
    #[test]
    fn without_a_ledger_the_account_tells_what_it_can_and_the_rest_is_missing() {
        let hit = UsageDiff {
            input_blocks: Some(0),
            run_delay_ns: Some(0),
            ..UsageDiff::default()
        };
        let read = UsageDiff {
            switches_voluntary: 1,
            input_blocks: Some(8),
            wall_ns: 90_000,
            cpu_ns: 20_000,
            run_delay_ns: Some(4_000),
            ..hit
        };
        let ops: Vec<RawOp> = (0..8)
            .flat_map(|_| [by_account(1_000, hit), by_account(80_000, read)])
            .collect();
        let (samples, models) = close(WHO, &ops, None, Some(9_999));
        let parts = [
            ledger::DEVICE,
            ledger::RUNQUEUE,
            ledger::SELF,
            ledger::RESIDUAL,
        ];
        let of = |s: &Sample| parts.map(|p| s.causes.0[p]);
        assert_eq!(of(&samples[0]), [Some(0), Some(0), Some(1_000), Some(0)]);
        assert_eq!(
            of(&samples[1]),
            [Some(66_000), Some(4_000), Some(10_000), Some(0)]
        );
        for s in &samples {
            assert!(s.causes.closes(s.latency_ns));
            for part in [ledger::WAKEUP, ledger::HARDIRQ, ledger::TIMER, ledger::IPI]
                .into_iter()
                .chain([ledger::SOFTIRQ, ledger::STEAL, ledger::GAP])
                .chain([IRQ_EXIT, ledger::INFLIGHT])
            {
                assert_eq!(s.causes.0[part], None, "{}", ledger::CAUSES[part].label);
            }
            assert!(s.pages_missed.is_none() && s.requests.is_none() && s.gaps.is_none());
            assert!(s.migrations.is_none() && s.interrupts.is_none() && s.request_ns.is_none());
            assert_eq!((s.class, s.faults), (Class::Unknown, Some(0)));
        }
        assert_eq!(samples[1].request_bytes, Some(4096));
        assert_eq!(samples[1].switches_voluntary, Some(1));
        let models = models.into_vec();
        assert!(models.iter().all(|m| m.pages_missed.is_none() && m.n == 8));
        assert_eq!(models.len(), 2);
    }

    #[test]
    fn without_a_ledger_and_an_account_everything_is_residual_and_nothing_is_zero() {
        let (samples, models) = close(WHO, &[op(0, 700, None, None)], None, None);
        let s = &samples[0];
        assert_eq!(s.causes.0[ledger::RESIDUAL], Some(700));
        assert!(s.causes.0[ledger::DEVICE].is_none() && s.causes.0[ledger::SELF].is_none());
        assert!(s.switches_voluntary.is_none() && s.gaps.is_none() && s.steal_late_ns.is_none());
        assert!(models.into_vec().is_empty());
    }
}
