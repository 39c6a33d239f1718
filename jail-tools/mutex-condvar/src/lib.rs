//! A mutex, a condition variable and a bounded queue on futex(2).

mod condvar;
mod condvar_queue;
mod cpus;
mod event_count;
#[cfg_attr(
    not(feature = "faults"),
    allow(dead_code, unreachable_pub) // Nobody can name them, nothing has them.
)]
mod faults;
mod mutex;
mod queue;
mod raw;
mod sync;
mod sys;
#[cfg(test)]
mod tests;

pub use condvar::Condvar;
pub use mutex::{Mutex, MutexGuard};
/// For experiments: the textbook's queue, and how it notifies.
pub mod experiment {
    pub use crate::condvar_queue::{CondvarQueue, Discipline};
}

pub use queue::error::{
    CapacityError, PopDeadlineError, PopError, PushDeadlineError, PushError, PushManyError,
    TryPopError, TryPushError,
};
pub use queue::{BoundedQueue, Consumer, IntoIter, Iter, Producer, TryIter, bounded};

#[cfg(feature = "faults")]
pub use faults::{Fault, Faults};
