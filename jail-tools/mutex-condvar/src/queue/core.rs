//! What the queue's lock guards.

use std::collections::VecDeque;

use crate::faults::{Fault, Faults};
use crate::queue::node::{Sleeper, Sleepers, WaitList};

/// The guarded state. Between two owners of the lock this holds:
///
/// - at most `capacity` items;
/// - a producer waits only if the queue is full, a consumer only if it is empty (and, of
///   capacity 0, only one side waits);
/// - nobody waits once it is closed.
#[derive(Debug)]
#[repr(C)] // What every operation writes first: with the lock's words in front it fills one cache line.
pub(crate) struct Core<T> {
    pub(crate) items: VecDeque<T>,
    pub(crate) capacity: usize,
    pub(crate) closed: bool,
    pub(crate) producers: WaitList<T>,
    pub(crate) consumers: WaitList<T>,
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
            capacity,
            closed: false,
            producers: WaitList::new(),
            consumers: WaitList::new(),
            faults,
        }
    }

    /// Takes the item in if that can be done now.
    #[inline]
    pub(crate) fn offer(&mut self, item: T) -> Offered<T> {
        if self.closed {
            return Offered::Closed(item);
        }
        if let Some(consumer) = self.consumers.pop_front() {
            return Offered::In(consumer.give(item));
        }
        if self.items.len() >= self.capacity {
            return Offered::Full(item);
        }
        self.items.push_back(item);
        Offered::In(None)
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

    /// The oldest item, if there is one, and a producer to be woken, whose item came in.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<(T, Option<Sleeper>)> {
        let Some(item) = self.items.pop_front() else {
            return self.take_from_producer();
        };
        if self.producers.is_empty() {
            return Some((item, None));
        }
        Some((item, self.refill_one()))
    }

    /// Of capacity 0: a waiting producer's item goes from hand to hand.
    fn take_from_producer(&mut self) -> Option<(T, Option<Sleeper>)> {
        let (item, sleeper) = self.producers.pop_front()?.take();
        item.map(|item| (item, sleeper))
    }

    #[inline]
    fn refill_one(&mut self) -> Option<Sleeper> {
        let (item, sleeper) = self.producers.pop_front()?.take();
        // Each producer's node has its item; the queue has the place of what was taken.
        self.items.extend(item);
        sleeper
    }

    /// Lets waiting producers' items in while there are places.
    pub(crate) fn refill(&mut self, sleepers: &mut Sleepers) {
        while self.items.len() < self.capacity && !self.producers.is_empty() {
            sleepers.add(self.refill_one());
        }
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
        first
    }
}
