//! What the shared models use of loom.

pub(crate) use loom::lazy_static;
pub(crate) use loom::sync::atomic::{AtomicBool, Ordering, fence};
pub(crate) use loom::sync::{Arc, Mutex, MutexGuard, mpsc};
pub(crate) use loom::thread::{JoinHandle, spawn, yield_now};

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

/// Explores every interleaving of `model` with up to `preemptions` of them forced, and one
/// more when there is time.
pub(crate) fn explore(name: &str, preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let more = usize::from(std::env::var_os("JAIL_TOOLS_LONG_TESTS").is_some());
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions + more);
    if let Ok(b) = std::env::var("EXP") { builder.preemption_bound = b.parse().ok(); }
    builder.max_branches = 10_000;
    let begun = Instant::now();
    let iterations = std::sync::Arc::new(AtomicUsize::new(0));
    let counter = std::sync::Arc::clone(&iterations);
    builder.check(move || {
        counter.fetch_add(1, Relaxed);
        crate::futex::prepare();
        model();
    });
    println!(
        "explored: loom::{name}: {} interleavings, {} preemptions, {:.1} s",
        iterations.load(Relaxed),
        preemptions + more,
        begun.elapsed().as_secs_f64(),
    );
}
