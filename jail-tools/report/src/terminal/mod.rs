//! The report for a person: plain text in aligned tables, for 100 columns and more.

mod blame;
mod counters;
mod header;
mod latency;
mod layout;
mod units;
mod unseen;
mod verdicts;
mod warnings;

use analysis::ExperimentAnalysis;

pub use layout::Style;

use crate::Report;

/// The whole report.
#[must_use]
pub fn render(report: &Report, style: Style) -> String {
    let mut out = header::render(report, style);
    for experiment in &report.analysis.experiments {
        out.push_str(&render_experiment(experiment, style));
    }
    out.push_str(&header::observer(&report.manifest, style));
    out.push_str(&header::losses(&report.manifest, &report.analysis, style));
    out.push_str(&unseen::render(&report.manifest.unseen, style));
    out.push_str(&warnings::render(&report.analysis.warnings, style));
    out
}

fn render_experiment(experiment: &ExperimentAnalysis, style: Style) -> String {
    let t = &experiment.trials;
    let mut out = style.heading(&format!(
        "═══ {} · {} of {} rounds · {} of {} trials",
        experiment.name, experiment.rounds, experiment.rounds_planned, t.complete, t.planned
    ));
    out.push_str(&style.wrapped("  ", "  ", &experiment.question));
    if t.complete == 0 {
        out.push_str("\n  No trial has completed: there is nothing to show yet.\n");
        return out;
    }
    out.push_str(&latency::render(&experiment.cells, style));
    out.push_str(&latency::render_found(&experiment.cells, style));
    out.push_str(&blame::render(&experiment.cells, style));
    out.push_str(&counters::render(&experiment.cells, style));
    out.push_str(&verdicts::render(experiment, style));
    out
}
