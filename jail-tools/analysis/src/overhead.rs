//! The observer's cost from its measurement: paired within rounds, medians with intervals.

use record::overhead::Shot;
use record::verdict::Estimate;
use serde::Serialize;

use crate::quantile::Sorted;

/// One arm, over all rounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArmCost {
    /// What observed.
    pub arm: String,
    /// What it is compared with.
    pub against: String,
    /// Rounds in which both were measured.
    pub rounds: usize,
    /// Median over rounds of the read's median, ns.
    pub pread_ns: Option<Estimate>,
    /// Median over rounds of the ratio to the other arm in the same round.
    pub pread_ratio: Option<Estimate>,
    /// The same as a difference, ns.
    pub pread_added_ns: Option<Estimate>,
    /// Median over rounds of the other system call's median, ns.
    pub getppid_ns: Option<Estimate>,
    /// Its ratio.
    pub getppid_ratio: Option<Estimate>,
    /// Its difference, ns.
    pub getppid_added_ns: Option<Estimate>,
}

/// Summarises the shots, arms in the order of their first appearance in `order`, then the rest.
///
/// Ratios are taken within a round, so that what drifts between rounds cancels; the interval is
/// the order-statistics interval of the median over rounds.
#[must_use]
pub fn summarise(shots: &[Shot], order: &[&str]) -> Vec<ArmCost> {
    let mut arms: Vec<&str> = order
        .iter()
        .copied()
        .filter(|a| shots.iter().any(|s| s.arm == *a))
        .collect();
    for shot in shots {
        if !arms.contains(&shot.arm.as_str()) {
            arms.push(&shot.arm);
        }
    }
    arms.iter().map(|arm| cost(shots, arm)).collect()
}

fn cost(shots: &[Shot], arm: &str) -> ArmCost {
    let mine: Vec<&Shot> = shots.iter().filter(|s| s.arm == arm).collect();
    let over = |f: fn(&Shot) -> f64| {
        let values: Vec<f64> = mine.iter().map(|s| f(s)).collect();
        Sorted::of(&values).estimate(0.5)
    };
    ArmCost {
        arm: arm.into(),
        against: mine.first().map_or_else(String::new, |s| s.against.clone()),
        rounds: mine.len(),
        pread_ns: over(|s| s.observed.pread_p50_ns),
        pread_ratio: over(|s| s.observed.pread_p50_ns / s.base.pread_p50_ns),
        pread_added_ns: over(|s| s.observed.pread_p50_ns - s.base.pread_p50_ns),
        getppid_ns: over(|s| s.observed.getppid_p50_ns),
        getppid_ratio: over(|s| s.observed.getppid_p50_ns / s.base.getppid_p50_ns),
        getppid_added_ns: over(|s| s.observed.getppid_p50_ns - s.base.getppid_p50_ns),
    }
}

#[cfg(test)]
mod tests {
    use record::overhead::Medians;

    use super::*;

    fn medians(ns: f64) -> Medians {
        Medians {
            pread_p50_ns: ns,
            getppid_p50_ns: 100.0,
        }
    }

    #[test]
    fn drift_between_rounds_cancels_within_them() {
        let shots: Vec<Shot> = (0..9)
            .map(|round| {
                let bare = 500.0 + f64::from(round) * 100.0;
                Shot {
                    round,
                    arm: "x".into(),
                    against: "bare".into(),
                    observed: medians(bare * 1.5),
                    base: medians(bare - 50.0).midway(medians(bare + 50.0)),
                }
            })
            .collect();
        let costs = summarise(&shots, &["bare", "x"]);
        assert_eq!(costs.len(), 1);
        let ratio = costs[0].pread_ratio.unwrap();
        assert!((ratio.value - 1.5).abs() < 1e-12 && ratio.low.is_some() && ratio.high.is_some());
        let added = costs[0].pread_added_ns.unwrap();
        assert!((added.value - 450.0).abs() < 1e-9, "{added:?}");
    }
}
