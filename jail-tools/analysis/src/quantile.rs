//! Quantiles, with intervals that assume no distribution.
//!
//! A quantile is the **nearest rank**: the smallest observed value that at least the share `p` of
//! the observations does not exceed (R's type 1). It is always a latency that really occurred,
//! which an interpolation between two modes (a hit and a miss) is not.
//!
//! The interval comes from order statistics: how many of `n` independent observations lie below
//! the true quantile is binomial, whatever their distribution, so two ranks bracket it with at
//! least 95 %. Where the sample has no such rank (the upper end of p99.9 needs some 3,700
//! operations) that end is `None`: the data cannot bound it. Operations of one trial are *not*
//! independent; [`crate::bootstrap`] is there for that.

use record::verdict::Estimate;
use statrs::distribution::{Binomial, DiscreteCDF};

/// Quantiles that are reported.
pub const REPORTED: [f64; 4] = [0.5, 0.9, 0.99, 0.999];

/// Probability that may lie outside an interval, on each side.
pub const TAIL: f64 = 0.025;

/// A sorted copy of some observations; the caller's keep their order in time.
#[derive(Debug, Clone, Default)]
pub struct Sorted(Vec<f64>);

impl Sorted {
    /// Copies and sorts. NaN, which no latency can be, is left out.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let mut copy: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
        copy.sort_unstable_by(f64::total_cmp);
        Self(copy)
    }

    /// Number of observations.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The observations in ascending order.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// The largest.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        self.0.last().copied()
    }

    /// The quantile at `p`.
    #[must_use]
    pub fn quantile(&self, p: f64) -> Option<f64> {
        self.0.get(rank(self.0.len(), p)?.checked_sub(1)?).copied()
    }

    /// The quantile at `p` with its binomial 95 % interval.
    #[must_use]
    pub fn estimate(&self, p: f64) -> Option<Estimate> {
        let value = self.quantile(p)?;
        let (low, high) = interval_ranks(self.0.len(), p);
        let at = |rank: Option<usize>| rank.and_then(|r| self.0.get(r - 1)).copied();
        Some(Estimate {
            value,
            low: at(low),
            high: at(high),
        })
    }
}

/// Rank, from 1, of the quantile at `p` among `n` observations.
#[must_use]
pub fn rank(n: usize, p: f64) -> Option<usize> {
    // 0.07 * 100 is 7.000000000000001 in binary; without the allowance it would be rank 8.
    let exact = (n as f64 * p - 1e-9).ceil();
    (n > 0 && (0.0..=1.0).contains(&p)).then(|| (exact.max(1.0) as usize).min(n))
}

/// Ranks, from 1, of the two ends of the 95 % interval of the quantile at `p`; `None` for an end
/// that `n` observations cannot bound.
///
/// The lower is the largest `l` with P(B < l) <= 2.5 %, the upper the smallest `u` with
/// P(B < u) >= 97.5 %, where B is binomial(n, p): the number of observations below the quantile.
#[must_use]
pub fn interval_ranks(n: usize, p: f64) -> (Option<usize>, Option<usize>) {
    let Ok(below) = Binomial::new(p, n as u64) else {
        return (None, None);
    };
    if n == 0 {
        return (None, None);
    }
    let low = smallest(n, |k| below.cdf(k as u64) > TAIL);
    let high = smallest(n, |k| below.cdf(k as u64) >= 1.0 - TAIL) + 1;
    ((low > 0).then_some(low), (high <= n).then_some(high))
}

/// Smallest `k` in `0..=n` for which the monotone condition holds (`n` if only that can).
fn smallest(n: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut from, mut to) = (0, n);
    while from < to {
        let middle = from + (to - from) / 2;
        if holds(middle) {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    from
}

/// The interval that contains both: what is printed, so that neither kind of uncertainty is
/// understated. An end that either cannot bound stays unbounded.
#[must_use]
pub fn wider(a: Estimate, b: Estimate) -> Estimate {
    Estimate {
        value: a.value,
        low: a.low.zip(b.low).map(|(x, y)| x.min(y)),
        high: a.high.zip(b.high).map(|(x, y)| x.max(y)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn p999_of_a_thousand_operations_has_no_upper_bound() {
        let values: Vec<f64> = (1..=1000).map(f64::from).collect();
        let e = Sorted::of(&values).estimate(0.999).unwrap();
        assert!((e.value - 999.0).abs() < f64::EPSILON);
        assert!(e.low.is_some());
        assert_eq!(e.high, None);
    }

    #[test]
    fn nothing_has_no_quantile() {
        assert_eq!(Sorted::of(&[]).estimate(0.5), None);
        assert_eq!(Sorted::of(&[f64::NAN]).quantile(0.5), None);
    }

    #[test]
    fn a_rank_is_not_pushed_up_by_binary_fractions() {
        assert_eq!(rank(100, 0.07), Some(7));
        assert_eq!(rank(10, 0.9), Some(9));
        assert_eq!(rank(1, 0.0), Some(1));
    }

    proptest! {
        #[test]
        fn the_interval_contains_the_estimate(n in 1usize..5_000, p in 0.001f64..0.9999) {
            let k = rank(n, p).unwrap();
            let (low, high) = interval_ranks(n, p);
            prop_assert!(low.is_none_or(|l| l <= k));
            prop_assert!(high.is_none_or(|h| h >= k));
        }

        #[test]
        fn quantiles_rise_with_p_and_the_caller_keeps_its_order(
            values in proptest::collection::vec(0.0f64..1e9, 1..400), p in 0.0f64..1.0, q in 0.0f64..1.0,
        ) {
            let before = values.clone();
            let sorted = Sorted::of(&values);
            prop_assert_eq!(before, values);
            prop_assert!(sorted.quantile(p.min(q)) <= sorted.quantile(p.max(q)));
        }

        #[test]
        fn a_wider_interval_contains_both(a in 0.0f64..1.0, b in 0.0f64..1.0, c in 0.0f64..1.0, d in 0.0f64..1.0) {
            let one = Estimate { value: 0.5, low: Some(a), high: Some(b) };
            let two = Estimate { value: 0.5, low: Some(c), high: Some(d) };
            let both = wider(one, two);
            prop_assert!(both.low <= one.low && both.low <= two.low);
            prop_assert!(both.high >= one.high && both.high >= two.high);
        }
    }
}
