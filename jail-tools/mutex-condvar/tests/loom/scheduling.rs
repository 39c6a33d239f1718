//! Nobody polls: loom lets any other thread run anywhere, and a loop would not end.

pub(crate) const YIELDS: u32 = 0;

pub(crate) fn pause() {}

pub(crate) fn yield_now() {}

/// Unknown, which means: not worth spinning.
pub(crate) fn current_cpu() -> Option<usize> {
    None
}
