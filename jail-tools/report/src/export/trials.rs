//! The `trials` table: what is known of each trial besides its rows.

use record::{Column, Manifest, Table, TrialRecord, TrialStatus};

/// One row for each trial. The seed is text, because it can exceed a signed 64-bit integer; the
/// lists of a record are JSON text.
pub(super) fn table(manifest: &Manifest, records: &[TrialRecord]) -> Table {
    let int = |f: &dyn Fn(&TrialRecord) -> Option<u64>| {
        Column::Int(
            records
                .iter()
                .map(|r| f(r).and_then(|v| i64::try_from(v).ok()))
                .collect(),
        )
    };
    let text =
        |f: &dyn Fn(&TrialRecord) -> Option<String>| Column::Text(records.iter().map(f).collect());
    let json = |v: serde_json::Result<String>| v.ok();
    // Without probes there was nothing to lose, which is not the same as no loss.
    let lost = |n: u64| manifest.bpf_object.as_ref().map(|_| n);
    let mut t = Table::new("trials");
    t.push("trial", int(&|r| Some(r.spec.trial.into())));
    t.push("cell", int(&|r| Some(r.spec.cell.into())));
    t.push("round", int(&|r| Some(r.spec.round.into())));
    t.push("seed", text(&|r| Some(r.spec.seed.to_string())));
    t.push("experiment", text(&|r| Some(r.experiment.clone())));
    t.push("levels", text(&|r| levels(manifest, r)));
    t.push("status", text(&|r| Some(status(&r.status).0.into())));
    t.push("status_detail", text(&|r| status(&r.status).1));
    t.push("started_at_ns", int(&|r| Some(r.started_at_ns)));
    t.push("wall_ms", int(&|r| Some(r.wall_ms)));
    t.push("samples", int(&|r| Some(r.samples)));
    t.push("readings", int(&|r| Some(r.readings)));
    t.push("ring_drops", int(&|r| lost(r.losses.ring_drops)));
    t.push("request_drops", int(&|r| lost(r.losses.request_drops)));
    t.push("gaps", int(&|r| lost(r.losses.gaps)));
    t.push("torn_reads", int(&|r| lost(r.losses.torn_reads)));
    t.push("orphans", int(&|r| lost(r.losses.orphans)));
    t.push(
        "irq_exit_ns",
        Column::Int(records.iter().map(|r| r.irq_exit_ns.map(|i| i.0)).collect()),
    );
    t.push("irq_exit_ops", int(&|r| r.irq_exit_ns.map(|i| i.1)));
    t.push("proc_stat_steal_ms", int(&|r| r.proc_stat_steal_ms));
    t.push(
        "floor_gaps_per_s",
        text(&|r| r.floor_gaps_per_s.map(|f| f.to_string())),
    );
    t.push(
        "preconditions",
        text(&|r| json(serde_json::to_string(&r.preconditions))),
    );
    t.push(
        "self_models",
        text(&|r| json(serde_json::to_string(&r.self_models))),
    );
    t.push("notes", text(&|r| Some(r.notes.join("; "))));
    t
}

/// `size=4k state=warm`, in the order of the factors.
fn levels(manifest: &Manifest, record: &TrialRecord) -> Option<String> {
    let plan = manifest
        .plans
        .iter()
        .find(|p| p.cell(record.spec.cell).is_some())?;
    let cell = plan.cell(record.spec.cell)?;
    let factors = plan.definition.factors.iter();
    let pairs = factors.filter_map(|f| Some(format!("{}={}", f.name, cell.levels.get(&f.name)?)));
    Some(pairs.collect::<Vec<_>>().join(" "))
}

fn status(status: &TrialStatus) -> (&'static str, Option<String>) {
    match status {
        TrialStatus::Complete => ("complete", None),
        TrialStatus::Crashed { how, stderr } => ("crashed", Some(format!("{how}: {stderr}"))),
        TrialStatus::Failed { error } => ("failed", Some(error.clone())),
        TrialStatus::TimedOut { after_ms } => ("timed_out", Some(format!("after {after_ms} ms"))),
    }
}
