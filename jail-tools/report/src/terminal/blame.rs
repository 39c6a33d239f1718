//! Where the time went: causes by cell, for all operations and for the slowest.

use analysis::CellAnalysis;
use analysis::blame::{Blame, Causes, Share};
use record::Grade;
use record::ledger::{CAUSES, IRQ_EXIT, RESIDUAL, SELF};

use super::layout::{Footnotes, Grid, Style, Tone};
use super::units::{MISSING, count, events, percent_or_missing, time, time_or_missing};

pub(super) fn render(cells: &[CellAnalysis], style: Style) -> String {
    let mut out = style.heading("Where the time went");
    let mut notes = Footnotes::default();
    for cell in cells.iter().filter(|c| c.blame.all.ops > 0) {
        out.push_str(&render_cell(cell, &mut notes, style));
    }
    out.push_str(&notes.render(style));
    let (open, rows) = cells.iter().fold((0, 0), |sum, c| {
        (
            sum.0 + c.blame.open_ledgers,
            sum.1 + c.summary.n + c.summary.errors,
        )
    });
    if open == 0 {
        let text = format!(
            "Every ledger closes: {} operations re-checked.",
            count(rows)
        );
        out.push_str(&style.wrapped("  ", "  ", &text));
    } else {
        let text = format!(
            "  {} of {} ledgers DON'T CLOSE: don't trust this table.\n",
            count(open),
            count(rows)
        );
        out.push_str(&style.paint(Tone::Bad, &text));
    }
    out
}

fn render_cell(cell: &CellAnalysis, notes: &mut Footnotes, style: Style) -> String {
    let b = &cell.blame;
    let title = format!(
        "\n  {} · {} operations in {}; the slowest 1 %: {} in {}",
        cell.label,
        count(b.all.ops),
        time(b.all.latency_ns as f64),
        count(b.slowest.ops),
        time(b.slowest.latency_ns as f64)
    );
    let mut out = style.paint(Tone::Bold, &title) + "\n";
    let header = [
        "cause",
        "per op",
        "share",
        "ops touched",
        "slowest: per op",
        "share",
        "ops touched",
        "grade",
    ];
    let mut grid = Grid::new(&header).align_left(7);
    for (all, slowest) in shown(b) {
        grid.row(Tone::Plain, row(all, slowest, notes));
    }
    out.push_str(&grid.render(style));
    out.push_str(&not_in_the_table(b, notes, style));
    out.push_str(&unexplained(b, style));
    out
}

/// Is it known that the cause took no time?
fn is_nothing(share: &Share) -> bool {
    share.touched == Some(0)
}

/// The causes that took time, the largest first; the residual always, and last.
fn shown(b: &Blame) -> Vec<(&Share, &Share)> {
    let pairs = || b.all.shares.iter().zip(&b.slowest.shares);
    let is_residual = |s: &Share| s.column == CAUSES[RESIDUAL].column;
    let mut shown: Vec<_> = pairs()
        .filter(|(all, slowest)| {
            !is_residual(all)
                && all.total_ns.value.is_some()
                && !(is_nothing(all) && is_nothing(slowest))
        })
        .collect();
    shown.sort_by(|a, b| {
        b.0.share
            .unwrap_or(0.0)
            .total_cmp(&a.0.share.unwrap_or(0.0))
    });
    shown.extend(pairs().filter(|(all, _)| is_residual(all)));
    shown
}

/// Parts that are inferred in every run: their rule stands in the code map, not under each table.
const ALWAYS_INFERRED: [usize; 3] = [IRQ_EXIT, SELF, RESIDUAL];

/// The grade, in the width that a table leaves; how a part was inferred that probes would have
/// counted stands below.
fn grade(share: &Share, notes: &mut Footnotes) -> String {
    let always = ALWAYS_INFERRED
        .iter()
        .any(|part| CAUSES[*part].column == share.column);
    match &share.total_ns.grade {
        Grade::Inferred { how } => match how.split_once("; ") {
            Some((least, how)) if least.starts_with("at least") => {
                format!("{least} {}", notes.mark(how))
            }
            None if how.starts_with("at least") => how.clone(),
            _ if always => "inferred".into(),
            _ => format!("inferred {}", notes.mark(how)),
        },
        grade => grade.to_string(),
    }
}

fn row(all: &Share, slowest: &Share, notes: &mut Footnotes) -> Vec<String> {
    let touched = |s: &Share| s.touched.map_or_else(|| MISSING.into(), count);
    let grade = grade(all, notes);
    vec![
        all.label.into(),
        time_or_missing(all.per_op_ns),
        percent_or_missing(all.share),
        touched(all),
        time_or_missing(slowest.per_op_ns),
        percent_or_missing(slowest.share),
        touched(slowest),
        grade,
    ]
}

/// Causes that were watched and took nothing, and those that could not be watched.
fn not_in_the_table(b: &Blame, notes: &mut Footnotes, style: Style) -> String {
    let residual = CAUSES[RESIDUAL].column;
    let others = || b.all.shares.iter().filter(|s| s.column != residual);
    let nothing: Vec<&str> = others()
        .filter(|s| is_nothing(s))
        .map(|s| s.label)
        .collect();
    // By reason, in the order of the ledger.
    let mut unseen: Vec<(String, Vec<&str>)> = Vec::new();
    for share in others() {
        if let Grade::Unavailable { why } = &share.total_ns.grade {
            let mark = notes.missing(why);
            match unseen.iter_mut().find(|(m, _)| *m == mark) {
                Some((_, labels)) => labels.push(share.label),
                None => unseen.push((mark, vec![share.label])),
            }
        }
    }
    let unseen: Vec<String> = unseen
        .into_iter()
        .map(|(mark, labels)| format!("{} {mark}", labels.join(", ")))
        .collect();
    let mut out = String::new();
    if !nothing.is_empty() {
        out.push_str(&style.wrapped(
            "  watched, and no time in it: ",
            "    ",
            &nothing.join(", "),
        ));
    }
    if !unseen.is_empty() {
        out.push_str(&style.wrapped("  unavailable: ", "    ", &unseen.join("; ")));
    }
    out
}

fn unexplained(b: &Blame, style: Style) -> String {
    let signs =
        |c: &Causes| (c.latency_ns > 0).then(|| c.residual_abs_ns as f64 / c.latency_ns as f64);
    let floor = b
        .floor_stalls_per_s
        .map_or_else(|| "not measured".into(), events);
    let stalls = b.residual_stalls_per_s.map(|rate| {
        let n = count(b.residual_stalls);
        format!(
            "; unexplained stalls above 5 µs: {n}, per second inside operations {}",
            events(rate)
        )
    });
    let text = format!(
        "residual without signs: {} of all, {} of the slowest{}; the machine's own floor of stalls per second: {floor}",
        percent_or_missing(signs(&b.all)),
        percent_or_missing(signs(&b.slowest)),
        stalls.unwrap_or_default(),
    );
    style.wrapped("  ", "    ", &text)
}
