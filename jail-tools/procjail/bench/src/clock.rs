//! The clock of all stamps.

use nix::time::{ClockId, clock_gettime};

/// CLOCK_MONOTONIC, ns: one clock for the sender and for a receiver in another process.
///
/// # Panics
/// If clock_gettime(2) fails, which it does for a clock that does not exist; this one exists on
/// every Linux. A figure made of a time that is not known would be worse than none.
pub(crate) fn monotonic_ns() -> u64 {
    match clock_gettime(ClockId::CLOCK_MONOTONIC) {
        Ok(t) => t.tv_sec() as u64 * 1_000_000_000 + t.tv_nsec() as u64,
        Err(errno) => panic!("clock_gettime(CLOCK_MONOTONIC): {errno}"),
    }
}
