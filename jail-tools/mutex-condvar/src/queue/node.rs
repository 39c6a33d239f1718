//! Threads that wait, as nodes of a list, each on its own thread's stack.
//!
//! Who pops brings the oldest waiting producer's item in, who pushes gives its item to the
//! oldest waiting consumer: a wait ends with the operation done, so that nobody who was woken
//! finds that another was faster, and waiters are served in their order. (Go's channels do
//! the same: runtime/chan.go.)
#![allow(unsafe_code)]

use std::ptr;

use crate::faults::{Fault, Faults};
use crate::sync::{self, AtomicU32, Instant, Ordering, UnsafeCell};

/// In a list, its thread awake.
const WAITING: u32 = 0;
/// In a list, its thread asleep or about to be: whoever ends the wait has to wake it.
const ASLEEP: u32 = 1;
/// Ended: the item has been taken, or one has been given.
const SERVED: u32 = 2;
/// Ended: there will be no service. A producer's item is still there.
const CLOSED: u32 = 3;

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The item has been taken, or one has been given.
    Served,
    /// The queue was closed.
    Closed,
    /// The deadline came first.
    TimedOut,
}

fn end(state: u32) -> Option<End> {
    match state {
        SERVED => Some(End::Served),
        CLOSED => Some(End::Closed),
        _ => None,
    }
}

/// One wait of one thread.
///
/// While it is in a list, `item` and `links` belong to whoever has the queue's lock; once
/// `state` is an end, all belongs to the waiting thread again, and nobody else may touch it:
/// it may be gone.
#[derive(Debug)]
pub(crate) struct Node<T> {
    state: AtomicU32,
    item: UnsafeCell<Option<T>>,
    links: UnsafeCell<Links<T>>,
}

#[derive(Debug)]
struct Links<T> {
    previous: *const Node<T>,
    next: *const Node<T>,
}

impl<T> Node<T> {
    /// A producer's has its item, a consumer's none.
    pub(crate) fn new(item: Option<T>) -> Self {
        Self {
            state: AtomicU32::new(WAITING),
            item: UnsafeCell::new(item),
            links: UnsafeCell::new(Links {
                previous: ptr::null(),
                next: ptr::null(),
            }),
        }
    }

    /// How the wait ended, if it has.
    #[inline]
    pub(crate) fn end(&self) -> Option<End> {
        end(self.state.load(Ordering::Acquire))
    }

