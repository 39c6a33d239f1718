//! Analyses of made-up runs, in memory.

mod common;

use analysis::agreement::{Reason, compare};
use analysis::{Analysis, Trial, Warning, analyse};
use common::{Dice, Shape, WHOLE};
use record::ledger::{BLOCKED, DEVICE, PARTS, RESIDUAL, STEAL, WAKEUP};
use record::manifest::{PartGrade, Usage};
use record::trial::Losses;
use record::verdict::Standing;
use record::{CAUSES, Causes, Class, Grade, Manifest, Sample, TrialStatus};

fn run(shape: Shape) -> (Manifest, Vec<Trial>) {
    let manifest = common::manifest(shape);
    let mut dice = Dice(3);
    let plan = &manifest.plans[0];
    let trials = plan.schedule.iter().map(|spec| {
        let state = &plan.cell(spec.cell).expect("a cell").levels["state"];
        let samples = (0..shape.ops)
            .map(|op| common::sample(spec, state, op, shape.bpf, &mut dice))
            .collect();
        (
            common::record(spec, TrialStatus::Complete),
            samples,
            common::readings(spec, shape.ops),
        )
    });
    let trials = trials.collect();
    (manifest, trials)
}

/// A run without probes whose causes come from the kernel's accounting: cold operations waited for
/// the device, and what else they slept for is not told apart.
fn by_account() -> (Manifest, Vec<Trial>) {
    let (mut manifest, mut trials) = run(Shape {
        bpf: false,
        ..WHOLE
    });
    let part = |column: usize, grade| PartGrade {
        column: CAUSES[column].column.into(),
        grade,
    };
    let how = "getrusage and schedstat around the operation: a test".to_owned();
    let why = "only probes tell it from the sleep".to_owned();
    manifest.usage = Some(Usage {
        read: vec!["getrusage(RUSAGE_THREAD)".into()],
        parts: vec![
            part(DEVICE, Grade::Inferred { how: how.clone() }),
            part(BLOCKED, Grade::Inferred { how }),
            part(WAKEUP, Grade::Unavailable { why }),
        ],
    });
    for sample in trials.iter_mut().flat_map(|t| &mut t.1) {
        let mut causes = Causes([None; PARTS]);
        let waited = sample.cell == 1;
        causes.0[DEVICE] = Some(if waited { 50_000 } else { 0 });
        // In one operation of a hundred that waited there was nothing else to tell apart.
        causes.0[BLOCKED] = (!waited || sample.op % 100 == 0).then_some(0);
        sample.causes = record::ledger::close(sample.latency_ns, causes, None).causes;
    }
    (manifest, trials)
}

#[test]
fn causes_from_the_kernels_accounting_are_inferred_and_the_others_unavailable() {
    let (manifest, trials) = by_account();
    let analysis = analyse(&manifest, &trials);
    let cells = &analysis.experiments[0].cells;
    let of = |cell: usize, part: usize| &cells[cell].blame.all.shares[part];
    for cell in 0..cells.len() {
        let device = of(cell, DEVICE);
        assert!(
            matches!(&device.total_ns.grade, Grade::Inferred { how } if how.contains("getrusage")),
            "{device:?}"
        );
        assert!(device.per_op_ns.is_some());
        let said = "only probes tell it from the sleep";
        assert!(
            matches!(&of(cell, WAKEUP).total_ns.grade, Grade::Unavailable { why } if why == said)
        );
        assert!(matches!(
            &of(cell, STEAL).total_ns.grade,
            Grade::Unavailable { .. }
        ));
    }
    assert_eq!(of(0, BLOCKED).touched, Some(0), "known: it never slept");
    // A lower bound of nothing is no figure.
    let blocked = of(1, BLOCKED);
    assert!(blocked.observed > 0);
    assert!(
        matches!(&blocked.total_ns.grade, Grade::Unavailable { why } if why.starts_with("told in"))
    );
    assert_eq!(
        (
            blocked.total_ns.value,
            blocked.share,
            blocked.per_op_ns,
            blocked.touched
        ),
        (None, None, None, None)
    );
}

