//! The bounded queue, through its two ends and their clones.

use std::collections::VecDeque;

use mutex_condvar::{Consumer, Faults, Producer};
use proptest::prelude::*;

use crate::item::{Item, Maker};
use crate::model::Model;
use crate::past;
use crate::queue::{self, Patience};
use crate::refusal::{Refusal, refused, refused_late};

/// What is done next. Numbers choose a handle or a patience, modulo what there is.
#[derive(Debug, Clone)]
enum Op {
    Push(u8),
    PushMany(usize),
    Pop(u8),
    PopMany(usize),
    TryIter(usize),
    /// Until it ends: only if it is closed.
    Iter,
    /// The same with a clone that is consumed.
    IntoIter,
    Look,
    Close,
    CloseNow,
    CloneProducer,
    DropProducer,
    CloneConsumer,
    DropConsumer,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => any::<u8>().prop_map(Op::Push),
        12 => any::<u8>().prop_map(Op::Pop),
        4 => (0..6_usize).prop_map(Op::PushMany),
        4 => (0..6_usize).prop_map(Op::PopMany),
        2 => (0..4_usize).prop_map(Op::TryIter),
        2 => Just(Op::Iter),
        2 => Just(Op::IntoIter),
        4 => Just(Op::Look),
        1 => Just(Op::Close),
        1 => Just(Op::CloseNow),
        2 => Just(Op::CloneProducer),
        2 => Just(Op::DropProducer),
        2 => Just(Op::CloneConsumer),
        2 => Just(Op::DropConsumer),
    ]
}

/// A queue's ends and what it should be.
struct Run {
    maker: Maker,
    model: Model,
    producers: Vec<Producer<Item>>,
    consumers: Vec<Consumer<Item>>,
}

type Checked = Result<(), TestCaseError>;

fn numbers<'a>(items: impl IntoIterator<Item = &'a Item>) -> Vec<u32> {
    items.into_iter().map(|item| item.number).collect()
}

impl Run {
    fn new(capacity: usize) -> Self {
        let (producer, consumer) = queue::bounded(capacity, Faults::NONE).into_ends();
        Self {
            maker: Maker::default(),
            model: Model::new(capacity),
            producers: vec![producer],
            consumers: vec![consumer],
        }
    }

    fn step(&mut self, op: &Op) -> Checked {
        match op {
            Op::Push(choice) => self.push(*choice),
            Op::PushMany(count) => self.push_many(*count),
            Op::Pop(choice) => self.pop(*choice),
            Op::PopMany(max) => self.pop_many(*max),
            Op::TryIter(max) => self.iterate_now(*max),
            Op::Iter => self.iterate(false),
            Op::IntoIter => self.iterate(true),
            Op::Look => self.look(),
            Op::Close | Op::CloseNow => self.close(matches!(op, Op::CloseNow)),
            Op::CloneProducer | Op::CloneConsumer => {
                // Of an end that is gone there is nothing to clone.
                if matches!(op, Op::CloneProducer) {
                    self.producers.extend(self.producers.last().cloned());
                } else {
                    self.consumers.extend(self.consumers.last().cloned());
                }
                Ok(())
            }
            Op::DropProducer => {
                if self.producers.pop().is_some() && self.producers.is_empty() {
                    self.model.close();
                }
                Ok(())
            }
            Op::DropConsumer => {
                if self.consumers.pop().is_some() && self.consumers.is_empty() {
                    self.model.close_now();
                }
                Ok(())
            }
        }
    }

    fn push(&mut self, choice: u8) -> Checked {
        let patience = crate::patience(choice);
        let forever = patience == Patience::Forever;
        let Some(producer) = self.producers.first() else {
            return Ok(());
        };
        if forever && self.model.blocks_push(1) {
            return Ok(());
        }
        let item = self.maker.make();
        let number = item.number;
        let pushed = match patience {
            Patience::Now => producer.try_push(item).map_err(refused),
            Patience::Until(deadline) => {
                producer.push_deadline(item, deadline).map_err(refused_late)
            }
            Patience::Forever => producer
                .push(item)
                .map_err(|error| (error.into_inner(), Refusal::Closed)),
        };
        if let Err((item, _)) = &pushed {
            prop_assert_eq!(item.number, number, "the item itself comes back");
        }
        let answer = pushed.map_err(|(_, refusal)| refusal);
        prop_assert_eq!(answer, self.model.push(number));
        Ok(())
    }

