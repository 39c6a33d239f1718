//! How far apart two CPUs are at the moment: a cache line passed to and fro.
//!
//! A host may move virtual CPUs between core complexes, several times a second, with no word to the
//! guest (55 ns one way within one, 220 ns between two, on the machine this was written on).

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use analysis::quantile::Sorted;
use anyhow::{Context, Result, anyhow, ensure};

use crate::affinity::{allowed_cpus, pin_self};

/// Passes in a block: some microseconds, so that the clock's 30 ns do not count and most blocks see
/// no interrupt.
const BLOCK: u32 = 16;

/// About a millisecond of them.
const BLOCKS: u32 = 250;

/// Said by a side that could not be placed.
const STOP: u32 = u32::MAX;

/// A word on a line of its own (and of its neighbour, which some processors fetch along).
#[repr(align(128))]
struct Line(AtomicU32);

/// One way, ns: the median of short blocks.
pub(crate) fn one_way_ns((a, b): (u32, u32)) -> Result<f64> {
    let line = Line(AtomicU32::new(0));
    let blocks = std::thread::scope(|scope| {
        let answers = scope.spawn(|| placed(b, &line.0, answer));
        let asks = scope.spawn(|| placed(a, &line.0, ask));
        let blocks = asks.join().map_err(|_| anyhow!("the ping panicked"))?;
        answers.join().map_err(|_| anyhow!("the pong panicked"))??;
        blocks
    })?;
    Sorted::of(&blocks)
        .quantile(0.5)
        .context("a cache line was passed and no block ended")
}

/// Does it on this CPU; the other side must not wait for one that could not be placed.
fn placed<T>(cpu: u32, line: &AtomicU32, what: fn(&AtomicU32) -> T) -> Result<T> {
    let placed = pin_self(cpu).and_then(|()| {
        ensure!(
            allowed_cpus()? == [cpu],
            "CPU {cpu} was asked for and not given"
        );
        Ok(())
    });
    if placed.is_err() {
        line.store(STOP, Ordering::Release);
    }
    placed.map(|()| what(line))
}

/// Odd numbers are questions, the next even one is the answer.
fn ask(line: &AtomicU32) -> Vec<f64> {
    let mut blocks = Vec::with_capacity(BLOCKS as usize);
    let mut turn = 1;
    // The first pass waits for the other thread to be there.
    let mut there = pass(line, &mut turn);
    for _ in 0..BLOCKS {
        let start = Instant::now();
        there = there && (0..BLOCK).all(|_| pass(line, &mut turn));
        if !there {
            break;
        }
        blocks.push(start.elapsed().as_nanos() as f64 / f64::from(2 * BLOCK));
    }
    line.store(STOP, Ordering::Release);
    blocks
}

/// There and back. False if the other side stopped.
fn pass(line: &AtomicU32, turn: &mut u32) -> bool {
    // A stop that is already there must not be overwritten.
    let (last, next) = (*turn - 1, *turn);
    let asked = line.compare_exchange(last, next, Ordering::AcqRel, Ordering::Acquire);
    *turn += 2;
    asked.is_ok()
        && loop {
            match line.load(Ordering::Acquire) {
                STOP => break false,
                seen if seen == next + 1 => break true,
                _ => spin_loop(),
            }
        }
}

fn answer(line: &AtomicU32) {
    loop {
        match line.load(Ordering::Acquire) {
            STOP => return,
            odd if odd % 2 == 1 => line.store(odd + 1, Ordering::Release),
            _ => spin_loop(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_passed_between_two_cpus_or_there_are_not_two() {
        let cpus = allowed_cpus().expect("a mask");
        if let Some(pair) = crate::affinity::pair(&cpus) {
            let ns = one_way_ns(pair).expect("a time");
            assert!(ns > 0.0 && ns.is_finite(), "{ns}");
        }
    }

    #[test]
    fn a_cpu_that_is_not_there_is_an_error_and_nobody_waits() {
        let cpus = allowed_cpus().expect("a mask");
        assert!(one_way_ns((cpus[0], 1023)).is_err());
        assert!(one_way_ns((1023, cpus[0])).is_err());
    }
}
