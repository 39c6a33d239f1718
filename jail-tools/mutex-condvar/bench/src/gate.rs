//! The start gate: who arrives last opens it and takes the time.
//!
//! Nobody sleeps at it, so that none is released late by a wake-up; waiters yield between looks,
//! since there may be more of them than CPUs. No controller opens it: that would be one more
//! thread that has to get a CPU first.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::clock::monotonic_ns;

/// A one-shot gate for a fixed number of threads.
#[derive(Debug)]
pub(crate) struct Gate {
    expected: u32,
    arrived: AtomicU32,
    /// CLOCK_MONOTONIC of the opening; 0 while it is shut.
    opened_ns: AtomicU64,
    failed: AtomicBool,
}

impl Gate {
    pub(crate) fn new(expected: u32) -> Self {
        Self {
            expected,
            arrived: AtomicU32::new(0),
            opened_ns: AtomicU64::new(0),
            failed: AtomicBool::new(false),
        }
    }

    /// Arrives and waits for the others. False if one of them gave up instead.
    pub(crate) fn pass(&self) -> bool {
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.expected {
            self.opened_ns.store(monotonic_ns(), Ordering::Release);
        }
        while self.opened_ns() == 0 {
            if self.failed.load(Ordering::Acquire) {
                return false;
            }
            std::thread::yield_now();
        }
        true
    }

    /// Gives up: whoever waits is let go with `false`.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::Release);
    }

    /// When it opened; 0 while it is shut.
    pub(crate) fn opened_ns(&self) -> u64 {
        self.opened_ns.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_passes_before_the_last_and_the_time_is_from_there() {
        let (gate, before_ns) = (Gate::new(3), monotonic_ns());
        std::thread::scope(|s| {
            for _ in 0..3 {
                s.spawn(|| assert!(gate.pass()));
            }
        });
        assert!((before_ns..=monotonic_ns()).contains(&gate.opened_ns()));
    }

    #[test]
    fn one_that_gives_up_lets_the_others_go() {
        let gate = Gate::new(2);
        std::thread::scope(|s| {
            s.spawn(|| assert!(!gate.pass()));
            s.spawn(|| gate.fail());
        });
    }
}
