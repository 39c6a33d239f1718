//! Finds what a reader should be warned of, in the structures of a run and of its analysis.

use std::collections::BTreeMap;

use record::ledger::STEAL;
use record::manifest::Armed;
use record::trial::Losses;
use record::{Manifest, Sample, TrialStatus};

use crate::blame::watched;
use crate::rows::Trial;
use crate::verdict::ROUNDS_MIN;
use crate::warnings::Warning;
use crate::{Analysis, CellAnalysis};

/// Trials' medians that differ by more than this factor are noisy: the host's virtual CPUs or
/// storage changed under them.
const NOISY: f64 = 1.25;
/// A model that rests on fewer undisturbed operations than this says little.
const SELF_OPS_MIN: u64 = 50;
/// An unexplained share of the time that needs explaining.
const RESIDUAL_SHARE: f64 = 0.10;
/// Stalls above this many times the machine's own floor are not the machine's own.
const ABOVE_FLOOR: f64 = 2.0;
/// Fewer stalls than this have no rate to speak of.
const STALLS_MIN: u64 = 20;

/// All warnings about a run, the gravest first.
#[must_use]
pub fn of(manifest: &Manifest, trials: &[Trial], analysis: &Analysis) -> Vec<Warning> {
    let mut found = Vec::new();
    run(analysis, trials, &mut found);
    for experiment in &analysis.experiments {
        for cell in &experiment.cells {
            correctness(cell, &mut found);
        }
    }
    preconditions(trials, &mut found);
    losses(analysis, &mut found);
    for experiment in &analysis.experiments {
        if experiment.rounds < ROUNDS_MIN && experiment.trials.complete > 0 {
            found.push(Warning::FewRounds {
                experiment: experiment.name.clone(),
                rounds: experiment.rounds,
            });
        }
        experiment
            .cells
            .iter()
            .for_each(|cell| noise(cell, &mut found));
        unbounded(&experiment.cells, &mut found);
    }
    interference(trials, analysis, &mut found);
    self_models(trials, analysis, &mut found);
    machine(manifest, &mut found);
    found
}

fn run(analysis: &Analysis, trials: &[Trial], found: &mut Vec<Warning>) {
    let t = &analysis.trials;
    if analysis.partial {
        found.push(Warning::Partial {
            end: analysis.end,
            complete: t.complete,
            planned: t.planned,
        });
    }
    let how = |trial: &Trial| match &trial.0.status {
        TrialStatus::Complete => None,
        TrialStatus::Crashed { how, .. } => Some(how.clone()),
        TrialStatus::Failed { error } => Some(error.clone()),
        TrialStatus::TimedOut { after_ms } => Some(format!("killed after {after_ms} ms")),
    };
    let first = trials
        .iter()
        .find_map(|trial| Some(format!("trial {}: {}", trial.0.spec.trial, how(trial)?)));
    if let Some(first) = first {
        let (crashed, failed, timed_out) = (t.crashed, t.failed, t.timed_out);
        found.push(Warning::TrialsLost {
            crashed,
            failed,
            timed_out,
            first,
        });
    }
}

fn correctness(cell: &CellAnalysis, found: &mut Vec<Warning>) {
    let name = || cell.label.clone();
    if cell.blame.open_ledgers > 0 {
        found.push(Warning::OpenLedgers {
            cell: name(),
            rows: cell.blame.open_ledgers,
        });
    }
    if cell.summary.errors > 0 {
        let n = cell.summary.n + cell.summary.errors;
        found.push(Warning::OperationErrors {
            cell: name(),
            errors: cell.summary.errors,
            n,
        });
    }
    if let Some(a) = cell
        .summary
        .agreement
        .as_ref()
        .filter(|a| a.agreeing < a.compared)
    {
        let most = a.reasons.iter().max_by_key(|(_, n)| **n);
        found.push(Warning::Disagreement {
            cell: name(),
            differing: a.compared - a.agreeing,
            compared: a.compared,
            reason: most
                .map(|(r, n)| format!("{} ({n})", r.about()))
                .unwrap_or_default(),
        });
    }
}

