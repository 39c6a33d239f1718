//! What a message costs in turns of the scheduler, where all threads are on one CPU.
//!
//! A bounded channel that spins there was once 20 times slower than on all CPUs (crossbeam
//! #821). Time is no measure in a test that runs beside others. Two things are: how often a
//! thread was switched away, by `getrusage(RUSAGE_THREAD)`, and how long it ran: who spins
//! runs until his time slice is over while the one who could help waits for a turn.

use std::sync::Arc;
use std::time::Duration;

use mutex_condvar::BoundedQueue;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::crew::{Crew, Seat};
use crate::generation::QUIESCE;
use crate::{alone, place, size};

/// Switches of a thread, and the time that it ran.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    switches: u64,
    ran: Duration,
}

impl Used {
    fn of_this_thread() -> Self {
        let usage = getrusage(UsageWho::RUSAGE_THREAD).expect("one's own usage");
        let switches = usage.voluntary_context_switches() + usage.involuntary_context_switches();
        let ran = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        Self {
            switches: switches as u64,
            ran: Duration::from_micros(ran as u64),
        }
    }
}

/// Two producers, two consumers, one place.
fn two_by_two(messages: u64, cpu: Option<usize>) -> Used {
    let queue = Arc::new(BoundedQueue::new(1).expect("memory for an item"));
    let mut crew = Crew::new();
    for thread in 0..4 {
        let queue = Arc::clone(&queue);
        crew.spawn(format!("{thread}"), cpu, move |seat: &Seat| {
            for n in 0..messages / 2 {
                if thread < 2 {
                    queue.push(n).expect("nobody closes it");
                } else {
                    queue.pop().expect("nobody closes it");
                }
                seat.moved(1);
            }
            Used::of_this_thread()
        });
    }
    let used = crew.come_home(QUIESCE, move || format!("{queue:?}"));
    let used = used.unwrap_or_else(|trouble| panic!("{trouble}"));
    used.iter().fold(Used::default(), |sum, one| Used {
        switches: sum.switches + one.switches,
        ran: sum.ran + one.ran,
    })
}

#[test]
fn a_message_on_one_cpu_takes_few_switches() {
    let _alone = alone();
    let messages = size::moves() / 20;
    let free = two_by_two(messages, None);
    let pinned = two_by_two(messages, Some(place::cpus()[0]));
    let per_message = |used: Used| used.switches as f64 / messages as f64;
    println!(
        "2 producers, 2 consumers, capacity 1, {messages} messages: {:.2} switches each and \
         {:?} of CPU free; {:.2} and {:?} on one CPU",
        per_message(free),
        free.ran,
        per_message(pinned),
        pinned.ran,
    );
    // A wait and a wake-up are two; a yield to each of the other threads would be four more.
    assert!(
        pinned.switches <= 8 * messages,
        "{} switches for {messages} messages",
        pinned.switches
    );
    // A time slice is milliseconds; what a message takes is microseconds, emulated tens of them.
    assert!(
        pinned.ran <= Duration::from_micros(500 * messages),
        "{:?} of CPU for {messages} messages",
        pinned.ran
    );
}
