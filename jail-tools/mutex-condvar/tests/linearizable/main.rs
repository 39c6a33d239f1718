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
mod stack;

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use mutex_condvar::experiment::Discipline;
use mutex_condvar::{BoundedQueue, Faults};

use history::Call;
use queue::Queue;
use recording::{Plan, PopMany, record};
use rng::Rng;
use spec::Spec;
use stack::Stack;

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

/// A queue's name and mistakes, and how it is made.
struct Subject<Q, M> {
    name: String,
    pop_many: Option<PopMany<Q>>,
    make: M,
    /// See [`Plan`].
    hurried: bool,
}

/// What was recorded.
#[derive(Debug, Default)]
struct Recorded {
    calls: usize,
    met: usize,
}

/// Up to so many histories, or the first one that no order explains.
fn record_all<Q: Queue<u8>>(
    subject: &Subject<Q, impl Fn(usize) -> Q>,
    histories: u64,
) -> Result<Recorded, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seed = now.map_or(0, |now| now.as_nanos() as u64);
    let mut rng = Rng::new(seed);
    let mut recorded = Recorded::default();
    for number in 1..=histories {
        let capacity = 1 + rng.below(2) as usize;
        let threads = 2 + rng.below(3) as usize;
        let plan = Plan {
            seed: rng.next(),
            threads,
            calls: 3 + rng.below(10 - 2 * threads as u64) as usize,
            hurried: subject.hurried,
        };
        let mut history = record(&(subject.make)(capacity), plan, subject.pop_many);
        history.sort_by_key(|call| call.begun);
        if !checker::is_linearizable(&history, &Spec::new(capacity)) {
            let name = &subject.name;
            return Err(format!(
                "{name} of capacity {capacity}, seed {seed}: no order explains history {number}: \
                 {history:#?}"
            ));
        }
        recorded.calls += history.len();
        recorded.met += overlapping(&history);
    }
    Ok(recorded)
}

fn check<Q: Queue<u8>>(subject: &Subject<Q, impl Fn(usize) -> Q>) {
    let begun = Instant::now();
    let recorded = record_all(subject, histories()).unwrap_or_else(|why| panic!("{why}"));
    let Recorded { calls, met } = recorded;
    println!(
        "{}: {} histories of {calls} calls, {met} of which overlapped, in {:.1?}",
        subject.name,
        histories(),
        begun.elapsed()
    );
    assert!(
        met > calls / 20,
        "the threads hardly ever met: {met} of {calls} calls"
    );
}

fn pop_many(queue: &BoundedQueue<u8>, max: usize) -> Option<Vec<u8>> {
    let mut items = Vec::new();
    queue.pop_many(&mut items, max).ok()?;
    Some(items)
}

#[test]
fn the_bounded_queue_is_linearizable() {
    check(&Subject {
        name: "BoundedQueue".into(),
        pop_many: Some(pop_many),
        make: |capacity| queue::bounded(capacity, Faults::NONE),
        hurried: false,
    });
}

#[test]
fn the_textbooks_queue_is_linearizable() {
    for discipline in Discipline::ALL {
        check(&Subject {
            name: format!("CondvarQueue, {discipline:?}"),
            pop_many: None,
            make: |capacity| queue::textbook(capacity, discipline, Faults::NONE),
            hurried: false,
        });
    }
}

/// The whole path, from the threads to the verdict.
#[test]
fn a_stack_is_no_queue() {
    let subject = Subject {
        name: "a stack".into(),
        pop_many: None,
        make: Stack::new,
        hurried: true,
    };
    let why = record_all(&subject, histories()).expect_err("the last comes first");
    println!("caught: {}", why.lines().next().unwrap_or_default());
}
