//! The threads of one trial: started, placed, released together, watched, and added up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::clock::monotonic_ns;
use crate::counts::{CallCounters, CallSight, Calls, Usage};
use crate::gate::Gate;
use crate::peers::Refused;
use crate::tally::Tally;

/// What a worker does between gate and end. It is called once; being `FnMut`, it keeps its end of
/// the queue until the crew lets go of all of them, so that no end is dropped inside the window.
pub(crate) type Body = Box<dyn FnMut() -> Result<Tally, Refused> + Send>;

/// Does a worker push or pop?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Producer,
    Consumer,
}

/// A worker to be.
pub(crate) struct Worker {
    pub(crate) role: Role,
    pub(crate) body: Body,
}

/// How the workers of a trial are run.
#[derive(Debug, Clone)]
pub(crate) struct Crew {
    /// CPUs of the n-th producer and consumer, by [`crate::placement::Placement`].
    pub(crate) placement: crate::placement::Placement,
    pub(crate) sight: CallSight,
    /// A trial that takes longer hangs.
    pub(crate) hang: Duration,
}

/// A trial, added up over its workers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    /// From the gate to the last consumer's end.
    pub(crate) elapsed_ns: u64,
    pub(crate) usage: Usage,
    /// System calls of all workers; `None` where they were not asked for.
    pub(crate) calls: Option<Calls>,
    /// What the consumers received.
    pub(crate) received: Tally,
}

/// A worker's own part.
struct Part {
    role: Role,
    end_ns: u64,
    usage: Usage,
    calls: Option<Calls>,
    tally: Tally,
    /// Kept until all have ended.
    _body: Body,
}

/// What the workers of one trial share.
struct Shared {
    gate: Gate,
    left: AtomicU32,
    count: Option<CallSight>,
}

impl Crew {
    /// Runs the workers to their ends.
    ///
    /// # Errors
    /// A thread could not be had or placed, a queue refused a message, or the trial hangs: then
    /// its threads are left behind, and the process should end.
    pub(crate) fn run(&self, workers: Vec<Worker>, counted: bool) -> Result<Outcome> {
        let total = workers.len() as u32;
        let shared = Arc::new(Shared {
            gate: Gate::new(total),
            left: AtomicU32::new(total),
            count: counted.then(|| self.sight.clone()),
        });
        let (done, ended) = mpsc::channel();
        let mut threads = Vec::with_capacity(workers.len());
        for (number, worker) in workers.into_iter().enumerate() {
            let cpus = self.placement.of(worker.role).to_vec();
            let (theirs, done) = (Arc::clone(&shared), done.clone());
            let thread = Builder::new()
                .name(format!("{:?} {number}", worker.role))
                .spawn(move || work(worker, &cpus, &theirs, &done));
            match thread.context("start a worker thread") {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    shared.gate.fail();
                    return Err(error);
                }
            }
        }
        drop(done);
        match ended.recv_timeout(self.hang) {
            Ok(result) => result?,
            Err(RecvTimeoutError::Timeout) => bail!(
                "hung: {} of {total} threads have not ended after {} s",
                shared.left.load(Ordering::Acquire),
                self.hang.as_secs_f64()
            ),
            Err(RecvTimeoutError::Disconnected) => bail!("a worker thread died"),
        }
        let parts = threads
            .into_iter()
            .map(joined)
            .collect::<Result<Vec<_>>>()?;
        sum(shared.gate.opened_ns(), parts)
    }
}

/// One thread's life. The last to end says so, and so does any that fails: a word from each would
/// wake the controller while others still work.
fn work(worker: Worker, cpus: &[u32], shared: &Shared, done: &Sender<Result<()>>) -> Option<Part> {
    let part = act(worker, cpus, shared);
    let last = shared.left.fetch_sub(1, Ordering::AcqRel) == 1;
    match part {
        Ok(part) => {
            if last {
                // Nobody listens any more if another worker failed: then that is what counts.
                drop(done.send(Ok(())));
            }
            Some(part)
        }
        Err(error) => {
            // First the reason, then the others are let go: what they say is not the reason.
            drop(done.send(Err(error)));
            shared.gate.fail();
            None
        }
    }
}

