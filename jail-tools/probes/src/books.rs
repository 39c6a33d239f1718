//! From two looks at a slot to what an operation gets. Pure.
//!
//! Two things the programs can book only later, at their next event on the thread's CPU: a
//! request that completed elsewhere while the thread went on, and a switch back that no probe
//! saw. The reader can tell both at once, so it gives them to the operation that they belong to;
//! what the programs book of them in a later one is taken off again.

use probes_ebpf::{COUNTERS, counter};
use serde::{Deserialize, Serialize};

/// All words of a slot that a reader needs, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Snapshot {
    pub(crate) counters: [u64; COUNTERS],
    pub(crate) completed: u64,
    pub(crate) completed_ns: u64,
    pub(crate) completed_late: u64,
    pub(crate) completed_at_ns: u64,
    pub(crate) lost: u64,
    pub(crate) off_since_ns: u64,
    pub(crate) flight_since_ns: u64,
    pub(crate) flight_times_ns: u64,
}

/// What a slot's words grew by during one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Diff {
    /// By [`counter`].
    pub counters: [u64; COUNTERS],
    /// Block requests that completed within it.
    pub completed: u64,
    /// Their time from issue to completion, summed, ns.
    pub completed_ns: u64,
    /// Completions that were found never to have reached a probe.
    pub lost: u64,
}

impl Diff {
    /// By how much one counter grew.
    #[must_use]
    pub fn get(&self, index: usize) -> u64 {
        self.counters[index]
    }
}

impl Snapshot {
    /// A flight that ended on another CPU while this thread went on: no program has booked it
    /// yet, because none ran here since. Ns.
    fn unbooked_flight_ns(&self) -> Option<u64> {
        let landed = self.completed + self.completed_late + self.lost;
        if self.flight_since_ns == 0 || self.counters[counter::REQUESTS] > landed {
            return None;
        }
        let times_ns = counter::flight_times_ns(&self.counters);
        let flown_ns = self.completed_at_ns.saturating_sub(self.flight_since_ns);
        let other_ns = times_ns.saturating_sub(self.flight_times_ns);
        Some(flown_ns.saturating_sub(other_ns))
    }
}

/// What was given to which operation so far.
#[derive(Debug, Default)]
pub(crate) struct Books {
    last: Snapshot,
    /// When the thread was switched away, for a switch back that was not seen and whose gap was
    /// given already.
    gap: Option<u64>,
}

impl Books {
    /// The sequence word as last read.
    #[inline]
    pub(crate) fn sequence(&self) -> u64 {
        self.last.counters[counter::SEQUENCE]
    }

    /// Starts an operation: what was booked since the last one is nobody's.
    pub(crate) fn rebase(&mut self, now: &Snapshot) {
        if self.gap.is_some_and(|off| off != now.off_since_ns) {
            self.gap = None;
        }
        self.last = *now;
    }

    /// Ends an operation: what it gets. `at_ns` is CLOCK_MONOTONIC, and needed only if the slot
    /// says that the thread is switched away.
    pub(crate) fn close(&mut self, now: &Snapshot, at_ns: u64) -> Diff {
        let mut diff = Diff {
            completed: now.completed.wrapping_sub(self.last.completed),
            completed_ns: now.completed_ns.wrapping_sub(self.last.completed_ns),
            lost: now.lost.wrapping_sub(self.last.lost),
            ..Diff::default()
        };
        for (i, d) in diff.counters.iter_mut().enumerate() {
            *d = now.counters[i].wrapping_sub(self.last.counters[i]);
        }
        self.flights(now, &mut diff);
        self.gaps(now, at_ns, &mut diff);
        self.last = *now;
        diff
    }

    /// A flight belongs to the operation in which it began. The programs drop one that is still
    /// unbooked when the next operation has begun, so nothing is given twice.
    fn flights(&self, now: &Snapshot, diff: &mut Diff) {
        if now.flight_since_ns != self.last.flight_since_ns {
            diff.counters[counter::INFLIGHT_NS] += now.unbooked_flight_ns().unwrap_or(0);
        }
    }

    fn gaps(&mut self, now: &Snapshot, at_ns: u64, diff: &mut Diff) {
        if self.gap.is_some_and(|off| off != now.off_since_ns) {
            // Healed: booked up to the healing event, of which the time until the last
            // operation's end was given, and since when the thread ran.
            let gaps = diff.counters[counter::GAPS].saturating_sub(1);
            diff.counters[counter::GAPS] = gaps;
            if gaps == 0 {
                diff.counters[counter::GAP_NS] = 0;
            }
            self.gap = None;
        }
        if now.off_since_ns != 0 && self.gap.is_none() {
            diff.counters[counter::GAPS] += 1;
            diff.counters[counter::GAP_NS] += at_ns.saturating_sub(now.off_since_ns);
            self.gap = Some(now.off_since_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(usize, u64)]) -> Snapshot {
        let mut s = Snapshot::default();
        for (i, v) in pairs {
            s.counters[*i] = *v;
        }
        s
    }

    #[test]
    fn a_flight_that_landed_elsewhere_is_given_to_its_own_operation_only() {
        let mut books = Books::default();
        books.rebase(&Snapshot::default());
        let mut landed = with(&[(counter::REQUESTS, 1)]);
        (landed.completed, landed.completed_at_ns) = (1, 1_500);
        (landed.flight_since_ns, landed.flight_times_ns) = (1_000, 0);
        assert_eq!(books.close(&landed, 0).get(counter::INFLIGHT_NS), 500);
        // No program has run since: the next operation finds it still there.
        books.rebase(&landed);
        assert_eq!(books.close(&landed, 0).get(counter::INFLIGHT_NS), 0);
    }

    #[test]
    fn a_gap_belongs_to_the_operation_in_which_the_thread_was_away() {
        let mut books = Books::default();
        books.rebase(&Snapshot::default());
        let away = Snapshot {
            off_since_ns: 2_000,
            ..Snapshot::default()
        };
        let first = books.close(&away, 5_000);
        assert_eq!(
            (first.get(counter::GAP_NS), first.get(counter::GAPS)),
            (3_000, 1)
        );
        // Healed by an event in the next operation, which booked up to that event.
        books.rebase(&away);
        let healed = with(&[(counter::GAP_NS, 3_700), (counter::GAPS, 1)]);
        let second = books.close(&healed, 0);
        assert_eq!(
            (second.get(counter::GAP_NS), second.get(counter::GAPS)),
            (0, 0)
        );
    }

    #[test]
    fn a_gap_that_is_healed_between_operations_is_not_taken_off_a_later_one() {
        let mut books = Books::default();
        let away = Snapshot {
            off_since_ns: 2_000,
            ..Snapshot::default()
        };
        let _ = books.close(&away, 5_000);
        books.rebase(&with(&[(counter::GAP_NS, 3_700), (counter::GAPS, 1)]));
        let later = books.close(&with(&[(counter::GAP_NS, 4_700), (counter::GAPS, 2)]), 0);
        assert_eq!(
            (later.get(counter::GAP_NS), later.get(counter::GAPS)),
            (1_000, 1)
        );
    }

    #[test]
    fn steal_that_comes_late_does_not_eat_a_flight() {
        let mut landed = with(&[(counter::REQUESTS, 1), (counter::STEAL_NS, 9_999)]);
        (
            landed.completed,
            landed.completed_at_ns,
            landed.flight_since_ns,
        ) = (1, 1_500, 1_000);
        assert_eq!(landed.unbooked_flight_ns(), Some(500));
    }
}
