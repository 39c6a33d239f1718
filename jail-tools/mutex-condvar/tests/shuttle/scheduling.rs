//! Polling and yielding, as the checker likes.

use shuttle::rand::{Rng, thread_rng};

pub(crate) const YIELDS: u32 = 2;

pub(crate) fn pause() {}

pub(crate) fn yield_now() {
    shuttle::thread::yield_now();
}

/// One CPU, two, or unknown: spinning seems to pay in some places and not in others.
pub(crate) fn current_cpu() -> Option<usize> {
    match thread_rng().gen_range(0..3) {
        0 => None,
        cpu => Some(cpu),
    }
}
