//! The gate: all measured threads arrive, then are released together.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Waiters spin so that none is released late by a wake-up; after this long they yield between
/// looks, in case there are more threads than CPUs.
const SPIN: Duration = Duration::from_micros(50);

/// A one-shot gate for a fixed number of threads.
#[derive(Debug)]
pub struct Gate {
    expected: u32,
    arrived: AtomicU32,
    failed: AtomicU32,
}

impl Gate {
    /// A gate that opens when this many have arrived.
    #[must_use]
    pub fn new(expected: u32) -> Self {
        Self {
            expected,
            arrived: AtomicU32::new(0),
            failed: AtomicU32::new(0),
        }
    }

    /// Arrives and waits for the others. False if one of them gave up instead.
    #[must_use]
    pub fn pass(&self) -> bool {
        self.arrived.fetch_add(1, Ordering::AcqRel);
        let since = Instant::now();
        while self.arrived.load(Ordering::Acquire) < self.expected {
            if self.failed.load(Ordering::Acquire) > 0 {
                return false;
            }
            if since.elapsed() > SPIN {
                std::thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
        }
        self.failed.load(Ordering::Acquire) == 0
    }

    /// Gives up: whoever waits is let go with `false`.
    pub fn fail(&self) {
        self.failed.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_passes_before_everybody_has_arrived() {
        let (gate, before) = (Gate::new(4), AtomicU32::new(0));
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    before.fetch_add(1, Ordering::SeqCst);
                    assert!(gate.pass());
                    assert_eq!(before.load(Ordering::SeqCst), 4);
                });
            }
        });
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
