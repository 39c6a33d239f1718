//! What the kernel counts of one thread: CPU time, switches, system calls.

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

/// A number of calls, or the reason why it is not known. It is never 0 instead.
pub(crate) type Known = Result<u64, String>;

/// System calls, so far or of some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Calls {
    /// Of futex(2).
    pub(crate) futex: Known,
    /// Of anything: a queue may do without futex(2) by calling something else (sched_yield(2) to
    /// wait, membarrier(2) to make its lock cheaper).
    pub(crate) all: Known,
}

impl Calls {
    /// What was added since.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            futex: both(self.futex, earlier.futex, u64::saturating_sub),
            // The look that ends the time is itself a call of read(2), which counts itself.
            all: both(self.all, earlier.all, u64::saturating_sub).map(|n| n.saturating_sub(1)),
        }
    }

    /// Of both threads together; unknown if one of them is.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            futex: both(self.futex, other.futex, u64::saturating_add),
            all: both(self.all, other.all, u64::saturating_add),
        }
    }
}

fn both(one: Known, other: Known, join: fn(u64, u64) -> u64) -> Known {
    Ok(join(one?, other?))
}

/// Where calls can be counted from: tracefs, which has the numbers of the tracepoints.
#[derive(Debug, Clone)]
pub(crate) struct CallSight(Arc<Result<Tracefs, String>>);

impl CallSight {
    pub(crate) fn open() -> Self {
        Self(Arc::new(Tracefs::open()))
    }

    /// Counters of the calling thread's system calls. They make each of them dearer.
    pub(crate) fn count_this_thread(&self) -> CallCounters {
        let open = |group, name| {
            let tracefs = self.0.as_ref().as_ref().map_err(Clone::clone);
            tracefs.and_then(|tracefs| counter(tracefs, group, name))
        };
        CallCounters {
            futex: open("syscalls", "sys_enter_futex"),
            all: open("raw_syscalls", "sys_enter"),
        }
    }
}

/// Each is an event of its own and not a member of a group led by another PMU's event: on Linux
/// 6.18 such a member, enabled while its thread runs, counts nothing before the thread's next
/// switch, though its times say that it does.
fn counter(tracefs: &Tracefs, group: &str, name: &str) -> Result<Counter, String> {
    let mut builder = Builder::new(Tracepoint::with_id(tracefs.id(group, name)?));
    // perf-event2 leaves the kernel out by default, and a tracepoint is in the kernel.
    builder.observe_self().include_kernel().include_hv();
    let failed = |call: &str, e: std::io::Error| format!("{call} of {group}:{name}: {e}");
    let mut counter = builder.build().map_err(|e| failed("perf_event_open", e))?;
    let enabled = counter.enable();
    enabled.map_err(|e| failed("ioctl(PERF_EVENT_IOC_ENABLE)", e))?;
    Ok(counter)
}

/// Open counters, or the reasons why there are none.
#[derive(Debug)]
pub(crate) struct CallCounters {
    futex: Result<Counter, String>,
    all: Result<Counter, String>,
}

impl CallCounters {
    /// The last look before what is to be counted: that at all calls comes last, so that it does
    /// not count the other.
    pub(crate) fn before(&mut self) -> Calls {
        let futex = read(&mut self.futex);
        let all = read(&mut self.all);
        Calls { futex, all }
    }

    /// The first look after it, the other way round.
    pub(crate) fn after(&mut self) -> Calls {
        let all = read(&mut self.all);
        let futex = read(&mut self.futex);
        Calls { futex, all }
    }
}

fn read(counter: &mut Result<Counter, String>) -> Known {
    let counter = counter.as_mut().map_err(|why| why.clone())?;
    let data = counter
        .read_full()
        .map_err(|e| format!("read of a counter of system calls: {e}"))?;
    if data.time_running() < data.time_enabled() {
        return Err("the counter of system calls did not count all the time".into());
    }
    Ok(data.count())
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
    fn every_call_is_counted_from_the_start_or_there_is_a_reason() {
        const CALLS: u64 = 1_000;
        // A thread that has just been started, does not wait and is not switched away.
        let counted = std::thread::spawn(|| {
            let mut counters = CallSight::open().count_this_thread();
            let before = counters.before();
            // std's Condvar wakes by a call of futex, whether anybody waits or not.
            let nobody_waits = std::sync::Condvar::new();
            (0..CALLS).for_each(|_| nobody_waits.notify_one());
            counters.after().since(before)
        });
        let calls = counted.join().expect("no panic");
        for known in [calls.futex, calls.all] {
            match known {
                Ok(calls) => assert_eq!(calls, CALLS),
                Err(why) => assert!(!why.is_empty()),
            }
        }
    }

    #[test]
    fn one_thread_that_is_not_known_makes_the_sum_unknown() {
        let calls = |futex: Known| Calls { futex, all: Ok(9) };
        let sum = calls(Ok(1)).and(calls(Err("EACCES".into())));
        assert_eq!(sum.futex, Err("EACCES".into()));
        assert_eq!(sum.all, Ok(18));
    }
}
