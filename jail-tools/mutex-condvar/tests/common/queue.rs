//! Both queues behind one face, so that one test is for each of them.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::time::Instant;

use mutex_condvar::experiment::{CondvarQueue, Discipline};
use mutex_condvar::{BoundedQueue, Faults};

use crate::refusal::{Refusal, refused, refused_late};

/// How long an operation may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Not at all: the `try_` operations.
    Now,
    /// Until then.
    Until(Instant),
    /// For as long as it takes.
    Forever,
}

/// What the two queues have in common.
pub(crate) trait Queue<T>: Sync {
    fn put(&self, item: T, patience: Patience) -> Result<(), (T, Refusal)>;
    fn get(&self, patience: Patience) -> Result<T, Refusal>;
    fn shut(&self) -> bool;
    fn shut_now(&self) -> VecDeque<T>;
    fn count(&self) -> usize;
}

macro_rules! queue {
    ($queue:ident) => {
        impl<T: Send> Queue<T> for $queue<T> {
            fn put(&self, item: T, patience: Patience) -> Result<(), (T, Refusal)> {
                match patience {
                    Patience::Now => self.try_push(item).map_err(refused),
                    Patience::Until(deadline) => {
                        self.push_deadline(item, deadline).map_err(refused_late)
                    }
                    Patience::Forever => self
                        .push(item)
                        .map_err(|error| (error.into_inner(), Refusal::Closed)),
                }
            }

            fn get(&self, patience: Patience) -> Result<T, Refusal> {
                match patience {
                    Patience::Now => self.try_pop().map_err(Refusal::from),
                    Patience::Until(deadline) => self.pop_deadline(deadline).map_err(Refusal::from),
                    Patience::Forever => self.pop().map_err(|_| Refusal::Closed),
                }
            }

            fn shut(&self) -> bool {
                self.close()
            }

            fn shut_now(&self) -> VecDeque<T> {
                self.close_now()
            }

            fn count(&self) -> usize {
                self.len()
            }
        }
    };
}

queue!(BoundedQueue);
queue!(CondvarQueue);

/// A bounded queue.
pub(crate) fn bounded<T>(capacity: usize, faults: Faults) -> BoundedQueue<T> {
    BoundedQueue::with_faults(capacity, faults).expect("memory for a few items")
}

/// The textbook's.
pub(crate) fn textbook<T>(
    capacity: usize,
    discipline: Discipline,
    faults: Faults,
) -> CondvarQueue<T> {
    let capacity = NonZeroUsize::new(capacity).expect("it has no hand-off");
    CondvarQueue::with_faults(capacity, discipline, faults).expect("memory for a few items")
}
