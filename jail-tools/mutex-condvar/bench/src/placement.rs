//! Which CPUs the threads of a trial get, and how far apart two CPUs are at the moment.
//!
//! A host may move virtual CPUs between core complexes, several times a second: what two of them
//! pass to each other then costs four times as much, with no word to the guest. So a cache line is
//! passed to and fro before and after each trial on several CPUs, and trials are sorted by it.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use analysis::quantile::Sorted;
use anyhow::{Context, Result, anyhow};
use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;
use serde::Serialize;

use crate::cells::{Cell, Cpus, Threads};
use crate::crew::Role;

/// One way of a cache line, ns: less is the same core complex, more is another. Between the two
/// modes that were seen on the virtual machine this was written on, about 55 and 220 ns: near
/// their geometric mean, 110.
pub(crate) const CUT_NS: f64 = 120.0;

/// How long the line is passed to and fro.
const PROBE: Duration = Duration::from_millis(1);

/// Passes to and fro in a block: some microseconds, so that the clock's 30 ns do not count and
/// most blocks see no interrupt.
const BLOCK: u32 = 16;

/// A block more would not change the median.
const BLOCKS_MAX: usize = 1_000;

/// CPUs of this process, ascending.
pub(crate) fn allowed_cpus() -> Result<Vec<u32>> {
    let set = sched_getaffinity(Pid::from_raw(0)).context("sched_getaffinity of this process")?;
    let cpus = (0..CpuSet::count()).filter(|c| set.is_set(*c) == Ok(true));
    Ok(cpus.map(|c| c as u32).collect())
}

/// CPUs of the producers and of the consumers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placement {
    producers: Vec<u32>,
    consumers: Vec<u32>,
}

impl Placement {
    /// Left to the kernel.
    pub(crate) fn everywhere(cpus: &[u32]) -> Self {
        Self {
            producers: cpus.to_vec(),
            consumers: cpus.to_vec(),
        }
    }

    /// Of a cell. One CPU is the last of the process: the first is where interrupts tend to be.
    /// One producer and one consumer on all CPUs stand on two different ones, or the kernel would
    /// at times put both on one, which is another cell.
    pub(crate) fn of_cell(cell: &Cell, cpus: &[u32]) -> Self {
        match (cell.cpus, pair(cpus)) {
            (Cpus::One, _) => Self::everywhere(cpus.last().map_or(&[], std::slice::from_ref)),
            (Cpus::All, Some((a, b))) if cell.threads == Threads::of(1, 1) => Self {
                producers: vec![a],
                consumers: vec![b],
            },
            (Cpus::All, _) => Self::everywhere(cpus),
        }
    }

    /// CPUs for this role.
    pub(crate) fn of(&self, role: Role) -> &[u32] {
        match role {
            Role::Producer => &self.producers,
            Role::Consumer => &self.consumers,
        }
    }
}

/// The two CPUs that stand for all: the first and the last.
pub(crate) fn pair(cpus: &[u32]) -> Option<(u32, u32)> {
    let (first, last) = (*cpus.first()?, *cpus.last()?);
    (first != last).then_some((first, last))
}

/// Under what condition a trial ran. Figures are never averaged over these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stratum {
    /// On one CPU, or the process has only one: there is no distance.
    One,
    /// Two CPUs of the process in one core complex.
    Near,
    /// In two.
    Far,
    /// Before and after the trial disagree: it belongs to neither.
    Moved,
}

impl Stratum {
    /// From the one-way times before and after.
    pub(crate) fn of(before_ns: f64, after_ns: f64) -> Self {
        match (before_ns < CUT_NS, after_ns < CUT_NS) {
            (true, true) => Self::Near,
            (false, false) => Self::Far,
            _ => Self::Moved,
        }
    }

    /// For a person.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Near => "near",
            Self::Far => "far",
            Self::Moved => "moved",
        }
    }
}

/// A word on a line of its own (and of its neighbour, which some processors fetch along).
#[derive(Default)]
#[repr(align(128))]
struct Line(AtomicU32);

/// Said by either side that wants to stop.
const STOP: u32 = u32::MAX;

/// One way of a cache line between two CPUs, ns: the median of short blocks.
pub(crate) fn one_way_ns((a, b): (u32, u32)) -> Result<f64> {
    let line = Line::default();
    let blocks = std::thread::scope(|scope| {
        let answers = scope.spawn(|| pinned(b, &line.0, answer));
        let asks = scope.spawn(|| pinned(a, &line.0, ask));
        let blocks = asks.join().map_err(|_| anyhow!("the ping panicked"))?;
        answers.join().map_err(|_| anyhow!("the pong panicked"))??;
        blocks
    })?;
    Sorted::of(&blocks)
        .quantile(0.5)
        .context("a cache line was passed and no block ended")
}

/// Does it on this CPU. The other side must not wait for one that could not be placed.
fn pinned<T>(cpu: u32, line: &AtomicU32, what: fn(&AtomicU32) -> T) -> Result<T> {
    match host::pin(cpu) {
        Ok(back) if back.held() => Ok(what(line)),
        other => {
            line.store(STOP, Ordering::Release);
            Err(anyhow!("pin the ping-pong to CPU {cpu}: {other:?}"))
        }
    }
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
        blocks.push(start.elapsed().as_nanos() as f64 / f64::from(2 * BLOCK));
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

    fn cell(threads: Threads, cpus: Cpus) -> Cell {
        Cell {
            capacity: 1,
            threads,
            cpus,
        }
    }

    #[test]
    fn one_to_one_on_all_cpus_is_two_cpus() {
        let one_to_one = cell(Threads::of(1, 1), Cpus::All);
        let placement = Placement::of_cell(&one_to_one, &[0, 1, 5]);
        assert_eq!(placement.of(Role::Producer), [0]);
        assert_eq!(placement.of(Role::Consumer), [5]);
        let alone = Placement::of_cell(&one_to_one, &[3]);
        assert_eq!(alone, Placement::everywhere(&[3]));
    }

    #[test]
    fn one_cpu_is_one_for_all_and_more_threads_are_left_to_the_kernel() {
        let threads = Threads::of(2, 2);
        let one = Placement::of_cell(&cell(threads, Cpus::One), &[0, 1]);
        assert_eq!(one, Placement::everywhere(&[1]));
        let all = Placement::of_cell(&cell(threads, Cpus::All), &[0, 1]);
        assert_eq!(all, Placement::everywhere(&[0, 1]));
    }

    #[test]
    fn a_trial_whose_ends_disagree_belongs_nowhere() {
        assert_eq!(Stratum::of(55.0, 60.0), Stratum::Near);
        assert_eq!(Stratum::of(220.0, 190.0), Stratum::Far);
        assert_eq!(Stratum::of(55.0, 220.0), Stratum::Moved);
        assert_eq!(Stratum::of(220.0, 55.0), Stratum::Moved);
    }

    #[test]
    fn a_line_is_passed_between_two_cpus_or_there_are_not_two() {
        let cpus = allowed_cpus().expect("a mask");
        if let Some(pair) = pair(&cpus) {
            let ns = one_way_ns(pair).expect("a time");
            assert!(ns > 0.0 && ns.is_finite(), "{ns}");
        }
    }
}
