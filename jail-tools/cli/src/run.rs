//! `jail-tools run`: plan → host → trials → record → analysis → report.

mod host_side;
mod planning;

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use experiments::subject::Provision;
use record::manifest::{FORMAT_VERSION, Manifest, Remedy, RunEnd, Usage};
use record::run_dir::RunError;
use record::{HostFacts, Plan, RunDir, TrialStatus};
use report::Report;
use runner::usage::UsageSight;
use runner::{Finished, Rig, run_plan};

use crate::args;
use crate::degrade::Eyes;
use crate::exit::Done;
use crate::output::note;
use crate::progress::Progress;
use crate::{overhead, reporting, unseen};
use host_side::HostSide;

/// Runs experiments to the end, or as far as it gets.
pub(crate) fn run(args: &args::Run) -> anyhow::Result<Done> {
    if args.bpf_log {
        env_logger::Builder::new()
            .filter_level(log::LevelFilter::Info)
            .init();
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("sigaction")?;
    }
    let entries = planning::chosen(&args.experiments)?;
    let subject_dir = planning::subject_path(args);
    let facts = host::observe(Some(&subject_dir));
    let decision = host_side::decide(&facts, args)?;
    let seed = args.seed.unwrap_or_else(planning::entropy);
    let plans = planning::plans(&entries, args, &decision, seed)?;
    let provision = planning::provision(&plans, args, &subject_dir, seed)?;

    // From here on things are made: the run directory first, so that nothing is changed on the
    // host if nothing can be recorded.
    let run = new_run(args)?;
    // Killed from here on, it is a run that reports: as one that never came to a trial.
    let mut manifest = manifest(facts, plans, &decision);
    run.write_manifest(&manifest)?;
    let mut host_side = HostSide::apply(&decision).inspect_err(|_| discard(&run))?;
    for plan in &mut manifest.plans {
        plan.conditions.cgroup = host_side.join_dir();
    }
    let object = crate::object::find();
    let observer = if args.no_overhead || args.no_probes {
        Vec::new()
    } else {
        overhead::short(
            object.as_ref().ok(),
            &subject_dir,
            decision.measured_cpus[0],
            &stop,
        )
    };
    let mut eyes = if args.no_probes {
        Eyes::closed()
    } else {
        Eyes::open(
            object,
            probes::Options {
                bracket: None,
                log: args.bpf_log,
            },
        )
    };
    manifest.observer = observer;
    let account = matches!(eyes, Eyes::Closed(_)).then(UsageSight::of_this_kernel);
    manifest.usage = account
        .as_ref()
        .map(|sight| runner::infer::grades(sight.as_ref().map_err(String::as_str)));
    describe(&mut manifest, &host_side, &eyes);
    manifest.unseen = unseen::of(&manifest, &eyes, !args.no_counters);
    run.write_manifest(&manifest)?;
    announce(&run, &manifest, provision.as_ref());

    let rig = Rig {
        ledger: match &eyes {
            Eyes::Open(probes) => eyes.sight().map(|sight| (probes.handles(), sight)),
            Eyes::Closed(_) => None,
        },
        // Refused, the trials look at nothing but the clock; the manifest has the reason.
        usage: account.and_then(Result::ok),
        counters: !args.no_counters,
        series_ms: args.series_ms,
        housekeeping: decision.housekeeping_cpus.clone(),
        subject: provision.as_ref().map(Provision::subject),
    };
    let result = trials(&run, &mut manifest, &rig, &stop, &mut eyes);
    // Put back before anything is judged or printed.
    drop(eyes);
    let not_restored = host_side.restore();
    manifest
        .degraded
        .extend(not_restored.iter().map(|w| format!("not put back: {w}")));
    manifest.end = Some(match &result {
        Ok(end) => *end,
        Err(_) => RunEnd::Failed,
    });
    // A full disk must not hide the error that it caused.
    let closed = run.write_manifest(&manifest);
    let end = result.with_context(|| {
        format!(
            "the run ended early; what was recorded is kept: jail-tools report {}",
            run.path().display()
        )
    })?;
    closed?;
    anyhow::ensure!(
        not_restored.is_empty(),
        "the host was not put back: {}",
        not_restored.join("; ")
    );
    conclude(&run, end, args)
}

/// The manifest as it stands before anything is done to the host.
fn manifest(host: HostFacts, plans: Vec<Plan>, decision: &host::Decision) -> Manifest {
    Manifest {
        format_version: FORMAT_VERSION,
        tool_version: env!("CARGO_PKG_VERSION").into(),
        command: std::env::args().collect(),
        started_at_ns: runner::clock::realtime_ns(),
        plans,
        host,
        host_changes: Vec::new(),
        idle_policy: "not settled yet".into(),
        oracle: experiments::syslat::OracleKind::of_this_kernel()
            .name()
            .into(),
        bpf_object: None,
        probes: Vec::new(),
        usage: None,
        unseen: Vec::new(),
        counters: Vec::new(),
        degraded: decision.degraded.clone(),
        observer: Vec::new(),
        end: None,
    }
}

