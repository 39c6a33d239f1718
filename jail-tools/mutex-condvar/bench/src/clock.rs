//! The clock of all stamps.

use nix::time::{ClockId, clock_gettime};

/// CLOCK_MONOTONIC, ns. It is one clock for all threads, read without a system call.
pub(crate) fn monotonic_ns() -> u64 {
    now_ns(ClockId::CLOCK_MONOTONIC)
}

/// CPU time of the calling thread, ns.
pub(crate) fn thread_cpu_ns() -> u64 {
    now_ns(ClockId::CLOCK_THREAD_CPUTIME_ID)
}

/// clock_gettime(2) fails for a clock that does not exist or a bad pointer; these two exist on
/// every Linux. 0 would show at once: as a gate that never opens, as no CPU time at all.
fn now_ns(clock: ClockId) -> u64 {
    clock_gettime(clock).map_or(0, |t| {
        t.tv_sec() as u64 * 1_000_000_000 + t.tv_nsec() as u64
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_run() {
        let (wall, cpu) = (monotonic_ns(), thread_cpu_ns());
        assert!(wall > 0 && monotonic_ns() >= wall && thread_cpu_ns() >= cpu);
    }
}
