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

/// # Panics
/// If clock_gettime(2) fails, which it does for a clock that does not exist; these two exist on
/// every Linux. A figure made of a time that is not known would be worse than none.
fn now_ns(clock: ClockId) -> u64 {
    match clock_gettime(clock) {
        Ok(t) => t.tv_sec() as u64 * 1_000_000_000 + t.tv_nsec() as u64,
        Err(errno) => panic!("clock_gettime({clock}): {errno}"),
    }
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
