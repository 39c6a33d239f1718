//! `jail-bench`: procjail beside bwrap, catatonit, tini and dumb-init, on this machine.
//!
//! Everything that is compared is interleaved in one process: rounds, in each some passes over all
//! [`subject`]s in an order that a seed gives. The order of steps: [`args`] → [`tools`] →
//! [`schedule`] → [`startup`], [`latency`], [`idle`], [`memory`] (by [`spawn`]) → [`figures`] →
//! [`verdict`] → [`table`].

mod affinity;
mod args;
mod child;
mod clock;
mod figures;
mod floor;
mod idle;
mod interrupt;
mod latency;
mod machine;
mod memory;
mod orphans;
mod procfs;
mod receiver;
mod report;
mod residents;
mod schedule;
mod session;
mod spawn;
mod startup;
mod subject;
mod table;
mod taken;
mod tools;
mod verdict;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::args::{Args, Hidden, Part};
use crate::interrupt::Interrupt;
use crate::machine::Watch;
use crate::orphans::Adopted;
use crate::report::{Measured, Report};
use crate::session::Session;
use crate::tools::Toolbox;

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.hidden {
        Some(Hidden::Receiver) => receiver::run(),
        None => run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let interrupt = Interrupt::catch()?;
    // Dropped last, after the guards of all children.
    let _adopted = Adopted::from_now()?;
    let tools = Toolbox::look(args.procjail.as_deref());
    let watch = Watch::start()?;
    let session = Session::new(&tools, &interrupt, args.plan())?;
    let measured = measure(args, &session)?;
    let report = Report::of(args.plan(), watch.machine(&tools), measured);
    let text = if args.json {
        serde_json::to_string_pretty(&report).context("write the report as JSON")? + "\n"
    } else {
        table::text(&report)
    };
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("write the report to standard output")
}

fn measure(args: &Args, session: &Session<'_>) -> Result<Measured> {
    let mut measured = Measured::default();
    if args.wants(Part::Startup) {
        measured.startup = Some(startup::run(session)?);
    }
    if args.wants(Part::Latency) {
        measured.latency = Some(latency::run(session)?);
    }
    if args.wants(Part::Idle) {
        measured.idle = Some(idle::run(session)?);
    }
    if args.wants(Part::Memory) {
        measured.memory = Some(memory::run(session)?);
    }
    Ok(measured)
}
