//! Whether to poll or to yield before sleeping: learned from what it was good for.

use crate::cpus::Cpus;
use crate::raw;
use crate::sync::{self, Hint32, Ordering};

/// The experience of one side of a queue. Threads learn without a lock: what gets lost by
/// that is an experience, no more.
#[derive(Debug)]
pub(crate) struct Patience {
    polling: Habit,
    yielding: Habit,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Self {
            polling: Habit::new(),
            yielding: Habit::new(),
        }
    }

    /// Polls and yields for as long as that has paid lately; true if `ready` was.
    pub(crate) fn look(&self, cpus: &Cpus, ready: impl Fn() -> bool) -> bool {
        self.polling
            .try_it(|| raw::spin(cpus, raw::ITEM_PAUSES, &ready))
            || self.yielding.try_it(|| yields(&ready))
    }
}

fn yields(ready: impl Fn() -> bool) -> bool {
    (0..sync::YIELDS).any(|_| {
        sync::yield_now();
        ready()
    })
}

/// Something that is done while it pays, given up when it does not, and tried again now and
/// then.
#[derive(Debug)]
pub(crate) struct Habit {
    /// At least [`WORTH_IT`]: it is done. Below, it was refused so many times since.
    credit: Hint32,
}

const WORTH_IT: u32 = 32;
const CREDIT_MAX: u32 = WORTH_IT + 8;
/// What an attempt that did not pay costs, where one that did earns 1: it must pay two times in
/// three.
const FAILURE: u32 = 2;
const MAY_FAIL: u32 = WORTH_IT + FAILURE;

impl Habit {
    pub(crate) fn new() -> Self {
        Self {
            credit: Hint32::new(CREDIT_MAX - 4),
        }
    }

    pub(crate) fn try_it(&self, attempt: impl FnOnce() -> bool) -> bool {
        let credit = self.credit.load(Ordering::Relaxed);
        if credit < WORTH_IT {
            // After as many refusals it is tried once: it costs a few percent of the sleeps
            // in between if it still does not pay.
            self.credit.store(credit + 1, Ordering::Relaxed);
            return false;
        }
        let paid = attempt();
        let credit = match (paid, credit) {
            (true, _) => (credit + 1).min(CREDIT_MAX),
            (false, WORTH_IT..MAY_FAIL) => 0,
            (false, _) => credit - FAILURE,
        };
        self.credit.store(credit, Ordering::Relaxed);
        paid
    }
}
