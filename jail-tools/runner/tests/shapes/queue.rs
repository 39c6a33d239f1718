//! The shape of mutex-condvar: producers and consumers over a bounded queue. A message carries
//! the moment at which it was sent, and its consumer's latency begins there.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use experiments::interface::level;
use experiments::{
    Announce, Experiment, ExperimentError, Found, Outcome, Pace, Report, Seen, Setup, Worker,
};
use probes::Handles;
use record::ledger::UPSTREAM;
use record::plan::Budget;
use record::{Class, Definition, Sample};
use runner::clock::now_ns;
use runner::trial::TrialError;
use runner::wire::{ChildReport, Sight};

use crate::support::{ledger, load, my_turn};
use crate::{definition, run, slept, sound};

const CAPACITY: usize = 16;
const PRODUCERS: usize = 2;
const CONSUMERS: usize = 2;
const THREADS: usize = PRODUCERS + CONSUMERS;
/// Messages of each producer.
const MESSAGES: u64 = 500;
/// The message at which a producer gives up, in the cell in which one does.
const BROKEN_AT: u64 = 100;

struct Message {
    id: u64,
    sent_ns: u64,
}

#[derive(Default)]
struct State {
    messages: VecDeque<Message>,
    producers: usize,
    consumers: usize,
}

impl State {
    fn over(&self) -> bool {
        self.messages.is_empty() && self.producers == 0
    }
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(&self, condition: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        self.changed
            .wait_while(self.lock(), |s| condition(s))
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// False if nobody is left to take it.
    fn send(&self, id: u64) -> bool {
        let mut state = self.wait_while(|s| s.messages.len() == CAPACITY && s.consumers > 0);
        let sent_ns = now_ns();
        state.messages.push_back(Message { id, sent_ns });
        self.changed.notify_all();
        state.consumers > 0
    }

    /// `None` when it is empty and will stay so.
    fn take(&self) -> Option<Message> {
        let mut state = self.wait_while(|s| s.messages.is_empty() && s.producers > 0);
        self.changed.notify_all();
        state.messages.pop_front()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Producer,
    Consumer,
}

struct Handoff;

/// One side of the queue. However its trial ends, it leaves the queue when it is dropped, so
/// that nobody waits for it.
struct Hand {
    queue: Arc<Queue>,
    role: Role,
    gone: bool,
    breaks: bool,
    next_id: u64,
}

impl Hand {
    fn leave(&mut self) {
        if !std::mem::replace(&mut self.gone, true) {
            let mut state = self.queue.lock();
            match self.role {
                Role::Producer => state.producers -= 1,
                Role::Consumer => state.consumers -= 1,
            }
            self.queue.changed.notify_all();
        }
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Experiment for Handoff {
    type Worker = Hand;

    fn definition() -> Definition {
        definition("mutex-condvar")
    }

    fn budget(_: Pace) -> (u32, Budget) {
        unreachable!("the test has a budget of its own")
    }

    fn subject_bytes(_: &Budget) -> Option<u64> {
        None
    }

    fn set_up(setup: &Setup<'_>) -> Result<Vec<Hand>, ExperimentError> {
        let breaks = level(setup.cell, "producer")? == "broken";
        let queue = Arc::new(Queue::default());
        (queue.lock().producers, queue.lock().consumers) = (PRODUCERS, CONSUMERS);
        let hand = |i: usize| Hand {
            queue: Arc::clone(&queue),
            role: if i < PRODUCERS {
                Role::Producer
            } else {
                Role::Consumer
            },
            gone: false,
            breaks: breaks && i == 0,
            next_id: i as u64 * MESSAGES,
        };
        Ok((0..THREADS).map(hand).collect())
    }
}

impl Worker for Hand {
    fn arrive(&mut self) -> Result<(), ExperimentError> {
        Ok(())
    }

    fn before(&mut self, op: u64) -> Result<Option<Announce>, ExperimentError> {
        let more = match self.role {
            Role::Producer if self.breaks && op == BROKEN_AT => {
                return Err(ExperimentError::Plan("the producer gave up".into()));
            }
            Role::Producer => op < MESSAGES,
            Role::Consumer if op == 0 => {
                // It comes late, so that there are messages that have waited.
                let full = |s: &State| s.messages.len() < CAPACITY && s.producers == PRODUCERS;
                !self.queue.wait_while(full).over()
            }
            Role::Consumer => !self.queue.lock().over(),
        };
        if !more {
            self.leave();
        }
        Ok(more.then(Announce::default))
    }

    fn operate(&mut self) -> Outcome {
        let (result, started_ns) = match self.role {
            Role::Producer => {
                let id = self.next_id;
                self.next_id += 1;
                (i64::from(self.queue.send(id)) - 1, None)
            }
            Role::Consumer => match self.queue.take() {
                Some(m) => (m.id.cast_signed(), Some(m.sent_ns)),
                None => (-i64::from(libc::EPIPE), None),
            },
        };
        Outcome {
            result,
            units: 1,
            started_ns,
        }
    }

    fn after(&mut self) -> Result<Found, ExperimentError> {
        Ok(Found::default())
    }

    fn class(&self, _: &Seen, _: &Found) -> Class {
        Class::Unknown
    }

    fn finish(mut self) -> Report {
        self.leave();
        Report::default()
    }
}

fn trial(
    producer: &str,
    trial_ms: u64,
    ledger: Option<(Handles, Sight)>,
) -> Result<ChildReport, TrialError> {
    let ops = MESSAGES * PRODUCERS as u64 + 1;
    run::<Handoff>(&[("producer", producer)], THREADS, ops, trial_ms, ledger)
}

/// Every message arrives once, at a consumer, with the time that it waited.
fn delivered(ledger: Option<&(Handles, Sight)>) {
    let report = trial("sound", 60_000, ledger.cloned()).unwrap();
    let rows = sound(&report, THREADS, ledger.is_some());
    let (producers, consumers) = rows.split_at(PRODUCERS);
    for rows in producers {
        assert_eq!(rows.len() as u64, MESSAGES);
        assert!(rows.iter().all(|s| s.result == 0));
        assert!(rows.iter().all(|s| s.causes.0[UPSTREAM] == Some(0)));
    }
    let (taken, over): (Vec<&Sample>, Vec<&Sample>) = consumers
        .iter()
        .flatten()
        .copied()
        .partition(|s| s.result >= 0);
    let ids: BTreeSet<i64> = taken.iter().map(|s| s.result).collect();
    let all = MESSAGES.cast_signed() * PRODUCERS as i64;
    assert_eq!(ids, (0..all).collect());
    assert_eq!(taken.len(), ids.len(), "a message was taken twice");
    // A consumer that already waited when the last message went learns it inside its operation.
    assert!(over.len() <= CONSUMERS);
    let waited = taken.iter().filter(|s| s.causes.0[UPSTREAM] > Some(0));
    println!(
        "{} of {all} messages had waited, consumers slept {} times",
        waited.clone().count(),
        consumers.iter().map(|r| slept(r)).sum::<u64>()
    );
    // What was in the queue when the first consumer came is certain.
    assert!(waited.count() >= CAPACITY);
}

#[test]
fn each_message_is_delivered_once_with_the_time_it_waited() {
    let _turn = my_turn();
    delivered(None);
}

#[test]
fn needs_root_needs_bpf_each_message_has_a_closed_ledger() {
    let test = testkit::begin!();
    let _turn = my_turn();
    if let Some(probes) = load(&test) {
        delivered(Some(&ledger(&probes)));
    }
}

#[test]
fn a_producer_that_gives_up_does_not_leave_its_peers_waiting() {
    let _turn = my_turn();
    let error = trial("broken", 60_000, None).unwrap_err();
    assert!(matches!(error, TrialError::Experiment(_)), "{error}");
    assert_eq!(error.to_string(), "the producer gave up");
}

#[test]
fn a_trial_whose_time_is_up_does_not_leave_anybody_waiting() {
    let _turn = my_turn();
    // The time is over before it began: nobody does anything, or next to nothing.
    let report = trial("sound", 0, None).unwrap();
    assert!(report.samples.iter().all(|s| s.causes.closes(s.latency_ns)));
}
