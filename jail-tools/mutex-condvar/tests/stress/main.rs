//! Real threads on the real kernel: every item accounted for, every thread home in time.

mod account;
mod account_tests;
mod campaign;
mod consuming;
#[path = "../common/crew.rs"]
mod crew;
mod generation;
mod item;
mod locks;
mod messages;
#[path = "../common/place.rs"]
mod place;
#[path = "../common/proc.rs"]
mod proc;
mod producing;
#[path = "../common/refusal.rs"]
mod refusal;
#[path = "../common/rng.rs"]
mod rng;
mod size;
mod spare;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// One at a time: the locks adapt to the CPUs on which the process's threads wait, and timings of
/// two stresses at once tell nothing.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn stress(moves: u64, cpu: Option<usize>) {
    let _alone = alone();
    let seed = size::seed();
    match campaign::run(moves, seed, cpu) {
        Ok(report) => println!("stress, seed {seed}, CPU {cpu:?}: {report}"),
        Err(trouble) => panic!("seed {seed}, CPU {cpu:?}: {trouble}"),
    }
}

#[test]
fn every_item_is_accounted_for_on_all_cpus() {
    stress(size::moves(), None);
}

#[test]
fn every_item_is_accounted_for_on_one_cpu() {
    stress(size::moves(), Some(place::cpus()[0]));
}

#[test]
fn needs_time_every_item_of_a_hundred_million_is_accounted_for() {
    let test = testkit::begin!();
    if let Some(why) = size::too_short_for_long_tests() {
        test.skip(why);
        return;
    }
    stress(50_000_000, None);
    stress(50_000_000, Some(place::cpus()[0]));
}
