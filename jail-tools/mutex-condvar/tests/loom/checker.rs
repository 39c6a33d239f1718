//! What the shared models use of loom.

pub(crate) use loom::lazy_static;
pub(crate) use loom::sync::atomic::{AtomicBool, Ordering, fence};
pub(crate) use loom::sync::{Arc, Mutex, MutexGuard, mpsc};
pub(crate) use loom::thread::{JoinHandle, spawn, yield_now};

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use crate::effort::{Effort, effort};

/// Forced preemptions in models of two threads.
///
/// A switch from a thread that sleeps or is done costs none. The mistakes that are injected are
/// all found from 3 on; 2 misses one of them, 1 most.
pub(crate) const TWO_THREADS: usize = 5;
/// And of three: each more multiplies what is explored by ten and more.
pub(crate) const THREE_THREADS: usize = 3;

/// Explores the interleavings of `model` with up to so many preemptions, and one more when
/// there is time.
pub(crate) fn explore(name: &str, preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let preemptions = match effort() {
        Effort::Little => 2,
        Effort::Usual => preemptions,
        Effort::Long => preemptions + 1,
    };
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
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
        "explored: loom::{name}: {} interleavings, {preemptions} preemptions, {:.1} s",
        iterations.load(Relaxed),
        begun.elapsed().as_secs_f64(),
    );
}
