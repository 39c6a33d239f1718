//! One hand-off trial, a closed loop: each producer sends a message and waits for the reply, in a
//! queue of the same kind and capacity, before it sends the next.
//!
//! So no message waits behind its own producer's others, and the latency, from the stamp before
//! the push to the return of the pop, is that of a hand-off and not of a queue's length.

use anyhow::{Result, anyhow};

use crate::cells::Threads;
use crate::clock::monotonic_ns;
use crate::crew::{Crew, Outcome, Role, Worker};
use crate::peers::{Ends, Message, Peer, Pop, Push, Refused};
use crate::tally::Tally;
use crate::trial::Load;

/// Runs it, and checks that each message came once and each reply to its sender.
pub(crate) fn run<P: Peer>(load: &Load, crew: &Crew) -> Result<Outcome> {
    let threads = load.cell.threads;
    let there = P::ends(load.cell.capacity, threads)?;
    let (answers, answered) = back::<P>(load.cell.capacity, threads)?;
    let (share, quota) = (load.per_producer(), load.per_consumer());
    let senders = there.pushers.into_iter().zip(answered).zip(0..);
    let producers = senders.map(|((tx, rx), n)| Worker {
        role: Role::Producer,
        body: Box::new(move || ask(&tx, &rx, n * share, share)),
    });
    let takers = there.poppers.into_iter().zip(answers);
    let consumers = takers.map(|(rx, replies)| Worker {
        role: Role::Consumer,
        body: Box::new(move || answer(&rx, &replies, share, quota)),
    });
    let outcome = crew.run(producers.chain(consumers).collect(), false)?;
    let checked = outcome.received.check(load.messages);
    checked.map_err(|why| anyhow!(why))?;
    Ok(outcome)
}

/// For each consumer its ends of all queues back, for each producer the end of its own.
type Back<P> = (Vec<Vec<<P as Peer>::Tx>>, Vec<<P as Peer>::Rx>);

/// A queue back to each producer.
fn back<P: Peer>(capacity: usize, threads: Threads) -> Result<Back<P>> {
    let mut answers: Vec<Vec<P::Tx>> = (0..threads.consumers).map(|_| Vec::new()).collect();
    let mut answered = Vec::new();
    for _ in 0..threads.producers {
        let Ends { pushers, poppers } = P::ends(capacity, Threads::of(threads.consumers, 1))?;
        for (of_consumer, tx) in answers.iter_mut().zip(pushers) {
            of_consumer.push(tx);
        }
        answered.extend(poppers);
    }
    Ok((answers, answered))
}

fn ask(tx: &impl Push, rx: &impl Pop, first: u64, share: u64) -> Result<Tally, Refused> {
    for id in first..first + share {
        let stamp_ns = monotonic_ns();
        tx.push(Message { id, stamp_ns })?;
        if rx.pop()?.id != id {
            return Err(Refused::WrongReply);
        }
    }
    Ok(Tally::default())
}

/// The sender stands in the id: ids are dealt to producers in blocks of `share`.
fn answer(rx: &impl Pop, replies: &[impl Push], share: u64, quota: u64) -> Result<Tally, Refused> {
    let mut tally = Tally::with_room(quota);
    for _ in 0..quota {
        let message = rx.pop()?;
        let latency_ns = monotonic_ns().saturating_sub(message.stamp_ns);
        tally.latencies_ns.push(latency_ns);
        tally.add(message.id);
        let sender = replies.get((message.id / share) as usize);
        sender.ok_or(Refused::WrongReply)?.push(message)?;
    }
    Ok(tally)
}
