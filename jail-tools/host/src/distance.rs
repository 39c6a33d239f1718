//! How far apart two CPUs are at the moment: a cache line is passed to and fro.
//!
//! A host may move virtual CPUs between core complexes, several times a second, with no word to the
//! guest: what two of them pass to each other then costs four times as much (55 ns one way within one,
//! 220 ns between two, on the machine that this was written on). So the distance is taken before and
//! after what is measured on two CPUs, and measurements are sorted by it.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

use crate::apply::pin::pin;
use crate::error::{Error, Result};

/// How long the line is passed to and fro.
const PROBE: Duration = Duration::from_millis(1);

/// Passes to and fro in a block: some microseconds, so that the clock's 30 ns do not count and
/// most blocks see no interrupt.
const BLOCK: u32 = 16;

/// A block more would not change the median.
const BLOCKS_MAX: usize = 1_000;

/// CPUs that the calling thread may use, ascending.
///
/// # Errors
/// `sched_getaffinity` fails.
pub fn allowed_cpus() -> Result<Vec<u32>> {
    let set = sched_getaffinity(Pid::from_raw(0))
        .map_err(|errno| Error::call("sched_getaffinity", "of this thread", errno.into()))?;
    let cpus = (0..CpuSet::count()).filter(|c| set.is_set(*c) == Ok(true));
    Ok(cpus.map(|c| c as u32).collect())
}

/// The two CPUs that stand for all: the first and the last. `None` if there are not two.
#[must_use]
pub fn ends(cpus: &[u32]) -> Option<(u32, u32)> {
    let (first, last) = (*cpus.first()?, *cpus.last()?);
    (first != last).then_some((first, last))
}

/// A word on a line of its own (and of its neighbour, which some processors fetch along).
#[derive(Default)]
#[repr(align(128))]
struct Line(AtomicU32);

/// Said by either side that wants to stop.
const STOP: u32 = u32::MAX;

/// One way of a cache line between two CPUs, ns: the mean of each of some hundred short blocks, taken
/// within about a millisecond by two threads of its own. The median of them is the distance.
///
/// # Errors
/// A thread can't be pinned to its CPU.
pub fn one_way_ns((a, b): (u32, u32)) -> Result<Vec<f64>> {
    let line = Line::default();
    let panicked = |side| {
        Error::call(
            side,
            "of a cache line",
            std::io::Error::other("it panicked"),
        )
    };
    std::thread::scope(|scope| {
        let answers = scope.spawn(|| pinned(b, &line.0, answer));
        let asks = scope.spawn(|| pinned(a, &line.0, ask));
        let blocks = asks.join().map_err(|_| panicked("ping"))?;
        answers.join().map_err(|_| panicked("pong"))??;
        blocks
    })
}

/// Does it on this CPU. The other side must not wait for one that could not be placed.
fn pinned<T>(cpu: u32, line: &AtomicU32, what: fn(&AtomicU32) -> T) -> Result<T> {
    let placed = pin(cpu).and_then(|back| {
        if back.held() {
            return Ok(());
        }
        Err(Error::NotTaken {
            object: "the CPU of this thread".into(),
            asked: cpu.to_string(),
            found: crate::cpu_list::format(&back.allowed),
            next: "",
        })
    });
    if placed.is_err() {
        line.store(STOP, Ordering::Release);
    }
    placed.map(|()| what(line))
}

/// Odd numbers are questions, the next even one is the answer.
fn ask(line: &AtomicU32) -> Vec<f64> {
    let mut blocks = Vec::with_capacity(BLOCKS_MAX);
    let mut turn = 1;
    // The first pass waits for the other thread to be there.
    let mut there = pass(line, &mut turn);
    let since = Instant::now();
    while there && since.elapsed() < PROBE && blocks.len() < BLOCKS_MAX {
        let start = Instant::now();
        there = (0..BLOCK).all(|_| pass(line, &mut turn));
        if there {
            blocks.push(start.elapsed().as_nanos() as f64 / f64::from(2 * BLOCK));
        }
    }
    line.store(STOP, Ordering::Release);
    blocks
}

/// There and back. False if the other side stopped.
fn pass(line: &AtomicU32, turn: &mut u32) -> bool {
    // A stop that is already there must not be overwritten.
    if line
        .compare_exchange(*turn - 1, *turn, Ordering::AcqRel, Ordering::Acquire)
        .is_err()
    {
        return false;
    }
    loop {
        match line.load(Ordering::Acquire) {
            STOP => return false,
            seen if seen == *turn + 1 => break,
            _ => spin_loop(),
        }
    }
    *turn += 2;
    true
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
    fn one_cpu_has_no_ends() {
        assert_eq!(ends(&[3]), None);
        assert_eq!(ends(&[0, 1, 5]), Some((0, 5)));
        assert_eq!(ends(&[]), None);
    }

    #[test]
    fn a_line_is_passed_between_two_cpus_or_there_are_not_two() {
        let cpus = allowed_cpus().expect("a mask");
        if let Some(pair) = ends(&cpus) {
            let blocks = one_way_ns(pair).expect("times");
            assert!(blocks.iter().all(|ns| *ns > 0.0 && ns.is_finite()));
            assert!(!blocks.is_empty());
        }
    }

    #[test]
    fn a_cpu_that_is_not_there_is_an_error_and_nobody_waits() {
        let cpus = allowed_cpus().expect("a mask");
        assert!(one_way_ns((cpus[0], 1023)).is_err());
        assert!(one_way_ns((1023, cpus[0])).is_err());
    }
}
