//! One throughput trial: equal shares of the messages for the producers, fixed quotas for the
//! consumers.
//!
//! Quotas, because they need nothing of a queue but push and pop: several of these have no way to
//! say that no more will come, and a shared count would put a contended line beside each pop. The
//! price: who has its quota stops, so that the last part of a trial may run with fewer consumers.

use anyhow::{Result, anyhow};

use crate::cells::Cell;
use crate::crew::{Crew, Outcome, Role, Worker};
use crate::peers::{Message, Peer, Pop, Push, Refused};
use crate::tally::Tally;

/// What a trial carries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) cell: Cell,
    /// Divides by the numbers of producers and of consumers.
    pub(crate) messages: u64,
}

impl Load {
    pub(crate) fn per_producer(&self) -> u64 {
        self.messages / u64::from(self.cell.threads.producers)
    }

    pub(crate) fn per_consumer(&self) -> u64 {
        self.messages / u64::from(self.cell.threads.consumers)
    }
}

/// Runs it, and checks that each message came once.
pub(crate) fn run<P: Peer>(load: &Load, counted: bool, crew: &Crew) -> Result<Outcome> {
    let ends = P::ends(load.cell.capacity, load.cell.threads)?;
    let (share, quota) = (load.per_producer(), load.per_consumer());
    let producers = ends.pushers.into_iter().zip(0..).map(|(tx, n)| Worker {
        role: Role::Producer,
        body: Box::new(move || produce(&tx, n * share, share)),
    });
    let consumers = ends.poppers.into_iter().map(|rx| Worker {
        role: Role::Consumer,
        body: Box::new(move || consume(&rx, quota)),
    });
    let outcome = crew.run(producers.chain(consumers).collect(), counted)?;
    let checked = outcome.received.check(load.messages);
    checked.map_err(|why| anyhow!(why))?;
    Ok(outcome)
}

fn produce(tx: &impl Push, first: u64, share: u64) -> Result<Tally, Refused> {
    for id in first..first + share {
        tx.push(Message { id, stamp_ns: 0 })?;
    }
    Ok(Tally::default())
}

fn consume(rx: &impl Pop, quota: u64) -> Result<Tally, Refused> {
    let mut tally = Tally::default();
    for _ in 0..quota {
        tally.add(rx.pop()?.id);
    }
    Ok(tally)
}
