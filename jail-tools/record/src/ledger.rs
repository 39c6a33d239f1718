//! The ledger: an operation's latency, cut into disjoint net causes that sum to the whole.
//!
//! Law 1. `close` is the only place where a ledger is made, and it makes the sum true by
//! construction: what no cause explains is the signed residual.

use serde::{Deserialize, Serialize};

/// One cause of time, and the column of the `samples` table that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// Column of the `samples` table.
    pub column: &'static str,
    /// Short name for a person.
    pub label: &'static str,
    /// What the time was spent on, and how it is known.
    pub about: &'static str,
}

/// Time before this thread's window, stamped elsewhere (a message waiting in a queue).
pub const UPSTREAM: usize = 0;
/// Asleep while a block request of this thread was in flight.
pub const DEVICE: usize = 1;
/// Asleep for any other reason.
pub const BLOCKED: usize = 2;
/// From the waker's decision to the run queue.
pub const WAKEUP: usize = 3;
/// On the run queue after a wake-up.
pub const RUNQUEUE: usize = 4;
/// Runnable but not running, having been preempted.
pub const PREEMPTED: usize = 5;
/// Device interrupt handlers.
pub const HARDIRQ: usize = 6;
/// Local timer interrupts.
pub const TIMER: usize = 7;
/// Inter-processor interrupts.
pub const IPI: usize = 8;
/// Softirqs.
pub const SOFTIRQ: usize = 9;
/// Stolen by the hypervisor, by its own account.
pub const STEAL: usize = 10;
/// Off-CPU time whose end was missed and healed.
pub const GAP: usize = 11;
/// Delivery and exit of timer interrupts, outside their tracepoints.
pub const IRQ_EXIT: usize = 12;
/// On the CPU while a block request of this thread was in flight.
pub const INFLIGHT: usize = 13;
/// Number of causes that are measured or calibrated.
pub const MEASURED: usize = 14;
/// Model of the undisturbed operation.
pub const SELF: usize = 14;
/// What nothing explains. Signed.
pub const RESIDUAL: usize = 15;
/// Number of parts of a ledger.
pub const PARTS: usize = 16;

const fn cause(column: &'static str, label: &'static str, about: &'static str) -> Cause {
    Cause {
        column,
        label,
        about,
    }
}

/// All parts of a ledger, in the order of [`Causes`].
pub const CAUSES: [Cause; PARTS] = [
    cause(
        "ledger_upstream_ns",
        "upstream",
        "before this thread's window, from a stamp taken elsewhere",
    ),
    cause(
        "ledger_device_ns",
        "device",
        "asleep while a block request of this thread was in flight",
    ),
    cause(
        "ledger_blocked_ns",
        "blocked",
        "asleep with no request of its own in flight: locks, somebody else's I/O",
    ),
    cause(
        "ledger_wakeup_ns",
        "wake-up",
        "from sched_waking to sched_wakeup: IPI and idle exit of the target CPU",
    ),
    cause(
        "ledger_runqueue_ns",
        "run queue",
        "from sched_wakeup until it ran",
    ),
    cause(
        "ledger_preempted_ns",
        "preempted",
        "runnable, but another task had the CPU",
    ),
    cause(
        "ledger_hardirq_ns",
        "hard irq",
        "irq_handler_entry to exit, while it was current",
    ),
    cause(
        "ledger_timer_ns",
        "timer irq",
        "local_timer_entry to exit, while it was current",
    ),
    cause(
        "ledger_ipi_ns",
        "ipi",
        "reschedule, call-function and irq-work vectors, while it was current",
    ),
    cause(
        "ledger_softirq_ns",
        "softirq",
        "softirq_entry to exit, net of interrupts inside",
    ),
    cause(
        "ledger_steal_ns",
        "steal",
        "the hypervisor's own account (kvm_steal_time), net",
    ),
    cause(
        "ledger_gap_ns",
        "gap",
        "off the CPU, but the switch back never reached the probe (healed)",
    ),
    cause(
        "ledger_irqexit_ns",
        "irq exit",
        "inferred: timer interrupts' delivery and exit, outside their tracepoints",
    ),
    cause(
        "ledger_inflight_ns",
        "in flight",
        "on the CPU, or in its hypervisor, while a block request of this operation was in flight",
    ),
    cause(
        "ledger_self_ns",
        "self",
        "inferred: the undisturbed operation, calibrated in the same trial",
    ),
    cause(
        "ledger_residual_ns",
        "residual",
        "unattributed: may be the host's, or unseen",
    ),
];

