//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::receiver;
use crate::schedule::Plan;

/// Compares procjail with bwrap, catatonit, tini and dumb-init: start-up, the way of a signal, what
/// is left of it while its command sleeps.
#[derive(Debug, Parser)]
#[command(
    name = "jail-bench",
    bin_name = "cargo xtask bench jail",
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Args {
    /// Rounds of start-up and of signals; in each, everything is measured in turn. An interval
    /// needs six
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    /// Passes over everything in a round
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    passes: u32,
    /// How long idle processes are watched, s
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    idle_s: u64,
    /// To see that it runs: 6 rounds of 5 passes, 5 s idle
    #[arg(long, conflicts_with_all = ["rounds", "passes", "idle_s"])]
    quick: bool,
    /// Only these parts
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Seed of the order
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The procjail to measure (default: the one on PATH)
    #[arg(long, value_name = "PATH")]
    pub(crate) procjail: Option<PathBuf>,
    /// One JSON document instead of the tables, with every value
    #[arg(long)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) hidden: Option<Hidden>,
}

/// What the benchmark is for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum Hidden {
    #[command(name = receiver::NAME, hide = true)]
    Receiver,
}

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    Startup,
    Latency,
    Idle,
    Memory,
}

impl Args {
    pub(crate) fn plan(&self) -> Plan {
        let plan = |rounds, passes, idle_s| Plan {
            rounds,
            passes,
            idle_s,
            seed: self.seed,
        };
        if self.quick {
            plan(6, 5, 5)
        } else {
            plan(self.rounds, self.passes, self.idle_s)
        }
    }

    /// Is this part to be measured?
    pub(crate) fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(std::iter::once("jail-bench").chain(line.split_whitespace()))
    }

    #[test]
    fn everything_is_wanted_or_only_what_was_named() {
        let all = parse("").expect("valid");
        assert!(all.wants(Part::Startup) && all.wants(Part::Idle));
        let some = parse("--only startup,memory").expect("valid");
        assert!(some.wants(Part::Startup) && some.wants(Part::Memory));
        assert!(!some.wants(Part::Latency));
        assert_eq!(parse("--quick").expect("valid").plan().rounds, 6);
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "--rounds 0",
            "--only speed",
            "--quick --rounds 3",
            "--idle-s 0",
            "receive",
            "--json receiver",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        let hidden = parse("receiver").expect("valid").hidden;
        assert_eq!(hidden, Some(Hidden::Receiver));
    }
}
