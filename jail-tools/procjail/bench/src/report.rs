//! All that is said, as data: the JSON document, and what the table is made of.

use serde::Serialize;

use crate::latency::Block;
use crate::machine::Machine;
use crate::schedule::Plan;
use crate::verdict::{Judgement, of_idle, of_latency, of_memory, of_startup};
use crate::{idle, memory, startup};

/// What was measured. A part that was not asked for is `None`.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Measured {
    pub(crate) startup: Option<Vec<startup::Row>>,
    pub(crate) latency: Option<Vec<Block>>,
    pub(crate) idle: Option<Vec<idle::Row>>,
    pub(crate) memory: Option<Vec<memory::Row>>,
}

/// The whole report.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    pub(crate) plan: Plan,
    pub(crate) machine: Machine,
    #[serde(flatten)]
    pub(crate) measured: Measured,
    pub(crate) judgements: Vec<Judgement>,
    pub(crate) warnings: Vec<String>,
}

impl Report {
    pub(crate) fn of(plan: Plan, machine: Machine, measured: Measured) -> Self {
        let mut judgements = Vec::new();
        if let Some(rows) = &measured.startup {
            judgements.extend(of_startup(rows));
        }
        if let Some(blocks) = &measured.latency {
            judgements.extend(of_latency(blocks));
        }
        if let Some(rows) = &measured.idle {
            judgements.extend(of_idle(rows));
        }
        if let Some(rows) = &measured.memory {
            judgements.extend(of_memory(rows));
        }
        Self {
            plan,
            warnings: machine.warnings(),
            machine,
            measured,
            judgements,
        }
    }
}
