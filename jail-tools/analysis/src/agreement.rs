//! Do the probe and the oracle tell the same story of the page cache, and if not, why not?
//!
//! The probe counts the demanded pages that were added to the cache within the operation; the
//! oracle counted those that were resident just before it. On a quiet range the first is the
//! pages of the operation less the second.

use std::collections::BTreeMap;

use record::ledger::{BLOCKED, DEVICE};
use record::{Class, Sample};
use serde::Serialize;

use crate::rows::CellRows;

/// Disagreements that are listed one by one; the others are only counted, by reason.
pub const LISTED: usize = 20;

/// Why probe and oracle differ about an operation: the first of these that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A switch never reached the probe, and its slot was healed.
    Gap,
    /// The thread changed CPU within the operation.
    Migrated,
    /// It slept without adding the pages: they were being read for somebody else.
    SomebodyElsesRead,
    /// More pages were added than were absent: some were evicted after the oracle looked.
    EvictedInBetween,
    /// Fewer pages were added than were absent: readahead or another reader added them after the
    /// oracle looked.
    AddedInBetween,
}

impl Reason {
    /// In words.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Gap => "a switch never reached the probe (healed)",
            Self::Migrated => "the thread changed CPU within the operation",
            Self::SomebodyElsesRead => "it waited for a read that somebody else had in flight",
            Self::EvictedInBetween => "pages were evicted after the oracle looked",
            Self::AddedInBetween => {
                "readahead or another reader added pages after the oracle looked"
            }
        }
    }
}

/// One operation about which they differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Disagreement {
    /// Trial.
    pub trial: u32,
    /// Thread within the trial.
    pub thread: u32,
    /// Operation within the thread.
    pub op: u64,
    /// Pages that it covers.
    pub pages: u32,
    /// Of those, added within it, by the probe.
    pub pages_missed: u32,
    /// Of those, resident just before it, by the oracle.
    pub oracle_resident_pages: u32,
    /// The likeliest reason.
    pub reason: Reason,
}

/// Agreement over a cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Agreement {
    /// Operations of which both know something.
    pub compared: u64,
    /// Those about whose pages both agree.
    pub agreeing: u64,
    /// Their share.
    pub ratio: f64,
    /// Operations that could not be compared.
    pub not_compared: u64,
    /// Number of disagreements by reason.
    pub reasons: BTreeMap<Reason, u64>,
    /// The first [`LISTED`] of them.
    pub disagreements: Vec<Disagreement>,
}

/// Compares the probe and the oracle over a cell; `None` where nothing can be compared.
#[must_use]
pub fn of(rows: &CellRows<'_>) -> Option<Agreement> {
    if rows.is_direct() {
        return None;
    }
    let mut agreement = Agreement {
        compared: 0,
        agreeing: 0,
        ratio: 0.0,
        not_compared: 0,
        reasons: BTreeMap::new(),
        disagreements: Vec::new(),
    };
    for sample in rows.done() {
        match compare(sample) {
            None => agreement.not_compared += 1,
            Some(Ok(())) => {
                agreement.compared += 1;
                agreement.agreeing += 1;
            }
            Some(Err(disagreement)) => {
                agreement.compared += 1;
                *agreement.reasons.entry(disagreement.reason).or_default() += 1;
                if agreement.disagreements.len() < LISTED {
                    agreement.disagreements.push(disagreement);
                }
            }
        }
    }
    agreement.ratio = agreement.agreeing as f64 / agreement.compared as f64;
    (agreement.compared > 0).then_some(agreement)
}

/// `None` where either cannot count.
#[must_use]
pub fn compare(sample: &Sample) -> Option<Result<(), Disagreement>> {
    let (pages, pages_missed) = sample.pages.zip(sample.pages_missed)?;
    let resident = sample.oracle_resident_pages?;
    let absent = pages.saturating_sub(resident);
    if pages_missed == absent {
        return Some(Ok(()));
    }
    let slept = [BLOCKED, DEVICE]
        .iter()
        .any(|c| sample.causes.0[*c].is_some_and(|ns| ns > 0));
    let reason = if sample.gaps.is_some_and(|g| g > 0) {
        Reason::Gap
    } else if sample.migrations.is_some_and(|m| m > 0) {
        Reason::Migrated
    } else if pages_missed > absent {
        Reason::EvictedInBetween
    } else if sample.class == Class::Wait || (pages_missed == 0 && slept) {
        Reason::SomebodyElsesRead
    } else {
        Reason::AddedInBetween
    };
    Some(Err(Disagreement {
        trial: sample.trial,
        thread: sample.thread,
        op: sample.op,
        pages,
        pages_missed,
        oracle_resident_pages: resident,
        reason,
    }))
}
