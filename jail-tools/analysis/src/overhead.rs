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
    let against = mine.first().map_or_else(String::new, |s| s.against.clone());
    let pairs: Vec<(&Shot, &Shot)> = mine
        .iter()
        .filter_map(|s| {
            Some((
                *s,
                shots
                    .iter()
                    .find(|b| b.arm == against && b.round == s.round)?,
            ))
        })
        .collect();
    let median = |values: Vec<f64>| Sorted::of(&values).estimate(0.5);
    let paired = |f: fn(&Shot, &Shot) -> f64| median(pairs.iter().map(|(a, b)| f(a, b)).collect());
    ArmCost {
        arm: arm.into(),
        against: against.clone(),
        rounds: pairs.len(),
        pread_ns: median(mine.iter().map(|s| s.pread_p50_ns).collect()),
        pread_ratio: paired(|a, b| a.pread_p50_ns / b.pread_p50_ns),
        pread_added_ns: paired(|a, b| a.pread_p50_ns - b.pread_p50_ns),
        getppid_ns: median(mine.iter().map(|s| s.getppid_p50_ns).collect()),
        getppid_ratio: paired(|a, b| a.getppid_p50_ns / b.getppid_p50_ns),
        getppid_added_ns: paired(|a, b| a.getppid_p50_ns - b.getppid_p50_ns),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shot(round: u32, arm: &str, ns: f64) -> Shot {
        Shot {
            round,
            arm: arm.into(),
            against: "bare".into(),
            pread_p50_ns: ns,
            getppid_p50_ns: 100.0,
        }
    }

    #[test]
    fn drift_between_rounds_cancels_within_them() {
        let shots: Vec<Shot> = (0..9)
            .flat_map(|r| {
                [
                    shot(r, "bare", 500.0 + f64::from(r) * 100.0),
                    shot(r, "x", (500.0 + f64::from(r) * 100.0) * 1.5),
                ]
            })
            .collect();
        let costs = summarise(&shots, &["bare", "x"]);
        let ratio = costs[1].pread_ratio.unwrap();
        assert_eq!(
            (ratio.value, ratio.low, ratio.high),
            (1.5, Some(1.5), Some(1.5))
        );
        assert!((costs[0].pread_ratio.unwrap().value - 1.0).abs() < 1e-12);
    }

    #[test]
    fn an_arm_without_its_partner_has_no_ratio() {
        let costs = summarise(&[shot(0, "x", 5.0)], &[]);
        assert_eq!((costs[0].rounds, costs[0].pread_ratio), (0, None));
        assert!(costs[0].pread_ns.is_some());
    }
}