fn has(analysis: &Analysis, wanted: impl Fn(&Warning) -> bool) -> bool {
    analysis.warnings.iter().any(|a| wanted(&a.warning))
}

fn one(change: impl Fn(&mut Sample)) -> Sample {
    let spec = &common::plan(WHOLE).schedule[0];
    let mut sample = common::sample(spec, "cold", 0, true, &mut Dice(1));
    sample.pages = Some(16);
    sample.oracle_resident_pages = Some(0);
    sample.pages_missed = Some(16);
    sample.causes.0[DEVICE] = Some(0);
    change(&mut sample);
    sample
}

fn reason(change: impl Fn(&mut Sample)) -> Option<Reason> {
    compare(&one(change))
        .and_then(Result::err)
        .map(|d| d.reason)
}

#[test]
fn every_disagreement_has_a_reason() {
    assert_eq!(reason(|_| ()), None);
    assert_eq!(
        reason(|s| s.pages_missed = Some(10)),
        Some(Reason::AddedInBetween)
    );
    assert_eq!(
        reason(|s| s.oracle_resident_pages = Some(16)),
        Some(Reason::EvictedInBetween)
    );
    let waited = |s: &mut Sample| {
        s.pages_missed = Some(0);
        s.class = Class::Wait;
    };
    assert_eq!(reason(waited), Some(Reason::SomebodyElsesRead));
    let slept = |s: &mut Sample| {
        s.pages_missed = Some(0);
        s.causes.0[BLOCKED] = Some(900);
    };
    assert_eq!(reason(slept), Some(Reason::SomebodyElsesRead));
    let healed = |s: &mut Sample| {
        s.pages_missed = Some(3);
        s.gaps = Some(1);
    };
    assert_eq!(reason(healed), Some(Reason::Gap));
}

#[test]
fn what_either_could_not_count_is_not_compared() {
    assert_eq!(compare(&one(|s| s.pages_missed = None)), None);
    assert_eq!(compare(&one(|s| s.oracle_resident_pages = None)), None);
}

#[test]
fn the_same_run_gives_the_same_analysis() {
    let (manifest, trials) = run(Shape { ops: 100, ..WHOLE });
    assert_eq!(analyse(&manifest, &trials), analyse(&manifest, &trials));
}

#[test]
fn causes_and_residual_sum_to_the_latency_of_the_cell_and_of_its_tail() {
    let (manifest, trials) = run(WHOLE);
    for cell in &analyse(&manifest, &trials).experiments[0].cells {
        for set in [&cell.blame.all, &cell.blame.slowest] {
            let sum: i64 = set.shares.iter().filter_map(|s| s.total_ns.value).sum();
            assert_eq!(sum, set.latency_ns);
        }
        assert_eq!(cell.blame.slowest.ops, 16);
        assert!(cell.blame.slowest.latency_ns * 100 >= cell.blame.all.latency_ns);
    }
}

#[test]
fn a_cause_that_only_some_operations_could_see_is_a_lower_bound() {
    let (manifest, mut trials) = run(WHOLE);
    let sample = &mut trials[0].1[0];
    sample.causes.0[STEAL] = Some(50);
    sample.causes.0[RESIDUAL] = sample.causes.0[RESIDUAL].map(|ns| ns - 50);
    let analysis = analyse(&manifest, &trials);
    let steal = &analysis.experiments[0].cells[0].blame.all.shares[STEAL];
    assert_eq!((steal.total_ns.value, steal.observed), (Some(50), 1));
    assert!(matches!(&steal.total_ns.grade, Grade::Inferred { how } if how.contains("1 of 1600")));
    assert!(has(&analysis, |w| matches!(
        w,
        Warning::Steal {
            proc_stat_ms: None,
            ledger_ns: Some(50),
            ops: Some(1)
        }
    )));
}

