//! The channels of other crates and of std, as they come.

use std::sync::{Arc, Mutex, mpsc};

use anyhow::{Result, ensure};

use super::{Ends, Message, Peer, Pop, Push, Refused, cloned};
use crate::cells::Threads;

/// A channel whose ends clone and block alike under the same names.
macro_rules! channel {
    ($(#[$about:meta])* $name:ident, $sender:ty, $receiver:ty, $bounded:path) => {
        $(#[$about])*
        pub(crate) struct $name;

        impl Peer for $name {
            type Tx = $sender;
            type Rx = $receiver;

            fn ends(capacity: usize, threads: Threads) -> Result<Ends<Self>> {
                let (tx, rx) = $bounded(capacity);
                Ok(cloned(&tx, &rx, threads))
            }
        }

        impl Push for $sender {
            fn push(&self, message: Message) -> Result<(), Refused> {
                self.send(message).map_err(|_| Refused::Closed)
            }
        }

        impl Pop for $receiver {
            fn pop(&self) -> Result<Message, Refused> {
                self.recv().map_err(|_| Refused::Closed)
            }
        }
    };
}

channel!(
    /// crossbeam-channel.
    Crossbeam,
    crossbeam_channel::Sender<Message>,
    crossbeam_channel::Receiver<Message>,
    crossbeam_channel::bounded
);
channel!(
    /// flume.
    Flume,
    flume::Sender<Message>,
    flume::Receiver<Message>,
    flume::bounded
);
channel!(
    /// kanal.
    Kanal,
    kanal::Sender<Message>,
    kanal::Receiver<Message>,
    kanal::bounded
);

/// std's, with its one consumer.
pub(crate) struct Sync;

impl Peer for Sync {
    type Tx = mpsc::SyncSender<Message>;
    type Rx = mpsc::Receiver<Message>;

    fn ends(capacity: usize, threads: Threads) -> Result<Ends<Self>> {
        ensure!(
            threads.consumers == 1,
            "a sync_channel has one consumer, not {}",
            threads.consumers
        );
        let (tx, rx) = mpsc::sync_channel(capacity);
        Ok(Ends {
            pushers: (0..threads.producers).map(|_| tx.clone()).collect(),
            poppers: vec![rx],
        })
    }
}

impl Push for mpsc::SyncSender<Message> {
    fn push(&self, message: Message) -> Result<(), Refused> {
        self.send(message).map_err(|_| Refused::Closed)
    }
}

impl Pop for mpsc::Receiver<Message> {
    fn pop(&self) -> Result<Message, Refused> {
        self.recv().map_err(|_| Refused::Closed)
    }
}

/// std's, shared by consumers who take turns at a mutex: who waits for a message holds it.
pub(crate) struct SyncMutex;

impl Peer for SyncMutex {
    type Tx = mpsc::SyncSender<Message>;
    type Rx = Arc<Mutex<mpsc::Receiver<Message>>>;

    fn ends(capacity: usize, threads: Threads) -> Result<Ends<Self>> {
        let (tx, rx) = mpsc::sync_channel(capacity);
        Ok(cloned(&tx, &Arc::new(Mutex::new(rx)), threads))
    }
}

impl Pop for Arc<Mutex<mpsc::Receiver<Message>>> {
    fn pop(&self) -> Result<Message, Refused> {
        let receiver = self.lock().map_err(|_| Refused::Poisoned)?;
        receiver.recv().map_err(|_| Refused::Closed)
    }
}
