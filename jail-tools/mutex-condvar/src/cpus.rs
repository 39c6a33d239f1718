//! On how many CPUs the threads that wait were seen.
//!
//! An affinity mask would not tell: threads pinned to a CPU each have masks of one, and may
//! well spin; a process moved to one CPU by taskset must not, whatever its threads' masks were
//! at the start. So each waiter notes where it is, which costs a look into the vDSO.

use crate::sync::{self, Hint32, Hint64, Ordering};

/// Where threads of this process waited for a lock, whichever. (Queues have sets of their own.)
pub(crate) static SEEN: Cpus = Cpus::new();

/// A set of CPUs, forgotten when nothing comes of it.
#[derive(Debug)]
pub(crate) struct Cpus {
    /// A bit per CPU, modulo 64: two CPUs that share a bit count as one, which only forgoes
    /// some spinning on a machine that has more.
    seen: Hint64,
    /// Spins in a row that were for nothing.
    failures: Hint32,
}

/// After so many spins for nothing the set starts anew: its threads may have been moved to one
/// CPU. (A queue that has given up polling still tries it once in 33 waits, so that this takes
/// half a millisecond of waits there.)
const FAILURES: u32 = 16;

impl Cpus {
    pub(crate) const fn new() -> Self {
        Self {
            seen: Hint64::new(0),
            failures: Hint32::new(0),
        }
    }

    /// Notes the calling thread's CPU; how many are known, at least 1. Where the kernel does
    /// not say: 1.
    pub(crate) fn look(&self) -> u32 {
        let Some(cpu) = sync::current_cpu() else {
            return 1;
        };
        let mine = 1 << (cpu % 64);
        let known = self.seen.load(Ordering::Relaxed);
        if known & mine == 0 {
            self.seen.fetch_or(mine, Ordering::Relaxed);
        }
        (known | mine).count_ones()
    }

    /// Learns whether a spin was good for anything. Races may lose a count; they only defer
    /// the new start.
    pub(crate) fn learn(&self, paid: bool) {
        let failures = self.failures.load(Ordering::Relaxed);
        let failures = match (paid, failures) {
            (true, 0) => return,
            (true, _) => 0,
            (false, _) => failures + 1,
        };
        if failures < FAILURES {
            self.failures.store(failures, Ordering::Relaxed);
            return;
        }
        self.failures.store(0, Ordering::Relaxed);
        self.seen.store(0, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(crate) fn pretend_all(&self) {
        self.seen.store(u64::MAX, Ordering::Relaxed);
    }
}