#[test]
fn operations_that_failed_count_nowhere_but_among_the_errors() {
    let (manifest, mut trials) = run(WHOLE);
    trials[0].1[0].result = -5;
    trials[0].1[0].latency_ns = i64::from(i32::MAX);
    let analysis = analyse(&manifest, &trials);
    let summary = &analysis.experiments[0].cells[0].summary;
    assert_eq!((summary.n, summary.errors), (1599, 1));
    assert!(summary.max_ns.expect("a maximum") < 1e6);
    assert!(has(&analysis, |w| matches!(
        w,
        Warning::OperationErrors { errors: 1, .. }
    )));
}

#[test]
fn a_counter_that_goes_backwards_has_no_figure() {
    let (manifest, mut trials) = run(WHOLE);
    for trial in &mut trials {
        for reading in trial.2.iter_mut().filter(|r| r.event == "page-faults") {
            reading.value = reading.value.map(|v| 1_000_000 - v);
        }
    }
    let analysis = analyse(&manifest, &trials);
    let faults = &analysis.experiments[0].cells[0].counters;
    let faults = faults
        .iter()
        .find(|c| c.event == "page-faults")
        .expect("the event");
    assert_eq!((faults.total.value, faults.per_op), (None, None));
    assert!(matches!(&faults.total.grade, Grade::Unavailable { why } if why.contains("backwards")));
}

#[test]
fn what_bends_a_run_is_warned_of() {
    let (manifest, mut trials) = run(Shape { rounds: 2, ..WHOLE });
    trials[0].0.losses = Losses {
        ring_drops: 3,
        gaps: 2,
        ..Losses::default()
    };
    trials[0].0.preconditions[0].missed = 1;
    trials[0].0.self_models[0].n = 4;
    for sample in &mut trials[0].1 {
        sample.latency_ns *= 3;
        sample.switches_involuntary = Some(1);
    }
    let analysis = analyse(&manifest, &trials);
    assert!(has(
        &analysis,
        |w| matches!(w, Warning::Losses { losses } if losses.ring_drops == 3)
    ));
    assert!(has(&analysis, |w| matches!(
        w,
        Warning::GapsHealed { gaps: 2 }
    )));
    assert!(has(&analysis, |w| matches!(
        w,
        Warning::PreconditionMissed {
            missed: 1,
            checked: 2..,
            ..
        }
    )));
    assert!(has(&analysis, |w| matches!(
        w,
        Warning::WeakSelfModel { n: 4, .. }
    )));
    assert!(has(&analysis, |w| matches!(w, Warning::Noisy { .. })));
    assert!(has(&analysis, |w| matches!(
        w,
        Warning::FewRounds { rounds: 2, .. }
    )));
    assert!(has(&analysis, |w| matches!(
        w,
        Warning::InvoluntarySwitches { switches: 400, .. }
    )));
    assert!(has(&analysis, |w| matches!(
        w,
        Warning::OpenLedgers { rows: 400, .. }
    )));
    assert!(has(&analysis, |w| matches!(
        w,
        Warning::UnboundedQuantile { .. }
    )));
    assert!(has(&analysis, |w| matches!(w, Warning::NotArmed { .. })));
    // Two rounds: nothing may be said to hold, and nothing to be refuted.
    let undecided = |s: &Standing| {
        matches!(
            s,
            Standing::Inconclusive { .. } | Standing::NotMeasured { .. }
        )
    };
    assert!(
        analysis
            .verdict()
            .judgements
            .iter()
            .all(|j| undecided(&j.standing))
    );
}

#[test]
fn a_run_without_trials_has_no_figures_and_does_not_panic() {
    let (manifest, _) = run(WHOLE);
    let analysis = analyse(&manifest, &[]);
    assert!(analysis.partial);
    for cell in &analysis.experiments[0].cells {
        assert!(cell.summary.quantiles.is_empty());
        assert_eq!(
            (cell.summary.max_ns, cell.summary.n_effective),
            (None, None)
        );
        assert_eq!(cell.blame.residual_stalls_per_s, None);
        assert!(
            cell.blame
                .all
                .shares
                .iter()
                .all(|s| s.total_ns.value.is_none())
        );
    }
    assert!(
        analysis
            .verdict()
            .judgements
            .iter()
            .all(|j| matches!(j.standing, Standing::NotMeasured { .. }))
    );
}
