//! What is varied: capacity, threads, CPUs.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use serde::{Serialize, Serializer};

/// Capacities that are measured unless others are asked for.
pub(crate) const CAPACITIES: [usize; 5] = [1, 2, 8, 64, 1024];

/// Producers and consumers that are measured unless others are asked for.
pub(crate) const THREADS: [Threads; 5] = [
    Threads::of(1, 1),
    Threads::of(2, 2),
    Threads::of(8, 1),
    Threads::of(1, 8),
    Threads::of(8, 8),
];

/// More threads than this on one side are refused: nothing here needs them.
const THREADS_MAX: u32 = 256;

/// How many threads push and how many pop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Threads {
    pub(crate) producers: u32,
    pub(crate) consumers: u32,
}

impl Threads {
    pub(crate) const fn of(producers: u32, consumers: u32) -> Self {
        Self {
            producers,
            consumers,
        }
    }

    /// All of them.
    pub(crate) fn total(self) -> u32 {
        self.producers + self.consumers
    }

    /// The least number of messages of which every producer and every consumer has an equal share.
    pub(crate) fn equal_share(self) -> u64 {
        let (p, c) = (u64::from(self.producers), u64::from(self.consumers));
        p / greatest_common_divisor(p, c) * c
    }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

impl FromStr for Threads {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |side: &str| {
            side.parse::<u32>()
                .ok()
                .filter(|n| (1..=THREADS_MAX).contains(n))
        };
        text.split_once(['x', '×'])
            .and_then(|(p, c)| Some(Self::of(number(p)?, number(c)?)))
            .ok_or_else(|| {
                format!("producers and consumers are written as 2x8, each 1 to {THREADS_MAX}")
            })
    }
}

impl fmt::Display for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.producers, self.consumers)
    }
}

impl Serialize for Threads {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Where the threads may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cpus {
    /// All on a single CPU.
    One,
    /// On all CPUs of this process.
    All,
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One => "one CPU",
            Self::All => "all CPUs",
        })
    }
}

/// One combination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Cell {
    pub(crate) capacity: usize,
    pub(crate) threads: Threads,
    pub(crate) cpus: Cpus,
}

impl Cell {
    /// More threads that may be runnable than CPUs to run them?
    pub(crate) fn is_oversubscribed(&self, machine_cpus: usize) -> bool {
        let cpus = match self.cpus {
            Cpus::One => 1,
            Cpus::All => machine_cpus,
        };
        self.threads.total() as usize > cpus
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "capacity {}, {}, {}",
            self.capacity, self.threads, self.cpus
        )
    }
}

/// All combinations, in the order of the table.
pub(crate) fn factorial(capacities: &[usize], threads: &[Threads], cpus: &[Cpus]) -> Vec<Cell> {
    let mut cells = Vec::new();
    for &cpus in cpus {
        for &threads in threads {
            for &capacity in capacities {
                let cell = Cell {
                    capacity,
                    threads,
                    cpus,
                };
                if !cells.contains(&cell) {
                    cells.push(cell);
                }
            }
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_read_as_they_are_written() {
        assert_eq!("2x8".parse(), Ok(Threads::of(2, 8)));
        assert_eq!(Threads::of(2, 8).to_string().parse(), Ok(Threads::of(2, 8)));
        for wrong in ["", "2", "x", "0x1", "1x257", "1x-1", "1x1x1"] {
            assert!(wrong.parse::<Threads>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_equal_share_divides_by_both_sides() {
        for (threads, share) in [((1, 1), 1), ((8, 1), 8), ((8, 8), 8), ((6, 4), 12)] {
            assert_eq!(Threads::of(threads.0, threads.1).equal_share(), share);
        }
    }

    #[test]
    fn the_default_cells_are_fifty_and_a_repeated_level_adds_none() {
        let cpus = [Cpus::One, Cpus::All];
        assert_eq!(factorial(&CAPACITIES, &THREADS, &cpus).len(), 50);
        assert_eq!(factorial(&[1, 1], &[THREADS[0]], &cpus).len(), 2);
    }

    #[test]
    fn two_threads_on_two_cpus_are_not_too_many() {
        let cell = |cpus| Cell {
            capacity: 1,
            threads: THREADS[0],
            cpus,
        };
        assert!(!cell(Cpus::All).is_oversubscribed(2));
        assert!(cell(Cpus::One).is_oversubscribed(2));
    }
}
