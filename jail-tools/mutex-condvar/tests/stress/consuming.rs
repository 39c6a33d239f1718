//! What a consumer does.

use std::thread;
use std::time::{Duration, Instant};

use mutex_condvar::Consumer;

use crate::account::Mark;
use crate::crew::{Doing, Seat};
use crate::generation::{Calls, Ending, Result, Shape};
use crate::item::Item;
use crate::refusal::Refusal;
use crate::rng::Rng;

pub(crate) struct Consuming {
    queue: Consumer<Item>,
    rng: Rng,
    calls: Calls,
    /// It leaves after so many items.
    enough: usize,
    marks: Vec<Mark>,
}

impl Consuming {
    pub(crate) fn new(shape: &Shape, rng: &mut Rng, queue: Consumer<Item>) -> Self {
        let all = u64::from(shape.quota) * u64::from(shape.producers);
        // Some will not get that many: then the producers' leaving ends it.
        let fair = all / u64::from(shape.consumers);
        let enough = match shape.ending {
            Ending::ConsumersLeave => rng.below(fair.max(1)) as usize,
            _ => usize::MAX,
        };
        Self {
            queue,
            rng: Rng::new(rng.next()),
            calls: shape.calls,
            enough,
            marks: Vec::new(),
        }
    }

    pub(crate) fn run(mut self, seat: &Seat) -> Result {
        while self.marks.len() < self.enough {
            seat.doing(Doing::Pop);
            let before = self.marks.len();
            let goes = self.step();
            seat.moved((self.marks.len() - before) as u64);
            if !goes {
                break;
            }
        }
        drop(self.queue);
        Result::Received {
            marks: self.marks,
            left: Instant::now(),
        }
    }

    /// False once the queue is closed and empty.
    fn step(&mut self) -> bool {
        if self.calls == Calls::Deadlines {
            return self.pop_deadline(20);
        }
        match self.rng.below(16) {
            0..=4 => {
                let popped = self.queue.pop().map_err(|_| Refusal::Closed);
                self.got(popped)
            }
            5..=6 => {
                let popped = self.queue.try_pop().map_err(Refusal::from);
                if matches!(popped, Err(Refusal::Blocked)) {
                    thread::yield_now();
                }
                self.got(popped)
            }
            7..=9 => self.pop_deadline(50),
            10..=11 => {
                let mut items = Vec::new();
                let popped = self.queue.pop_many(&mut items, self.rng.below(9) as usize);
                self.marks.extend(items.into_iter().map(Item::open));
                popped.is_ok()
            }
            12 => {
                let count = self.some();
                let items = self.queue.try_iter().take(count).map(Item::open);
                self.marks.extend(items);
                true
            }
            13 => {
                let count = self.some();
                let items: Vec<Mark> = self.queue.iter().take(count).map(Item::open).collect();
                let all = items.len() == count;
                self.marks.extend(items);
                all
            }
            14 => {
                let count = self.some();
                let other = self.queue.clone();
                let items: Vec<Mark> = other.into_iter().take(count).map(Item::open).collect();
                let all = items.len() == count;
                self.marks.extend(items);
                all
            }
            _ => {
                self.queue = self.queue.clone();
                true
            }
        }
    }

    fn some(&mut self) -> usize {
        1 + self.rng.below(4) as usize
    }

    fn pop_deadline(&mut self, microseconds: u64) -> bool {
        let until = Instant::now() + Duration::from_micros(self.rng.below(microseconds));
        let popped = self.queue.pop_deadline(until).map_err(Refusal::from);
        self.got(popped)
    }

    fn got(&mut self, popped: std::result::Result<Item, Refusal>) -> bool {
        match popped {
            Ok(item) => {
                self.marks.push(item.open());
                true
            }
            Err(refusal) => refusal == Refusal::Blocked,
        }
    }
}