fn act(mut worker: Worker, cpus: &[u32], shared: &Shared) -> Result<Part> {
    place(cpus)?;
    let mut counters = shared.count.as_ref().map(CallSight::count_this_thread);
    ensure!(
        shared.gate.pass(),
        "another worker gave up before the start"
    );
    let usage_before = Usage::of_this_thread()?;
    let calls_before = counters.as_mut().map(CallCounters::before);
    let tally = (worker.body)();
    let end_ns = monotonic_ns();
    let calls_after = counters.as_mut().map(CallCounters::after);
    let usage = Usage::of_this_thread()?.since(usage_before);
    let tally = tally.map_err(|why| anyhow!("a {:?}: {why}", worker.role))?;
    let calls = calls_after
        .zip(calls_before)
        .map(|(after, before)| after.since(before));
    Ok(Part {
        role: worker.role,
        end_ns,
        usage,
        calls,
        tally,
        _body: worker.body,
    })
}

fn place(cpus: &[u32]) -> Result<()> {
    let back = host::confine(cpus).context("place a worker")?;
    ensure!(
        back.held(),
        "sched_setaffinity of a worker to {cpus:?} did not take: {back:?}"
    );
    Ok(())
}

fn joined(thread: JoinHandle<Option<Part>>) -> Result<Part> {
    thread.join().ok().flatten().context("a worker thread died")
}

fn sum(opened_ns: u64, parts: Vec<Part>) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for part in parts {
        outcome.usage = outcome.usage.and(part.usage);
        if part.role == Role::Consumer {
            let elapsed_ns = part.end_ns.saturating_sub(opened_ns);
            outcome.elapsed_ns = outcome.elapsed_ns.max(elapsed_ns);
            outcome.received.merge(part.tally);
        }
        outcome.calls = match (outcome.calls, part.calls) {
            (Some(a), Some(b)) => Some(a.and(b)),
            (one, other) => one.or(other),
        };
    }
    ensure!(
        opened_ns > 0 && outcome.elapsed_ns > 0,
        "CLOCK_MONOTONIC gave no time"
    );
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::Placement;

    fn crew(hang: Duration) -> Crew {
        let cpus = host::distance::allowed_cpus().expect("a mask");
        Crew {
            placement: Placement::everywhere(&cpus),
            sight: CallSight::open(),
            hang,
        }
    }

    fn worker(body: impl FnMut() -> Result<Tally, Refused> + Send + 'static) -> Worker {
        Worker {
            role: Role::Consumer,
            body: Box::new(body),
        }
    }

    #[test]
    fn a_thread_that_does_not_end_is_noticed() {
        let (release, wait) = mpsc::channel::<()>();
        let hangs = worker(move || {
            let _ = wait.recv();
            Ok(Tally::default())
        });
        let workers = vec![worker(|| Ok(Tally::default())), hangs];
        let error = crew(Duration::from_millis(50))
            .run(workers, false)
            .expect_err("it hangs");
        assert!(error.to_string().contains("1 of 2"), "{error}");
        drop(release);
    }

    #[test]
    fn a_refusal_ends_the_trial_though_another_thread_waits_on() {
        let (release, wait) = mpsc::channel::<()>();
        let hangs = worker(move || {
            let _ = wait.recv();
            Ok(Tally::default())
        });
        let workers = vec![worker(|| Err(Refused::Closed)), hangs];
        let error = crew(Duration::from_mins(1))
            .run(workers, false)
            .expect_err("refused");
        assert!(error.to_string().contains("closed"), "{error}");
        drop(release);
    }

    #[test]
    fn a_worker_that_cannot_be_placed_is_the_reason_whoever_speaks_first() {
        let nowhere = Crew {
            placement: Placement::everywhere(&[]),
            ..crew(Duration::from_mins(1))
        };
        let workers = (0..4).map(|_| worker(|| Ok(Tally::default()))).collect();
        let error = nowhere.run(workers, false).expect_err("no CPU");
        assert!(
            format!("{error:#}").contains("sched_setaffinity"),
            "{error:#}"
        );
    }
}
