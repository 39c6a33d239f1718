//! One thread's view: both queues against a list and a flag. And each item is dropped once.

mod bounded;
mod drops;
mod item;
mod model;
#[path = "../common/queue.rs"]
mod queue;
#[path = "../common/refusal.rs"]
mod refusal;
mod textbook;

use std::time::{Duration, Instant};

use queue::Patience;

/// A time that has passed.
fn past() -> Instant {
    let now = Instant::now();
    now.checked_sub(Duration::from_millis(1)).unwrap_or(now)
}

/// One of the three, as proptest chose: a deadline in the past never waits.
fn patience(choice: u8) -> Patience {
    match choice % 3 {
        0 => Patience::Now,
        1 => Patience::Until(past()),
        _ => Patience::Forever,
    }
}
