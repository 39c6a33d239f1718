//! What one thread sees of a queue.

use std::collections::VecDeque;

use crate::refusal::Refusal;

/// The items' numbers, in their order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) items: VecDeque<u32>,
    pub(crate) capacity: usize,
    pub(crate) closed: bool,
}

impl Model {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            ..Self::default()
        }
    }

    /// Would it wait for ever? Nobody else is there to help.
    pub(crate) fn blocks_push(&self, items: usize) -> bool {
        !self.closed && items > self.capacity - self.items.len()
    }

    pub(crate) fn blocks_pop(&self) -> bool {
        !self.closed && self.items.is_empty()
    }

    pub(crate) fn push(&mut self, item: u32) -> Result<(), Refusal> {
        if self.closed {
            return Err(Refusal::Closed);
        }
        if self.blocks_push(1) {
            return Err(Refusal::Blocked);
        }
        self.items.push_back(item);
        Ok(())
    }

    pub(crate) fn pop(&mut self) -> Result<u32, Refusal> {
        let refusal = if self.closed {
            Refusal::Closed
        } else {
            Refusal::Blocked
        };
        self.items.pop_front().ok_or(refusal)
    }

    /// As many as there are, at most `max`.
    pub(crate) fn pop_many(&mut self, max: usize) -> Vec<u32> {
        let count = max.min(self.items.len());
        self.items.drain(..count).collect()
    }

    pub(crate) fn close(&mut self) -> bool {
        !std::mem::replace(&mut self.closed, true)
    }

    pub(crate) fn close_now(&mut self) -> Vec<u32> {
        self.closed = true;
        self.items.drain(..).collect()
    }
}
