//! The report for a person.

use std::fmt::Write;

use record::verdict::Estimate;

use crate::report::Report;
use crate::summary::{Against, Block, Compared, Figure, ROUNDS_MIN, Row};
use crate::verdict::{Count, Judgement, Outcome, Target, throughput_ratio};

const HEAD: [&str; 10] = [
    "queue",
    "M messages/s",
    "CPU s/M messages",
    "vol. switches/message",
    "invol./message",
    "futex/message",
    "all calls/message",
    "hand-off p50 us",
    "hand-off p99 us",
    "throughput ours/it",
];

/// All of it.
pub(crate) fn text(report: &Report) -> String {
    let mut out = String::new();
    for block in &report.cells {
        out.push_str(&heading(block));
        let rows = block.rows.iter().map(|row| line(report, block, row));
        let rows: Vec<_> = std::iter::once(HEAD.map(String::from))
            .chain(rows)
            .collect();
        out.push_str(&aligned(&rows));
        out.push('\n');
    }
    out.push_str(&legend());
    out.push_str(&verdict(report));
    for warning in &report.warnings {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "warning: {warning}");
    }
    out
}

fn heading(block: &Block) -> String {
    let moved = match block.moved {
        0 => String::new(),
        n => format!("; {n} of {} trials moved, dropped", block.trials),
    };
    let threads = if block.oversubscribed {
        ", more threads than CPUs"
    } else {
        ""
    };
    let stratum = block.stratum.name();
    format!("{}{threads}: {stratum}{moved}\n", block.cell)
}

fn line(report: &Report, block: &Block, row: &Row) -> [String; 10] {
    let ratio = throughput_ratio(block, &report.trials, row.queue, report.settings.seed)
        .filter(|_| row.class != crate::peers::Class::Ours);
    [
        row.queue.name().into(),
        figure(&row.messages_per_s, 1e-6),
        figure(&row.cpu_s_per_million, 1.0),
        figure(&row.voluntary_per_message, 1.0),
        figure(&row.involuntary_per_message, 1.0),
        match &row.futex_missing {
            Some(_) => "unavailable".into(),
            None => figure(&row.futex_per_message, 1.0),
        },
        figure(&row.all_calls_per_message, 1.0),
        figure(&row.handoff_p50_ns, 1e-3),
        figure(&row.handoff_p99_ns, 1e-3),
        ratio.map_or_else(|| "-".into(), |c| estimate(&c.estimate, c.rounds, 1.0)),
    ]
}

fn figure(figure: &Figure, unit: f64) -> String {
    let median = figure.median.as_ref();
    median.map_or_else(|| "-".into(), |e| estimate(e, figure.rounds, unit))
}

/// `value [low, high]`, or the number of rounds where they are too few.
fn estimate(e: &Estimate, rounds: usize, unit: f64) -> String {
    let value = digits(e.value * unit);
    match (e.low, e.high) {
        (Some(low), Some(high)) => {
            format!("{value} [{}, {}]", digits(low * unit), digits(high * unit))
        }
        _ => format!("{value} (n={rounds})"),
    }
}

/// Three significant digits, no exponent.
fn digits(value: f64) -> String {
    let magnitude = value.abs().log10().floor();
    if value == 0.0 || !magnitude.is_finite() {
        return "0".into();
    }
    let decimals = (2.0 - magnitude).clamp(0.0, 6.0) as usize;
    format!("{value:.decimals$}")
}

