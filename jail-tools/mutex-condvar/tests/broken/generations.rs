//! The stress itself, made to meet the mistake soon.

use std::time::{Duration, Instant};

use mutex_condvar::Faults;

use crate::child::LIMIT;
use crate::crew::Trouble;
use crate::generation::{self, Calls, Ending, Shape};
use crate::rng::Rng;

/// Small and short.
pub(crate) fn shape(ending: Ending, calls: Calls) -> Shape {
    Shape {
        generation: 0,
        seed: 0,
        capacity: 1,
        producers: 3,
        consumers: 3,
        quota: 300,
        ending,
        calls,
        cpu: None,
        faults: Faults::NONE,
        limit: LIMIT,
    }
}

/// Generation after generation, for so long.
pub(crate) fn generations(like: Shape, faults: Faults, time: Duration) -> Result<(), Trouble> {
    let until = Instant::now() + time;
    let mut rng = Rng::new(1);
    let mut generation = 0;
    let mut moves = 0;
    let mut slowest = Duration::ZERO;
    while Instant::now() < until {
        generation += 1;
        let lived = generation::run(&Shape {
            generation,
            seed: rng.next(),
            faults,
            ..like
        })?;
        moves += lived.moves;
        slowest = slowest.max(lived.quiesced);
    }
    println!("{moves} moves in {generation} queues, home {slowest:?} after the end at most");
    Ok(())
}
