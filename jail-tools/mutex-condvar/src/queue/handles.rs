//! Two ends of a queue that closes itself when nobody holds one of them any more.

use std::collections::VecDeque;
use std::fmt;

use crate::queue::BoundedQueue;
use crate::queue::error::{
    CapacityError, PopDeadlineError, PopError, PushDeadlineError, PushError, PushManyError,
    TryPopError, TryPushError,
};
use crate::queue::iter::{IntoIter, Iter, TryIter};
use crate::sync::{Arc, AtomicUsize, Instant, Ordering};

/// A queue of two ends: it is closed when the last [`Producer`] is dropped (what is in it can
/// still be popped) and closed and emptied when the last [`Consumer`] is.
///
/// ```
/// let (producer, consumer) = mutex_condvar::bounded(8)?;
/// let other = producer.clone();
/// std::thread::scope(|scope| {
///     scope.spawn(move || (0..10).try_for_each(|n| producer.push(n)));
///     scope.spawn(move || (10..20).try_for_each(|n| other.push(n)));
///     // Ends when both producers are gone and everything has been popped.
///     assert_eq!(consumer.into_iter().sum::<i32>(), 190);
/// });
/// # Ok::<(), mutex_condvar::CapacityError>(())
/// ```
///
/// # Errors
/// As [`BoundedQueue::new`].
pub fn bounded<T>(capacity: usize) -> Result<(Producer<T>, Consumer<T>), CapacityError> {
    Ok(BoundedQueue::new(capacity)?.into_ends())
}

impl<T> BoundedQueue<T> {
    /// The queue as two ends, as [`bounded`] makes it.
    pub fn into_ends(self) -> (Producer<T>, Consumer<T>) {
        let shared = Arc::new(Shared {
            queue: self,
            producers: AtomicUsize::new(1),
            consumers: AtomicUsize::new(1),
        });
        let producer = Producer {
            shared: Arc::clone(&shared),
        };
        (producer, Consumer { shared })
    }
}

struct Shared<T> {
    queue: BoundedQueue<T>,
    producers: AtomicUsize,
    consumers: AtomicUsize,
}

/// The end of a queue that items go into. Clones share it.
pub struct Producer<T> {
    shared: Arc<Shared<T>>,
}

/// The end of a queue that items come out of. Clones share it: each item goes to one of them.
pub struct Consumer<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Producer<T> {
    /// As [`BoundedQueue::push`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn push(&self, item: T) -> Result<(), PushError<T>> {
        self.shared.queue.push(item)
    }

    /// As [`BoundedQueue::try_push`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn try_push(&self, item: T) -> Result<(), TryPushError<T>> {
        self.shared.queue.try_push(item)
    }

    /// As [`BoundedQueue::push_deadline`].
    ///
    /// # Errors
    /// As there.
    pub fn push_deadline(&self, item: T, deadline: Instant) -> Result<(), PushDeadlineError<T>> {
        self.shared.queue.push_deadline(item, deadline)
    }

    /// As [`BoundedQueue::push_many`].
    ///
    /// # Errors
    /// As there.
    pub fn push_many(&self, items: &mut VecDeque<T>) -> Result<(), PushManyError> {
        self.shared.queue.push_many(items)
    }
}

impl<T> Consumer<T> {
    /// As [`BoundedQueue::pop`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn pop(&self) -> Result<T, PopError> {
        self.shared.queue.pop()
    }

    /// As [`BoundedQueue::try_pop`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn try_pop(&self) -> Result<T, TryPopError> {
        self.shared.queue.try_pop()
    }

    /// As [`BoundedQueue::pop_deadline`].
    ///
    /// # Errors
    /// As there.
    pub fn pop_deadline(&self, deadline: Instant) -> Result<T, PopDeadlineError> {
        self.shared.queue.pop_deadline(deadline)
    }

    /// As [`BoundedQueue::pop_many`].
    ///
    /// # Errors
    /// As there.
    pub fn pop_many(&self, into: &mut Vec<T>, max: usize) -> Result<usize, PopError> {
        self.shared.queue.pop_many(into, max)
    }

    /// As [`BoundedQueue::iter`].
    #[must_use]
    pub fn iter(&self) -> Iter<'_, T> {
        self.shared.queue.iter()
    }

    /// As [`BoundedQueue::try_iter`].
    #[must_use]
    pub fn try_iter(&self) -> TryIter<'_, T> {
        self.shared.queue.try_iter()
    }
}

impl<T> IntoIterator for Consumer<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter::new(self)
    }
}

impl<'a, T> IntoIterator for &'a Consumer<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

/// What both ends have.
macro_rules! both_ends {
    ($end:ident, $count:ident, $last:expr) => {
        impl<T> $end<T> {
            /// As [`BoundedQueue::close`].
            pub fn close(&self) -> bool {
                self.shared.queue.close()
            }

            /// As [`BoundedQueue::close_now`].
            #[must_use = "these are the items that nobody will get"]
            pub fn close_now(&self) -> VecDeque<T> {
                self.shared.queue.close_now()
            }

            /// As [`BoundedQueue::len`].
            pub fn len(&self) -> usize {
                self.shared.queue.len()
            }

            /// As [`BoundedQueue::is_empty`].
            pub fn is_empty(&self) -> bool {
                self.shared.queue.is_empty()
            }

            /// As [`BoundedQueue::capacity`].
            pub fn capacity(&self) -> usize {
                self.shared.queue.capacity()
            }

            /// As [`BoundedQueue::is_closed`].
            pub fn is_closed(&self) -> bool {
                self.shared.queue.is_closed()
            }
        }

        impl<T> Clone for $end<T> {
            fn clone(&self) -> Self {
                // Ordered by nothing: this end exists, so the count is not 0.
                self.shared.$count.fetch_add(1, Ordering::Relaxed);
                Self {
                    shared: Arc::clone(&self.shared),
                }
            }
        }

        impl<T> Drop for $end<T> {
            fn drop(&mut self) {
                // The lock orders what the queue does then.
                if self.shared.$count.fetch_sub(1, Ordering::AcqRel) == 1 {
                    let last: fn(&BoundedQueue<T>) = $last;
                    last(&self.shared.queue);
                }
            }
        }

        impl<T> fmt::Debug for $end<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($end))
                    .field(&self.shared.queue)
                    .finish()
            }
        }
    };
}

both_ends!(Producer, producers, |queue| {
    queue.close();
});
both_ends!(Consumer, consumers, |queue| {
    // Dropped here, not under the lock, and not when the last producer is.
    drop(queue.close_now());
});
