//! The time series: another thread reads the measured threads' counters every few milliseconds.
//!
//! Reading a counter that is active on another CPU sends that CPU an interrupt; the ledger books
//! it as an IPI, and `jail-tools overhead` shows what it costs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use counters::ThreadCounters;
use record::reading::Moment;

use crate::clock::now_ns;
use crate::wire::WireReading;

/// The counters of one measured thread, shared with the sampler.
pub type Shared = Mutex<ThreadCounters>;

/// Reads one thread's counters.
pub fn read(counters: &Shared, thread: u32, moment: Moment, into: &mut Vec<WireReading>) {
    let (readings, error) = counters
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .read();
    let at_ns = now_ns();
    into.extend(readings.into_iter().map(|r| WireReading {
        thread,
        at_ns,
        moment,
        event: r.event,
        value: Ok((r.value, r.enabled_ns, r.running_ns)),
    }));
    if let Some(e) = error {
        let value = Err(format!("read of a perf group: {e}"));
        into.push(WireReading {
            thread,
            at_ns,
            moment,
            event: "(group)".into(),
            value,
        });
    }
}

/// A counter that could not be opened is a row with its reason, at the time when it was refused.
pub fn refused(counters: &ThreadCounters, thread: u32, into: &mut Vec<WireReading>) {
    let at_ns = now_ns();
    into.extend(counters.armed().iter().filter_map(|armed| {
        Some(WireReading {
            thread,
            at_ns,
            moment: Moment::Start,
            event: armed.name.clone(),
            value: Err(armed.missing.clone()?),
        })
    }));
}

/// Samples every `period` until `stop`. `threads[i]` is `None` until thread i has opened its counters.
pub fn run(
    threads: &[std::sync::OnceLock<Shared>],
    period: Duration,
    stop: &AtomicBool,
) -> Vec<WireReading> {
    let mut series = Vec::new();
    while !stop.load(Ordering::Acquire) {
        std::thread::park_timeout(period);
        for (i, counters) in threads.iter().enumerate() {
            if let Some(counters) = counters.get() {
                read(counters, i as u32, Moment::Series, &mut series);
            }
        }
    }
    series
}
