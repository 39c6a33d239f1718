//! Law 5: under which conditions an effect was tried, and what it may therefore be called.

use record::plan::SchedClass;
use record::verdict::Standing;
use record::{Manifest, Plan};
use serde::Serialize;

/// One condition that an effect has to survive before it is called a property.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// What it was in this run.
    pub tried: String,
    /// What it would have to be as well; `None` when the run varied it.
    pub untried: Option<String>,
}

impl Condition {
    fn varied(tried: impl Into<String>) -> Self {
        Self {
            tried: tried.into(),
            untried: None,
        }
    }

    fn fixed(tried: impl Into<String>, untried: impl Into<String>) -> Self {
        Self {
            tried: tried.into(),
            untried: Some(untried.into()),
        }
    }
}

/// The conditions of one plan as it was carried out over `rounds` rounds.
#[must_use]
pub fn of(plan: &Plan, manifest: &Manifest, rounds: u32) -> Vec<Condition> {
    let c = &plan.conditions;
    let cpus: Vec<String> = c.cpus.iter().map(u32::to_string).collect();
    let order = if rounds >= 2 {
        Condition::varied(format!("order reshuffled over {rounds} rounds"))
    } else {
        Condition::fixed("one order of cells", "another order of cells")
    };
    let layout = if c.aslr && rounds >= 2 {
        Condition::varied("address-space layout drawn anew for each trial")
    } else {
        Condition::fixed("one address-space layout", "other address-space layouts")
    };
    let class = match c.sched {
        SchedClass::Other => "SCHED_OTHER",
        SchedClass::Batch => "SCHED_BATCH",
        SchedClass::Fifo => "SCHED_FIFO",
    };
    vec![
        order,
        layout,
        Condition::fixed(format!("CPU {}", cpus.join(", ")), "other CPUs"),
        Condition::fixed(class, "another scheduling class"),
        Condition::fixed(
            format!("idle policy: {}", manifest.idle_policy),
            "another idle policy",
        ),
        Condition::fixed("no neighbour of ours", "a noisy neighbour"),
    ]
}

/// What an effect that held under these conditions is.
#[must_use]
pub fn standing(conditions: &[Condition]) -> Standing {
    let untried: Vec<String> = conditions
        .iter()
        .filter_map(|c| c.untried.clone())
        .collect();
    if untried.is_empty() && !conditions.is_empty() {
        return Standing::Property;
    }
    Standing::Conditional {
        under: conditions.iter().map(|c| c.tried.clone()).collect(),
        untried,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_is_a_property_only_if_nothing_is_left_to_try() {
        let mut conditions = vec![
            Condition::varied("both CPUs"),
            Condition::fixed("quiet", "a noisy neighbour"),
        ];
        assert!(
            matches!(standing(&conditions), Standing::Conditional { untried, .. } if untried == ["a noisy neighbour"])
        );
        conditions.pop();
        assert_eq!(standing(&conditions), Standing::Property);
        assert!(
            matches!(standing(&[]), Standing::Conditional { .. }),
            "no condition at all proves nothing"
        );
    }
}
