//! Generation after generation, until enough has been moved.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use mutex_condvar::Faults;

use crate::crew::Trouble;
use crate::generation::{self, Calls, Ending, QUIESCE, Shape};
use crate::rng::Rng;

/// What a campaign came to.
#[derive(Debug)]
pub(crate) struct Report {
    moves: u64,
    generations: usize,
    took: Duration,
    quiesced: Vec<Duration>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.quiesced.len() - 1;
        write!(
            f,
            "{} items in and out of {} queues in {:.1} s; from the end of a queue until all were \
             home: p99 {:?}, max {:?}",
            self.moves,
            self.generations,
            self.took.as_secs_f64(),
            self.quiesced[last * 99 / 100],
            self.quiesced[last],
        )
    }
}

/// Runs until so many items went in and out.
pub(crate) fn run(moves: u64, seed: u64, cpu: Option<usize>) -> Result<Report, Trouble> {
    let begun = Instant::now();
    let mut rng = Rng::new(seed);
    let mut done = 0;
    let mut quiesced = Vec::new();
    while done < moves {
        let lived = generation::run(&shape(&mut rng, moves, cpu))?;
        done += lived.moves;
        quiesced.push(lived.quiesced);
    }
    quiesced.sort();
    Ok(Report {
        moves: done,
        generations: quiesced.len(),
        took: begun.elapsed(),
        quiesced,
    })
}

/// A number that no other generation of this process has.
pub(crate) fn fresh() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Small queues, which block all the time, get fewer items than large ones.
fn shape(rng: &mut Rng, moves: u64, cpu: Option<usize>) -> Shape {
    let (capacity, items) = pick(
        rng,
        &[
            (0, 500),
            (1, 500),
            (1, 1_000),
            (2, 1_000),
            (3, 2_000),
            (8, 3_000),
            (64, 8_000),
            (1024, 20_000),
        ],
    );
    let producers = 1 + rng.below(4) as u32;
    // Not all in one; and of a long campaign not all in the making of threads.
    let items = (items * (1 + moves / 5_000_000)).min(moves / 10).max(100);
    Shape {
        generation: fresh(),
        seed: rng.next(),
        capacity,
        producers,
        consumers: 1 + rng.below(4) as u32,
        quota: 1 + rng.below(2 * items / u64::from(producers)) as u32,
        ending: pick(
            rng,
            &[
                Ending::ProducersLeave,
                Ending::Close,
                Ending::CloseNow,
                Ending::ConsumersLeave,
            ],
        ),
        calls: pick(
            rng,
            &[Calls::Mixed, Calls::Mixed, Calls::Mixed, Calls::Deadlines],
        ),
        cpu,
        faults: Faults::NONE,
        limit: QUIESCE,
    }
}

fn pick<T: Copy>(rng: &mut Rng, of: &[T]) -> T {
    of[rng.below(of.len() as u64) as usize]
}
