//! A ring behind a mutex with two condition variables, once with std's and once with
//! parking_lot's. Both notify after the unlock, as the C one does: one waiter for one message.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::Result;

use super::{Ends, Message, Peer, Pop, Push, Refused, cloned};
use crate::cells::Threads;

/// With std's.
pub(crate) struct Std;

/// State of [`Std`].
pub(crate) struct StdRing {
    capacity: usize,
    ring: std::sync::Mutex<VecDeque<Message>>,
    not_full: std::sync::Condvar,
    not_empty: std::sync::Condvar,
}

impl Peer for Std {
    type Tx = Arc<StdRing>;
    type Rx = Arc<StdRing>;

    fn ends(capacity: usize, threads: Threads) -> Result<Ends<Self>> {
        let ring = Arc::new(StdRing {
            capacity,
            ring: std::sync::Mutex::new(VecDeque::with_capacity(capacity)),
            not_full: std::sync::Condvar::new(),
            not_empty: std::sync::Condvar::new(),
        });
        Ok(cloned(&ring, &ring, threads))
    }
}

impl Push for Arc<StdRing> {
    fn push(&self, message: Message) -> Result<(), Refused> {
        let mut ring = self.ring.lock().map_err(|_| Refused::Poisoned)?;
        while ring.len() == self.capacity {
            ring = self.not_full.wait(ring).map_err(|_| Refused::Poisoned)?;
        }
        ring.push_back(message);
        drop(ring);
        self.not_empty.notify_one();
        Ok(())
    }
}

impl Pop for Arc<StdRing> {
    fn pop(&self) -> Result<Message, Refused> {
        let mut ring = self.ring.lock().map_err(|_| Refused::Poisoned)?;
        loop {
            if let Some(message) = ring.pop_front() {
                drop(ring);
                self.not_full.notify_one();
                return Ok(message);
            }
            ring = self.not_empty.wait(ring).map_err(|_| Refused::Poisoned)?;
        }
    }
}

/// With parking_lot's.
pub(crate) struct ParkingLot;

/// State of [`ParkingLot`].
pub(crate) struct ParkingLotRing {
    capacity: usize,
    ring: parking_lot::Mutex<VecDeque<Message>>,
    not_full: parking_lot::Condvar,
    not_empty: parking_lot::Condvar,
}

impl Peer for ParkingLot {
    type Tx = Arc<ParkingLotRing>;
    type Rx = Arc<ParkingLotRing>;

    fn ends(capacity: usize, threads: Threads) -> Result<Ends<Self>> {
        let ring = Arc::new(ParkingLotRing {
            capacity,
            ring: parking_lot::Mutex::new(VecDeque::with_capacity(capacity)),
            not_full: parking_lot::Condvar::new(),
            not_empty: parking_lot::Condvar::new(),
        });
        Ok(cloned(&ring, &ring, threads))
    }
}

impl Push for Arc<ParkingLotRing> {
    fn push(&self, message: Message) -> Result<(), Refused> {
        let mut ring = self.ring.lock();
        while ring.len() == self.capacity {
            self.not_full.wait(&mut ring);
        }
        ring.push_back(message);
        drop(ring);
        self.not_empty.notify_one();
        Ok(())
    }
}

impl Pop for Arc<ParkingLotRing> {
    fn pop(&self) -> Result<Message, Refused> {
        let mut ring = self.ring.lock();
        loop {
            if let Some(message) = ring.pop_front() {
                drop(ring);
                self.not_full.notify_one();
                return Ok(message);
            }
            self.not_empty.wait(&mut ring);
        }
    }
}
