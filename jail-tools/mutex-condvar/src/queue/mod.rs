//! The bounded queue.
#![allow(unsafe_code)]

mod core;
pub(crate) mod error;
mod handles;
mod iter;
pub(crate) mod node;
pub(crate) mod patience;

use std::collections::VecDeque;
use std::fmt;

use crate::cpus::Cpus;
use crate::faults::{Fault, Faults};
use crate::mutex::{Mutex, MutexGuard};
use crate::sync::Instant;

use self::core::{Core, Offered};
use error::{
    CapacityError, PopDeadlineError, PopError, PushDeadlineError, PushError, PushManyError,
    TryPopError, TryPushError,
};
pub use handles::{Consumer, Producer, bounded};
pub use iter::{IntoIter, Iter, TryIter};
use node::{End, Node, Sleeper, Sleepers};
use patience::Patience;

/// A first-in-first-out queue of limited capacity, for any number of producing and consuming
/// threads, that blocks when it is full or empty and can be shut down.
///
/// What holds at any time: at most `capacity` items are in it; each item that was pushed is
/// popped, returned or dropped exactly once; of one producer's items the earlier comes out
/// first; a push waits only while the queue is full, a pop only while it is empty; what a
/// thread wrote before its push is seen after the pop of that item.
///
/// Every operation takes one lock for some nanoseconds, runs none of the caller's code under
/// it and does not allocate, but for what `pop_many` returns, and that before it locks.
/// Complexity: constant; the `_many` ones are linear in the items that they move.
///
/// ```
/// use mutex_condvar::BoundedQueue;
///
/// let queue = BoundedQueue::new(2)?;
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         for n in 0..100 {
///             queue.push(n).expect("nobody closes it before us");
///         }
///         queue.close();
///     });
///     let sum: i32 = queue.iter().sum();
///     assert_eq!(sum, 4950);
/// });
/// # Ok::<(), mutex_condvar::CapacityError>(())
/// ```
///
/// For a queue that closes itself when the last producer or the last consumer is gone see
/// [`bounded`].
#[repr(align(128))] // What one CPU writes at a time, apart from its neighbours (two lines are
// fetched together on x86: Intel's optimization manual, "spatial prefetcher").
pub struct BoundedQueue<T> {
    core: Mutex<Core<T>>,
    capacity: usize,
    /// Where those were seen who waited, and those who woke them.
    cpus: Cpus,
    producers: Patience,
    consumers: Patience,
    faults: Faults,
}

type Guard<'a, T> = MutexGuard<'a, Core<T>>;

impl<T> BoundedQueue<T> {
    /// An empty, open queue for `capacity` items; their memory is allocated here. With
    /// capacity 0 an item goes from hand to hand: a push returns when a pop has it.
    ///
    /// # Errors
    /// [`CapacityError`] if there is no memory for so many.
    pub fn new(capacity: usize) -> Result<Self, CapacityError> {
        Self::build(capacity, Faults::NONE)
    }

    /// One with a mistake in it: for tests.
    ///
    /// # Errors
    /// As [`BoundedQueue::new`].
    #[cfg(feature = "faults")]
    pub fn with_faults(capacity: usize, faults: Faults) -> Result<Self, CapacityError> {
        Self::build(capacity, faults)
    }

    fn build(capacity: usize, faults: Faults) -> Result<Self, CapacityError> {
        let mut items = VecDeque::new();
        items
            .try_reserve_exact(capacity)
            .map_err(|_| CapacityError { capacity })?;
        Ok(Self {
            core: Mutex::asymmetric_with_faults(Core::new(items, capacity, faults), faults),
            capacity,
            cpus: Cpus::new(),
            producers: Patience::new(),
            consumers: Patience::new(),
            faults,
        })
    }

    /// Appends the item, waiting for a place if the queue is full.
    ///
    /// # Errors
    /// [`PushError::Closed`] with the item, also if it is closed while this waits.
    #[inline]
    pub fn push(&self, item: T) -> Result<(), PushError<T>> {
        let mut core = self.core.lock();
        match core.append(item) {
            Ok(()) => Ok(()),
            Err(item) => match self.push_slowly(core, item, None) {
                Ok(()) => Ok(()),
                // Without a deadline it is the first.
                Err(PushDeadlineError::Closed(item) | PushDeadlineError::TimedOut(item)) => {
                    Err(PushError::Closed(item))
                }
            },
        }
    }

    /// Appends the item if there is a place now. (With capacity 0: if a pop waits.)
    ///
    /// # Errors
    /// [`TryPushError::Full`] or [`TryPushError::Closed`], with the item.
    #[inline]
    pub fn try_push(&self, item: T) -> Result<(), TryPushError<T>> {
        let mut core = self.core.lock();
        match core.append(item) {
            Ok(()) => Ok(()),
            Err(item) => match core.offer(item) {
                Offered::In(sleeper) => {
                    self.finish(core, sleeper);
                    Ok(())
                }
                Offered::Full(item) => Err(TryPushError::Full(item)),
                Offered::Closed(item) => Err(TryPushError::Closed(item)),
            },
        }
    }

    /// Appends the item, waiting for a place until the deadline at most. A place that is
    /// there is taken even if the deadline has passed.
    ///
    /// # Errors
    /// [`PushDeadlineError::TimedOut`] or [`PushDeadlineError::Closed`], with the item.
    pub fn push_deadline(&self, item: T, deadline: Instant) -> Result<(), PushDeadlineError<T>> {
        let mut core = self.core.lock();
        match core.append(item) {
            Ok(()) => Ok(()),
            Err(item) => self.push_slowly(core, item, Some(deadline)),
        }
    }

    #[cold]
    fn push_slowly(
        &self,
        mut core: Guard<'_, T>,
        item: T,
        deadline: Option<Instant>,
    ) -> Result<(), PushDeadlineError<T>> {
        match core.offer(item) {
            Offered::In(sleeper) => {
                self.finish(core, sleeper);
                Ok(())
            }
            Offered::Full(item) => self.wait_for_place(core, item, deadline),
            Offered::Closed(item) => Err(PushDeadlineError::Closed(item)),
        }
    }

    /// Appends the items in their order, as many at a time as there are places, waiting for
    /// more until all are in. Each time it takes the lock once and wakes whom it must after
    /// that. Other producers' items may come between those of two times.
    ///
    /// # Errors
    /// [`PushManyError::Closed`]: what was not pushed is still in `items`.
    pub fn push_many(&self, items: &mut VecDeque<T>) -> Result<(), PushManyError> {
        while let Some(first) = items.pop_front() {
            let mut core = self.core.lock();
            match core.offer(first) {
                Offered::In(sleeper) => {
                    let mut sleepers = Sleepers::default();
                    sleepers.add(sleeper);
                    core.offer_more(items, &mut sleepers);
                    self.finish_many(core, sleepers);
                }
                Offered::Full(first) => {
                    if let Err(
                        PushDeadlineError::Closed(first) | PushDeadlineError::TimedOut(first),
                    ) = self.wait_for_place(core, first, None)
                    {
                        items.push_front(first);
                        return Err(PushManyError::Closed);
                    }
                }
                Offered::Closed(first) => {
                    drop(core);
                    items.push_front(first);
                    return Err(PushManyError::Closed);
                }
            }
        }
        Ok(())
    }

    /// Takes the oldest item, waiting for one if the queue is empty.
    ///
    /// # Errors
    /// [`PopError::Closed`] once the queue is closed and empty.
    #[inline]
    pub fn pop(&self) -> Result<T, PopError> {
        let mut core = self.core.lock();
        match core.take_first() {
            Some(item) => Ok(item),
            None => self.pop_slowly(core, None).map_err(|_| PopError::Closed),
        }
    }

    /// Takes the oldest item if there is one now. (With capacity 0: if a push waits.)
    ///
    /// # Errors
    /// [`TryPopError::Empty`], or [`TryPopError::Closed`] once it is closed and empty.
    #[inline]
    pub fn try_pop(&self) -> Result<T, TryPopError> {
        let mut core = self.core.lock();
        if let Some(item) = core.take_first() {
            return Ok(item);
        }
        match core.take() {
            Some((item, sleeper)) => {
                self.finish(core, sleeper);
                Ok(item)
            }
            None if core.is_closed() => Err(TryPopError::Closed),
            None => Err(TryPopError::Empty),
        }
    }

    /// Takes the oldest item, waiting for one until the deadline at most. An item that is
    /// there is taken even if the deadline has passed.
    ///
    /// # Errors
    /// [`PopDeadlineError::TimedOut`], or [`PopDeadlineError::Closed`] once it is closed and
    /// empty.
    pub fn pop_deadline(&self, deadline: Instant) -> Result<T, PopDeadlineError> {
        let mut core = self.core.lock();
        match core.take_first() {
            Some(item) => Ok(item),
            None => self.pop_slowly(core, Some(deadline)),
        }
    }

    #[cold]
    fn pop_slowly(
        &self,
        mut core: Guard<'_, T>,
        deadline: Option<Instant>,
    ) -> Result<T, PopDeadlineError> {
        match core.take() {
            Some((item, sleeper)) => {
                self.finish(core, sleeper);
                Ok(item)
            }
            None if core.is_closed() => Err(PopDeadlineError::Closed),
            None => self.wait_for_item(core, deadline),
        }
    }

    /// Takes the oldest items, up to `max` and to the capacity, appends them to `into` and
    /// says how many; waits for the first one only. One lock, and whom it must wake it wakes
    /// after that. (`max` 0 takes none and does not wait.)
    ///
    /// # Errors
    /// [`PopError::Closed`] once the queue is closed and empty.
    pub fn pop_many(&self, into: &mut Vec<T>, max: usize) -> Result<usize, PopError> {
        if max == 0 {
            return Ok(0);
        }
        // Not under the lock.
        into.reserve(max.min(self.capacity.max(1)));
        let mut core = self.core.lock();
        let mut sleepers = Sleepers::default();
        let count = core.take_many(into, max, &mut sleepers);
        self.finish_many(core, sleepers);
        if count == 0 {
            into.push(self.pop()?);
            return Ok(1);
        }
        Ok(count)
    }

    /// No more pushes: those that wait fail at once, with their items. Pops go on until the
    /// queue is empty, then fail. Wakes everybody who waits. False if it was closed already.
    pub fn close(&self) -> bool {
        self.shut(|_| ()).0
    }

    /// Closes and empties: pushes and pops fail at once; the items that nobody will get, in
    /// their order. Wakes everybody who waits. Of several calls one has the items.
    #[must_use = "these are the items that nobody will get"]
    pub fn close_now(&self) -> VecDeque<T> {
        self.shut(Core::take_all).1
    }

    fn shut<R>(&self, take: impl FnOnce(&mut Core<T>) -> R) -> (bool, R) {
        let mut core = self.core.lock();
        let mut sleepers = Sleepers::default();
        let first = core.close(&mut sleepers);
        let taken = take(&mut core);
        self.finish_many(core, sleepers);
        (first, taken)
    }

    /// How many items are in it. They may be others by the time you know.
    pub fn len(&self) -> usize {
        self.core.lock().len()
    }

    /// No items now?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many items fit into it.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Has it been closed? Items may be left to pop.
    pub fn is_closed(&self) -> bool {
        self.core.lock().is_closed()
    }

    /// Pops until it is closed and empty, waiting for items.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter::new(self)
    }

    /// Pops what is there now, without waiting.
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter::new(self)
    }

    /// Waits in the list of producers; the queue was full just now, under this lock.
    #[cold]
    fn wait_for_place(
        &self,
        mut core: Guard<'_, T>,
        item: T,
        deadline: Option<Instant>,
    ) -> Result<(), PushDeadlineError<T>> {
        let node = Node::new(Some(item));
        // SAFETY: the node is not moved before `ended` is back, which is when it is out of
        // the list; nothing in between can panic. All is under the queue's lock.
        unsafe { core.wait_as_producer(&node) };
        drop(core);
        let end = self.ended(&node, &self.producers, deadline, Core::forget_producer);
        match (end, node.into_item()) {
            (End::Closed, Some(item)) => Err(PushDeadlineError::Closed(item)),
            (End::TimedOut, Some(item)) => Err(PushDeadlineError::TimedOut(item)),
            // Whoever served it took the item.
            (_, None) | (End::Served, _) => Ok(()),
        }
    }

    /// Waits in the list of consumers; the queue was empty just now, under this lock.
    #[cold]
    fn wait_for_item(
        &self,
        mut core: Guard<'_, T>,
        deadline: Option<Instant>,
    ) -> Result<T, PopDeadlineError> {
        let node = Node::new(None);
        // SAFETY: as in `wait_for_place`.
        unsafe { core.wait_as_consumer(&node) };
        drop(core);
        let end = self.ended(&node, &self.consumers, deadline, Core::forget_consumer);
        match (end, node.into_item()) {
            (End::TimedOut, Some(_)) if self.faults.has(Fault::TimeoutWithoutLook) => {
                Err(PopDeadlineError::TimedOut)
            }
            // Whoever served it gave an item.
            (_, Some(item)) => Ok(item),
            (End::TimedOut, None) => Err(PopDeadlineError::TimedOut),
            (_, None) => Err(PopDeadlineError::Closed),
        }
    }

    /// Waits until the node is out of its list.
    fn ended(
        &self,
        node: &Node<T>,
        patience: &Patience,
        deadline: Option<Instant>,
        forget: impl FnOnce(&mut Core<T>, &Node<T>) -> bool,
    ) -> End {
        if !patience.look(&self.cpus, || node.end().is_some()) {
            node.announce_sleep(self.faults);
        }
        if let Some(end) = node.sleep(deadline) {
            return end;
        }
        let mut core = self.core.lock();
        if forget(&mut core, node) || self.faults.has(Fault::TimeoutWithoutLook) {
            return End::TimedOut;
        }
        // Not in the list and the lock free: it has ended.
        node.end().unwrap_or(End::TimedOut)
    }

    /// Unlocks, then wakes.
    #[inline]
    fn finish(&self, core: Guard<'_, T>, sleeper: Option<Sleeper>) {
        drop(core);
        if let Some(sleeper) = sleeper {
            self.wake(sleeper);
        }
    }

    fn finish_many(&self, core: Guard<'_, T>, sleepers: Sleepers) {
        drop(core);
        sleepers.into_iter().for_each(|sleeper| self.wake(sleeper));
    }

    #[cold]
    fn wake(&self, sleeper: Sleeper) {
        sleeper.wake();
        // Where only one side ever waits, nobody else would tell that there are two CPUs.
        self.cpus.look();
    }
}

impl<T> fmt::Debug for BoundedQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedQueue")
            .field("len", &self.len())
            .field("capacity", &self.capacity)
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