    /// From here on whoever ends the wait has to wake its thread. By its thread.
    pub(crate) fn announce_sleep(&self, faults: Faults) {
        if faults.has(Fault::SleepUnannounced) {
            return;
        }
        // If this fails, the wait has ended.
        _ = self
            .state
            .compare_exchange(WAITING, ASLEEP, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Sleeps until the wait has ended; `None` if the deadline came first. By its thread,
    /// after [`Node::announce_sleep`].
    pub(crate) fn sleep(&self, deadline: Option<Instant>) -> Option<End> {
        loop {
            // Only its thread changes it before the end: what is not an end is ASLEEP.
            let state = self.state.load(Ordering::Acquire);
            if let Some(end) = end(state) {
                return Some(end);
            }
            if deadline.is_some_and(sync::passed) {
                return None;
            }
            sync::wait(&self.state, state, deadline);
        }
    }

    /// What is in it, after it has left its list.
    pub(crate) fn into_item(self) -> Option<T> {
        self.item.into_inner()
    }
}

/// The waiting threads of one side, in the order in which they came.
#[derive(Debug)]
pub(crate) struct WaitList<T> {
    first: *const Node<T>,
    last: *const Node<T>,
}

// SAFETY: the list is reached under the queue's lock only, and what it gives access to are
// items on their way from one thread to another, which `T: Send` allows.
unsafe impl<T: Send> Send for WaitList<T> {}

impl<T> WaitList<T> {
    pub(crate) const fn new() -> Self {
        Self {
            first: ptr::null(),
            last: ptr::null(),
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    /// Appends a wait.
    ///
    /// # Safety
    /// The node is in no list. Its thread neither moves nor frees it, nor touches anything
    /// but its state, until the state is an end or it has taken the node out by
    /// [`WaitList::remove`]. All calls for this list are under one lock.
    pub(crate) unsafe fn push_back(&mut self, node: &Node<T>) {
        let links = node.links.get_mut();
        // SAFETY: the links are the lock's owner's now, which is the caller.
        *unsafe { links.deref() } = Links {
            previous: self.last,
            next: ptr::null(),
        };
        let node = ptr::from_ref(node);
        if self.last.is_null() {
            self.first = node;
        } else {
            // SAFETY: the last node is in the list, so it is alive (`push_back`'s condition)
            // and its links are the lock's owner's.
            let links = unsafe { &*self.last }.links.get_mut();
            // SAFETY: as above.
            unsafe { links.deref() }.next = node;
        }
        self.last = node;
    }

    /// Takes the oldest wait out, to be ended.
    #[inline]
    pub(crate) fn pop_front(&mut self) -> Option<Taken<T>> {
        if self.first.is_null() {
            return None;
        }
        let taken = Taken(self.first);
        self.unlink(taken.0);
        Some(taken)
    }

    /// Takes a wait out whose deadline has come. False if it has been taken out already, and
    /// so has ended or is about to, under this lock.
    pub(crate) fn remove(&mut self, node: &Node<T>) -> bool {
        // Nodes are taken out and ended under one lock: not ended means in the list.
        if node.end().is_some() {
            return false;
        }
        self.unlink(ptr::from_ref(node));
        true
    }

    /// The node is in this list.
    fn unlink(&mut self, node: *const Node<T>) {
        // SAFETY: it is in the list, so it is alive and its links are the lock's owner's
        // (`push_back`'s conditions). The same holds for its neighbours below.
        let (previous, next) = unsafe {
            let links = (*node).links.get_mut();
            let links = links.deref();
            (links.previous, links.next)
        };
        if previous.is_null() {
            self.first = next;
        } else {
            // SAFETY: a neighbour, in the list.
            unsafe { (*previous).links.get_mut().deref().next = next };
        }
        if next.is_null() {
            self.last = previous;
        } else {
            // SAFETY: a neighbour, in the list.
            unsafe { (*next).links.get_mut().deref().previous = previous };
        }
    }
}

/// A wait that has left its list and must be ended, by [`Taken::give`], [`Taken::take`] or
/// [`Taken::close`], under the lock under which it was taken out.
#[must_use = "its thread waits until it is ended"]
pub(crate) struct Taken<T>(*const Node<T>);

impl<T> Taken<T> {
    /// A consumer gets the item.
    #[inline]
    pub(crate) fn give(self, item: T) -> Option<Sleeper> {
        // SAFETY: the node has not ended, so it is alive and its item is the lock's owner's.
        unsafe { *(*self.0).item.get_mut().deref() = Some(item) };
        self.end(SERVED)
    }

    /// A producer's item is taken.
    #[inline]
    pub(crate) fn take(self) -> (Option<T>, Option<Sleeper>) {
        // SAFETY: the node has not ended, so it is alive and its item is the lock's owner's.
        let item = unsafe { (*self.0).item.get_mut().deref().take() };
        (item, self.end(SERVED))
    }

    /// There will be no service.
    pub(crate) fn close(self) -> Option<Sleeper> {
        self.end(CLOSED)
    }

    #[inline]
    fn end(self, how: u32) -> Option<Sleeper> {
        // SAFETY: the node has not ended, so it is alive. After the swap it is not touched.
        let state = unsafe { &(*self.0).state };
        let address = ptr::from_ref(state);
        (state.swap(how, Ordering::AcqRel) == ASLEEP).then_some(Sleeper(address))
    }
}

/// A thread that sleeps though its wait has ended.
#[must_use = "it sleeps until it is woken"]
#[derive(Debug)]
pub(crate) struct Sleeper(*const AtomicU32);

impl Sleeper {
    /// Best without the lock, which it will not need, but others may.
    #[cold]
    pub(crate) fn wake(self) {
        // The word may be gone, if its thread woke up by itself: only its address is used.
        sync::wake_at(self.0, 1);
    }
}

/// Some threads to wake after the unlock, without memory of their own: those for whom there is
/// no room are woken at once.
#[derive(Debug, Default)]
pub(crate) struct Sleepers {
    threads: [Option<Sleeper>; SLEEPERS],
    count: usize,
}

/// More than mostly wait, few enough to be cleared in some nanoseconds.
const SLEEPERS: usize = 16;

impl Sleepers {
    pub(crate) fn add(&mut self, sleeper: Option<Sleeper>) {
        let Some(sleeper) = sleeper else {
            return;
        };
        match self.threads.get_mut(self.count) {
            Some(place) => {
                *place = Some(sleeper);
                self.count += 1;
            }
            None => sleeper.wake(),
        }
    }

    /// Those that have not been woken yet.
    pub(crate) fn into_iter(self) -> impl Iterator<Item = Sleeper> {
        self.threads.into_iter().take(self.count).flatten()
    }
}
