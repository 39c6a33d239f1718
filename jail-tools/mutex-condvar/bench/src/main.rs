//! `queue-bench`: bounded blocking queues with many producers and consumers, compared on this
//! machine.
//!
//! Everything is interleaved in one process: rounds, and in each every queue of every cell once.
//! The order of steps: [`args`] → [`schedule`] → [`session`] (which sizes and runs [`trial`]s and
//! [`handoff`]s by a [`crew`] of threads) → [`shot`] → [`summary`] → [`verdict`] → [`table`].

mod args;
mod calibrate;
mod cells;
mod clock;
mod counts;
mod crew;
mod gate;
mod handoff;
mod peers;
mod placement;
mod report;
mod schedule;
mod session;
mod shot;
mod steal;
mod summary;
mod table;
mod tally;
mod trial;
mod verdict;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;

use crate::args::Args;
use crate::counts::CallSight;
use crate::report::Report;
use crate::session::Session;
use crate::steal::Watch;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let (plan, cpus) = (args.plan(), host::distance::allowed_cpus()?);
    ensure!(
        plan.pairs().next().is_some(),
        "no queue that was asked for serves so many threads"
    );
    let watch = Watch::start(&cpus);
    let session = Session {
        plan: &plan,
        cpus: &cpus,
        trial: args.trial(),
        hang: args.hang(),
        sight: CallSight::open(),
    };
    let trials = session.run()?;
    let warnings = watch.warning().into_iter().collect();
    let trial_ms = args.trial().as_millis() as u64;
    let report = Report::of(&plan, &cpus, trial_ms, trials, warnings);
    let text = if args.json {
        serde_json::to_string_pretty(&report).context("write the report as JSON")? + "\n"
    } else {
        table::text(&report)
    };
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("write the report to standard output")
}
