//! Warnings that teach: what was found, why it matters, what to do next.

use record::manifest::RunEnd;
use serde::Serialize;

use crate::warnings::Warning;

/// A warning in words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Advice {
    /// The warning as data.
    pub warning: Warning,
    /// What was found.
    pub what: String,
    /// Why it matters.
    pub why: &'static str,
    /// What to do next.
    pub next: &'static str,
}

impl From<Warning> for Advice {
    fn from(warning: Warning) -> Self {
        let (why, next) = explain(&warning);
        Self {
            what: what(&warning),
            why,
            next,
            warning,
        }
    }
}

fn what(w: &Warning) -> String {
    match w {
        Warning::Partial {
            end,
            complete,
            planned,
        } => {
            let how = match end {
                None => "It was killed, or still runs",
                Some(RunEnd::Interrupted) => "It was interrupted",
                Some(RunEnd::Failed) => "An error ended it",
                Some(RunEnd::Complete) => "Trials are missing",
            };
            format!("This run is partial: {complete} of {planned} trials. {how}.")
        }
        Warning::Damaged { what } => format!("Left out, because it cannot be read: {what}."),
        Warning::TrialsLost {
            crashed,
            failed,
            timed_out,
            first,
        } => {
            format!(
                "Trials without rows: {crashed} crashed, {failed} failed, {timed_out} timed out ({first})."
            )
        }
        Warning::OpenLedgers { cell, rows } => format!("{cell}: {rows} ledgers don't close."),
        Warning::OperationErrors { cell, errors, n } => {
            format!("{cell}: {errors} of {n} operations returned an error; they count nowhere.")
        }
        Warning::PreconditionMissed {
            experiment,
            name,
            missed,
            checked,
            detail,
        } => {
            format!(
                "{experiment}: precondition `{name}` missed {missed} of {checked} times ({detail})."
            )
        }
        Warning::Losses { losses: l } => format!(
            "Lost on the way: {} ring records, {} block requests, {} completions never seen, {} torn reads, {} exits without a start.",
            l.ring_drops, l.request_drops, l.completions, l.torn_reads, l.orphans
        ),
        Warning::GapsHealed { gaps } => {
            format!("{gaps} switches never reached the probe and were healed.")
        }
        Warning::FewRounds { experiment, rounds } => {
            format!("{experiment}: only {rounds} round(s).")
        }
        Warning::Noisy {
            cell,
            min_ns,
            max_ns,
        } => {
            format!(
                "{cell}: trials' medians go from {min_ns:.0} to {max_ns:.0} ns (× {:.2}).",
                max_ns / min_ns
            )
        }
        Warning::UnboundedQuantile { p, cells } => {
            format!(
                "Too few operations to bound p{} from above: {}.",
                p * 100.0,
                cells.join("; ")
            )
        }
        _ => what_of_conditions(w),
    }
}

fn what_of_conditions(w: &Warning) -> String {
    match w {
        Warning::Steal {
            proc_stat_ms,
            ledger_ns,
            ops,
        } => {
            let proc_stat = proc_stat_ms.map_or("unavailable".into(), |ms| format!("{ms} ms"));
            let inside = ledger_ns.zip(*ops).map_or_else(
                || "unavailable inside operations".into(),
                |(ns, ops)| format!("{:.3} ms inside {ops} operations", ns as f64 / 1e6),
            );
            format!("Stolen by the hypervisor: {proc_stat} by /proc/stat, {inside}.")
        }
        Warning::InvoluntarySwitches { ops, switches } => {
            format!("Other tasks took the CPU {switches} times, within {ops} operations.")
        }
        Warning::LargeResidual { cell, share } => {
            format!(
                "{cell}: {:.0} % of the time is off the ledger's explanation, signs ignored.",
                share * 100.0
            )
        }
        Warning::StallsAboveFloor {
            cell,
            stalls_per_s,
            floor_per_s,
        } => format!(
            "{cell}: {stalls_per_s:.0} unexplained stalls per second above 5 µs, against {floor_per_s:.0} of the machine's own."
        ),
        Warning::NoFloor => "The machine's own floor of stalls was not measured.".into(),
        Warning::WeakSelfModel { cell, class, n } => {
            format!(
                "{cell}: the model of an undisturbed operation ({class}) rests on {n} operations in one trial."
            )
        }
        Warning::Disagreement {
            cell,
            differing,
            compared,
            reason,
        } => {
            format!(
                "{cell}: probe and oracle differ about {differing} of {compared} operations, most often: {reason}."
            )
        }
        Warning::InterruptElsewhere {
            interrupt,
            irq_cpus,
            measured_cpus,
        } => format!(
            "The device's interrupt {interrupt} arrives on CPU {}; measured: CPU {}.",
            list(irq_cpus),
            list(measured_cpus)
        ),
        Warning::IdlePolicy { policy } => format!("Idle policy: {policy}."),
        Warning::Degraded { item } => format!("Degraded: {item}."),
        Warning::NotArmed { names, why, blind } => {
            let blind = blind
                .as_deref()
                .map(|b| format!("; not seen without: {b}"))
                .unwrap_or_default();
            format!("Not armed: {} ({why}{blind}).", names.join(", "))
        }
        Warning::HostChangeRefused { asked, why } => {
            format!("Asked of the host, but refused: {asked} ({why}).")
        }
        _ => "The observer's cost was not measured on this machine.".into(),
    }
}

