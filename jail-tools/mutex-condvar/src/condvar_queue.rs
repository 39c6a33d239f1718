//! The textbook's bounded queue: one mutex, two condition variables, `while` and not `if`.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;

use crate::condvar::Condvar;
use crate::faults::{Fault, Faults};
use crate::mutex::{Mutex, MutexGuard};
use crate::queue::error::{
    CapacityError, PopDeadlineError, PopError, PushDeadlineError, PushError, TryPopError,
    TryPushError,
};
use crate::sync::Instant;

/// Whom a push or a pop notifies, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Discipline {
    /// One waiter of the other side, while the lock is held.
    UnderLock,
    /// One waiter of the other side, after the unlock.
    AfterUnlock,
    /// All waiters of the other side, after the unlock.
    NotifyAll,
    /// One condition variable for both sides, so that all waiters must be notified.
    OneCondvar,
}

impl Discipline {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::UnderLock,
        Self::AfterUnlock,
        Self::NotifyAll,
        Self::OneCondvar,
    ];
}

/// The bounded queue that textbooks build of a [`Mutex`] and two [`Condvar`]s, for
/// experiments: the same promises as [`BoundedQueue`](crate::BoundedQueue), other costs.
///
/// A thread that was woken may find that another was faster, and sleeps again; each push and
/// each pop notifies by its [`Discipline`].
pub struct CondvarQueue<T> {
    state: Mutex<State<T>>,
    not_full: Condvar,
    not_empty: Condvar,
    capacity: usize,
    discipline: Discipline,
    faults: Faults,
}

struct State<T> {
    items: VecDeque<T>,
    closed: bool,
}

type Guard<'a, T> = MutexGuard<'a, State<T>>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Producers,
    Consumers,
}

impl<T> CondvarQueue<T> {
    /// An empty, open queue for `capacity` items; their memory is allocated here.
    ///
    /// # Errors
    /// [`CapacityError`] if there is no memory for so many.
    pub fn new(capacity: NonZeroUsize, discipline: Discipline) -> Result<Self, CapacityError> {
        Self::build(capacity, discipline, Faults::NONE)
    }

    /// One with a mistake in it: for tests.
    ///
    /// # Errors
    /// As [`CondvarQueue::new`].
    #[cfg(feature = "faults")]
    pub fn with_faults(
        capacity: NonZeroUsize,
        discipline: Discipline,
        faults: Faults,
    ) -> Result<Self, CapacityError> {
        Self::build(capacity, discipline, faults)
    }

    pub(crate) fn build(
        capacity: NonZeroUsize,
        discipline: Discipline,
        faults: Faults,
    ) -> Result<Self, CapacityError> {
        let capacity = capacity.get();
        let mut items = VecDeque::new();
        items
            .try_reserve_exact(capacity)
            .map_err(|_| CapacityError { capacity })?;
        let state = State {
            items,
            closed: false,
        };
        Ok(Self {
            state: Mutex::three_state_with_faults(state, faults),
            not_full: Condvar::with_faults(faults),
            not_empty: Condvar::with_faults(faults),
            capacity,
            discipline,
            faults,
        })
    }

    /// Appends the item, waiting for a place if the queue is full.
    ///
    /// # Errors
    /// [`PushError::Closed`] with the item.
    pub fn push(&self, item: T) -> Result<(), PushError<T>> {
        let (state, _) = self.wait(Side::Producers, None);
        if state.closed {
            return Err(PushError::Closed(item));
        }
        self.append(state, item);
        Ok(())
    }

    /// Appends the item if there is a place now.
    ///
    /// # Errors
    /// [`TryPushError`] with the item.
    pub fn try_push(&self, item: T) -> Result<(), TryPushError<T>> {
        let state = self.state.lock();
        if state.closed {
            return Err(TryPushError::Closed(item));
        }
        if state.items.len() >= self.capacity {
            return Err(TryPushError::Full(item));
        }
        self.append(state, item);
        Ok(())
    }

    /// Appends the item, waiting for a place until the deadline at most.
    ///
    /// # Errors
    /// [`PushDeadlineError`] with the item.
    pub fn push_deadline(&self, item: T, deadline: Instant) -> Result<(), PushDeadlineError<T>> {
        let (state, timed_out) = self.wait(Side::Producers, Some(deadline));
        if state.closed {
            return Err(PushDeadlineError::Closed(item));
        }
        if timed_out {
            return Err(PushDeadlineError::TimedOut(item));
        }
        self.append(state, item);
        Ok(())
    }

    /// Takes the oldest item, waiting for one if the queue is empty.
    ///
    /// # Errors
    /// [`PopError::Closed`] once the queue is closed and empty.
    pub fn pop(&self) -> Result<T, PopError> {
        let (state, _) = self.wait(Side::Consumers, None);
        self.take(state).ok_or(PopError::Closed)
    }

