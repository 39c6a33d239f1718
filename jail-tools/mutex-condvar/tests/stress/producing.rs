//! What a producer does.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use mutex_condvar::Producer;

use crate::account::Mark;
use crate::crew::{Doing, Seat};
use crate::generation::{Calls, Gate, Result, Shape};
use crate::item::Item;
use crate::refusal::{Refusal, refused, refused_late};
use crate::rng::Rng;

pub(crate) struct Producing {
    queue: Producer<Item>,
    rng: Rng,
    generation: u32,
    me: u32,
    made: u32,
    quota: u32,
    calls: Calls,
    /// To be opened after so many items.
    gate: Option<(u32, Gate)>,
    refused: Vec<Mark>,
}

/// The queue is closed.
struct Closed;

type Goes = std::result::Result<(), Closed>;

impl Producing {
    pub(crate) fn new(
        shape: &Shape,
        me: u32,
        rng: &mut Rng,
        gate: Option<Gate>,
        queue: Producer<Item>,
    ) -> Self {
        let close_at = rng.below(u64::from(shape.quota)) as u32;
        Self {
            queue,
            rng: Rng::new(rng.next()),
            generation: shape.generation,
            me,
            made: 0,
            quota: shape.quota,
            calls: shape.calls,
            gate: gate.map(|gate| (close_at, gate)),
            refused: Vec::new(),
        }
    }

    pub(crate) fn run(mut self, seat: &Seat) -> Result {
        while self.made < self.quota {
            if let Some((_, gate)) = self.gate.take_if(|(at, _)| *at <= self.made) {
                gate.open();
            }
            seat.doing(Doing::Push);
            let before = self.sent();
            let goes = self.step();
            seat.moved(self.sent() - before);
            if goes.is_err() {
                break;
            }
        }
        drop(self.queue);
        Result::Sent {
            made: self.made,
            refused: self.refused,
            left: Instant::now(),
        }
    }

    fn sent(&self) -> u64 {
        u64::from(self.made) - self.refused.len() as u64
    }

    fn step(&mut self) -> Goes {
        if self.calls == Calls::Deadlines {
            return self.push();
        }
        match self.rng.below(16) {
            0..=5 => self.push(),
            6..=8 => {
                let item = self.next();
                let pushed = self.queue.try_push(item).map_err(refused);
                self.perhaps_again(pushed)
            }
            9..=11 => {
                let until = Instant::now() + Duration::from_micros(self.rng.below(50));
                let item = self.next();
                let pushed = self.queue.push_deadline(item, until).map_err(refused_late);
                self.perhaps_again(pushed)
            }
            12..=14 => self.push_many(),
            _ => {
                self.queue = self.queue.clone();
                Ok(())
            }
        }
    }

    fn next(&mut self) -> Item {
        self.made += 1;
        Item::new(self.generation, self.me, self.made - 1)
    }

    fn push(&mut self) -> Goes {
        let item = self.next();
        self.push_this(item)
    }

    fn push_this(&mut self, item: Item) -> Goes {
        self.queue.push(item).map_err(|error| {
            self.refused.push(error.into_inner().open());
            Closed
        })
    }

    /// An item that found no place is pushed after all, or given up.
    fn perhaps_again(&mut self, pushed: std::result::Result<(), (Item, Refusal)>) -> Goes {
        let Err((item, refusal)) = pushed else {
            return Ok(());
        };
        if refusal == Refusal::Blocked && self.rng.below(2) == 0 {
            return self.push_this(item);
        }
        self.refused.push(item.open());
        match refusal {
            Refusal::Blocked => Ok(()),
            Refusal::Closed => Err(Closed),
        }
    }

    fn push_many(&mut self) -> Goes {
        let count = self.rng.below(9).min(u64::from(self.quota - self.made));
        let mut items: VecDeque<Item> = (0..count).map(|_| self.next()).collect();
        let pushed = self.queue.push_many(&mut items);
        self.refused.extend(items.into_iter().map(Item::open));
        pushed.map_err(|_| Closed)
    }
}
