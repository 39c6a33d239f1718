//! Judges the predictions that a plan made before the run.
//!
//! A claim *holds* when its whole 95 % interval satisfies it, is *refuted* when the whole interval
//! violates it, and is otherwise undecided: *noise* where the interval is so narrow around "no
//! effect" that more rounds would decide nothing of interest, else *inconclusive*.

use record::plan::Claim;
use record::verdict::{Estimate, Judgement, Standing};
use record::{Cell, Expectation, Plan, Selector};

use crate::conditions::{self, Condition};
use crate::figure::{Figure, Judged, pair, value};

/// With fewer rounds nothing is said to hold: two rounds do not show how rounds differ.
pub const ROUNDS_MIN: u32 = 3;

/// A ratio within this of 1 is no effect in practice.
const EQUIVALENT: f64 = 0.02;

/// More rounds than this are not worth proposing.
const MORE_ROUNDS_MAX: f64 = 10_000.0;

/// Judges every expectation of a plan. `cells` are those of the plan, in any order.
#[must_use]
pub fn judge(plan: &Plan, cells: &[Judged<'_>], conditions: &[Condition]) -> Vec<Judgement> {
    let expectations = plan.definition.expectations.iter();
    expectations
        .map(|e| judge_one(e, plan, cells, conditions))
        .collect()
}

fn judge_one(
    e: &Expectation,
    plan: &Plan,
    cells: &[Judged<'_>],
    conditions: &[Condition],
) -> Judgement {
    let of = |cell: &Cell| cells.iter().find(|c| c.rows.cell.id == cell.id);
    let left = plan.cells.iter().filter(|c| e.left.matches(c));
    let figures: Vec<Figure> = left
        .filter_map(|cell| match e.claim {
            Claim::AtLeast(_) => Some((of(cell)?.rows.label.clone(), value(e.metric, of(cell)?))),
            Claim::RatioAtLeast(_) | Claim::RatioAtMost(_) => {
                let right = partner(cell, e, plan).and_then(of);
                Some(pair(e.metric, of(cell)?, right))
            }
        })
        .collect();
    let standing = combine(e.claim, &figures, conditions);
    let figures = figures
        .into_iter()
        .map(|(label, f)| (label, f.ok().map(|f| f.0)))
        .collect();
    Judgement {
        expectation: e.id.clone(),
        says: e.says.clone(),
        figures,
        standing,
    }
}

/// The cell of the right side that agrees with `cell` in every factor that neither side names.
fn partner<'a>(cell: &Cell, e: &Expectation, plan: &'a Plan) -> Option<&'a Cell> {
    let nothing = Selector::default();
    let right = e.right.as_ref().unwrap_or(&nothing);
    let named = |factor: &String| e.left.0.contains_key(factor) || right.0.contains_key(factor);
    plan.cells
        .iter()
        .filter(|c| right.matches(c) && c.id != cell.id)
        .find(|other| {
            cell.levels
                .iter()
                .all(|(factor, level)| named(factor) || other.levels.get(factor) == Some(level))
        })
}

/// The verdict on all pairs of an expectation: the worst of them.
fn combine(claim: Claim, figures: &[Figure], conditions: &[Condition]) -> Standing {
    let measured = || figures.iter().filter_map(|(_, f)| f.as_ref().ok());
    let why = figures
        .iter()
        .find_map(|(label, f)| f.as_ref().err().map(|why| format!("{label}: {why}")));
    if measured().next().is_none() {
        let why =
            why.unwrap_or_else(|| "no cell of this run is of the kind that it speaks of".into());
        return Standing::NotMeasured { why };
    }
    let verdicts: Vec<Standing> = measured()
        .filter_map(|(e, rounds)| undecided(claim, *e, *rounds))
        .collect();
    if verdicts.contains(&Standing::Refuted) {
        return Standing::Refuted;
    }
    let asked = verdicts.iter().filter_map(|v| match v {
        Standing::Inconclusive { more_rounds } => Some(*more_rounds),
        _ => None,
    });
    // One pair for which no number of rounds can be named leaves none for all of them.
    if let Some(more_rounds) = asked.reduce(|a, b| a.zip(b).map(|(a, b)| a.max(b))) {
        return Standing::Inconclusive { more_rounds };
    }
    if !verdicts.is_empty() {
        return Standing::Noise;
    }
    match (conditions::standing(conditions), why) {
        (Standing::Property, None) => Standing::Property,
        (Standing::Conditional { under, mut untried }, why) => {
            untried.extend(why);
            Standing::Conditional { under, untried }
        }
        (_, why) => Standing::Conditional {
            under: conditions.iter().map(|c| c.tried.clone()).collect(),
            untried: why.into_iter().collect(),
        },
    }
}