/// Nanoseconds by cause; `None` where the cause could not be observed (never 0 for that).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Causes(pub [Option<i64>; PARTS]);

impl Causes {
    /// Sum of all parts that are known, ns.
    #[must_use]
    pub fn sum_ns(&self) -> i64 {
        self.0.iter().flatten().sum()
    }

    /// Sum of the measured and calibrated causes (neither self nor residual), ns.
    #[must_use]
    pub fn attributed_ns(&self) -> i64 {
        self.0[..MEASURED].iter().flatten().sum()
    }

    /// Do the parts sum to this latency, exactly?
    #[must_use]
    pub fn closes(&self, latency_ns: i64) -> bool {
        self.sum_ns() == latency_ns
    }
}

/// A closed ledger, and the part of steal that it could not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed {
    /// The parts; they sum to the latency.
    pub causes: Causes,
    /// Steal that was reported during the operation but does not fit into it: the record
    /// refreshes only at an interrupt or a switch, up to a tick late, so it is an earlier one's.
    pub steal_late_ns: i64,
}

/// Closes an operation's ledger.
///
/// `measured` holds the causes that probes saw (self and residual are ignored), `self_ns` the
/// model of the undisturbed operation. Gaps and the hypervisor's steal are credited only as far as
/// there is time left that nothing else explains; everything else is taken as it was measured, and the
/// residual, which may be negative, makes the sum exact.
#[must_use]
pub fn close(latency_ns: i64, measured: Causes, self_ns: Option<i64>) -> Closed {
    let mut causes = measured;
    causes.0[SELF] = self_ns;
    causes.0[RESIDUAL] = None;
    // An upper bound: the switch back came some time before the end.
    credit(&mut causes, GAP, latency_ns);
    let steal_late_ns = credit(&mut causes, STEAL, latency_ns);
    causes.0[RESIDUAL] = Some(latency_ns - causes.sum_ns());
    Closed {
        causes,
        steal_late_ns,
    }
}

/// Cuts a part down to the time that no other part explains; returns what was cut off.
fn credit(causes: &mut Causes, part: usize, latency_ns: i64) -> i64 {
    let Some(claimed_ns) = causes.0[part] else {
        return 0;
    };
    causes.0[part] = Some(0);
    let room_ns = (latency_ns - causes.sum_ns()).max(0);
    causes.0[part] = Some(claimed_ns.min(room_ns));
    claimed_ns - claimed_ns.min(room_ns)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn causes() -> impl Strategy<Value = Causes> {
        proptest::array::uniform16(proptest::option::of(0..10_000_000i64)).prop_map(Causes)
    }

    proptest! {
        #[test]
        fn every_ledger_closes(latency in 0..1_000_000_000i64, c in causes(), own in proptest::option::of(0..100_000i64)) {
            let closed = close(latency, c, own);
            prop_assert!(closed.causes.closes(latency));
            prop_assert!(closed.steal_late_ns >= 0);
        }

        #[test]
        fn a_cause_that_was_not_observed_stays_missing(latency in 0..1_000_000i64, c in causes()) {
            let closed = close(latency, c, None);
            for i in 0..MEASURED {
                prop_assert_eq!(closed.causes.0[i].is_none(), c.0[i].is_none());
            }
        }
    }

    #[test]
    fn steal_that_belongs_to_an_earlier_operation_is_not_credited_to_this_one() {
        let mut c = Causes::default();
        c.0[STEAL] = Some(3_000_000);
        let closed = close(1_000, c, Some(700));
        assert_eq!(closed.causes.0[STEAL], Some(300));
        assert_eq!(closed.steal_late_ns, 2_999_700);
        assert_eq!(closed.causes.0[RESIDUAL], Some(0));
    }
}
