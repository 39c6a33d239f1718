//! Where the time went: the ledgers of a cell's operations, added up.

use record::ledger::{CAUSES, IRQ_EXIT, MEASURED, PARTS, RESIDUAL, SELF, STEAL, UPSTREAM};
use record::{Grade, Graded, Manifest, Sample};
use serde::Serialize;

use crate::rows::{CellRows, per_unit_ns};

/// Share of the operations that count as the slowest.
pub const SLOWEST: f64 = 0.01;

/// A stall of the machine's own floor is longer than this, ns (as `floor_gaps_per_s` counts).
pub const STALL_NS: i64 = 5_000;

/// Rows whose ledger does not close that are listed one by one.
const LISTED: usize = 5;

/// One cause over a set of operations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Share {
    /// Column of the `samples` table.
    pub column: &'static str,
    /// Short name.
    pub label: &'static str,
    /// Sum, ns. Unavailable where no operation could observe the cause.
    pub total_ns: Graded<i64>,
    /// Sum as a share of the latency of all operations of the set.
    pub share: Option<f64>,
    /// Sum divided by the number of operations of the set, ns.
    pub per_op_ns: Option<f64>,
    /// Operations in which it was not zero.
    pub touched: Option<u64>,
    /// Operations that could observe it.
    pub observed: u64,
}

/// A set of operations and its causes, in the order of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Causes {
    /// Operations.
    pub ops: u64,
    /// Sum of their latencies, ns.
    pub latency_ns: i64,
    /// Sum of the residuals without their signs, ns: positive and negative ones cancel in the
    /// total, and must not look like nothing.
    pub residual_abs_ns: i64,
    /// One entry for each part of the ledger.
    pub shares: Vec<Share>,
}

/// Where the time of a cell went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Blame {
    /// All operations.
    pub all: Causes,
    /// The slowest 1 %, by latency per unit.
    pub slowest: Causes,
    /// Rows whose parts don't sum to their latency. Must be 0.
    pub open_ledgers: u64,
    /// The first of those: trial, thread, operation.
    pub open_rows: Vec<(u32, u32, u64)>,
    /// Operations whose residual exceeds [`STALL_NS`], per second inside operations; `None` where
    /// nothing was watched, since everything is residual then.
    pub residual_stalls_per_s: Option<f64>,
    /// Number of those operations.
    pub residual_stalls: u64,
    /// The same rate in a user-space spin beside the operations: the machine's own floor, mean
    /// over the trials that measured it.
    pub floor_stalls_per_s: Option<f64>,
}

/// Adds up the ledgers of a cell.
#[must_use]
pub fn of(rows: &CellRows<'_>) -> Blame {
    let samples: Vec<&Sample> = rows.done().collect();
    let open = || rows.all().filter(|s| !s.causes.closes(s.latency_ns));
    let all = add_up(&samples, rows);
    let stalls = samples
        .iter()
        .filter(|s| s.causes.0[RESIDUAL].is_some_and(|ns| ns > STALL_NS))
        .count();
    let seconds = all.latency_ns as f64 / 1e9;
    Blame {
        slowest: add_up(&slowest(&samples), rows),
        open_ledgers: open().count() as u64,
        open_rows: open()
            .take(LISTED)
            .map(|s| (s.trial, s.thread, s.op))
            .collect(),
        residual_stalls_per_s: (seconds > 0.0 && watched(&all)).then(|| stalls as f64 / seconds),
        residual_stalls: stalls as u64,
        floor_stalls_per_s: mean(rows.complete.iter().filter_map(|t| t.0.floor_gaps_per_s)),
        all,
    }
}

/// Was any cause of this cell observed at all?
#[must_use]
pub fn watched(causes: &Causes) -> bool {
    // Whether there is a stamp from elsewhere is known without watching anything.
    let watched = |(part, s): (usize, &Share)| part != UPSTREAM && s.observed > 0;
    causes.shares[..MEASURED].iter().enumerate().any(watched)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0u32), |(sum, n), v| (sum + v, n + 1));
    (n > 0).then(|| sum / f64::from(n))
}

/// The slowest 1 % (at least one), the earlier first where latencies are equal.
fn slowest<'a>(samples: &[&'a Sample]) -> Vec<&'a Sample> {
    let keep = (samples.len() as f64 * SLOWEST).ceil() as usize;
    let mut order: Vec<usize> = (0..samples.len()).collect();
    if keep < order.len() {
        order.select_nth_unstable_by(keep, |a, b| {
            let slower = per_unit_ns(samples[*b]).total_cmp(&per_unit_ns(samples[*a]));
            slower.then(a.cmp(b))
        });
        order.truncate(keep);
    }
    order.into_iter().map(|i| samples[i]).collect()
}

#[derive(Clone, Copy, Default)]
struct Sum {
    total_ns: i64,
    observed: u64,
    touched: u64,
}