/// Columns, the first to the left.
fn aligned(rows: &[[String; 10]]) -> String {
    let width = |column: usize| rows.iter().map(|r| r[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let _ = write!(out, "  {:<1$}", row[0], widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            let _ = write!(out, "  {cell:>width$}");
        }
        out.push('\n');
    }
    out
}

fn legend() -> String {
    format!(
        "Medians over rounds [95 % interval]; (n=) rounds where they are too few for one: it needs {ROUNDS_MIN}.\n\
         near, far: the two CPUs in one core complex, in two, by a cache line passed to and fro before\n\
         and after each trial; trials during which that changed are dropped. \"-\": not measured.\n\n"
    )
}

fn verdict(report: &Report) -> String {
    if report.judgements.is_empty() {
        return "Verdict: none, ours was not measured beside a peer.\n".into();
    }
    let mut out = String::from("Verdict, by cell, stratum and peer:\n");
    for count in &report.counts {
        out.push_str(&counted(count));
    }
    for (outcome, title) in [
        (Outcome::Missed, "Shortfalls"),
        (Outcome::Unclear, "Not decided"),
    ] {
        let all = report.judgements.iter();
        let these: Vec<&Judgement> = all.filter(|j| j.outcome == outcome).collect();
        let _ = writeln!(out, "{title}: {}", these.len());
        for judgement in these {
            out.push_str(&judged(judgement));
        }
    }
    out.push_str(&without_figure(&report.judgements));
    out
}

/// Comparisons that could not be made, those of a cell for the same reason on one line.
fn without_figure(judgements: &[Judgement]) -> String {
    let mut lines: Vec<(String, usize)> = Vec::new();
    for j in judgements.iter().filter(|j| j.outcome == Outcome::NoFigure) {
        let why = j.missing.as_deref().unwrap_or_default();
        let line = format!("{}, {}: {why}", j.cell, j.stratum.name());
        match lines.iter_mut().find(|(known, _)| *known == line) {
            Some((_, times)) => *times += 1,
            None => lines.push((line, 1)),
        }
    }
    let all: usize = lines.iter().map(|(_, times)| times).sum();
    let mut out = format!("Without a figure: {all}\n");
    for (line, times) in lines {
        let _ = writeln!(out, "  {times} of {line}");
    }
    out
}

fn counted(count: &Count) -> String {
    let threads = if count.oversubscribed {
        "more threads than CPUs"
    } else {
        "a CPU for each thread"
    };
    format!(
        "  {}, {threads}: {} met, {} not decided, {} missed, {} without a figure\n",
        count.target.says(),
        count.met,
        count.unclear,
        count.missed,
        count.no_figure
    )
}

fn judged(j: &Judgement) -> String {
    let what = j.compared.as_ref().map(|c| comparison(c, j.target));
    let (cell, stratum, peer) = (j.cell, j.stratum.name(), j.peer);
    format!(
        "  {cell}, {stratum}, {peer}: {}\n",
        what.unwrap_or_default()
    )
}

fn comparison(c: &Compared, target: Target) -> String {
    let (unit, name) = match target {
        Target::ThroughputOfParking | Target::ThroughputOfSpinning => (1e-6, "M messages/s"),
        Target::CpuOfSpinning => (1.0, "CPU s/M messages"),
        Target::FutexOfParking => (1.0, "futex calls/message"),
    };
    let against = match c.against {
        Against::Ratio => "ratio",
        Against::Difference => "difference",
    };
    let estimate = estimate(&c.estimate, c.rounds, 1.0);
    let (ours, theirs) = (digits(c.ours * unit), digits(c.theirs * unit));
    format!("{ours} against {theirs} {name}, {against} {estimate}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        for (value, text) in [
            (0.0, "0"),
            (12_345.6, "12346"),
            (12.345, "12.3"),
            (0.012_345, "0.0123"),
            (-0.5, "-0.500"),
            (1e-9, "0.000000"),
        ] {
            assert_eq!(digits(value), text);
        }
    }

    #[test]
    fn too_few_rounds_are_said_instead_of_an_interval() {
        let e = |ends: Option<(f64, f64)>| Estimate {
            value: 2.0,
            low: ends.map(|e| e.0),
            high: ends.map(|e| e.1),
        };
        assert_eq!(estimate(&e(None), 3, 1.0), "2.00 (n=3)");
        let whole = e(Some((1.0, 3.0)));
        assert_eq!(estimate(&whole, 9, 1.0), "2.00 [1.00, 3.00]");
    }
}