/// `None` when the claim holds of this figure, else what is the matter.
fn undecided(claim: Claim, e: Estimate, rounds: u32) -> Option<Standing> {
    let (threshold, at_least, is_ratio) = match claim {
        Claim::AtLeast(t) => (t, true, false),
        Claim::RatioAtLeast(t) => (t, true, true),
        Claim::RatioAtMost(t) => (t, false, true),
    };
    if rounds < ROUNDS_MIN {
        return Some(Standing::Inconclusive {
            more_rounds: Some(ROUNDS_MIN - rounds),
        });
    }
    let above = e.low.is_some_and(|l| l >= threshold);
    let below = e.high.is_some_and(|h| h <= threshold);
    let (holds, refuted) = if at_least {
        (above, e.high.is_some_and(|h| h < threshold))
    } else {
        (below, e.low.is_some_and(|l| l > threshold))
    };
    if holds || refuted {
        return refuted.then_some(Standing::Refuted);
    }
    let near = |end: Option<f64>| end.is_some_and(|v| (v - 1.0).abs() <= EQUIVALENT);
    if is_ratio && near(e.low) && near(e.high) {
        return Some(Standing::Noise);
    }
    Some(Standing::Inconclusive {
        more_rounds: more_rounds(e, threshold, rounds),
    })
}

/// How many more rounds would decide, if the estimate stays and the interval narrows with the
/// square root of the rounds; `None` if that can't be said or is out of reach.
#[must_use]
pub fn more_rounds(e: Estimate, threshold: f64, rounds: u32) -> Option<u32> {
    let half_width = if e.value > threshold {
        e.value - e.low?
    } else {
        e.high? - e.value
    };
    let distance = (e.value - threshold).abs();
    let needed = (f64::from(rounds) * (half_width / distance).powi(2)).ceil();
    let more = (needed - f64::from(rounds)).max(1.0);
    (distance > 0.0 && more <= MORE_ROUNDS_MAX).then_some(more as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(low: f64, value: f64, high: f64) -> Estimate {
        Estimate {
            value,
            low: Some(low),
            high: Some(high),
        }
    }

    #[test]
    fn a_claim_holds_only_with_its_whole_interval() {
        let claim = Claim::RatioAtLeast(10.0);
        assert_eq!(undecided(claim, estimate(11.0, 12.0, 13.0), 8), None);
        assert_eq!(
            undecided(claim, estimate(7.0, 8.0, 9.0), 8),
            Some(Standing::Refuted)
        );
        let open = undecided(claim, estimate(9.0, 12.0, 15.0), 8);
        assert_eq!(
            open,
            Some(Standing::Inconclusive {
                more_rounds: Some(10)
            })
        );
        assert_eq!(
            undecided(Claim::RatioAtMost(10.0), estimate(7.0, 8.0, 9.0), 8),
            None
        );
    }

    #[test]
    fn two_rounds_decide_nothing() {
        let open = undecided(Claim::RatioAtLeast(2.0), estimate(90.0, 100.0, 110.0), 2);
        assert_eq!(
            open,
            Some(Standing::Inconclusive {
                more_rounds: Some(1)
            })
        );
    }

    #[test]
    fn a_ratio_that_straddles_its_threshold_next_to_one_is_noise() {
        assert_eq!(
            undecided(Claim::RatioAtLeast(1.0), estimate(0.99, 1.001, 1.01), 20),
            Some(Standing::Noise)
        );
    }

    #[test]
    fn an_unbounded_end_cannot_hold_a_claim() {
        let e = Estimate {
            value: 5.0,
            low: None,
            high: Some(6.0),
        };
        assert_eq!(
            undecided(Claim::AtLeast(2.0), e, 5),
            Some(Standing::Inconclusive { more_rounds: None })
        );
    }

    #[test]
    fn nobody_can_name_the_rounds_that_separate_an_estimate_from_itself() {
        assert_eq!(more_rounds(estimate(0.9, 1.0, 1.1), 1.0, 5), None);
        assert_eq!(more_rounds(estimate(8.0, 12.0, 16.0), 10.0, 5), Some(15));
    }
}