fn preconditions(trials: &[Trial], found: &mut Vec<Warning>) {
    let mut missed: BTreeMap<(&str, &str), (u64, u64, &str)> = BTreeMap::new();
    for (record, _, _) in trials {
        for p in &record.preconditions {
            let entry = missed
                .entry((&record.experiment, &p.name))
                .or_insert((0, 0, ""));
            entry.0 += p.missed;
            entry.1 += p.checked;
            if p.missed > 0 && entry.2.is_empty() {
                entry.2 = &p.detail;
            }
        }
    }
    for ((experiment, name), (missed, checked, detail)) in missed {
        if missed > 0 {
            let (experiment, name, detail) = (experiment.into(), name.into(), detail.into());
            found.push(Warning::PreconditionMissed {
                experiment,
                name,
                missed,
                checked,
                detail,
            });
        }
    }
}

fn losses(analysis: &Analysis, found: &mut Vec<Warning>) {
    let losses = analysis.losses;
    if losses
        != (Losses {
            gaps: losses.gaps,
            ..Losses::default()
        })
    {
        found.push(Warning::Losses { losses });
    }
    if losses.gaps > 0 {
        found.push(Warning::GapsHealed { gaps: losses.gaps });
    }
}

fn noise(cell: &CellAnalysis, found: &mut Vec<Warning>) {
    if let Some(s) = cell.summary.trial_p50_ns.filter(|s| s.max > s.min * NOISY) {
        found.push(Warning::Noisy {
            cell: cell.label.clone(),
            min_ns: s.min,
            max_ns: s.max,
        });
    }
    if cell.blame.all.latency_ns > 0 && watched(&cell.blame.all) {
        let share = cell.blame.all.residual_abs_ns as f64 / cell.blame.all.latency_ns as f64;
        if share > RESIDUAL_SHARE {
            found.push(Warning::LargeResidual {
                cell: cell.label.clone(),
                share,
            });
        }
    }
    let rates = cell
        .blame
        .residual_stalls_per_s
        .zip(cell.blame.floor_stalls_per_s);
    if let Some((stalls_per_s, floor_per_s)) = rates
        && cell.blame.residual_stalls >= STALLS_MIN
        && stalls_per_s > floor_per_s * ABOVE_FLOOR
    {
        found.push(Warning::StallsAboveFloor {
            cell: cell.label.clone(),
            stalls_per_s,
            floor_per_s,
        });
    }
}

fn unbounded(cells: &[CellAnalysis], found: &mut Vec<Warning>) {
    for p in crate::quantile::REPORTED {
        let open = |c: &&CellAnalysis| {
            c.summary
                .quantile(p)
                .is_some_and(|q| q.latency_ns.high.is_none())
        };
        let cells: Vec<String> = cells.iter().filter(open).map(|c| c.label.clone()).collect();
        if !cells.is_empty() {
            found.push(Warning::UnboundedQuantile { p, cells });
        }
    }
}

