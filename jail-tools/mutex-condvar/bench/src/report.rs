//! All that is said, as data: the JSON document, and what the table is made of.

use serde::Serialize;

use crate::peers::Kind;
use crate::placement::CUT_NS;
use crate::schedule::Plan;
use crate::shot::Shot;
use crate::summary::{Block, blocks};
use crate::verdict::{Count, Judgement, count, judge};

/// What was asked for, and where.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Settings {
    pub(crate) rounds: u32,
    pub(crate) trial_ms: u64,
    pub(crate) seed: u64,
    pub(crate) count_every: u32,
    pub(crate) handoff: bool,
    /// CPUs of the process.
    pub(crate) cpus: Vec<u32>,
    /// A cache line that goes one way in less is near.
    pub(crate) near_below_ns: f64,
}

/// The whole report.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    pub(crate) settings: Settings,
    pub(crate) cells: Vec<Block>,
    pub(crate) judgements: Vec<Judgement>,
    pub(crate) counts: Vec<Count>,
    pub(crate) warnings: Vec<String>,
    pub(crate) trials: Vec<Shot>,
}

impl Report {
    /// From the trials of a plan.
    pub(crate) fn of(
        plan: &Plan,
        cpus: &[u32],
        trial_ms: u64,
        trials: Vec<Shot>,
        mut warnings: Vec<String>,
    ) -> Self {
        let cells = blocks(plan, &trials, cpus.len());
        let judgements = judge(&cells, &trials, plan.seed);
        if !plan.kinds.contains(&Kind::Ours) {
            warnings.push("the queue under test was left out: nothing is judged".into());
        }
        warnings.extend(futex_missing(&trials));
        Self {
            settings: Settings {
                rounds: plan.rounds,
                trial_ms,
                seed: plan.seed,
                count_every: plan.count_every,
                handoff: plan.handoff,
                cpus: cpus.to_vec(),
                near_below_ns: CUT_NS,
            },
            counts: count(&judgements),
            cells,
            judgements,
            warnings,
            trials,
        }
    }
}

/// The first reason for which futex calls could not be counted.
fn futex_missing(trials: &[Shot]) -> Option<String> {
    let why = trials.iter().find_map(|t| t.futex_missing.as_ref())?;
    Some(format!("futex calls are unavailable: {why}"))
}
