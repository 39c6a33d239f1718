//! Iterators that pop.

use std::fmt;
use std::iter::FusedIterator;

use crate::queue::{BoundedQueue, Consumer};

/// Pops, waiting, until the queue is closed and empty: [`BoundedQueue::iter`].
pub struct Iter<'a, T> {
    queue: &'a BoundedQueue<T>,
}

impl<'a, T> Iter<'a, T> {
    pub(crate) fn new(queue: &'a BoundedQueue<T>) -> Self {
        Self { queue }
    }
}

impl<T> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.queue.pop().ok()
    }
}

// A closed queue stays closed and empty.
impl<T> FusedIterator for Iter<'_, T> {}

impl<'a, T> IntoIterator for &'a BoundedQueue<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

/// Pops what is there, without waiting: [`BoundedQueue::try_iter`]. It may go on after it has
/// ended once, when there are items again.
pub struct TryIter<'a, T> {
    queue: &'a BoundedQueue<T>,
}

impl<'a, T> TryIter<'a, T> {
    pub(crate) fn new(queue: &'a BoundedQueue<T>) -> Self {
        Self { queue }
    }
}

impl<T> Iterator for TryIter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.queue.try_pop().ok()
    }
}

/// Pops, waiting, and is a [`Consumer`] as long as it lives.
pub struct IntoIter<T> {
    consumer: Consumer<T>,
}

impl<T> IntoIter<T> {
    pub(crate) fn new(consumer: Consumer<T>) -> Self {
        Self { consumer }
    }
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.consumer.pop().ok()
    }
}

impl<T> FusedIterator for IntoIter<T> {}

impl<T> fmt::Debug for Iter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Iter").field(self.queue).finish()
    }
}

impl<T> fmt::Debug for TryIter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TryIter").field(self.queue).finish()
    }
}

impl<T> fmt::Debug for IntoIter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IntoIter").field(&self.consumer).finish()
    }
}
