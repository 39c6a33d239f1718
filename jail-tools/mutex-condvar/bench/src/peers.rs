//! The queues, behind one interface that is resolved when compiling: a trial's inner loop calls
//! the queue itself, not through a table.

mod channels;
mod condvar;
mod ours;
mod pthread;

use std::fmt;

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;

use crate::cells::Threads;
use crate::crew::{Crew, Outcome};
use crate::handoff;
use crate::schedule::Mode;
use crate::trial::{self, Load};

/// What goes through every queue: 16 bytes, no pointer, so that no allocator is measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Message {
    pub(crate) id: u64,
    /// CLOCK_MONOTONIC just before the push; 0 where nobody asks.
    pub(crate) stamp_ns: u64,
}

/// A queue did not take or give a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The other side is gone.
    Closed,
    /// A thread panicked inside.
    Poisoned,
    /// A C call failed.
    Errno(i32),
    /// A reply that answers another message.
    WrongReply,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the queue says that it is closed, and nobody closed it"),
            Self::Poisoned => f.write_str("the queue's lock is poisoned"),
            Self::Errno(errno) => {
                write!(f, "pthread: {}", std::io::Error::from_raw_os_error(*errno))
            }
            Self::WrongReply => f.write_str("the reply is to another message"),
        }
    }
}

/// A producer's end.
pub(crate) trait Push: Send + 'static {
    /// Waits until there is room.
    fn push(&self, message: Message) -> Result<(), Refused>;
}

/// A consumer's end.
pub(crate) trait Pop: Send + 'static {
    /// Waits until there is a message.
    fn pop(&self) -> Result<Message, Refused>;
}

/// One queue, seen by each thread that works on it.
pub(crate) struct Ends<P: Peer> {
    pub(crate) pushers: Vec<P::Tx>,
    pub(crate) poppers: Vec<P::Rx>,
}

/// A kind of queue.
pub(crate) trait Peer: Sized {
    type Tx: Push;
    type Rx: Pop;

    /// A new queue, with an end for each thread.
    fn ends(capacity: usize, threads: Threads) -> Result<Ends<Self>>;
}

/// As many ends as there are threads, each a clone.
fn cloned<P: Peer>(tx: &P::Tx, rx: &P::Rx, threads: Threads) -> Ends<P>
where
    P::Tx: Clone,
    P::Rx: Clone,
{
    Ends {
        pushers: (0..threads.producers).map(|_| tx.clone()).collect(),
        poppers: (0..threads.consumers).map(|_| rx.clone()).collect(),
    }
}

/// What a thread does that has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Class {
    /// The queue under test.
    Ours,
    /// Sleeps in the kernel, at once or after a short spin.
    Parks,
    /// Spins or yields for long before it sleeps.
    Spins,
}

/// The queues that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// The crate mutex-condvar
    Ours,
    /// std Mutex, two Condvars, a preallocated VecDeque
    StdCondvar,
    /// The same with parking_lot
    ParkingLot,
    /// flume::bounded
    Flume,
    /// std::sync::mpsc::sync_channel, with one consumer
    SyncChannel,
    /// The same with its Receiver in a std Mutex, with several consumers
    SyncChannelMutex,
    /// A ring in C with a pthread mutex and two condition variables
    CPthread,
    /// crossbeam_channel::bounded
    Crossbeam,
    /// kanal::bounded
    Kanal,
}

/// Runs one trial of a queue.
pub(crate) type Runner = fn(&Load, Mode, &Crew) -> Result<Outcome>;

impl Kind {
    /// All of them, in the order of the table.
    pub(crate) const ALL: [Self; 9] = [
        Self::Ours,
        Self::StdCondvar,
        Self::ParkingLot,
        Self::Flume,
        Self::SyncChannel,
        Self::SyncChannelMutex,
        Self::CPthread,
        Self::Crossbeam,
        Self::Kanal,
    ];

    /// Its name, as on the command line and in the JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::StdCondvar => "std-condvar",
            Self::ParkingLot => "parking-lot",
            Self::Flume => "flume",
            Self::SyncChannel => "sync-channel",
            Self::SyncChannelMutex => "sync-channel-mutex",
            Self::CPthread => "c-pthread",
            Self::Crossbeam => "crossbeam",
            Self::Kanal => "kanal",
        }
    }

    /// What its waiters do.
    pub(crate) fn class(self) -> Class {
        match self {
            Self::Ours => Class::Ours,
            Self::Crossbeam | Self::Kanal => Class::Spins,
            _ => Class::Parks,
        }
    }

    /// Can it be used by so many threads? A `Receiver` of std serves one consumer; for several it
    /// has to stand in a mutex, which is another queue, and has a name of its own.
    pub(crate) fn serves(self, threads: Threads) -> bool {
        match self {
            Self::SyncChannel => threads.consumers == 1,
            Self::SyncChannelMutex => threads.consumers > 1,
            _ => true,
        }
    }

    /// The code that runs it.
    pub(crate) fn runner(self) -> Runner {
        match self {
            Self::Ours => run::<ours::Ours>,
            Self::StdCondvar => run::<condvar::Std>,
            Self::ParkingLot => run::<condvar::ParkingLot>,
            Self::Flume => run::<channels::Flume>,
            Self::SyncChannel => run::<channels::Sync>,
            Self::SyncChannelMutex => run::<channels::SyncMutex>,
            Self::CPthread => run::<pthread::Pthread>,
            Self::Crossbeam => run::<channels::Crossbeam>,
            Self::Kanal => run::<channels::Kanal>,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One trial of the queue `P`.
fn run<P: Peer>(load: &Load, mode: Mode, crew: &Crew) -> Result<Outcome> {
    match mode {
        Mode::Throughput => trial::run::<P>(load, false, crew),
        Mode::Counted => trial::run::<P>(load, true, crew),
        Mode::Handoff => handoff::run::<P>(load, crew),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_command_line_and_the_json() {
        for kind in Kind::ALL {
            let value = kind.to_possible_value().expect("none is hidden");
            assert_eq!(value.get_name(), kind.name());
            let json = serde_json::to_value(kind).expect("a string");
            assert_eq!(json, kind.name());
        }
    }

    #[test]
    fn one_kind_of_sync_channel_serves_each_number_of_consumers() {
        for consumers in [1, 2, 8] {
            let threads = Threads::of(2, consumers);
            assert_ne!(
                Kind::SyncChannel.serves(threads),
                Kind::SyncChannelMutex.serves(threads)
            );
        }
    }
}
