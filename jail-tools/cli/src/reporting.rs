//! `jail-tools report` and `jail-tools export`.

use std::io::{BufWriter, IsTerminal};

use record::RunDir;
use report::Report;
use report::export::ExportError;
use report::terminal::Style;

use crate::args;
use crate::exit::{Done, Usage};
use crate::output;

/// Reports on a recorded run, wherever it was recorded.
pub(crate) fn report(args: &args::Report) -> anyhow::Result<Done> {
    let run = RunDir::open(&args.run)?;
    let report = Report::of(&run)?;
    print(&report, args.json)?;
    Ok(done(&report, args.check))
}

/// Prints a report.
pub(crate) fn print(report: &Report, json: bool) -> anyhow::Result<()> {
    let text = if json {
        report::json::render(report)?
    } else {
        report::terminal::render(report, style())
    };
    output::print(&text)
}

/// Colour only on a terminal, and as wide as it is (`COLUMNS`), within what can be read.
fn style() -> Style {
    let columns = std::env::var("COLUMNS")
        .ok()
        .and_then(|c| c.parse::<usize>().ok());
    Style {
        colour: std::io::stdout().is_terminal(),
        width: columns.unwrap_or(110).clamp(80, 160),
    }
}

/// Refuted, if it was asked for and is so.
pub(crate) fn done(report: &Report, check: bool) -> Done {
    if check && report.analysis.verdict().refuted() {
        Done::Refuted
    } else {
        Done::Well
    }
}

/// Writes a table to standard output.
pub(crate) fn export(args: &args::Export) -> anyhow::Result<Done> {
    let run = RunDir::open(&args.run)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let result = report::export::export(&run, &args.table, &args.format, &mut out);
    match result {
        Err(e @ (ExportError::UnknownTable(_) | ExportError::UnknownFormat(_))) => {
            Err(Usage(e.to_string()))?;
        }
        other => other?,
    }
    Ok(Done::Well)
}
