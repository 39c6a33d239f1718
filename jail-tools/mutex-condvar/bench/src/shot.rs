//! What is kept of a trial.

use analysis::quantile::Sorted;
use serde::Serialize;

use crate::crew::Outcome;
use crate::peers::Kind;
use crate::placement::Stratum;
use crate::schedule::{Mode, Planned};

/// One trial, as it was.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Shot {
    pub(crate) round: u32,
    /// Index of the cell.
    pub(crate) cell: usize,
    pub(crate) queue: Kind,
    pub(crate) mode: Mode,
    pub(crate) stratum: Stratum,
    /// One way of a cache line before and after, where there are two CPUs to pass it.
    pub(crate) one_way_ns: Option<(f64, f64)>,
    pub(crate) messages: u64,
    pub(crate) elapsed_ns: u64,
    pub(crate) cpu_ns: u64,
    pub(crate) voluntary: u64,
    pub(crate) involuntary: u64,
    pub(crate) futex_calls: Option<u64>,
    /// Why they are not known, in a trial that was to count them.
    pub(crate) futex_missing: Option<String>,
    /// System calls of any kind.
    pub(crate) all_calls: Option<u64>,
    pub(crate) handoff_p50_ns: Option<f64>,
    pub(crate) handoff_p99_ns: Option<f64>,
}

impl Shot {
    pub(crate) fn of(
        planned: &Planned,
        messages: u64,
        one_way_ns: Option<(f64, f64)>,
        outcome: &Outcome,
    ) -> Self {
        let latencies: Vec<f64> = outcome
            .received
            .latencies_ns
            .iter()
            .map(|ns| *ns as f64)
            .collect();
        let latencies = Sorted::of(&latencies);
        let futex = outcome.calls.as_ref().map(|calls| &calls.futex);
        let all = outcome.calls.as_ref().map(|calls| &calls.all);
        Self {
            round: planned.round,
            cell: planned.cell,
            queue: planned.kind,
            mode: planned.mode,
            stratum: one_way_ns.map_or(Stratum::One, |(a, b)| Stratum::of(a, b)),
            one_way_ns,
            messages,
            elapsed_ns: outcome.elapsed_ns,
            cpu_ns: outcome.usage.cpu_ns,
            voluntary: outcome.usage.voluntary,
            involuntary: outcome.usage.involuntary,
            futex_calls: futex.and_then(|calls| calls.as_ref().ok()).copied(),
            futex_missing: futex.and_then(|calls| calls.as_ref().err()).cloned(),
            all_calls: all.and_then(|calls| calls.as_ref().ok()).copied(),
            handoff_p50_ns: latencies.quantile(0.5),
            handoff_p99_ns: latencies.quantile(0.99),
        }
    }
}
