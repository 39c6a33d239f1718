//! A bounded queue for threads that block, with a mutex and a condition variable, from
//! futex(2) up.
//!
//! # When to pick it
//!
//! When threads of one process hand work to each other, the queue must not grow without limit,
//! and who has nothing to do shall sleep: between any number of producers and consumers, on
//! one CPU or on many, with more threads than CPUs above all. And when the program ends one
//! day: a queue can be closed so that it is drained, or at once, and tells which items nobody
//! got.
//!
//! It is not for async code, not for several processes, and Linux only.
//!
//! ```
//! use std::time::{Duration, Instant};
//!
//! let (jobs, worker) = mutex_condvar::bounded::<u32>(16)?;
//! let workers: Vec<_> = (0..4)
//!     .map(|_| {
//!         let worker = worker.clone();
//!         // Ends when the queue is closed and empty.
//!         std::thread::spawn(move || worker.into_iter().map(u64::from).sum::<u64>())
//!     })
//!     .collect();
//! drop(worker);
//! for n in 1..=100 {
//!     let soon = Instant::now() + Duration::from_secs(5);
//!     jobs.push_deadline(n, soon)?;
//! }
//! drop(jobs); // The last producer: the queue is closed, what is in it will still be done.
//! let sum: u64 = workers.into_iter().map(|w| w.join().expect("no panic")).sum();
//! assert_eq!(sum, 5050);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Shutting down without doing what is left, and without losing it:
//!
//! ```
//! let (jobs, worker) = mutex_condvar::bounded(16)?;
//! jobs.push("write")?;
//! jobs.push("sync")?;
//! assert_eq!(worker.pop(), Ok("write"));
//! let undone = worker.close_now();
//! assert_eq!(undone, ["sync"]);
//! // Whoever comes later has its item back.
//! assert_eq!(jobs.push("close").map_err(|e| e.into_inner()), Err("close"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What happens when
//!
//! | event | a push | a pop | items in the queue |
//! |---|---|---|---|
//! | the queue is full | waits (`try_push`: [`TryPushError::Full`]) | – | – |
//! | the queue is empty | – | waits (`try_pop`: [`TryPopError::Empty`]) | – |
//! | [`close`](BoundedQueue::close) | fails with the item, those that wait too | goes on until it is empty, then fails | are popped |
//! | [`close_now`](BoundedQueue::close_now) | fails with the item, those that wait too | fails | go to the caller of `close_now` |
//! | the last [`Producer`] is dropped | – | as with `close` | are popped |
//! | the last [`Consumer`] is dropped | fails with the item, those that wait too | – | are dropped then and there |
//! | a deadline comes | fails with the item ([`PushDeadlineError::TimedOut`]) | fails ([`PopDeadlineError::TimedOut`]) | – |
//! | a deadline in the past | succeeds if it need not wait | succeeds if it need not wait | – |
//! | capacity 0 | returns when a pop has the item; `try_push` succeeds if a pop waits | takes a waiting push's item | there are none |
//! | a push or pop after the end | fails, as often as you like | fails | – |
//! | an item's destructor panics | never under the lock | never under the lock | – |
//!
//! Each item that was pushed is popped, returned by an error, returned by `close_now` or
//! dropped with the queue or its last consumer: exactly once. One producer's items come out
//! in their order. What a thread wrote before a push is seen after the pop of that item.
//! Threads that wait are served in the order in which they came; a thread that need not wait
//! never overtakes one that does.
//!
//! # How it works
//!
//! One lock, held for nanoseconds, with none of your code under it. A thread that has to wait
//! puts a node on its stack into a list; whoever makes its wait end does its operation for it
//! (takes the waiting push's item into the queue, gives the item to the waiting pop), so that
//! nobody is woken to find that another was faster. Before it sleeps in futex(2), a waiter
//! polls for at most ten or twenty microseconds if the queue's threads were seen on several CPUs, and
//! yields twice; each only as long as it has paid lately. Nobody makes a system call for a
//! waiter that does not sleep. The lock is a [`Mutex::asymmetric`]: unlocking is a plain store.
//!
//! [`Mutex`] and [`Condvar`] can be used by themselves. [`experiment`] has the textbook's
//! queue on them, for comparison.
//!
//! # Limits
//!
//! - Threads of one process; `fork` while other threads use a queue leaves it unusable in the
//!   child, as with any lock.
//! - The first queue of a process registers it for membarrier(2). A seccomp filter that
//!   forbids membarrier must be installed before that (then queues do without); one that
//!   comes later makes the process abort when it next needs the barrier.
//! - Serving waits in their order has a price: with more threads than CPUs, queues that let a
//!   running thread overtake those that wait (crossbeam's) can move more messages per second.
//! - Not fair between a thread that locks and one that is woken for the lock itself; waits on
//!   the queue are fair.

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
