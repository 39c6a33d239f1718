//! What the queue's lock guards.
#![allow(unsafe_code)]

use std::collections::VecDeque;

use crate::faults::{Fault, Faults};
use crate::queue::node::{Node, Sleeper, Sleepers, WaitList};

/// The guarded state. Between two owners of the lock this holds:
///
/// - at most `capacity` items;
/// - a producer waits only if the queue is full, a consumer only if it is empty (and, of
///   capacity 0, only one side waits);
/// - nobody waits once it is closed.
#[derive(Debug)]
#[repr(C)] // What every operation writes first: with the lock's words in front it fills one cache line.
pub(crate) struct Core<T> {
    items: VecDeque<T>,
    /// With fewer items than this a push has nothing to do but to append: the capacity, or 0
    /// if the queue is closed or a consumer waits. One comparison instead of three.
    places: usize,
    capacity: usize,
    closed: bool,
    producers: WaitList<T>,
    consumers: WaitList<T>,
    faults: Faults,
}

/// What became of an item that was offered.
pub(crate) enum Offered<T> {
    /// It is in the queue or with a consumer, who may have to be woken.
    In(Option<Sleeper>),
    /// There is no place for it.
    Full(T),
    /// There will be no place for it.
    Closed(T),
}

impl<T> Core<T> {
    /// Empty and open; `items` has room for `capacity`.
    pub(crate) fn new(items: VecDeque<T>, capacity: usize, faults: Faults) -> Self {
        Self {
            items,
            places: capacity,
            capacity,
            closed: false,
            producers: WaitList::new(),
            consumers: WaitList::new(),
            faults,
        }
    }

    /// Appends an item, if there is nothing else to do; else gives it back, for
    /// [`Core::offer`].
    #[inline]
    pub(crate) fn append(&mut self, item: T) -> Result<(), T> {
        if self.items.len() >= self.places {
            return Err(item);
        }
        self.items.push_back(item);
        Ok(())
    }

    /// Takes the item in if that can be done now.
    pub(crate) fn offer(&mut self, item: T) -> Offered<T> {
        if self.closed {
            return Offered::Closed(item);
        }
        if let Some(consumer) = self.consumers.pop_front() {
            self.count_places();
            return Offered::In(consumer.give(item));
        }
        if self.items.len() >= self.capacity {
            return Offered::Full(item);
        }
        self.items.push_back(item);
        Offered::In(None)
    }

    fn count_places(&mut self) {
        let only_append = !self.closed && self.consumers.is_empty();
        self.places = if only_append { self.capacity } else { 0 };
    }

    /// As many items as can be taken in now, from the front.
    pub(crate) fn offer_more(&mut self, items: &mut VecDeque<T>, sleepers: &mut Sleepers) {
        while let Some(item) = items.pop_front() {
            match self.offer(item) {
                Offered::In(sleeper) => sleepers.add(sleeper),
                Offered::Full(item) | Offered::Closed(item) => {
                    items.push_front(item);
                    return;
                }
            }
        }
    }

    /// The oldest item, if there is one and nothing else to do; else see [`Core::take`].
    #[inline]
    pub(crate) fn take_first(&mut self) -> Option<T> {
        if self.producers.is_empty() {
            self.items.pop_front()
        } else {
            None
        }
    }

    /// The oldest item, if there is one, and a producer to be woken, whose item came in.
    pub(crate) fn take(&mut self) -> Option<(T, Option<Sleeper>)> {
        let Some(item) = self.items.pop_front() else {
            return self.take_from_producer();
        };
        Some((item, self.refill_one()))
    }

    /// Up to so many of the oldest items, appended to `into`, which has room for them.
    pub(crate) fn take_many(
        &mut self,
        into: &mut Vec<T>,
        max: usize,
        sleepers: &mut Sleepers,
    ) -> usize {
        let count = max.min(self.items.len());
        into.extend(self.items.drain(..count));
        while self.items.len() < self.capacity && !self.producers.is_empty() {
            sleepers.add(self.refill_one());
        }
        count
    }

    /// All items. Of a closed queue: nobody waits for their places.
    pub(crate) fn take_all(&mut self) -> VecDeque<T> {
        std::mem::take(&mut self.items)
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Of capacity 0: a waiting producer's item goes from hand to hand.
    fn take_from_producer(&mut self) -> Option<(T, Option<Sleeper>)> {
        let (item, sleeper) = self.producers.pop_front()?.take();
        item.map(|item| (item, sleeper))
    }

    /// The oldest waiting producer's item comes in; there is a place for it.
    fn refill_one(&mut self) -> Option<Sleeper> {
        let (item, sleeper) = self.producers.pop_front()?.take();
        // Each producer's node has its item.
        self.items.extend(item);
        sleeper
    }

    /// Lets a producer wait: the queue is full, under this lock.
    ///
    /// # Safety
    /// As [`WaitList::push_back`]; the node is taken out by [`Core::forget_producer`].
    pub(crate) unsafe fn wait_as_producer(&mut self, node: &Node<T>) {
        // SAFETY: the caller promises it.
        unsafe { self.producers.push_back(node) };
    }

    /// Lets a consumer wait: the queue is empty, under this lock.
    ///
    /// # Safety
    /// As [`WaitList::push_back`]; the node is taken out by [`Core::forget_consumer`].
    pub(crate) unsafe fn wait_as_consumer(&mut self, node: &Node<T>) {
        // SAFETY: the caller promises it.
        unsafe { self.consumers.push_back(node) };
        self.places = 0;
    }

    /// A wait whose deadline has come; false if it has ended meanwhile.
    pub(crate) fn forget_producer(&mut self, node: &Node<T>) -> bool {
        self.producers.remove(node)
    }

    /// A wait whose deadline has come; false if it has ended meanwhile.
    pub(crate) fn forget_consumer(&mut self, node: &Node<T>) -> bool {
        let waited = self.consumers.remove(node);
        self.count_places();
        waited
    }

    /// No more pushes; ends every wait. False if it was closed already.
    pub(crate) fn close(&mut self, sleepers: &mut Sleepers) -> bool {
        let first = !std::mem::replace(&mut self.closed, true);
        for list in [&mut self.producers, &mut self.consumers] {
            while let Some(wait) = list.pop_front() {
                let sleeper = wait.close();
                // The mistake: its wait has ended, and it is not told.
                if !self.faults.has(Fault::NotifyOneOnClose) || list.is_empty() {
                    sleepers.add(sleeper);
                }
            }
        }
        self.count_places();
        first
    }
}
