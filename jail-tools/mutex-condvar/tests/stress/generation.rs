//! The life of one queue: some producers, some consumers, an end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use mutex_condvar::{BoundedQueue, Consumer, Faults, Producer};

use crate::account::{Account, Mark};
use crate::consuming::Consuming;
use crate::crew::{Crew, Doing, Seat, Trouble};
use crate::item::{self, Item};
use crate::producing::Producing;
use crate::rng::Rng;
use crate::spare::Spare;

/// After the end of a queue its threads are home within this time, or it is a failure.
pub(crate) const QUIESCE: Duration = Duration::from_secs(10);

/// How a queue ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The producers have sent what they had, and drop their ends.
    ProducersLeave,
    /// A third thread closes it at a random time.
    Close,
    /// The same, and takes what is left.
    CloseNow,
    /// The consumers have enough, and drop their ends.
    ConsumersLeave,
}

/// Which calls the threads make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calls {
    /// All there are.
    Mixed,
    /// `push` and `pop_deadline` with deadlines of some microseconds.
    Deadlines,
}

/// What a generation is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Told apart from all others of the process.
    pub(crate) generation: u32,
    pub(crate) seed: u64,
    pub(crate) capacity: usize,
    pub(crate) producers: u32,
    pub(crate) consumers: u32,
    /// Items of each producer, if it is not stopped.
    pub(crate) quota: u32,
    pub(crate) ending: Ending,
    pub(crate) calls: Calls,
    /// All threads on this CPU.
    pub(crate) cpu: Option<usize>,
    pub(crate) faults: Faults,
    /// Nobody moves for so long: a stall.
    pub(crate) limit: Duration,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lived {
    /// Items that went in, and items that came out.
    pub(crate) moves: u64,
    /// From the end of the queue until the last thread was home.
    pub(crate) quiesced: Duration,
}

/// What a thread brings home.
pub(crate) enum Result {
    Sent {
        made: u32,
        refused: Vec<Mark>,
        /// When it dropped its end.
        left: Instant,
    },
    Received {
        marks: Vec<Mark>,
        left: Instant,
    },
    Closed {
        drained: Vec<Mark>,
        at: Instant,
    },
}

/// Lets the third thread close, also when its holder has ended.
pub(crate) struct Gate {
    open: Arc<AtomicBool>,
    closer: Option<Thread>,
}

impl Gate {
    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::Relaxed);
        if let Some(closer) = &self.closer {
            closer.unpark();
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

/// Runs it and accounts for every item.
pub(crate) fn run(shape: &Shape) -> std::result::Result<Lived, Trouble> {
    let queue =
        BoundedQueue::with_faults(shape.capacity, shape.faults).expect("memory for a queue");
    let (producer, consumer) = queue.into_ends();
    let mut rng = Rng::new(shape.seed);
    let mut crew = Crew::new();
    let gate = spawn_closer(shape, &mut crew, &mut rng, &producer, &consumer);
    let (first, last) = (producer.clone(), consumer.clone());
    let spare = Arc::new(Spare::new(shape.ending, shape.producers, first, last));
    spawn_producers(shape, &mut crew, &mut rng, gate, &producer, &spare);
    drop(producer);
    spawn_consumers(shape, &mut crew, &mut rng, &consumer);
    drop(consumer);
    let shown = Arc::clone(&spare);
    let results = crew.come_home(shape.limit, move || format!("{shown:?}"))?;
    drop(spare);
    judge(shape, results).map_err(|why| Trouble::Broken(format!("{why}; {shape:?}")))
}

fn spawn_closer(
    shape: &Shape,
    crew: &mut Crew<Result>,
    rng: &mut Rng,
    producer: &Producer<Item>,
    consumer: &Consumer<Item>,
) -> Gate {
    let open = Arc::new(AtomicBool::new(false));
    let gate = |closer| Gate {
        open: Arc::clone(&open),
        closer,
    };
    if !matches!(shape.ending, Ending::Close | Ending::CloseNow) {
        return gate(None);
    }
    let now = shape.ending == Ending::CloseNow;
    // By whichever end: both can.
    let by_producer = rng.below(2) == 0;
    let (producer, consumer) = (producer.clone(), consumer.clone());
    let watched = Arc::clone(&open);
    let closer = crew.spawn("closer".into(), shape.cpu, move |seat| {
        seat.doing(Doing::Other);
        while !watched.load(Ordering::Relaxed) {
            thread::park();
        }
        seat.doing(Doing::Close);
        let drained = match (now, by_producer) {
            (true, true) => producer.close_now(),
            (true, false) => consumer.close_now(),
            (false, true) => {
                producer.close();
                VecDeque::default()
            }
            (false, false) => {
                consumer.close();
                VecDeque::default()
            }
        };
        let drained = drained.into_iter().map(Item::open).collect();
        Result::Closed {
            drained,
            at: Instant::now(),
        }
    });
    gate(Some(closer))
}

fn spawn_producers(
    shape: &Shape,
    crew: &mut Crew<Result>,
    rng: &mut Rng,
    gate: Gate,
    producer: &Producer<Item>,
    spare: &Arc<Spare>,
) {
    let mut gate = Some(gate);
    for number in 0..shape.producers {
        let work = Producing::new(shape, number, rng, gate.take(), producer.clone());
        let spare = Arc::clone(spare);
        crew.spawn(
            format!("producer {number}"),
            shape.cpu,
            move |seat: &Seat| {
                let sent = work.run(seat);
                spare.producer_left();
                sent
            },
        );
    }
}

fn spawn_consumers(
    shape: &Shape,
    crew: &mut Crew<Result>,
    rng: &mut Rng,
    consumer: &Consumer<Item>,
) {
    for number in 0..shape.consumers {
        let work = Consuming::new(shape, rng, consumer.clone());
        crew.spawn(format!("consumer {number}"), shape.cpu, |seat: &Seat| {
            work.run(seat)
        });
    }
}

fn judge(shape: &Shape, results: Vec<Result>) -> std::result::Result<Lived, String> {
    let home = Instant::now();
    let mut account = Account {
        lost: item::lost_of(shape.generation),
        ..Account::default()
    };
    // The last to go of the side whose going ends the queue; or who closed it.
    let (mut sent_until, mut received_until, mut closed) = (None, None, None);
    for result in results {
        match result {
            Result::Sent {
                made,
                refused,
                left,
            } => {
                account.made.push(made);
                account.refused.extend(refused);
                sent_until = sent_until.max(Some(left));
            }
            Result::Received { marks, left } => {
                account.received.push(marks);
                received_until = received_until.max(Some(left));
            }
            Result::Closed { drained, at } => {
                account.drained = drained;
                closed = Some(at);
            }
        }
    }
    account.check(shape.ending == Ending::ConsumersLeave)?;
    let ended = match shape.ending {
        Ending::ProducersLeave => sent_until,
        Ending::ConsumersLeave => received_until,
        Ending::Close | Ending::CloseNow => closed,
    };
    let quiesced = ended.map_or(Duration::ZERO, |at| home.saturating_duration_since(at));
    if quiesced > QUIESCE {
        return Err(format!("the threads were home {quiesced:?} after the end"));
    }
    let made: u64 = account.made.iter().map(|n| u64::from(*n)).sum();
    let received: usize = account.received.iter().map(Vec::len).sum();
    Ok(Lived {
        moves: made - account.refused.len() as u64 + received as u64,
        quiesced,
    })
}
