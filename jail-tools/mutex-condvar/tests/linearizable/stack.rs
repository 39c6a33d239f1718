//! What looks like a queue while there is one item.

use std::collections::VecDeque;

use mutex_condvar::Mutex;

use crate::queue::{Patience, Queue};
use crate::refusal::Refusal;

/// Does not wait, whatever it is told.
pub(crate) struct Stack {
    items: Mutex<Vec<u8>>,
    capacity: usize,
}

impl Stack {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            items: Mutex::default(),
            capacity,
        }
    }
}

impl Queue<u8> for Stack {
    fn put(&self, item: u8, _: Patience) -> Result<(), (u8, Refusal)> {
        let mut items = self.items.lock();
        if items.len() >= self.capacity {
            return Err((item, Refusal::Blocked));
        }
        items.push(item);
        Ok(())
    }

    fn get(&self, _: Patience) -> Result<u8, Refusal> {
        self.items.lock().pop().ok_or(Refusal::Blocked)
    }

    fn shut(&self) -> bool {
        true
    }

    fn shut_now(&self) -> VecDeque<u8> {
        VecDeque::new()
    }

    fn count(&self) -> usize {
        self.items.lock().len()
    }
}