fn interference(trials: &[Trial], analysis: &Analysis, found: &mut Vec<Warning>) {
    let samples = || trials.iter().flat_map(|t| &t.1);
    let add = |sum: Option<u64>, ms: u64| Some(sum.unwrap_or(0) + ms);
    let proc_stat_ms = trials
        .iter()
        .filter_map(|t| t.0.proc_stat_steal_ms)
        .fold(None, add);
    let stolen = |s: &Sample| s.causes.0[STEAL].map(|ns| ns + s.steal_late_ns.unwrap_or(0));
    let ledger_ns = samples()
        .filter_map(stolen)
        .fold(None, |sum, ns| Some(sum.unwrap_or(0) + ns));
    if proc_stat_ms.is_some_and(|ms| ms > 0) || ledger_ns.is_some_and(|ns| ns > 0) {
        let ops = samples()
            .filter(|s| stolen(s).is_some_and(|ns| ns > 0))
            .count() as u64;
        let ops = ledger_ns.map(|_| ops);
        found.push(Warning::Steal {
            proc_stat_ms,
            ledger_ns,
            ops,
        });
    }
    let preempted = || {
        samples()
            .filter_map(|s| s.switches_involuntary)
            .filter(|n| *n > 0)
    };
    let switches: u64 = preempted().map(u64::from).sum();
    if switches > 0 {
        found.push(Warning::InvoluntarySwitches {
            ops: preempted().count() as u64,
            switches,
        });
    }
    let floor = |c: &CellAnalysis| c.blame.floor_stalls_per_s.is_some();
    let mut cells = analysis.experiments.iter().flat_map(|e| &e.cells);
    if analysis.trials.complete > 0 && !cells.any(floor) {
        found.push(Warning::NoFloor);
    }
}

fn self_models(trials: &[Trial], analysis: &Analysis, found: &mut Vec<Warning>) {
    for cell in analysis.experiments.iter().flat_map(|e| &e.cells) {
        let mine = trials.iter().filter(|t| t.0.spec.cell == cell.cell);
        let weakest = mine
            .flat_map(|t| &t.0.self_models)
            .filter(|m| m.n < SELF_OPS_MIN)
            .min_by_key(|m| m.n);
        if let Some(m) = weakest {
            let class = format!("{} of {} pages", m.class, m.pages);
            found.push(Warning::WeakSelfModel {
                cell: cell.label.clone(),
                class,
                n: m.n,
            });
        }
    }
}

fn machine(manifest: &Manifest, found: &mut Vec<Warning>) {
    let mut measured: Vec<u32> = manifest
        .plans
        .iter()
        .flat_map(|p| p.conditions.cpus.clone())
        .collect();
    measured.sort_unstable();
    measured.dedup();
    let storage = manifest.host.storage.as_ref();
    for irq in storage
        .and_then(|s| s.interrupts.value())
        .into_iter()
        .flatten()
    {
        if !measured.is_empty()
            && !irq.cpus.is_empty()
            && !measured.iter().all(|c| irq.cpus.contains(c))
        {
            let interrupt = format!("{} ({})", irq.irq, irq.name);
            let (irq_cpus, measured_cpus) = (irq.cpus.clone(), measured.clone());
            found.push(Warning::InterruptElsewhere {
                interrupt,
                irq_cpus,
                measured_cpus,
            });
        }
    }
    if !manifest.plans.is_empty() && !polls(&manifest.idle_policy) {
        found.push(Warning::IdlePolicy {
            policy: manifest.idle_policy.clone(),
        });
    }
    found.extend(
        manifest
            .degraded
            .iter()
            .map(|item| Warning::Degraded { item: item.clone() }),
    );
    // One line for each reason: a machine without a PMU lacks a dozen events for the same one.
    let mut absent: BTreeMap<&str, Vec<&Armed>> = BTreeMap::new();
    for armed in manifest.probes.iter().chain(&manifest.counters) {
        if let Some(why) = &armed.missing {
            absent.entry(why).or_default().push(armed);
        }
    }
    for (why, armed) in absent {
        found.push(Warning::NotArmed {
            names: armed.iter().map(|a| a.name.clone()).collect(),
            why: why.into(),
            blind: match armed[..] {
                [one] => one.blind.clone(),
                _ => None,
            },
        });
    }
    for change in &manifest.host_changes {
        if let Some(why) = &change.refused {
            found.push(Warning::HostChangeRefused {
                asked: change.asked.clone(),
                why: why.clone(),
            });
        }
    }
    if manifest.observer.is_empty() {
        found.push(Warning::ObserverUnknown);
    }
}

/// Does the policy keep idle CPUs awake? A `haltpoll` governor does so only for a while.
fn polls(policy: &str) -> bool {
    policy.starts_with("poll") || policy.contains("held at 0")
}