fn add_up(samples: &[&Sample], rows: &CellRows<'_>) -> Causes {
    let mut sums = [Sum::default(); PARTS];
    let (mut latency_ns, mut residual_abs_ns) = (0i64, 0i64);
    for sample in samples {
        latency_ns = latency_ns.saturating_add(sample.latency_ns);
        for (sum, ns) in sums.iter_mut().zip(sample.causes.0) {
            if let Some(ns) = ns {
                sum.total_ns = sum.total_ns.saturating_add(ns);
                sum.observed += 1;
                sum.touched += u64::from(ns != 0);
            }
        }
        let residual = sample.causes.0[RESIDUAL].unwrap_or(0);
        residual_abs_ns = residual_abs_ns.saturating_add(residual.saturating_abs());
    }
    let ops = samples.len() as u64;
    let shares = sums
        .iter()
        .enumerate()
        .map(|(i, sum)| share(i, sum, ops, latency_ns, rows))
        .collect();
    Causes {
        ops,
        latency_ns,
        residual_abs_ns,
        shares,
    }
}

fn share(part: usize, sum: &Sum, ops: u64, latency_ns: i64, rows: &CellRows<'_>) -> Share {
    let total_ns = grade(part, sum, ops, rows);
    let seen = total_ns.value.is_some();
    Share {
        column: CAUSES[part].column,
        label: CAUSES[part].label,
        total_ns,
        share: (seen && latency_ns > 0).then(|| sum.total_ns as f64 / latency_ns as f64),
        per_op_ns: (seen && ops > 0).then(|| sum.total_ns as f64 / ops as f64),
        touched: seen.then_some(sum.touched),
        observed: sum.observed,
    }
}

fn grade(part: usize, sum: &Sum, ops: u64, rows: &CellRows<'_>) -> Graded<i64> {
    if ops == 0 {
        return Graded::unavailable("no operation");
    }
    if sum.observed == 0 {
        return Graded::unavailable(why_unseen(part, rows.manifest));
    }
    let how = match (account(part, rows.manifest), part) {
        (Some(Grade::Inferred { how }), _) => Some(how.as_str()),
        (_, SELF) => Some("model of the undisturbed operation, calibrated in the same trial"),
        (_, RESIDUAL) => Some("latency less all other parts"),
        (_, IRQ_EXIT) => Some("interrupts times a cost calibrated in the same trial"),
        _ => None,
    };
    match how {
        // "At least nothing" says nothing, and would be read as 0.
        _ if sum.observed < ops && part < MEASURED && sum.touched == 0 => {
            Graded::unavailable(format!(
                "told in {} of {ops} operations only, and no time in those",
                sum.observed
            ))
        }
        _ if sum.observed < ops && part < MEASURED => {
            let by = how.filter(|_| part != IRQ_EXIT);
            let by = by.map(|how| format!("; {how}")).unwrap_or_default();
            let seen = sum.observed;
            Graded::inferred(
                sum.total_ns,
                format!("at least: seen in {seen} of {ops} operations{by}"),
            )
        }
        Some(how) => Graded::inferred(sum.total_ns, how),
        None => Graded::counted(sum.total_ns),
    }
}

/// How the kernel's own accounting tells of a part, in a run without a ledger page.
fn account(part: usize, manifest: &Manifest) -> Option<&Grade> {
    manifest.usage.as_ref()?.of(CAUSES[part].column)
}

/// Why no operation of a cell could observe a cause, as far as the manifest knows.
fn why_unseen(part: usize, manifest: &Manifest) -> String {
    match account(part, manifest) {
        Some(Grade::Unavailable { why }) => return why.clone(),
        Some(Grade::Inferred { how }) if part != SELF => {
            return format!("not told apart in any of these operations ({how})");
        }
        _ => {}
    }
    if part == SELF {
        return "no undisturbed operation to calibrate a model from".into();
    }
    if part == RESIDUAL {
        return "no ledger was closed".into();
    }
    if part == UPSTREAM {
        return "this experiment has no stamp from elsewhere".into();
    }
    if manifest.bpf_object.is_none() {
        let said = manifest.degraded.iter().find(|d| d.contains("BPF"));
        return said.map_or_else(|| "no BPF program was loaded".into(), Clone::clone);
    }
    let missing = || {
        manifest
            .probes
            .iter()
            .filter_map(|p| p.missing.as_deref().map(|why| (&p.name, why)))
    };
    // A cause's description names the tracepoints that delimit it.
    if let Some((name, why)) =
        missing().find(|(name, _)| CAUSES[part].about.contains(name.as_str()))
    {
        return format!("{name}: {why}");
    }
    if part == STEAL {
        let said = manifest.degraded.iter().find(|d| d.contains("steal"));
        return said.map_or_else(
            || "the hypervisor's steal record cannot be read here".into(),
            Clone::clone,
        );
    }
    let names: Vec<&str> = missing().map(|(name, _)| name.as_str()).collect();
    match missing().next() {
        Some((_, why)) => format!("not armed: {} ({why})", names.join(", ")),
        None if part == IRQ_EXIT => {
            "too few interrupts in any trial to calibrate their cost".into()
        }
        None => "not observed by this experiment".into(),
    }
}
