//! Is there an order of the calls, true to the times at which they did not overlap, in which
//! a sequential queue gives the same answers?
//!
//! The search of Wing and Gong ("Testing and verifying concurrent objects", 1993): take any
//! call as the next one that began before the first end of those that are left, and go back
//! if that leads nowhere; with Lowe's addition ("Testing for linearizability", 2017): what
//! has been tried, as the set of calls taken and the state, is not tried again.

use std::collections::HashSet;

use crate::history::Call;
use crate::spec::Spec;

struct Search<'a> {
    calls: &'a [Call],
    /// Calls taken, a bit each, and the state after them.
    tried: HashSet<(u64, Spec)>,
}

/// Can the history be explained by the specification?
///
/// # Panics
/// More than 64 calls.
pub(crate) fn is_linearizable(calls: &[Call], spec: &Spec) -> bool {
    assert!(calls.len() <= 64, "a bit each");
    let mut search = Search {
        calls,
        tried: HashSet::new(),
    };
    search.goes_on(0, spec)
}

impl Search<'_> {
    fn goes_on(&mut self, taken: u64, state: &Spec) -> bool {
        let left = |(index, _): &(usize, &Call)| taken & (1 << index) == 0;
        let calls = self.calls.iter().enumerate().filter(left);
        let Some(first_end) = calls.clone().map(|(_, call)| call.ended).min() else {
            return true;
        };
        for (index, call) in calls.filter(|(_, call)| call.begun < first_end) {
            let Some(after) = state.after(call.asked, &call.answered) else {
                continue;
            };
            let with_it = taken | 1 << index;
            if self.tried.insert((with_it, after.clone())) && self.goes_on(with_it, &after) {
                return true;
            }
        }
        false
    }
}
