//! The command line.

use std::time::Duration;

use clap::Parser;

use crate::cells::{CAPACITIES, Cpus, THREADS, Threads, factorial};
use crate::peers::Kind;
use crate::schedule::Plan;

/// Compares bounded blocking queues: throughput, CPU time, switches and futex calls per message,
/// and the latency of a hand-off, in each combination of capacity, threads and CPUs.
#[derive(Debug, Parser)]
#[command(name = "queue-bench", bin_name = "cargo xtask bench queue")]
pub(crate) struct Args {
    /// Rounds; in each, everything is measured once. An interval needs six
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    /// About how long a trial takes, ms
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    trial_ms: u64,
    /// Seed of the order
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Only these capacities (default: 1,2,8,64,1024)
    #[arg(long, value_delimiter = ',', value_parser = capacity)]
    capacity: Vec<usize>,
    /// Only these producers x consumers (default: 1x1,2x2,8x1,1x8,8x8)
    #[arg(long, value_delimiter = ',')]
    threads: Vec<Threads>,
    /// Only on one CPU, or only on all
    #[arg(long, value_enum, value_delimiter = ',')]
    cpus: Vec<Cpus>,
    /// Only these queues
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME")]
    queue: Vec<Kind>,
    /// Count futex calls in every n-th round, in trials of their own; 0: never
    #[arg(long, default_value_t = 3, value_name = "N")]
    count_every: u32,
    /// Leave out the closed loop
    #[arg(long)]
    no_handoff: bool,
    /// A trial that takes longer than this hangs, s
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    hang_s: u64,
    /// One JSON document instead of the table, with every trial
    #[arg(long)]
    pub(crate) json: bool,
}

/// Greatest capacity: 16 MiB of messages.
const CAPACITY_MAX: usize = 1 << 20;

fn capacity(text: &str) -> Result<usize, String> {
    let number = text.parse().ok();
    number
        .filter(|n| (1..=CAPACITY_MAX).contains(n))
        .ok_or_else(|| format!("a capacity is 1 to {CAPACITY_MAX}"))
}

impl Args {
    /// What to run.
    pub(crate) fn plan(&self) -> Plan {
        let asked = |kind: &Kind| self.queue.is_empty() || self.queue.contains(kind);
        let cells = factorial(
            or(&self.capacity, &CAPACITIES),
            or(&self.threads, &THREADS),
            or(&self.cpus, &[Cpus::One, Cpus::All]),
        );
        let kinds = Kind::ALL.into_iter().filter(asked);
        Plan {
            cells,
            kinds: kinds.collect(),
            rounds: self.rounds,
            count_every: self.count_every,
            handoff: !self.no_handoff,
            seed: self.seed,
        }
    }

    /// How long a trial should take.
    pub(crate) fn trial(&self) -> Duration {
        Duration::from_millis(self.trial_ms)
    }

    /// How long it may.
    pub(crate) fn hang(&self) -> Duration {
        Duration::from_secs(self.hang_s) + self.trial()
    }
}

/// What was asked for, or else all.
fn or<'a, T>(asked: &'a [T], all: &'a [T]) -> &'a [T] {
    if asked.is_empty() { all } else { asked }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(std::iter::once("queue-bench").chain(line.split_whitespace()))
    }

    #[test]
    fn filters_repeat_or_are_lists() {
        let lists = "--capacity 1,8 --threads 1x1,8x8 --cpus all --queue flume,kanal";
        let repeated = "--capacity 1 --capacity 8 --threads 1x1 --threads 8x8 --cpus all \
            --queue flume --queue kanal";
        for line in [lists, repeated] {
            let plan = parse(line).expect("valid").plan();
            assert_eq!(plan.cells.len(), 4);
            assert_eq!(plan.kinds, [Kind::Flume, Kind::Kanal]);
        }
        assert_eq!(parse("").expect("valid").plan().cells.len(), 50);
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "--capacity 0",
            "--threads 0x1",
            "--rounds 0",
            "--queue speed",
            "--cpus 3",
            "--trial-ms 0",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
