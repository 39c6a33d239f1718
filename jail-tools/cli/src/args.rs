//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Makes the kernel show its cards: controlled experiments under counters and eBPF probes.
#[derive(Debug, Parser)]
#[command(name = "jail-tools", version, after_help = EXIT_CODES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

const EXIT_CODES: &str = "Exit status: 0 done; 1 failed; 2 wrong usage; 3 with --check, an expectation was \
    refuted; 130 interrupted (the partial run is kept).";

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run experiments, record them, report
    Run(Run),
    /// List the experiments with their factors and levels
    List(Json),
    /// Show the facts of this host and what each means for the investigations
    Doctor(Doctor),
    /// Measure what each kind of observation costs on this machine
    Overhead(Overhead),
    /// Report on a recorded run
    Report(Report),
    /// Write a table of a recorded run to standard output
    Export(Export),
    #[command(hide = true)]
    Trial,
    #[command(hide = true)]
    Keeper,
    #[command(hide = true)]
    Victim(Victim),
}

/// Scheduling class of the measured threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sched {
    Other,
    Batch,
    Fifo,
}

/// What idle CPUs do meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Idle {
    /// As the host has it
    AsIs,
    /// /dev/cpu_dma_latency held at 0: no CPU enters an idle state
    Poll,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// Experiments to run (see `jail-tools list`); all by default
    pub(crate) experiments: Vec<String>,
    /// About ten seconds instead of about a minute
    #[arg(long)]
    pub(crate) quick: bool,
    /// Directory below which the run directory is made
    #[arg(long, default_value = "runs", value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Make the file under test in this directory (it is removed afterwards)
    #[arg(long, value_name = "DIR", conflicts_with = "file")]
    pub(crate) dir: Option<PathBuf>,
    /// Read this file of yours instead (it is only read)
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Only these levels of a factor; may be given more than once
    #[arg(long = "only", value_name = "FACTOR=LEVEL[,LEVEL…]")]
    pub(crate) only: Vec<String>,
    /// Seed of everything random; drawn if not given, and recorded
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Rounds: each has every cell once
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rounds: Option<u32>,
    /// CPUs for the measured threads, in the order of the threads (`1` or `1,3`)
    #[arg(long, value_name = "LIST")]
    pub(crate) cpus: Option<String>,
    /// Shield the measured CPUs from other tasks and movable interrupts, and put it all back
    #[arg(long)]
    pub(crate) isolate: bool,
    /// Shield within this cpuset directory (relative to its mount) instead of the whole machine
    #[arg(long, value_name = "DIR", requires = "isolate")]
    pub(crate) isolate_within: Option<String>,
    /// Idle policy during the run
    #[arg(long, value_enum, default_value = "as-is")]
    pub(crate) idle: Idle,
    /// Scheduling class of the measured threads
    #[arg(long, value_enum, default_value = "other")]
    pub(crate) sched: Sched,
    /// Load every trial's process at the same addresses
    #[arg(long)]
    pub(crate) no_aslr: bool,
    /// Pad the environment of every trial's process, which moves its stack
    #[arg(long, value_name = "BYTES", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=65_536))]
    pub(crate) env_bytes: u32,
    /// Do not load the BPF programs
    #[arg(long)]
    pub(crate) no_probes: bool,
    /// Do not open perf counters
    #[arg(long)]
    pub(crate) no_counters: bool,
    /// Read the counters every so many milliseconds from another thread; 0: start and end only
    #[arg(long, value_name = "MS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=60_000))]
    pub(crate) series_ms: u32,
    /// Do not measure the observer's cost at the start
    #[arg(long)]
    pub(crate) no_overhead: bool,
    /// Print what the BPF programs log (diagnostics, to standard error)
    #[arg(long)]
    pub(crate) bpf_log: bool,
    /// Exit with 3 if an expectation was refuted
    #[arg(long)]
    pub(crate) check: bool,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Json {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    /// Also look at what is below this file or directory
    #[arg(long, value_name = "PATH", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Overhead {
    /// Rounds: each measures every arm once
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rounds: u32,
    /// Directory for the file that is read
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// CPU to measure on; chosen if not given
    #[arg(long)]
    pub(crate) cpu: Option<u32>,
    /// Seed of the order of the arms
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Compare with bpftrace, perf trace and strace too, where installed, for this many rounds
    #[arg(long, value_name = "ROUNDS", default_value_t = 0)]
    pub(crate) peers: u32,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Report {
    /// The run directory
    pub(crate) run: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Exit with 3 if an expectation was refuted
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// The run directory
    pub(crate) run: PathBuf,
    /// Which table
    #[arg(long, value_name = "samples|readings|trials")]
    pub(crate) table: String,
    /// In which form
    #[arg(long, value_name = "csv|json", default_value = "csv")]
    pub(crate) format: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Victim {
    #[arg(long)]
    pub(crate) cpu: u32,
    #[arg(long)]
    pub(crate) seed: u64,
    #[arg(long)]
    pub(crate) dir: PathBuf,
}
