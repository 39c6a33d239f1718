//! Both queues behind one face, so that one test is for each of them.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::time::Instant;

use mutex_condvar::experiment::{CondvarQueue, Discipline};
use mutex_condvar::{
    BoundedQueue, Faults, PopDeadlineError, PushDeadlineError, TryPopError, TryPushError,
};

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

/// Why an operation did not do what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Refusal {
    /// Full or empty: now, or until the deadline.
    Blocked,
    /// Closed (for a pop: and empty).
    Closed,
}

/// What the two queues have in common.
pub(crate) trait Queue<T>: Sync {
    fn put(&self, item: T, patience: Patience) -> Result<(), (T, Refusal)>;
    fn get(&self, patience: Patience) -> Result<T, Refusal>;
    fn shut(&self) -> bool;
    fn shut_now(&self) -> VecDeque<T>;
    fn count(&self) -> usize;
}

impl From<TryPopError> for Refusal {
    fn from(error: TryPopError) -> Self {
        match error {
            TryPopError::Empty => Self::Blocked,
            TryPopError::Closed => Self::Closed,
        }
    }
}

impl From<PopDeadlineError> for Refusal {
    fn from(error: PopDeadlineError) -> Self {
        match error {
            PopDeadlineError::TimedOut => Self::Blocked,
            PopDeadlineError::Closed => Self::Closed,
        }
    }
}

pub(crate) fn refused<T>(error: TryPushError<T>) -> (T, Refusal) {
    match error {
        TryPushError::Full(item) => (item, Refusal::Blocked),
        TryPushError::Closed(item) => (item, Refusal::Closed),
    }
}

pub(crate) fn refused_late<T>(error: PushDeadlineError<T>) -> (T, Refusal) {
    match error {
        PushDeadlineError::TimedOut(item) => (item, Refusal::Blocked),
        PushDeadlineError::Closed(item) => (item, Refusal::Closed),
    }
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
