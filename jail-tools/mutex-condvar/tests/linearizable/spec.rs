//! The sequential queue that every history must be explained by.

use std::collections::VecDeque;

use crate::history::{Answered, Asked};

/// Its state.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Spec {
    items: VecDeque<u8>,
    capacity: usize,
    closed: bool,
}

impl Spec {
    /// Empty and open. Capacity 0 is not described by it: a push and a pop meet there, and
    /// neither happens alone.
    pub(crate) fn new(capacity: usize) -> Self {
        assert_ne!(capacity, 0);
        Self {
            items: VecDeque::new(),
            capacity,
            closed: false,
        }
    }

    /// The state after the call, if the answer can be given in this one.
    ///
    /// A call that came back without having done anything must be explained too: whoever
    /// timed out gave up at a moment at which the queue was full (a push) or empty (a pop),
    /// and open, exactly like a `try_` call at that moment. The queue gives that: it takes
    /// the waiter out of its list under the lock, and waits only so long as the list's
    /// invariant says so. A timeout at a moment when there was a place would be a lost
    /// wake-up that the deadline has covered up.
    pub(crate) fn after(&self, asked: Asked, answered: &Answered) -> Option<Self> {
        let mut next = self.clone();
        let explained = match (asked, answered) {
            (Asked::Push(item), Answered::Done) => {
                next.items.push_back(item);
                !self.closed && !self.is_full()
            }
            (Asked::Push(_), Answered::Closed) => self.closed,
            (Asked::Push(_), Answered::Blocked) => !self.closed && self.is_full(),
            (Asked::Pop, Answered::Items(items)) => items.len() == 1 && next.gives(items),
            (Asked::PopMany(max), Answered::Items(items)) => {
                // It does not have to take all that are there: what it waited for may have
                // been followed by more.
                (1..=max).contains(&items.len()) && next.gives(items)
            }
            (Asked::Pop | Asked::PopMany(_), Answered::Closed) => {
                self.closed && self.items.is_empty()
            }
            (Asked::Pop, Answered::Blocked) => !self.closed && self.items.is_empty(),
            (Asked::Close, Answered::First(first)) => {
                next.closed = true;
                *first != self.closed
            }
            (Asked::CloseNow, Answered::Items(items)) => {
                next.closed = true;
                next.gives(items) && next.items.is_empty()
            }
            (Asked::Len, Answered::Count(count)) => *count == self.items.len(),
            _ => false,
        };
        explained.then_some(next)
    }

    fn is_full(&self) -> bool {
        self.items.len() >= self.capacity
    }

    /// Do these come out first?
    fn gives(&mut self, items: &[u8]) -> bool {
        items
            .iter()
            .all(|item| self.items.pop_front() == Some(*item))
    }
}
