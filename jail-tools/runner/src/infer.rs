//! From a thread's account around an operation to parts of its ledger. Pure.
//!
//! A thread that was not switched away never left the CPU: four parts are known to be 0. Of one
//! that was, the time off the CPU is what the clock on the wall has more than the thread's own,
//! and schedstat tells how much of that it could have run. What the account cannot split is
//! booked under one part, and the other is missing, not 0:
//!
//! | switches | block input | time off the CPU |
//! |---|---|---|
//! | none | | device, blocked, run queue, preempted are 0 |
//! | involuntary only | | `preempted`: it never slept |
//! | voluntary | none | run delay to `run queue`, the sleep to `blocked` |
//! | voluntary | some | run delay to `run queue`, the sleep to `device`; `blocked` is missing, inside it |
//! | both | | as voluntary; `preempted` is missing, inside `run queue` |
//!
//! Run delay is too little by what it leaves out: for a wake-up that preempts at once, an idle CPU's
//! above all, the kernel saves itself the second reading of the clock (`rq_clock_skip_update` in
//! `wakeup_preempt`, kernel/sched/core.c). It counts 0 then, and the thread's own clock starts at
//! the wake-up, so that such a wait is inside what the operation did itself. Of other wake-ups it
//! has a few µs more than probes call run queue: it begins where the thread is queued
//! (`sched_info_enqueue`), before the tracepoint `sched_wakeup`.
//!
//! The thread's clock does not run while a hypervisor has the CPU (`CONFIG_PARAVIRT_TIME_ACCOUNTING`),
//! nor in interrupts with `CONFIG_IRQ_TIME_ACCOUNTING`: in operations that were switched away, the
//! sleep can hold some of both. Everything is cut down to what fits into the operation, because
//! the looks are outside it.

use record::grade::Grade;
use record::ledger::{BLOCKED, CAUSES, Causes, DEVICE, PARTS, PREEMPTED, RUNQUEUE, SELF, WAKEUP};
use record::manifest::{PartGrade, Usage};

use crate::usage::{UsageDiff, UsageSight};

/// The parts that this account tells of an operation.
///
/// `idle_ns` of the window are nobody's (a wait for a message that was not sent yet); `room_ns` is
/// the rest of it.
#[must_use]
pub fn infer(seen: &UsageDiff, idle_ns: i64, room_ns: i64) -> Causes {
    let mut causes = Causes([None; PARTS]);
    let mut book = |part: usize, ns: i64| causes.0[part] = Some(ns);
    let signed = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
    let (idle_ns, room_ns) = (idle_ns.max(0), room_ns.max(0));
    let off_ns = signed(seen.wall_ns.saturating_sub(seen.cpu_ns));
    let fits = |ns: i64| ns.min(off_ns).min(room_ns);
    let queued_ns = seen.run_delay_ns.map(|ns| fits(signed(ns)));
    if seen.switches_voluntary == 0 {
        book(DEVICE, 0);
        book(BLOCKED, 0);
        book(RUNQUEUE, 0);
        let preempted = seen.switches_involuntary > 0;
        let away_ns = queued_ns.unwrap_or(fits(off_ns));
        book(PREEMPTED, if preempted { away_ns } else { 0 });
        return causes;
    }
    if let Some(ns) = queued_ns {
        book(RUNQUEUE, ns);
    }
    if seen.switches_involuntary == 0 {
        book(PREEMPTED, 0);
    }
    let queued_ns = queued_ns.unwrap_or(0);
    let slept_ns = (off_ns - queued_ns)
        .saturating_sub(idle_ns)
        .clamp(0, room_ns - queued_ns);
    match seen.input_blocks {
        Some(0) => {
            book(DEVICE, 0);
            book(BLOCKED, slept_ns);
        }
        Some(_) => book(DEVICE, slept_ns),
        None => book(BLOCKED, slept_ns),
    }
    causes
}

/// Did nothing touch the operation that the account could tell? A read that had to wait for its
/// device is undisturbed all the same. Interrupts are not told.
#[must_use]
pub fn undisturbed(seen: &UsageDiff) -> bool {
    let waited = seen.input_blocks.is_some_and(|n| n > 0);
    seen.switches_involuntary == 0 && seen.faults == 0 && (waited || seen.switches_voluntary == 0)
}

/// The kind of operation, for the model of the undisturbed one.
#[must_use]
pub fn kind(seen: &UsageDiff) -> &'static str {
    match seen.input_blocks {
        Some(0) => "without block input, by getrusage",
        Some(_) => "with block input, by getrusage",
        None => "block input unknown",
    }
}

