//! Which offsets are read, in which order. Pure.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// Offsets of `count` reads of `size` bytes within `[0, span)`.
///
/// `distinct` gives ranges that don't overlap, in random order: as many as fit, at most `count`.
/// Otherwise ranges are drawn with replacement.
pub(super) fn random(seed: u64, span: u64, size: u64, count: u64, distinct: bool) -> Vec<u64> {
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let ranges = span / size;
    if distinct {
        let mut all: Vec<u64> = (0..ranges).map(|i| i * size).collect();
        all.shuffle(&mut rng);
        all.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        all
    } else if ranges == 0 {
        Vec::new()
    } else {
        (0..count)
            .map(|_| rng.random_range(0..ranges) * size)
            .collect()
    }
}

/// Offsets of `count` reads of `size` bytes one after the other within `[0, span)`, starting over
/// at the end if `wrap`.
pub(super) fn sequential(span: u64, size: u64, count: u64, wrap: bool) -> Vec<u64> {
    let ranges = span / size;
    if ranges == 0 {
        return Vec::new();
    }
    let count = if wrap { count } else { count.min(ranges) };
    (0..count).map(|i| (i % ranges) * size).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn cold_ranges_are_distinct_and_inside() {
        let offsets = random(7, 1 << 20, 4096, 1_000, true);
        assert_eq!(offsets.len(), 256, "as many as fit");
        assert_eq!(offsets.iter().collect::<HashSet<_>>().len(), 256);
        assert!(offsets.iter().all(|o| o % 4096 == 0 && o + 4096 <= 1 << 20));
        assert_ne!(
            offsets,
            random(8, 1 << 20, 4096, 1_000, true),
            "the seed matters"
        );
        assert_eq!(
            offsets,
            random(7, 1 << 20, 4096, 1_000, true),
            "and nothing else"
        );
    }

    #[test]
    fn sequential_reads_stop_at_the_end_unless_they_wrap() {
        assert_eq!(sequential(12288, 4096, 5, false), [0, 4096, 8192]);
        assert_eq!(sequential(12288, 4096, 5, true), [0, 4096, 8192, 0, 4096]);
        assert!(sequential(100, 4096, 5, true).is_empty());
    }
}