/// Adds what became of the host and of the probes: as it stands before the first trial.
fn describe(manifest: &mut Manifest, host_side: &HostSide, eyes: &Eyes) {
    if let Eyes::Open(p) = eyes {
        manifest.bpf_object = Some(p.object().clone());
        manifest.probes = p.armed().to_vec();
    }
    manifest.host_changes = host_side.changes();
    manifest.idle_policy = host_side.idle_policy();
    manifest.degraded.extend(eyes.degraded());
    let absent = manifest.usage.as_ref().and_then(Usage::absent);
    let unknown = absent
        .map(|why| format!("no account of the threads ({why}): where the time went is not known"));
    manifest.degraded.extend(unknown);
    manifest.degraded.extend(host_side.degraded());
}

/// Removes a run that was refused before it began: it holds nothing but the wish.
fn discard(run: &RunDir) {
    // The error that led here is the one to show.
    let _ = std::fs::remove_dir_all(run.path());
}

fn new_run(args: &args::Run) -> anyhow::Result<RunDir> {
    let utc = planning::utc(runner::clock::realtime_ns());
    let id = format!("{:04x}", planning::entropy() & 0xffff);
    RunDir::create(&args.out, &utc, &id).with_context(|| {
        format!(
            "--out {}: the run directory could not be made",
            args.out.display()
        )
    })
}

fn announce(run: &RunDir, manifest: &Manifest, provision: Option<&Provision>) {
    note(format_args!("run {}", run.path().display()));
    if let Some(object) = &manifest.bpf_object {
        note(format_args!(
            "BPF object: {} (ABI {}, crc {:08x})",
            object.origin, object.abi, object.crc32
        ));
    }
    if let Some(provision) = provision {
        note(format_args!("file under test: {}", provision.origin()));
    }
    for line in &manifest.degraded {
        note(format_args!("degraded: {line}"));
    }
    let mut commands: Vec<&str> = Vec::new();
    for unseen in &manifest.unseen {
        if let Remedy::Command(command) = &unseen.remedy
            && !commands.contains(&command.as_str())
        {
            commands.push(command);
            note(format_args!("to see more: {command}"));
        }
    }
}

/// Runs the trials of all plans and records each as soon as it is over.
fn trials(
    run: &RunDir,
    manifest: &mut Manifest,
    rig: &Rig,
    stop: &AtomicBool,
    eyes: &mut Eyes,
) -> anyhow::Result<RunEnd> {
    let total: usize = manifest.plans.iter().map(|p| p.schedule.len()).sum();
    let cells = manifest
        .plans
        .iter()
        .map(|p| p.cells.len())
        .max()
        .unwrap_or(1);
    let mut progress = Progress::new(total as u64, cells as u64);
    let plans: Vec<Plan> = manifest.plans.clone();
    let mut end = RunEnd::Complete;
    for plan in &plans {
        end = run_plan(
            plan,
            rig,
            stop,
            &mut |finished: Finished| -> Result<(), RunError> {
                if manifest.counters.is_empty() && !finished.counters.is_empty() {
                    manifest.counters.clone_from(&finished.counters);
                    manifest.unseen = unseen::of(manifest, eyes, rig.counters);
                    run.write_manifest(manifest)?;
                }
                let cell = plan
                    .cell(finished.record.spec.cell)
                    .map(|c| c.label(&plan.definition.factors));
                let record =
                    run.add_trial(finished.record, &finished.samples, &finished.readings)?;
                if record.status != TrialStatus::Complete {
                    progress.say(&format!(
                        "trial {} ({}): {:?}",
                        record.spec.trial,
                        cell.clone().unwrap_or_default(),
                        record.status
                    ));
                }
                progress.step(&cell.unwrap_or_default());
                if let Eyes::Open(probes) = eyes {
                    probes.flush_log();
                }
                Ok(())
            },
        )?;
        if end != RunEnd::Complete {
            break;
        }
    }
    progress.finish();
    Ok(end)
}

/// Judges what was recorded, keeps the verdict, prints the report.
fn conclude(run: &RunDir, end: RunEnd, args: &args::Run) -> anyhow::Result<Done> {
    let report = Report::of(run)?;
    run.write_verdict(&report.analysis.verdict())?;
    reporting::print(&report, args.json)?;
    if std::io::stderr().is_terminal() {
        note(format_args!(
            "kept in {}; `jail-tools report` shows it again",
            run.path().display()
        ));
    }
    if end == RunEnd::Interrupted {
        return Ok(Done::Interrupted);
    }
    Ok(reporting::done(&report, args.check))
}