/// What the parts rest on, for the record; or why there is no account that they could rest on.
#[must_use]
pub fn grades(sight: Result<&UsageSight, &str>) -> Usage {
    match sight {
        Ok(sight) => of_the_account(sight),
        Err(why) => Usage {
            read: Vec::new(),
            parts: [DEVICE, BLOCKED, WAKEUP, RUNQUEUE, PREEMPTED, SELF]
                .map(|part| PartGrade {
                    column: CAUSES[part].column.into(),
                    grade: Grade::Unavailable { why: why.into() },
                })
                .into(),
        },
    }
}

fn of_the_account(sight: &UsageSight) -> Usage {
    let read = [
        Some("getrusage(RUSAGE_THREAD)"),
        Some("CLOCK_THREAD_CPUTIME_ID"),
        sight
            .run_delay
            .is_ok()
            .then_some("/proc/thread-self/schedstat"),
    ];
    let inferred = |part: usize, how: &str| PartGrade {
        column: CAUSES[part].column.into(),
        grade: Grade::Inferred {
            how: format!("getrusage and schedstat around the operation: {how}"),
        },
    };
    let unavailable = |part: usize, why: String| PartGrade {
        column: CAUSES[part].column.into(),
        grade: Grade::Unavailable { why },
    };
    let asleep = "time off the CPU less the wait to run, in operations that slept";
    let device = match &sight.input {
        Ok(()) => inferred(
            DEVICE,
            &format!("{asleep} and asked a device for blocks; other sleep of theirs is inside it"),
        ),
        Err(why) => unavailable(DEVICE, format!("{why}: it is inside blocked")),
    };
    let blocked = match &sight.input {
        Ok(()) => inferred(
            BLOCKED,
            &format!("{asleep} and asked no device for blocks; an earlier operation may have"),
        ),
        Err(_) => inferred(BLOCKED, &format!("{asleep}; device waits are inside it")),
    };
    let queue = match &sight.run_delay {
        Ok(()) => inferred(
            RUNQUEUE,
            "run delay of operations that slept, from queued to running: the kernel counts none for a wake-up that preempts at once, \
             whose wait is inside self; where they were preempted too, that is inside it",
        ),
        Err(why) => unavailable(RUNQUEUE, format!("{why}: it is inside the sleep")),
    };
    Usage {
        read: read.into_iter().flatten().map(Into::into).collect(),
        parts: vec![
            device,
            blocked,
            unavailable(
                WAKEUP,
                "only probes tell it from the sleep: it is inside device and blocked".into(),
            ),
            queue,
            inferred(
                PREEMPTED,
                "time off the CPU in operations that were switched away and never slept",
            ),
            inferred(
                SELF,
                "median of what undisturbed operations leave over, in the same trial; interrupts are not told",
            ),
        ],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use record::ledger;

    use super::*;

    const READ: UsageDiff = UsageDiff {
        switches_voluntary: 1,
        switches_involuntary: 0,
        faults: 0,
        input_blocks: Some(8),
        wall_ns: 100_000,
        cpu_ns: 30_000,
        run_delay_ns: Some(5_000),
    };

    /// Device, blocked, run queue, preempted.
    fn four(seen: &UsageDiff, idle_ns: i64, room_ns: i64) -> [Option<i64>; 4] {
        let c = infer(seen, idle_ns, room_ns);
        [DEVICE, BLOCKED, RUNQUEUE, PREEMPTED].map(|part| c.0[part])
    }

    #[test]
    fn a_read_that_waited_for_its_device() {
        assert_eq!(
            four(&READ, 0, 99_000),
            [Some(65_000), None, Some(5_000), Some(0)]
        );
    }

    #[test]
    fn a_sleep_without_input_is_somebody_elses() {
        let seen = UsageDiff {
            input_blocks: Some(0),
            ..READ
        };
        assert_eq!(
            four(&seen, 0, 99_000),
            [Some(0), Some(65_000), Some(5_000), Some(0)]
        );
    }

    #[test]
    fn a_thread_that_was_not_switched_away_never_left_the_cpu() {
        // Whatever the clocks say: the hypervisor's time is in their difference too.
        let seen = UsageDiff {
            switches_voluntary: 0,
            ..READ
        };
        assert_eq!(four(&seen, 0, 99_000), [Some(0); 4]);
        let unknown = UsageDiff {
            run_delay_ns: None,
            input_blocks: None,
            ..seen
        };
        assert_eq!(four(&unknown, 0, 99_000), [Some(0); 4]);
    }

    #[test]
    fn a_thread_that_was_only_preempted_never_slept() {
        let seen = UsageDiff {
            switches_voluntary: 0,
            switches_involuntary: 2,
            input_blocks: Some(0),
            ..READ
        };
        assert_eq!(
            four(&seen, 0, 99_000),
            [Some(0), Some(0), Some(0), Some(5_000)]
        );
        let blind = UsageDiff {
            run_delay_ns: None,
            ..seen
        };
        assert_eq!(
            four(&blind, 0, 99_000),
            [Some(0), Some(0), Some(0), Some(70_000)]
        );
    }

    #[test]
    fn what_cannot_be_split_is_missing_and_not_0() {
        let both = UsageDiff {
            switches_involuntary: 1,
            ..READ
        };
        assert_eq!(four(&both, 0, 99_000)[3], None);
        let blind = UsageDiff {
            input_blocks: None,
            run_delay_ns: None,
            ..READ
        };
        assert_eq!(four(&blind, 0, 99_000), [None, Some(70_000), None, Some(0)]);
    }

    #[test]
    fn a_wait_for_a_message_that_was_not_sent_yet_is_nobodys() {
        let seen = UsageDiff {
            input_blocks: Some(0),
            ..READ
        };
        assert_eq!(
            four(&seen, 60_000, 39_000),
            [Some(0), Some(5_000), Some(5_000), Some(0)]
        );
    }

    proptest! {
        #[test]
        fn the_parts_fit_into_the_operation_and_the_ledger_closes(
            (voluntary, involuntary, faults) in (0u64..3, 0u64..3, 0u64..3),
            (wall_ns, cpu_ns) in (any::<u64>(), any::<u64>()),
            run_delay_ns in proptest::option::of(any::<u64>()),
            input_blocks in proptest::option::of(0u64..20),
            (idle_ns, room_ns) in (any::<i64>(), 0i64..1 << 50),
        ) {
            let seen = UsageDiff {
                switches_voluntary: voluntary, switches_involuntary: involuntary, faults, input_blocks,
                wall_ns, cpu_ns, run_delay_ns,
            };
            let causes = infer(&seen, idle_ns, room_ns);
            prop_assert!(causes.0.iter().flatten().all(|ns| *ns >= 0));
            prop_assert!(causes.sum_ns() <= room_ns);
            prop_assert!(ledger::close(room_ns, causes, None).causes.closes(room_ns));
            // What this account cannot tell is missing, whatever it says.
            for (part, ns) in causes.0.iter().enumerate() {
                let may = [DEVICE, BLOCKED, RUNQUEUE, PREEMPTED].contains(&part);
                prop_assert!(may || ns.is_none());
            }
        }
    }

    #[test]
    fn every_part_that_is_ever_booked_has_a_grade_and_only_those_are_inferred() {
        let why = || Err("absent".to_owned());
        for (run_delay, input) in [
            (Ok(()), Ok(())),
            (why(), Ok(())),
            (Ok(()), why()),
            (why(), why()),
        ] {
            let seen = UsageDiff {
                input_blocks: input.is_ok().then_some(8),
                run_delay_ns: run_delay.is_ok().then_some(5_000),
                ..READ
            };
            let causes = infer(&seen, 0, 99_000);
            let grades = grades(Ok(&UsageSight { run_delay, input }));
            for part in [DEVICE, BLOCKED, RUNQUEUE, PREEMPTED] {
                let unavailable = matches!(
                    grades.of(CAUSES[part].column),
                    Some(Grade::Unavailable { .. })
                );
                assert!(grades.of(CAUSES[part].column).is_some());
                assert!(!unavailable || causes.0[part].is_none(), "{part}");
            }
            assert_eq!(grades.absent(), None);
        }
    }

    #[test]
    fn without_an_account_every_part_that_it_would_tell_says_why_not() {
        let account = UsageSight {
            run_delay: Ok(()),
            input: Ok(()),
        };
        let why = "getrusage(RUSAGE_THREAD): EPERM";
        let absent = grades(Err(why));
        for part in grades(Ok(&account)).parts {
            assert_eq!(
                absent.of(&part.column),
                Some(&Grade::Unavailable { why: why.into() })
            );
        }
        assert_eq!(absent.absent(), Some(why));
        assert!(absent.read.is_empty());
    }
}
