//! The share of operations of which something is true, with its interval.

use record::verdict::Estimate;
use statrs::distribution::{Beta, ContinuousCDF};

use crate::quantile::TAIL;

/// The share `k`/`n` with its Clopper–Pearson 95 % interval: exact for independent operations,
/// also where all or none of them agree. `None` when there are no operations.
#[must_use]
pub fn estimate(k: u64, n: u64) -> Option<Estimate> {
    let k = k.min(n);
    let value = (n > 0).then(|| k as f64 / n as f64)?;
    let (hits, others) = (k as f64, (n - k) as f64);
    let at = |a: f64, b: f64, p: f64| Beta::new(a, b).ok().map(|beta| invert(&beta, p));
    Some(Estimate {
        value,
        low: if k == 0 {
            Some(0.0)
        } else {
            at(hits, others + 1.0, TAIL)
        },
        high: if k == n {
            Some(1.0)
        } else {
            at(hits + 1.0, others, 1.0 - TAIL)
        },
    })
}

/// The point below which the distribution has the probability `p`, by bisection down to the
/// spacing of doubles.
fn invert(beta: &Beta, p: f64) -> f64 {
    let (mut from, mut to) = (0.0f64, 1.0f64);
    for _ in 0..60 {
        let middle = f64::midpoint(from, to);
        if beta.cdf(middle) < p {
            from = middle;
        } else {
            to = middle;
        }
    }
    f64::midpoint(from, to)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_of_a_thousand_is_not_proof_of_all() {
        let e = estimate(1000, 1000).unwrap();
        // (alpha/2)^(1/n), the closed form at k = n.
        assert!((e.low.unwrap() - 0.025f64.powf(1e-3)).abs() < 1e-9);
        assert_eq!(e.high, Some(1.0));
    }

    #[test]
    fn no_operations_have_no_share() {
        assert_eq!(estimate(0, 0), None);
    }

    proptest! {
        #[test]
        fn the_interval_contains_the_share(n in 1u64..100_000, k in 0u64..100_000) {
            let e = estimate(k, n).unwrap();
            prop_assert!(e.low.unwrap() <= e.value + 1e-12 && e.value <= e.high.unwrap() + 1e-12);
        }
    }
}
