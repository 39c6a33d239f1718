//! What the kernel counts of one thread: CPU time, switches, futex calls.

use std::sync::Arc;

use anyhow::{Context, Result};
use counters::events::{Event, Group, Kind};
use counters::tracefs::Tracefs;
use counters::{RawReading, ThreadCounters};
use nix::sys::resource::{UsageWho, getrusage};

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
    pub(crate) fn count_this_thread(&self) -> FutexCalls {
        let row = Event {
            name: "syscalls:sys_enter_futex",
            group: Group::Tracepoint,
            kind: Kind::Tracepoint("syscalls", "sys_enter_futex"),
            about: "calls of futex",
        };
        let tracefs = self.0.as_ref().as_ref().map_err(String::as_str);
        FutexCalls(ThreadCounters::open(&[row], tracefs))
    }
}

/// An open counter, or the reason why there is none.
#[derive(Debug)]
pub(crate) struct FutexCalls(ThreadCounters);

impl FutexCalls {
    /// Calls so far.
    ///
    /// # Errors
    /// In words: why there is no figure. It is never 0 instead.
    pub(crate) fn read(&mut self) -> Result<u64, String> {
        let (readings, error) = self.0.read();
        if let Some(error) = error {
            return Err(format!("read of the futex counter: {error}"));
        }
        match readings.first() {
            Some(reading) => whole(reading),
            None => Err(self
                .0
                .armed()
                .iter()
                .find_map(|a| a.missing.clone())
                .unwrap_or_else(|| "the futex counter gave no reading".into())),
        }
    }
}

/// A counter that did not count all the time, or not in the kernel, has no figure.
fn whole(reading: &RawReading) -> Result<u64, String> {
    if reading.event.ends_with(":u") {
        return Err("the kernel was not counted".into());
    }
    if reading.running_ns < reading.enabled_ns {
        return Err("the futex counter did not count all the time".into());
    }
    Ok(reading.value)
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
    fn a_counter_that_saw_a_part_has_no_figure() {
        let reading = |event: &str, running_ns| RawReading {
            event: event.into(),
            value: 7,
            enabled_ns: 100,
            running_ns,
        };
        assert_eq!(whole(&reading("f", 100)), Ok(7));
        assert!(whole(&reading("f", 99)).is_err());
        assert!(whole(&reading("f:u", 100)).is_err());
    }

    #[test]
    fn futex_calls_are_counted_or_there_is_a_reason() {
        let mut calls = FutexSight::open().count_this_thread();
        match (calls.read(), calls.read()) {
            (Ok(first), Ok(second)) => assert!(second >= first),
            (first, second) => {
                let why = first.and(second).expect_err("one of them failed");
                assert!(!why.is_empty());
            }
        }
    }
}
