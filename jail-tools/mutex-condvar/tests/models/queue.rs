//! Both queues behind one face, for scripts.

use std::collections::VecDeque;

use crate::condvar_queue::CondvarQueue;
use crate::queue::BoundedQueue;
use crate::queue::error::{PopDeadlineError, PushDeadlineError};
use crate::sync::Instant;

/// An item: who pushed it, and as its how manyeth.
pub(crate) type Item = (usize, u32);

/// What was not pushed comes back.
pub(crate) type Pushed = Result<(), Item>;

/// How a pop failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nothing {
    Closed,
    TimedOut,
}

pub(crate) type Popped = Result<Item, Nothing>;

/// What scripts do with a queue.
pub(crate) trait Queue: Send + Sync + 'static {
    fn push(&self, item: Item) -> Pushed;
    fn push_deadline(&self, item: Item, deadline: Instant) -> Pushed;
    fn try_push(&self, item: Item) -> Pushed;
    fn pop(&self) -> Popped;
    fn pop_deadline(&self, deadline: Instant) -> Popped;
    fn try_pop(&self) -> Option<Item>;
    fn close(&self) -> bool;
    fn close_now(&self) -> VecDeque<Item>;

    /// What stays in `items` was not pushed.
    fn push_many(&self, items: &mut VecDeque<Item>) {
        while let Some(item) = items.pop_front() {
            if let Err(item) = self.push(item) {
                items.push_front(item);
                return;
            }
        }
    }

    /// False at the end.
    fn pop_many(&self, into: &mut Vec<Item>, max: usize) -> bool {
        let before = into.len();
        into.extend((0..max).map_while(|_| self.pop().ok()));
        into.len() > before
    }
}

fn refused(error: PushDeadlineError<Item>) -> Item {
    error.into_inner()
}

fn nothing(error: PopDeadlineError) -> Nothing {
    match error {
        PopDeadlineError::TimedOut => Nothing::TimedOut,
        PopDeadlineError::Closed => Nothing::Closed,
    }
}

macro_rules! of_its_own {
    () => {
        fn push(&self, item: Item) -> Pushed {
            self.push(item).map_err(|error| error.into_inner())
        }

        fn push_deadline(&self, item: Item, deadline: Instant) -> Pushed {
            self.push_deadline(item, deadline).map_err(refused)
        }

        fn try_push(&self, item: Item) -> Pushed {
            self.try_push(item).map_err(|error| error.into_inner())
        }

        fn pop(&self) -> Popped {
            self.pop().map_err(|_| Nothing::Closed)
        }

        fn pop_deadline(&self, deadline: Instant) -> Popped {
            self.pop_deadline(deadline).map_err(nothing)
        }

        fn try_pop(&self) -> Option<Item> {
            self.try_pop().ok()
        }

        fn close(&self) -> bool {
            self.close()
        }

        fn close_now(&self) -> VecDeque<Item> {
            self.close_now()
        }
    };
}

impl Queue for CondvarQueue<Item> {
    of_its_own!();
}

impl Queue for BoundedQueue<Item> {
    of_its_own!();

    fn push_many(&self, items: &mut VecDeque<Item>) {
        // What could not be pushed is in `items`.
        _ = self.push_many(items);
    }

    fn pop_many(&self, into: &mut Vec<Item>, max: usize) -> bool {
        self.pop_many(into, max).is_ok()
    }
}
