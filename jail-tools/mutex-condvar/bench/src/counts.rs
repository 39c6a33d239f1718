//! What the kernel counts of one thread: CPU time, switches, futex calls.

use std::sync::Arc;

use anyhow::{Context, Result};
use counters::tracefs::Tracefs;
use nix::sys::resource::{UsageWho, getrusage};
use perf_event::events::Tracepoint;
use perf_event::{Builder, Counter};

use crate::clock::thread_cpu_ns;

/// A thread's account, or the difference of two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) cpu_ns: u64,
    /// Switches away because it had to wait (`ru_nvcsw`).
    pub(crate) voluntary: u64,
    /// Switches away while runnable: preempted, or `sched_yield` (`ru_nivcsw`).
    pub(crate) involuntary: u64,
}

impl Usage {
    /// Of the calling thread, so far.
    pub(crate) fn of_this_thread() -> Result<Self> {
        let usage =
            getrusage(UsageWho::RUSAGE_THREAD).context("getrusage(RUSAGE_THREAD) of a worker")?;
        Ok(Self {
            cpu_ns: thread_cpu_ns(),
            voluntary: usage.voluntary_context_switches() as u64,
            involuntary: usage.involuntary_context_switches() as u64,
        })
    }

    /// What was added since.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            cpu_ns: self.cpu_ns.saturating_sub(earlier.cpu_ns),
            voluntary: self.voluntary.saturating_sub(earlier.voluntary),
            involuntary: self.involuntary.saturating_sub(earlier.involuntary),
        }
    }

    /// Of both threads together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            cpu_ns: self.cpu_ns + other.cpu_ns,
            voluntary: self.voluntary + other.voluntary,
            involuntary: self.involuntary + other.involuntary,
        }
    }
}

/// Where futex calls can be counted from: tracefs, which has the number of the tracepoint.
#[derive(Debug, Clone)]
pub(crate) struct FutexSight(Arc<Result<Tracefs, String>>);

impl FutexSight {
    pub(crate) fn open() -> Self {
        Self(Arc::new(Tracefs::open()))
    }

    /// A counter of the calling thread's futex(2) calls. It makes each of them dearer.
    ///
    /// It is an event of its own and not one of a group led by another PMU's: on Linux 6.18 such a
    /// member, enabled while its thread runs, counts nothing before the thread's next switch.
    pub(crate) fn count_this_thread(&self) -> FutexCalls {
        let opened = self.0.as_ref().as_ref().map_err(Clone::clone);
        FutexCalls(opened.and_then(futex_counter))
    }
}

fn futex_counter(tracefs: &Tracefs) -> Result<Counter, String> {
    let id = tracefs.id("syscalls", "sys_enter_futex")?;
    let mut builder = Builder::new(Tracepoint::with_id(id));
    // perf-event2 leaves the kernel out by default, and a tracepoint is in the kernel.
    builder.observe_self().include_kernel().include_hv();
    let call = |call: &str, e: std::io::Error| format!("{call} of syscalls:sys_enter_futex: {e}");
    let mut counter = builder.build().map_err(|e| call("perf_event_open", e))?;
    let enabled = counter.enable();
    enabled.map_err(|e| call("ioctl(PERF_EVENT_IOC_ENABLE)", e))?;
    Ok(counter)
}

/// An open counter, or the reason why there is none.
#[derive(Debug)]
pub(crate) struct FutexCalls(Result<Counter, String>);

impl FutexCalls {
    /// Calls so far.
    ///
    /// # Errors
    /// In words: why there is no figure. It is never 0 instead.
    pub(crate) fn read(&mut self) -> Result<u64, String> {
        let counter = self.0.as_mut().map_err(|why| why.clone())?;
        let data = counter
            .read_full()
            .map_err(|e| format!("read of the counter of syscalls:sys_enter_futex: {e}"))?;
        if data.time_running() < data.time_enabled() {
            return Err("the counter of futex calls did not count all the time".into());
        }
        Ok(data.count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_grows() {
        let before = Usage::of_this_thread().expect("getrusage works");
        std::thread::sleep(std::time::Duration::from_millis(1));
        let added = Usage::of_this_thread()
            .expect("getrusage works")
            .since(before);
        assert!(added.voluntary >= 1, "{added:?}");
    }

    #[test]
    fn every_futex_call_is_counted_from_the_start_or_there_is_a_reason() {
        const CALLS: u64 = 1_000;
        // A thread that has just been started, does not wait and is not switched away.
        let counted = std::thread::spawn(|| {
            let mut calls = FutexSight::open().count_this_thread();
            let before = calls.read();
            // std's Condvar wakes by a call of futex, whether anybody waits or not.
            let nobody_waits = std::sync::Condvar::new();
            (0..CALLS).for_each(|_| nobody_waits.notify_one());
            before.and_then(|before| Ok(calls.read()? - before))
        });
        match counted.join().expect("no panic") {
            Ok(calls) => assert_eq!(calls, CALLS),
            Err(why) => assert!(!why.is_empty()),
        }
    }
}
