//! Latency by cell, how trials differ, and how operations were found.

use analysis::CellAnalysis;
use analysis::agreement::Agreement;
use analysis::summary::Found;

use super::layout::{Footnotes, Grid, Style, Tone};
use super::units::{MISSING, count, ratio, time, time_interval, time_or_missing};

/// Disagreements that are printed one by one; JSON and the export have the others.
const LISTED: usize = 5;

pub(super) fn render(cells: &[CellAnalysis], style: Style) -> String {
    let mut out = style.heading("Latency per unit of work, with 95 % intervals");
    let mut grid = Grid::new(&["cell", "n", "p50", "p90", "p99", "p99.9", "max"]);
    let mut open = false;
    for cell in cells {
        let s = &cell.summary;
        let mut values = vec![cell.label.clone(), count(s.n)];
        let mut intervals = vec![String::new(), String::new()];
        for p in analysis::quantile::REPORTED {
            let quantile = s.quantile(p);
            values.push(time_or_missing(quantile.map(|q| q.latency_ns.value)));
            intervals.push(
                quantile
                    .map(|q| time_interval(&q.latency_ns))
                    .unwrap_or_default(),
            );
            open |=
                quantile.is_some_and(|q| q.latency_ns.low.is_none() || q.latency_ns.high.is_none());
        }
        values.push(time_or_missing(s.max_ns));
        grid.row(Tone::Plain, values);
        grid.row(Tone::Dim, intervals);
    }
    out.push_str(&grid.render(style));
    let how = "p50 to p99: the wider of the binomial interval and a block bootstrap over rounds; p99.9: binomial.";
    let unbounded = if open {
        " ?: n too small to bound that end."
    } else {
        ""
    };
    out + &style.wrapped("  ", "  ", &format!("{how}{unbounded}"))
}

pub(super) fn render_found(cells: &[CellAnalysis], style: Style) -> String {
    let mut out = style.heading("How trials differ, and how operations were found");
    let header = [
        "cell",
        "trials",
        "p50 of trials, min · median · max",
        "n eff.",
        "hit: probe",
        "oracle",
        "agree",
    ];
    let mut grid = Grid::new(&header);
    let mut notes = Footnotes::default();
    for cell in cells {
        let s = &cell.summary;
        let spread = s.trial_p50_ns.map_or_else(
            || MISSING.into(),
            |p| format!("{} · {} · {}", time(p.min), time(p.median), time(p.max)),
        );
        let mut or =
            |share: Option<f64>, why: &str| share.map_or_else(|| notes.missing(why), ratio);
        let row = vec![
            cell.label.clone(),
            s.trials.to_string(),
            spread,
            s.n_effective
                .map_or_else(|| MISSING.into(), |n| count(n.round() as u64)),
            or(s.probe_hit_ratio, "no probe could class these operations"),
            or(s.oracle_hit_ratio, "no oracle could class these operations"),
            or(
                s.agreement.as_ref().map(|a| a.ratio),
                "pages are not counted by both, or the cache is bypassed: there is nothing to agree about",
            ),
        ];
        grid.row(Tone::Plain, row);
    }
    out.push_str(&grid.render(style));
    out.push_str(&notes.render(style));
    for cell in cells {
        out.push_str(&classes(cell, style));
        out.push_str(&disagreements(cell, style));
    }
    out
}

/// The classes of a cell, where it has others than hits.
fn classes(cell: &CellAnalysis, style: Style) -> String {
    let list = |found: &Found| {
        let parts = [
            (found.hit, "hit"),
            (found.partial, "partial"),
            (found.miss, "miss"),
            (found.wait, "waited for somebody else's read"),
            (found.unknown, "unknown"),
        ];
        let there = parts.iter().filter(|(n, _)| *n > 0);
        there
            .map(|(n, name)| format!("{} {name}", count(*n)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let (probe, oracle) = (&cell.summary.probe, &cell.summary.oracle);
    if [probe, oracle]
        .iter()
        .all(|f| f.known() == f.hit && (f.unknown == 0 || f.known() == 0))
    {
        return String::new();
    }
    let text = format!(
        "{}: by probe {}; by oracle {}",
        cell.label,
        list(probe),
        list(oracle)
    );
    style.wrapped("  ", "    ", &text)
}

fn disagreements(cell: &CellAnalysis, style: Style) -> String {
    let Some(a) = cell
        .summary
        .agreement
        .as_ref()
        .filter(|a| a.agreeing < a.compared)
    else {
        return String::new();
    };
    let reasons: Vec<String> = a
        .reasons
        .iter()
        .map(|(r, n)| format!("{} × {}", count(*n), r.about()))
        .collect();
    let text = format!(
        "{}: probe and oracle differ about {} of {} operations: {}",
        cell.label,
        count(a.compared - a.agreeing),
        count(a.compared),
        reasons.join("; ")
    );
    style.wrapped("  ", "    ", &text) + &listed(a)
}

fn listed(a: &Agreement) -> String {
    let mut out = String::new();
    for d in a.disagreements.iter().take(LISTED) {
        let line = format!(
            "    trial {} thread {} op {}: of {} pages {} resident before, {} added within: {}\n",
            d.trial,
            d.thread,
            d.op,
            d.pages,
            d.oracle_resident_pages,
            d.pages_missed,
            d.reason.about()
        );
        out.push_str(&line);
    }
    let more = (a.compared - a.agreeing).saturating_sub(LISTED as u64);
    if more > 0 {
        out.push_str("    … and ");
        out.push_str(&count(more));
        out.push_str(" more\n");
    }
    out
}