    /// Takes the oldest item if there is one now.
    ///
    /// # Errors
    /// [`TryPopError::Empty`], or [`TryPopError::Closed`] once it is closed and empty.
    pub fn try_pop(&self) -> Result<T, TryPopError> {
        let state = self.state.lock();
        let closed = state.closed;
        self.take(state).ok_or(if closed {
            TryPopError::Closed
        } else {
            TryPopError::Empty
        })
    }

    /// Takes the oldest item, waiting for one until the deadline at most.
    ///
    /// # Errors
    /// [`PopDeadlineError::TimedOut`], or [`PopDeadlineError::Closed`] once it is closed and
    /// empty.
    pub fn pop_deadline(&self, deadline: Instant) -> Result<T, PopDeadlineError> {
        let (state, timed_out) = self.wait(Side::Consumers, Some(deadline));
        self.take(state).ok_or(if timed_out {
            PopDeadlineError::TimedOut
        } else {
            PopDeadlineError::Closed
        })
    }

    /// No more pushes; pops drain the queue, then fail. Wakes everybody who waits. False if
    /// it was closed already.
    pub fn close(&self) -> bool {
        self.shut(|_| ()).0
    }

    /// Closes and empties: the items that nobody will get, in their order.
    #[must_use = "these are the items that nobody will get"]
    pub fn close_now(&self) -> VecDeque<T> {
        self.shut(|state| std::mem::take(&mut state.items)).1
    }

    /// How many items are in it. They may be others by the time you know.
    pub fn len(&self) -> usize {
        self.state.lock().items.len()
    }

    /// No items now?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shut<R>(&self, take: impl FnOnce(&mut State<T>) -> R) -> (bool, R) {
        let mut state = self.state.lock();
        let first = !std::mem::replace(&mut state.closed, true);
        let taken = take(&mut state);
        drop(state);
        for condvar in [&self.not_full, &self.not_empty] {
            if self.faults.has(Fault::NotifyOneOnClose) {
                condvar.notify_one();
            } else {
                condvar.notify_all();
            }
        }
        (first, taken)
    }

    /// Locks and waits until this side can go on or the queue is closed; true if the deadline
    /// came first.
    fn wait(&self, side: Side, deadline: Option<Instant>) -> (Guard<'_, T>, bool) {
        let mut state = self.state.lock();
        let mut timed_out = false;
        while self.blocked(side, &state) {
            if timed_out {
                return (state, true);
            }
            (state, timed_out) = self.condvar(side).sleep(state, deadline);
            if self.faults.has(Fault::IfForWhile) {
                break;
            }
        }
        (state, false)
    }

    fn blocked(&self, side: Side, state: &State<T>) -> bool {
        !state.closed
            && match side {
                Side::Producers => state.items.len() >= self.capacity,
                Side::Consumers => state.items.is_empty(),
            }
    }

    fn append(&self, mut state: Guard<'_, T>, item: T) {
        // Only a fault comes here without a place; the evidence is better than the item.
        assert!(
            state.items.len() < self.capacity,
            "invariant broken: a push into a full queue ({} of {})",
            state.items.len(),
            self.capacity
        );
        state.items.push_back(item);
        self.notify(Side::Consumers, state);
    }

    fn take(&self, mut state: Guard<'_, T>) -> Option<T> {
        let item = state.items.pop_front();
        // Only a fault wakes up to nothing.
        assert!(
            item.is_some() || state.closed || !self.faults.has(Fault::IfForWhile),
            "invariant broken: a pop from an empty, open queue"
        );
        if item.is_some() {
            self.notify(Side::Producers, state);
        }
        item
    }

    /// Tells those who wait on `side` that they may go on, by the discipline; unlocks.
    fn notify(&self, side: Side, state: Guard<'_, T>) {
        let condvar = self.condvar(side);
        match self.discipline {
            Discipline::UnderLock => {
                condvar.notify_one();
                drop(state);
            }
            Discipline::AfterUnlock => {
                drop(state);
                condvar.notify_one();
            }
            Discipline::OneCondvar if self.faults.has(Fault::NotifyOneOfBoth) => {
                drop(state);
                condvar.notify_one();
            }
            Discipline::NotifyAll | Discipline::OneCondvar => {
                drop(state);
                condvar.notify_all();
            }
        }
    }

    fn condvar(&self, side: Side) -> &Condvar {
        match (self.discipline, side) {
            (Discipline::OneCondvar, _) | (_, Side::Consumers) => &self.not_empty,
            (_, Side::Producers) => &self.not_full,
        }
    }
}

impl<T> fmt::Debug for CondvarQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CondvarQueue")
            .field("len", &self.len())
            .field("capacity", &self.capacity)
            .field("discipline", &self.discipline)
            .finish_non_exhaustive()
    }
}
