//! The trial loop: the only one, for every experiment.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use counters::{CpuId, Event, ThreadCounters, tracefs::Tracefs};
use experiments::{Experiment, ExperimentError, Found, Report, Setup, Worker};
use host::PinReadBack;
use probes::Page;
use record::Class;
use record::plan::SchedClass;
use record::reading::Moment;
use record::trial::Precondition;

use crate::clock::now_ns;
use crate::close::{RawOp, Who, close, seen};
use crate::floor::Floor;
use crate::gate::Gate;
use crate::lens::Lens;
use crate::sampler::{self, Shared};
use crate::self_model::median;
use crate::usage::UsageReader;
use crate::wire::{ChildReport, ChildSpec, Sight, WireReading};

/// The floor is spun for this long before and after the operations, ns: about six timer ticks
/// each at 250 Hz.
const SPIN_NS: u64 = 12_000_000;

/// Interrupts that the inferred exit cost has to rest on.
const IRQ_EXIT_MIN: usize = 3;

/// What can end a trial early.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The experiment's own error.
    #[error(transparent)]
    Experiment(#[from] ExperimentError),
    /// Pinning failed.
    #[error(transparent)]
    Host(#[from] host::Error),
    /// The ledger page could not be used.
    #[error(transparent)]
    Ledger(#[from] probes::ledger::LedgerError),
    /// Another thread of the trial failed first.
    #[error("another measured thread gave up")]
    Peer,
    /// A condition could not be set.
    #[error("{0}")]
    Condition(String),
    /// A measured thread panicked.
    #[error("a measured thread panicked")]
    Panic,
}

/// What all threads of a trial share.
struct Common<'a> {
    spec: &'a ChildSpec,
    page: Option<std::sync::Arc<Page>>,
    events: Vec<Event>,
    tracefs: Result<Tracefs, String>,
    gate: Gate,
    counters: Vec<OnceLock<Shared>>,
}

/// What one measured thread brings home.
struct ThreadResult {
    ops: Vec<RawOp>,
    readings: Vec<WireReading>,
    report: Report,
    pin: Option<PinReadBack>,
    floor: Floor,
    torn: u64,
}

/// Runs one trial of an experiment in this process.
///
/// # Errors
/// See [`TrialError`].
pub fn run<E: Experiment>(spec: &ChildSpec) -> Result<ChildReport, TrialError> {
    let setup = Setup {
        cell: &spec.cell,
        seed: spec.trial.seed,
        budget: &spec.budget,
        subject: spec.subject,
        cpus: &spec.conditions.cpus,
    };
    let workers = E::set_up(&setup)?;
    let shared = Common {
        spec,
        page: spec
            .ledger
            .as_ref()
            .map(|(handles, _)| Page::map(*handles))
            .transpose()?,
        events: if spec.counters {
            counters::table(CpuId::of_this_machine().as_ref())
        } else {
            Vec::new()
        },
        tracefs: if spec.counters {
            Tracefs::open()
        } else {
            Err("no counters were wanted".into())
        },
        gate: Gate::new(workers.len() as u32),
        counters: workers.iter().map(|_| OnceLock::new()).collect(),
    };
    let stop = AtomicBool::new(false);
    let period = std::time::Duration::from_millis(u64::from(spec.series_ms));
    let (results, series) = std::thread::scope(|scope| {
        let shared = &shared;
        let threads: Vec<_> = workers
            .into_iter()
            .enumerate()
            .map(|(i, worker)| scope.spawn(move || measured_thread(shared, i, worker)))
            .collect();
        let sampler =
            may_sample(spec).then(|| scope.spawn(|| sampler::run(&shared.counters, period, &stop)));
        let results: Vec<_> = threads
            .into_iter()
            .map(|t| t.join().unwrap_or(Err(TrialError::Panic)))
            .collect();
        stop.store(true, Ordering::Release);
        let series = sampler.map_or_else(Vec::new, |s| {
            s.thread().unpark();
            s.join().unwrap_or_default()
        });
        (results, series)
    });
    // The first thread's own error, rather than that its peers were let go because of it.
    let mut threads = Vec::new();
    let mut error = None;
    for result in results {
        match result {
            Ok(t) => threads.push(t),
            Err(TrialError::Peer) => error = error.or(Some(TrialError::Peer)),
            Err(e) => error = Some(e),
        }
    }
    match error {
        Some(e) => Err(e),
        None => Ok(report(&shared, threads, series)),
    }
}

/// A sampler must not run on a measured CPU: with a v2 shield the whole process is behind it.
fn may_sample(spec: &ChildSpec) -> bool {
    spec.counters
        && spec.series_ms > 0
        && spec
            .conditions
            .cgroup
            .as_ref()
            .is_none_or(|dir| std::path::Path::new(dir).join("tasks").exists())
}

fn measured_thread<W: Worker>(
    shared: &Common<'_>,
    index: usize,
    worker: W,
) -> Result<ThreadResult, TrialError> {
    measure(shared, index, worker).inspect_err(|_| shared.gate.fail())
}

fn measure<W: Worker>(
    shared: &Common<'_>,
    index: usize,
    mut worker: W,
) -> Result<ThreadResult, TrialError> {
    let spec = shared.spec;
    let pin = take_conditions(spec, index)?;
    let slot = shared
        .page
        .as_ref()
        .map(|page| page.take(index as u32))
        .transpose()?;
    let mut lens = match (slot, &spec.usage) {
        (Some(slot), _) => Lens::ledger(slot),
        (None, Some(sight)) => Lens::usage(UsageReader::open(sight)),
        (None, None) => Lens::bare(),
    };
    let mut readings = Vec::new();
    if spec.counters {
        let opened = ThreadCounters::open(
            &shared.events,
            shared.tracefs.as_ref().map_err(String::as_str),
        );
        // Once a trial: what one thread is refused, all are.
        if index == 0 {
            sampler::refused(&opened, index as u32, &mut readings);
        }
        let _ = shared.counters[index].set(Shared::new(opened));
    }
    worker.arrive()?;
    let mut floor = Floor::default();
    floor.spin(&mut lens, SPIN_NS);
    let mut ops = room(spec);
    if !shared.gate.pass() {
        return Err(TrialError::Peer);
    }
    operations(
        shared,
        index,
        &mut worker,
        &mut lens,
        &mut ops,
        &mut readings,
    )?;
    worker.leave();
    floor.spin(&mut lens, SPIN_NS);
    let torn = lens.torn();
    Ok(ThreadResult {
        ops,
        readings,
        report: worker.finish(),
        pin,
        floor,
        torn,
    })
}

/// Scheduling class, cgroup and CPU of the calling thread.
fn take_conditions(spec: &ChildSpec, index: usize) -> Result<Option<PinReadBack>, TrialError> {
    let c = &spec.conditions;
    if let Some(dir) = &c.cgroup {
        join(dir).map_err(|e| TrialError::Condition(format!("join cgroup {dir}: {e}")))?;
    }
    // Pinned before the class: a FIFO thread must not disturb the other CPUs on its way.
    let pin = c.cpus.get(index).map(|cpu| host::pin(*cpu)).transpose()?;
    match c.sched {
        SchedClass::Other => {}
        class => crate::sched_class::set_class(class).map_err(TrialError::Condition)?,
    }
    Ok(pin)
}

/// v1 hierarchies take single threads, so that the sampler stays outside; v2 takes the process.
fn join(dir: &str) -> std::io::Result<()> {
    let dir = std::path::Path::new(dir);
    let tasks = dir.join("tasks");
    if tasks.exists() {
        std::fs::write(tasks, nix::unistd::gettid().to_string())
    } else {
        std::fs::write(dir.join("cgroup.procs"), std::process::id().to_string())
    }
}

/// Room for all operations, already touched: recording one must not fault.
fn room(spec: &ChildSpec) -> Vec<RawOp> {
    let most = spec.budget.ops.values().max().copied().unwrap_or(0) + spec.budget.warmup_ops;
    let blank = RawOp {
        op: 0,
        look: crate::lens::Look {
            start_ns: 0,
            end_ns: 0,
            outcome: experiments::Outcome {
                result: 0,
                units: 1,
                started_ns: None,
            },
            diff: None,
            usage: None,
        },
        found: Found::default(),
        class: Class::Unknown,
    };
    let mut ops = vec![blank; usize::try_from(most).unwrap_or(0)];
    ops.clear();
    ops
}

fn operations<W: Worker>(
    shared: &Common<'_>,
    index: usize,
    worker: &mut W,
    lens: &mut Lens,
    ops: &mut Vec<RawOp>,
    readings: &mut Vec<WireReading>,
) -> Result<(), TrialError> {
    let spec = shared.spec;
    let sight = spec.ledger.as_ref().map(|(_, sight)| sight);
    let counters = shared.counters[index].get();
    let end_ns = now_ns() + spec.budget.trial_ms * 1_000_000;
    for op in 0.. {
        if op == spec.budget.warmup_ops
            && let Some(counters) = counters
        {
            sampler::read(counters, index as u32, Moment::Start, readings);
        }
        if now_ns() > end_ns {
            break;
        }
        let Some(announce) = worker.before(op)? else {
            break;
        };
        lens.announce(op, announce);
        let look = lens.look(worker);
        lens.retire();
        let found = worker.after()?;
        if op >= spec.budget.warmup_ops {
            let class = seen(look.diff.as_ref(), sight)
                .map_or(Class::Unknown, |s| worker.class(&s, &found));
            ops.push(RawOp {
                op: op - spec.budget.warmup_ops,
                look,
                found,
                class,
            });
        }
    }
    if let Some(counters) = counters {
        sampler::read(counters, index as u32, Moment::End, readings);
    }
    Ok(())
}

fn report(
    shared: &Common<'_>,
    threads: Vec<ThreadResult>,
    series: Vec<WireReading>,
) -> ChildReport {
    let spec = shared.spec;
    let sight: Option<&Sight> = spec.ledger.as_ref().map(|(_, sight)| sight);
    let mut report = ChildReport::default();
    if let Some(counters) = shared.counters.first().and_then(OnceLock::get) {
        let counters = counters
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        report.counters = counters.armed().to_vec();
    }
    let mut exits: Vec<i64> = threads
        .iter()
        .flat_map(|t| t.floor.irq_exit_ns.iter().copied())
        .collect();
    exits.sort_unstable();
    let n = exits.len();
    report.irq_exit_ns = (n >= IRQ_EXIT_MIN)
        .then(|| median(exits).map(|ns| (ns, n as u64)))
        .flatten();
    report.floor_gaps_per_s = threads.first().and_then(|t| t.floor.gaps_per_s());
    for (i, t) in threads.into_iter().enumerate() {
        let who = Who {
            trial: spec.trial.trial,
            cell: spec.cell.id,
            thread: i as u32,
        };
        let (samples, models) = close(who, &t.ops, sight, report.irq_exit_ns.map(|(ns, _)| ns));
        report.losses.gaps += samples
            .iter()
            .filter_map(|s| s.gaps)
            .map(u64::from)
            .sum::<u64>();
        report.losses.torn_reads += t.torn;
        report.losses.request_drops += sum(&t.ops, |d| d.get(probes::counter::REQUEST_DROPS));
        report.losses.completions += sum(&t.ops, |d| d.lost);
        report.samples.extend(samples);
        report.self_models.extend(models.into_vec());
        report.readings.extend(t.readings);
        report.preconditions.push(pinned(t.pin.as_ref()));
        report.preconditions.extend(t.report.preconditions);
        report.notes.extend(t.report.notes);
    }
    report.readings.extend(series);
    if spec.counters && spec.series_ms > 0 && !may_sample(spec) {
        report
            .notes
            .push("no time series of counters: the whole process is behind the v2 shield".into());
    }
    report
}

fn sum(ops: &[RawOp], of: fn(&probes::Diff) -> u64) -> u64 {
    ops.iter()
        .filter_map(|op| op.look.diff.as_ref())
        .map(of)
        .sum()
}

fn pinned(pin: Option<&PinReadBack>) -> Precondition {
    Precondition {
        name: "pinned".into(),
        checked: 1,
        missed: u64::from(!pin.is_some_and(PinReadBack::held)),
        detail: pin.map_or("no CPU was planned for this thread".into(), |pin| {
            format!(
                "asked for CPU {:?}, may run on {:?}, ran on {}",
                pin.asked, pin.allowed, pin.running_on
            )
        }),
    }
}
