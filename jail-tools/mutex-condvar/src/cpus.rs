//! On how many CPUs the threads that wait were seen.
//!
//! An affinity mask would not tell: threads pinned to a CPU each have masks of one, and may
//! well spin; a process moved to one CPU by taskset must not, whatever its threads' masks were
//! at the start. So each waiter notes where it is, which costs a look into the vDSO.

use crate::sync::{self, Hint32, Hint64, Ordering};

/// Where threads of this process waited for a lock, whichever. (Queues have sets of their own.)
pub(crate) static SEEN: Cpus = Cpus::new();

/// A set of CPUs, forgotten and learned again all the time.
#[derive(Debug)]
pub(crate) struct Cpus {
    /// A bit per CPU, modulo 64: two CPUs that share a bit count as one, which only forgoes
    /// some spinning on a machine that has more.
    seen: Hint64,
    looks: Hint32,
}

/// After so many looks the set starts anew, so that threads that were moved notice: in some
/// milliseconds, with one look in 33 waits. More often, and the set would be incomplete most
/// of the time.
const LOOKS: u32 = 64;

impl Cpus {
    pub(crate) const fn new() -> Self {
        Self {
            seen: Hint64::new(0),
            looks: Hint32::new(0),
        }
    }

    /// Notes the calling thread's CPU; how many are known, at least 1. Where the kernel does
    /// not say: 1.
    pub(crate) fn look(&self) -> u32 {
        let Some(cpu) = sync::current_cpu() else {
            return 1;
        };
        let mine = 1 << (cpu % 64);
        // The counts may be lost to a race: only when the set is forgotten depends on them.
        let looks = self.looks.load(Ordering::Relaxed).wrapping_add(1);
        self.looks.store(looks, Ordering::Relaxed);
        let known = self.seen.load(Ordering::Relaxed);
        if looks.is_multiple_of(LOOKS) {
            self.seen.store(mine, Ordering::Relaxed);
        } else if known & mine == 0 {
            self.seen.fetch_or(mine, Ordering::Relaxed);
        }
        (known | mine).count_ones()
    }

    #[cfg(test)]
    pub(crate) fn pretend_all(&self) {
        self.seen.store(u64::MAX, Ordering::Relaxed);
    }
}