    fn push_many(&mut self, count: usize) -> Checked {
        let Some(producer) = self.producers.first() else {
            return Ok(());
        };
        if self.model.blocks_push(count) {
            return Ok(());
        }
        let mut items: VecDeque<Item> = (0..count).map(|_| self.maker.make()).collect();
        let before = numbers(&items);
        let pushed = producer.push_many(&mut items);
        if self.model.closed && count > 0 {
            prop_assert!(pushed.is_err());
            prop_assert_eq!(numbers(&items), before);
        } else {
            prop_assert!(pushed.is_ok() && items.is_empty());
            self.model.items.extend(before);
        }
        Ok(())
    }

    fn pop(&mut self, choice: u8) -> Checked {
        let patience = crate::patience(choice);
        let Some(consumer) = self.consumers.first() else {
            return Ok(());
        };
        if patience == Patience::Forever && self.model.blocks_pop() {
            return Ok(());
        }
        let popped = match patience {
            Patience::Now => consumer.try_pop().map_err(Refusal::from),
            Patience::Until(_) => consumer.pop_deadline(past()).map_err(Refusal::from),
            Patience::Forever => consumer.pop().map_err(|_| Refusal::Closed),
        };
        prop_assert_eq!(popped.map(|item| item.number), self.model.pop());
        Ok(())
    }

    fn pop_many(&mut self, max: usize) -> Checked {
        let Some(consumer) = self.consumers.first() else {
            return Ok(());
        };
        if max > 0 && self.model.blocks_pop() {
            return Ok(());
        }
        let mut into = vec![self.maker.make()];
        let first = into[0].number;
        let popped = consumer.pop_many(&mut into, max);
        let expected = self.model.pop_many(max);
        let closed = max > 0 && expected.is_empty();
        prop_assert_eq!(popped.ok(), (!closed).then_some(expected.len()));
        prop_assert_eq!(into.remove(0).number, first, "it appends");
        prop_assert_eq!(numbers(&into), expected);
        Ok(())
    }

    fn iterate_now(&mut self, max: usize) -> Checked {
        let Some(consumer) = self.consumers.first() else {
            return Ok(());
        };
        let items: Vec<Item> = consumer.try_iter().take(max).collect();
        prop_assert_eq!(numbers(&items), self.model.pop_many(max));
        Ok(())
    }

    fn iterate(&mut self, consuming: bool) -> Checked {
        let Some(consumer) = self.consumers.first() else {
            return Ok(());
        };
        if !self.model.closed {
            return Ok(());
        }
        let items: Vec<Item> = if consuming {
            consumer.clone().into_iter().collect()
        } else {
            consumer.iter().collect()
        };
        prop_assert_eq!(numbers(&items), self.model.pop_many(usize::MAX));
        Ok(())
    }

    fn look(&mut self) -> Checked {
        let producer = self.producers.first();
        let seen = producer.map(|p| (p.len(), p.is_empty(), p.is_closed(), p.capacity()));
        let consumer = self.consumers.first();
        let seen =
            seen.or_else(|| consumer.map(|c| (c.len(), c.is_empty(), c.is_closed(), c.capacity())));
        let model = &self.model;
        let len = model.items.len();
        let expected = (len, len == 0, model.closed, model.capacity);
        prop_assert_eq!(seen.unwrap_or(expected), expected);
        Ok(())
    }

    fn close(&mut self, now: bool) -> Checked {
        let Some(producer) = self.producers.first() else {
            return Ok(());
        };
        if now {
            let left = producer.close_now();
            prop_assert_eq!(numbers(&left), self.model.close_now());
        } else {
            prop_assert_eq!(producer.close(), self.model.close());
        }
        Ok(())
    }
}

fn check(capacity: usize, ops: &[Op]) -> Checked {
    let mut run = Run::new(capacity);
    for op in ops {
        run.step(op)?;
        let gone = run.maker.drops().iter().filter(|d| **d > 0).count();
        let there = run.maker.drops().len() - gone;
        prop_assert_eq!(
            there,
            run.model.items.len(),
            "alive is what is in the queue"
        );
    }
    run.producers.clear();
    run.consumers.clear();
    prop_assert_eq!(
        run.maker.drops(),
        run.maker.each(1),
        "each item is dropped once"
    );
    Ok(())
}

proptest! {
    #[test]
    fn the_bounded_queue_is_a_list_and_a_flag(
        capacity in 0..=4_usize,
        ops in proptest::collection::vec(op(), 0..80),
    ) {
        check(capacity, &ops)?;
    }
}
