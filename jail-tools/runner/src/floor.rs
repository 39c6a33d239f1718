//! The machine's own floor, measured beside the operations: a spin that does nothing but read the
//! clock and look at the same ledger.
//!
//! A long turn of it that no probe explains is the host's, or unseen: no experiment may call such
//! time its own. A turn with exactly one timer interrupt tells what that costs outside its
//! tracepoints (delivery, exit).

use probes::{Diff, counter};

use crate::clock::now_ns;
use crate::lens::Lens;

/// A turn counts as a gap above this. Far above a turn's own 0.1 µs, below any interrupt's cost
/// as measured on the guests that this was written on.
const GAP_NS: u64 = 5_000;

/// What the spin saw.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Floor {
    /// Gaps above 5 µs that no probe explains.
    pub unexplained: u64,
    /// Time spun, ns.
    pub spun_ns: u64,
    /// For each turn with exactly one timer interrupt and nothing else: its time outside the
    /// tracepoints, net of an ordinary turn, ns.
    pub irq_exit_ns: Vec<i64>,
}

impl Floor {
    /// Spins on the calling thread for this long, and adds what it saw.
    pub fn spin(&mut self, lens: &mut Lens, for_ns: u64) {
        lens.rebase();
        let first_ns = now_ns();
        let (mut last_ns, mut typical_ns, mut explained) = (first_ns, i64::MAX, false);
        while last_ns - first_ns < for_ns {
            let at_ns = now_ns();
            let diff = lens.diff_if_changed();
            let turn_ns = (at_ns - last_ns).cast_signed();
            last_ns = at_ns;
            typical_ns = typical_ns.min(turn_ns);
            match &diff {
                // What came between the clock and the look of the last turn was seen there.
                None if turn_ns > GAP_NS.cast_signed() && !explained => self.unexplained += 1,
                None => {}
                Some(diff) => self.irq_exit_ns.extend(outside(diff, turn_ns - typical_ns)),
            }
            explained = diff.is_some();
        }
        self.spun_ns += last_ns - first_ns;
    }

    /// Unexplained gaps per second; `None` if nothing was spun.
    #[must_use]
    pub fn gaps_per_s(&self) -> Option<f64> {
        (self.spun_ns > 0).then(|| self.unexplained as f64 * 1e9 / self.spun_ns as f64)
    }
}

/// Time of a turn with exactly one timer interrupt that stands in no tracepoint, ns.
fn outside(diff: &Diff, extra_ns: i64) -> Option<i64> {
    let get = |i| diff.get(i);
    let alone = get(counter::INTERRUPTS) == 1
        && get(counter::TIMERS) == 1
        && get(counter::SWITCHES_INVOLUNTARY) == 0
        && get(counter::SWITCHES_VOLUNTARY) == 0
        && get(counter::GAPS) == 0;
    // Every time counter: steal too, which the tick itself brings up to date.
    let inside: u64 = counter::TIMES.map(get).sum();
    alone
        .then_some(extra_ns - inside.cast_signed())
        .filter(|ns| *ns >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spin_without_a_ledger_still_counts_gaps() {
        let mut floor = Floor::default();
        floor.spin(&mut Lens::bare(), 2_000_000);
        assert!(floor.spun_ns >= 2_000_000);
        assert!(floor.gaps_per_s().is_some());
        assert!(floor.irq_exit_ns.is_empty());
    }
}
