//! Perf events: one table of events, groups per measured thread, readings with their grade.
//!
//! Knows `record`. Knows nothing of experiments, probes or trials: it opens what the table says
//! on the calling thread, and a missing counter is a row with a reason, never a zero.
//! One door to the kernel: [`tracefs`]. perf_event_open(2) itself goes through perf-event2.

pub mod coherence;
pub mod cpu_id;
pub mod events;
pub mod thread;
pub mod tracefs;

pub use cpu_id::CpuId;
pub use events::{Event, table};
pub use thread::{RawReading, ThreadCounters};
