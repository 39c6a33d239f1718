//! The clock: CLOCK_MONOTONIC, which is what `bpf_ktime_get_ns` reads too.

use nix::time::{ClockId, clock_gettime};

/// CLOCK_MONOTONIC, ns. Through the vDSO where the clock source allows it.
#[inline]
#[must_use]
pub fn now_ns() -> u64 {
    read(ClockId::CLOCK_MONOTONIC)
}

/// CLOCK_REALTIME, ns since the epoch.
#[must_use]
pub fn realtime_ns() -> u64 {
    read(ClockId::CLOCK_REALTIME)
}

#[inline]
#[allow(
    clippy::expect_used,
    reason = "a time that was not read must not look like one, and this cannot fail"
)]
fn read(clock: ClockId) -> u64 {
    // clock_gettime(2) fails only for a clock that does not exist, and these two always do.
    let time = clock_gettime(clock).expect("CLOCK_MONOTONIC and CLOCK_REALTIME exist");
    time.tv_sec().cast_unsigned() * 1_000_000_000 + time.tv_nsec().cast_unsigned()
}
