//! Counter readings of a cell: what each event counted from the start to the end of its trials.
//!
//! A figure covers everything between a trial's first and last operation, the checks between
//! operations included, so "per operation" is a mean over the whole trial, never a measurement
//! of one operation: a count read through a system call is noise below some 10^5 instructions.

use std::collections::{BTreeMap, BTreeSet};

use record::reading::Moment;
use record::{Grade, Graded, Reading};
use serde::Serialize;

use crate::rows::CellRows;

/// One event over a cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CounterFigure {
    /// Name, as in the table of events.
    pub event: String,
    /// Sum over trials and threads, scaled by enabled/running where the event was multiplexed.
    pub total: Graded<f64>,
    /// The sum divided by the operations of the trials that it covers.
    pub per_op: Option<f64>,
    /// Threads of trials that have a figure.
    pub measured: u32,
    /// Threads of trials that should have.
    pub expected: u32,
}

/// One event on one thread of one trial.
#[derive(Debug, Clone, PartialEq)]
struct Delta {
    value: f64,
    enabled_ns: u64,
    running_ns: u64,
    trial: u32,
}

/// The counters of a cell, one figure for each event, in order of their names.
#[must_use]
pub fn of(rows: &CellRows<'_>) -> Vec<CounterFigure> {
    let mut deltas: BTreeMap<&str, Vec<Result<Delta, String>>> = BTreeMap::new();
    for (_, _, readings) in &rows.complete {
        for ((event, _), pair) in pairs(readings) {
            deltas.entry(event).or_default().push(delta(pair));
        }
    }
    let ops: BTreeMap<u32, u64> = rows
        .complete
        .iter()
        .map(|t| (t.0.spec.trial, t.1.len() as u64))
        .collect();
    deltas
        .into_iter()
        .map(|(event, deltas)| figure(event, &deltas, &ops))
        .collect()
}

type Pair<'a> = (Option<&'a Reading>, Option<&'a Reading>);

/// First and last reading of each event and thread.
fn pairs(readings: &[Reading]) -> BTreeMap<(&str, u32), Pair<'_>> {
    let mut pairs: BTreeMap<(&str, u32), Pair<'_>> = BTreeMap::new();
    for reading in readings {
        let pair = pairs.entry((&reading.event, reading.thread)).or_default();
        match reading.moment {
            Moment::Start => pair.0 = Some(reading),
            Moment::End => pair.1 = Some(reading),
            Moment::Series => {}
        }
    }
    pairs
}

fn delta((start, end): Pair<'_>) -> Result<Delta, String> {
    let (Some(start), Some(end)) = (start, end) else {
        // A counter that could not be opened leaves one row, with the reason.
        let only = start
            .or(end)
            .filter(|r| matches!(r.grade, Grade::Unavailable { .. }) && r.value.is_none());
        let cut = "no reading at the start or at the end of the trial";
        return Err(only.map_or_else(|| cut.into(), why_missing));
    };
    // A counter that has not run yet has counted nothing: that is what a start reading may say.
    let from = if start.running_ns == Some(0) {
        0
    } else {
        start.value.ok_or_else(|| why_missing(start))?
    };
    let to = end.value.ok_or_else(|| why_missing(end))?;
    let raw = to.checked_sub(from).ok_or("the counter went backwards")?;
    let difference = |a: Option<u64>, b: Option<u64>| a.zip(b).and_then(|(a, b)| b.checked_sub(a));
    let times = difference(start.enabled_ns, end.enabled_ns)
        .zip(difference(start.running_ns, end.running_ns));
    // An event without times (not every PMU keeps them) was counted, as its own grade says.
    let (enabled_ns, running_ns) = times.unwrap_or((1, 1));
    match Grade::of_times(enabled_ns, running_ns) {
        Grade::Unavailable { why } => Err(why),
        Grade::Scaled { .. } => {
            let value = raw as f64 * enabled_ns as f64 / running_ns as f64;
            Ok(Delta {
                value,
                enabled_ns,
                running_ns,
                trial: start.trial,
            })
        }
        _ => Ok(Delta {
            value: raw as f64,
            enabled_ns,
            running_ns: enabled_ns,
            trial: start.trial,
        }),
    }
}

fn why_missing(reading: &Reading) -> String {
    match &reading.grade {
        Grade::Unavailable { why } => why.clone(),
        _ => "the reading has no value".into(),
    }
}

fn figure(
    event: &str,
    deltas: &[Result<Delta, String>],
    ops: &BTreeMap<u32, u64>,
) -> CounterFigure {
    let good: Vec<&Delta> = deltas.iter().flatten().collect();
    let trials: BTreeSet<u32> = good.iter().map(|d| d.trial).collect();
    let ops: u64 = trials.iter().filter_map(|t| ops.get(t)).sum();
    let value: f64 = good.iter().map(|d| d.value).sum();
    let total = match deltas.iter().find_map(|d| d.as_ref().err()) {
        Some(why) if good.is_empty() => Graded::unavailable(why),
        _ => Graded {
            value: Some(value),
            grade: combined(&good),
        },
    };
    let per_op = (ops > 0 && total.value.is_some()).then(|| value / ops as f64);
    let (measured, expected) = (good.len() as u32, deltas.len() as u32);
    CounterFigure {
        event: event.into(),
        total,
        per_op,
        measured,
        expected,
    }
}

fn combined(good: &[&Delta]) -> Grade {
    let enabled_ns = good.iter().map(|d| d.enabled_ns).sum();
    let running_ns = good.iter().map(|d| d.running_ns).sum();
    if running_ns < enabled_ns {
        Grade::Scaled {
            enabled_ns,
            running_ns,
        }
    } else {
        Grade::Counted
    }
}
