//! The queue under test.

use std::sync::Arc;

use anyhow::{Context, Result};
use mutex_condvar::BoundedQueue;

use super::{Ends, Message, Peer, Pop, Push, Refused, cloned};
use crate::cells::Threads;

/// The kind.
pub(crate) struct Ours;

impl Peer for Ours {
    type Tx = Arc<BoundedQueue<Message>>;
    type Rx = Arc<BoundedQueue<Message>>;

    fn ends(capacity: usize, threads: Threads) -> Result<Ends<Self>> {
        let queue = BoundedQueue::new(capacity).context("make a BoundedQueue")?;
        let queue = Arc::new(queue);
        Ok(cloned(&queue, &queue, threads))
    }
}

impl Push for Arc<BoundedQueue<Message>> {
    fn push(&self, message: Message) -> Result<(), Refused> {
        BoundedQueue::push(self, message).map_err(|_| Refused::Closed)
    }
}

impl Pop for Arc<BoundedQueue<Message>> {
    fn pop(&self) -> Result<Message, Refused> {
        BoundedQueue::pop(self).map_err(|_| Refused::Closed)
    }
}
