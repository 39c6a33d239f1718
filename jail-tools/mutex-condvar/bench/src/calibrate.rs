//! How many messages make a trial of the wanted length. Pure.

/// Fewer say nothing about a queue: starting and ending would be most of it.
pub(crate) const MESSAGES_MIN: u64 = 400;

/// More are never needed: 20 s at the fastest that was seen.
const MESSAGES_MAX: u64 = 1 << 30;

/// A step up from a trial that was too short to tell.
const GROWTH_MAX: f64 = 16.0;

/// What a trial says about the number of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Too short to tell: try with so many.
    Again(u64),
    /// So many take about as long as wanted.
    Enough(u64),
}

/// The first number to try with.
pub(crate) fn least(equal_share: u64) -> u64 {
    whole(MESSAGES_MIN as f64, equal_share)
}

/// The next number, after so many messages took so long. A trial of a quarter of the wanted length
/// is near enough to scale from.
pub(crate) fn step(messages: u64, elapsed_ns: u64, wanted_ns: u64, equal_share: u64) -> Step {
    let scale = wanted_ns as f64 / elapsed_ns.max(1) as f64;
    let wanted = whole(messages as f64 * scale.min(GROWTH_MAX), equal_share);
    if scale <= 4.0 || messages >= MESSAGES_MAX {
        Step::Enough(wanted)
    } else {
        Step::Again(wanted)
    }
}

/// Within the bounds, and so that every thread has an equal share.
fn whole(messages: f64, equal_share: u64) -> u64 {
    let messages = (messages as u64).clamp(MESSAGES_MIN, MESSAGES_MAX);
    messages.div_ceil(equal_share) * equal_share
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_slow_queue_gets_the_least_and_no_less() {
        assert_eq!(
            step(400, 500_000_000, 20_000_000, 8),
            Step::Enough(MESSAGES_MIN)
        );
    }

    #[test]
    fn a_fast_one_is_approached_in_steps() {
        // 50 ns a message, 20 ms wanted.
        let (mut messages, mut steps) = (least(1), 0);
        while let Step::Again(more) = step(messages, messages * 50, 20_000_000, 1) {
            (messages, steps) = (more, steps + 1);
        }
        assert_eq!(
            step(messages, messages * 50, 20_000_000, 1),
            Step::Enough(400_000)
        );
        assert!(steps <= 3, "{steps}");
    }

    proptest! {
        #[test]
        fn everyone_has_an_equal_share(
            messages in 1u64..1 << 40, elapsed_ns in 0u64..1 << 40, share in 1u64..100,
        ) {
            let (Step::Again(n) | Step::Enough(n)) = step(messages, elapsed_ns, 20_000_000, share);
            prop_assert!(n.is_multiple_of(share) && n >= MESSAGES_MIN);
        }
    }
}
