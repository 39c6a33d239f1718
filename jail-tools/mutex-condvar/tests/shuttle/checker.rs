//! What the shared models use of shuttle.

pub(crate) use shuttle::lazy_static;
pub(crate) use shuttle::sync::atomic::{AtomicBool, Ordering, fence};
pub(crate) use shuttle::sync::{Arc, Mutex, MutexGuard, mpsc};
pub(crate) use shuttle::thread::{JoinHandle, spawn, yield_now};

use std::time::Instant;

use crate::effort::{Effort, effort};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};

/// Every run of a test tries the same schedules; the failing one is in the panic.
const SEED: u64 = 0x6d75_7465_7863_7600;

/// How many changes of priority PCT makes: finds all mistakes that need no more than so many
/// preemptions, each with a known probability (Burckhardt and others, ASPLOS 2010).
const DEPTH: usize = 4;

/// Runs `model` under so many random schedules and as many of PCT's; ten times as many when
/// there is time.
pub(crate) fn explore(name: &str, schedules: usize, model: impl Fn() + Send + Sync + 'static) {
    let schedules = match effort() {
        Effort::Little => schedules / 10,
        Effort::Usual => schedules,
        Effort::Long => schedules * 10,
    };
    let begun = Instant::now();
    let model = std::sync::Arc::new(move || {
        crate::futex::prepare();
        model();
    });
    run(
        RandomScheduler::new_from_seed(SEED, schedules),
        std::sync::Arc::clone(&model),
    );
    run(PctScheduler::new_from_seed(SEED, DEPTH, schedules), model);
    println!(
        "explored: shuttle::{name}: {schedules} random and {schedules} PCT schedules, {:.1} s",
        begun.elapsed().as_secs_f64(),
    );
}

fn run(
    scheduler: impl Scheduler + 'static,
    model: std::sync::Arc<impl Fn() + Send + Sync + 'static>,
) {
    let mut config = Config::new();
    // It knows one order, the strongest, and would say so for each other; loom has the others.
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(move || model());
}