fn list(cpus: &[u32]) -> String {
    cpus.iter()
        .map(u32::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Why it matters, and what to do next.
fn explain(w: &Warning) -> (&'static str, &'static str) {
    match w {
        Warning::Partial { .. } => (
            "Finished trials are whole, but cells can have different numbers of rounds.",
            "Run it again for the rest, or read the intervals with the rounds that there are.",
        ),
        Warning::Damaged { .. } => (
            "Every file of a trial has a checksum, and a file that fails it proves nothing.",
            "Check the disk; the other trials are unaffected.",
        ),
        Warning::TrialsLost { .. } => (
            "If it is the slow trials that die, those that are left look too good.",
            "Read status in `export --table trials`; a trial that times out needs a larger budget.",
        ),
        Warning::OpenLedgers { .. } => (
            "The parts of a ledger sum to the latency by construction: the record is damaged or the tool is wrong.",
            "Don't use this cell; please report it with the run directory.",
        ),
        Warning::OperationErrors { .. } => (
            "A call that fails is fast or slow for other reasons than one that succeeds.",
            "Look up the errno: negative values of `result` in `export --table samples`.",
        ),
        Warning::PreconditionMissed { .. } => (
            "Operations outside the condition are not what the cell's name says.",
            "Trust the class of each operation rather than the cell's name; `doctor` names what disturbs.",
        ),
        Warning::Losses { .. } => (
            "What was lost cannot be blamed: its time is in the residual, its pages and requests are missing.",
            "Run it again on a quieter machine; if it stays, lower the rate of operations.",
        ),
        Warning::GapsHealed { .. } => (
            "Their off-CPU time is known, but not its cause: it is booked as `gap`.",
            "Pin the measured threads; on some guests a few gaps are normal.",
        ),
        Warning::FewRounds { .. } => (
            "Trials differ more than the operations within one, and so few cannot show by how much.",
            "Leave out --quick, or ask for more rounds.",
        ),
        Warning::Noisy { .. } => (
            "Something changed between trials: a virtual CPU that moved, a neighbour, the device.",
            "Ask for more rounds, try --isolate; compare trials of a round, not the totals.",
        ),
        Warning::UnboundedQuantile { .. } => (
            "The slowest operation that was seen is no bound on the slowest that there is.",
            "Ask for more rounds: an upper bound of p99.9 needs some 3,700 operations.",
        ),
        _ => explain_conditions(w),
    }
}

fn explain_conditions(w: &Warning) -> (&'static str, &'static str) {
    match w {
        Warning::Steal { .. } => (
            "The kernel's account of steal is too low, and reaches the ledger up to a tick late.",
            "Take p99 and above as the machine's as much as the kernel's; use a host with no neighbours.",
        ),
        Warning::InvoluntarySwitches { .. } => (
            "Those operations waited for others; the ledger books it as `preempted`.",
            "Try --isolate, or another CPU; p50 and p90 hardly suffer.",
        ),
        Warning::LargeResidual { .. } => (
            "No probe saw that time: it may be the host's, or the model of the undisturbed operation is off.",
            "Compare the rate of stalls with the machine's floor; run with every probe armed.",
        ),
        Warning::StallsAboveFloor { .. } => (
            "The machine alone does not stall as often, so some cause in the guest goes unseen.",
            "Look at the operations with the largest ledger_residual_ns in `export --table samples`.",
        ),
        Warning::NoFloor => (
            "Without it, unexplained stalls can be the machine's own or the kernel's, and nobody can tell.",
            "Let a trial run to its end; the floor is measured beside the operations.",
        ),
        Warning::WeakSelfModel { .. } => (
            "`self` and `residual` of such operations are then a guess; their sum is not.",
            "Ask for more operations per trial, or quieten the machine.",
        ),
        Warning::Disagreement { .. } => (
            "The oracle looks before the operation and the probe within it; the cache can change in between.",
            "Reasons are listed under the cell; a reason that you don't expect means something else uses the file.",
        ),
        Warning::InterruptElsewhere { .. } => (
            "A completion on another CPU has to wake this one; on the same CPU its handler interrupts the operation.",
            "Measure on both (--cpus), and compare cold cells only on the same CPU.",
        ),
        Warning::IdlePolicy { .. } => (
            "Leaving an idle state is part of every operation that sleeps (tens of µs on a virtual machine).",
            "Run with --idle poll as well, and report both.",
        ),
        Warning::Degraded { .. } => (
            "The run went on with what there was.",
            "See what was not seen, above, and what would change it.",
        ),
        Warning::NotArmed { .. } => (
            "What they would have shown is unavailable, which is not zero.",
            "See what was not seen, above, and what would change it.",
        ),
        Warning::HostChangeRefused { .. } => (
            "The measurement ran under the host's own setting.",
            "Run as root on a kernel that allows it, or read the result as one under this condition.",
        ),
        _ => (
            "Probes and counters slow what they watch, and nobody knows by how much here.",
            "Run `jail-tools overhead`.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killed_run_says_so_and_what_to_do() {
        let advice = Advice::from(Warning::Partial {
            end: None,
            complete: 3,
            planned: 12,
        });
        assert_eq!(
            advice.what,
            "This run is partial: 3 of 12 trials. It was killed, or still runs."
        );
        assert!(!advice.why.is_empty() && !advice.next.is_empty());
    }

    #[test]
    fn steal_that_could_not_be_read_is_not_zero() {
        let advice = Advice::from(Warning::Steal {
            proc_stat_ms: Some(20),
            ledger_ns: None,
            ops: None,
        });
        assert!(
            advice.what.contains("unavailable inside") && !advice.what.contains(" 0"),
            "{}",
            advice.what
        );
    }
}
