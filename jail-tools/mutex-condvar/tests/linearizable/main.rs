//! What threads see of a queue at once is what one after another would have seen.

mod checker;
mod checker_tests;
mod history;
#[path = "../common/queue.rs"]
mod queue;
mod recording;
#[path = "../common/refusal.rs"]
mod refusal;
#[path = "../common/rng.rs"]
mod rng;
mod spec;

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use mutex_condvar::experiment::Discipline;
use mutex_condvar::{BoundedQueue, Faults};

use history::Call;
use queue::Queue;
use recording::{Plan, PopMany, record};
use rng::Rng;
use spec::Spec;

/// How many histories of each queue.
fn histories() -> u64 {
    let set = |name: &str| std::env::var_os(name).is_some();
    match (set("JAIL_TOOLS_GUEST"), set("JAIL_TOOLS_LONG_TESTS")) {
        (true, _) => 200,
        (false, false) => 2_000,
        (false, true) => 60_000,
    }
}

/// Calls that overlapped with another thread's: without them the test would say nothing.
fn overlapping(calls: &[Call]) -> usize {
    let met = |a: &&Call| {
        let meets = |b: &Call| a.thread != b.thread && a.begun < b.ended && b.begun < a.ended;
        calls.iter().any(meets)
    };
    calls.iter().filter(met).count()
}

fn check<Q: Queue<u8>>(name: &str, pop_many: Option<PopMany<Q>>, make: impl Fn(usize) -> Q) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seed = now.map_or(0, |now| now.as_nanos() as u64);
    let mut rng = Rng::new(seed);
    let begun = Instant::now();
    let (mut calls, mut met) = (0, 0);
    for _ in 0..histories() {
        let capacity = 1 + rng.below(2) as usize;
        let threads = 2 + rng.below(3) as usize;
        let plan = Plan {
            seed: rng.next(),
            threads,
            calls: 3 + rng.below(10 - 2 * threads as u64) as usize,
        };
        let mut history = record(&make(capacity), plan, pop_many);
        history.sort_by_key(|call| call.begun);
        assert!(
            checker::is_linearizable(&history, &Spec::new(capacity)),
            "{name} of {capacity}, seed {seed}: no order explains\n{history:#?}"
        );
        calls += history.len();
        met += overlapping(&history);
    }
    println!(
        "{name}: {} histories of {calls} calls, {met} of which overlapped, in {:.1?}",
        histories(),
        begun.elapsed()
    );
    assert!(
        met > calls / 20,
        "the threads hardly ever met: {met} of {calls} calls"
    );
}

#[test]
fn the_bounded_queue_is_linearizable() {
    let pop_many: PopMany<BoundedQueue<u8>> = |queue, max| {
        let mut items = Vec::new();
        queue.pop_many(&mut items, max).ok()?;
        Some(items)
    };
    let make = |capacity| queue::bounded(capacity, Faults::NONE);
    check("BoundedQueue", Some(pop_many), make);
}

#[test]
fn the_textbooks_queue_is_linearizable() {
    for discipline in Discipline::ALL {
        let make = |capacity| queue::textbook(capacity, discipline, Faults::NONE);
        check(&format!("CondvarQueue, {discipline:?}"), None, make);
    }
}
