//! Blocking pushes and pops on the textbook's queue, then a close.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mutex_condvar::Faults;
use mutex_condvar::experiment::{CondvarQueue, Discipline};

use crate::child::LIMIT;
use crate::crew::{Crew, Doing, Seat, Trouble};

/// What a round is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) discipline: Discipline,
    pub(crate) producers: u64,
    pub(crate) consumers: u64,
    /// Threads that take the lock all the time and tell nobody anything.
    pub(crate) lookers: u64,
    /// Of each producer.
    pub(crate) items: u64,
    pub(crate) cpu: Option<usize>,
}

struct Shared {
    queue: CondvarQueue<u64>,
    producing: AtomicU64,
    closed: AtomicBool,
}

/// Round after round, for so long.
pub(crate) fn rounds(round: Round, faults: Faults, time: Duration) -> Result<(), Trouble> {
    let until = Instant::now() + time;
    while Instant::now() < until {
        one(round, faults)?;
    }
    Ok(())
}

fn one(round: Round, faults: Faults) -> Result<(), Trouble> {
    let shared = Arc::new(Shared {
        queue: CondvarQueue::with_faults(NonZeroUsize::MIN, round.discipline, faults)
            .expect("memory for an item"),
        producing: AtomicU64::new(round.producers),
        closed: AtomicBool::new(false),
    });
    let mut crew = Crew::new();
    let mut spawn = |name: &str, count: u64, work: fn(&Shared, &Seat, u64) -> u64| {
        for n in 0..count {
            let shared = Arc::clone(&shared);
            crew.spawn(format!("{name} {n}"), round.cpu, move |seat: &Seat| {
                work(&shared, seat, round.items)
            });
        }
    };
    spawn("consumer", round.consumers, consume);
    spawn("looker", round.lookers, look);
    spawn("producer", round.producers, produce);
    let shown = Arc::clone(&shared);
    let came = crew.come_home(LIMIT, move || format!("{:?}", shown.queue))?;
    // Producers and lookers bring nothing home.
    let (received, sent) = (came.iter().sum::<u64>(), round.producers * round.items);
    if received != sent {
        return Err(Trouble::Broken(format!("{sent} sent, {received} received")));
    }
    Ok(())
}

fn produce(shared: &Shared, seat: &Seat, items: u64) -> u64 {
    seat.doing(Doing::Push);
    for item in 0..items {
        if shared.queue.push(item).is_ok() {
            seat.moved(1);
        }
    }
    if shared.producing.fetch_sub(1, Ordering::AcqRel) == 1 {
        seat.doing(Doing::Close);
        shared.queue.close();
        shared.closed.store(true, Ordering::Release);
    }
    0
}

fn consume(shared: &Shared, seat: &Seat, _: u64) -> u64 {
    let mut received = 0;
    seat.doing(Doing::Pop);
    while shared.queue.pop().is_ok() {
        seat.moved(1);
        received += 1;
    }
    received
}

fn look(shared: &Shared, seat: &Seat, _: u64) -> u64 {
    seat.doing(Doing::Other);
    while !shared.closed.load(Ordering::Acquire) {
        std::hint::black_box(shared.queue.len());
    }
    0
}
