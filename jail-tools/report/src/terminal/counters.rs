//! Counters per operation, events down and cells across.

use analysis::{CellAnalysis, CounterFigure};
use record::Grade;

use super::layout::{Footnotes, Grid, Style, Tone, chars};
use super::units::events;

/// Columns that a table of counters leaves for the names of events.
const NAME_WIDTH: usize = 30;

pub(super) fn render(cells: &[CellAnalysis], style: Style) -> String {
    let mut names: Vec<&str> = cells
        .iter()
        .flat_map(|c| &c.counters)
        .map(|c| c.event.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    let what = if names.iter().any(|n| n.ends_with(":u")) {
        "Counters per operation (:u: in user mode only), mean over whole trials"
    } else {
        "Counters per operation, kernel included, mean over whole trials"
    };
    let mut out = style.heading(what);
    if names.is_empty() {
        return out + "  – no counter was read\n";
    }
    let (some, none): (Vec<&str>, Vec<&str>) = names
        .iter()
        .partition(|n| cells.iter().any(|c| has_figure(c, n)));
    let mut notes = Footnotes::default();
    for group in groups(cells, style) {
        let labels = group.iter().map(|c| c.label.as_str());
        let header: Vec<&str> = std::iter::once("event").chain(labels).collect();
        let mut grid = Grid::new(&header);
        for name in &some {
            let cells = group.iter().map(|cell| entry(cell, name, &mut notes));
            grid.row(
                Tone::Plain,
                std::iter::once((*name).to_owned()).chain(cells).collect(),
            );
        }
        if !some.is_empty() {
            out.push_str(&grid.render(style));
        }
    }
    out.push_str(&unavailable(cells, &none, &mut notes, style));
    out.push_str(&notes.render(style));
    if cells
        .iter()
        .flat_map(|c| &c.counters)
        .any(|c| matches!(c.total.grade, Grade::Scaled { .. }))
    {
        out.push_str("  ~: scaled by enabled/running, because the event shared the hardware\n");
    }
    let how = "Everything between the first and the last operation of a trial is in it, also the checks \
               between operations.";
    out + &style.wrapped("  ", "  ", how)
}

/// As many cells side by side as the width allows.
fn groups(cells: &[CellAnalysis], style: Style) -> Vec<&[CellAnalysis]> {
    let column = cells
        .iter()
        .map(|c| chars(&c.label))
        .max()
        .unwrap_or(0)
        .max(10)
        + 2;
    let columns = (style.width.saturating_sub(NAME_WIDTH) / column).max(1);
    cells.chunks(columns).collect()
}

fn find<'a>(cell: &'a CellAnalysis, name: &str) -> Option<&'a CounterFigure> {
    cell.counters.iter().find(|c| c.event == name)
}

fn has_figure(cell: &CellAnalysis, name: &str) -> bool {
    find(cell, name).is_some_and(|c| c.per_op.is_some())
}

fn entry(cell: &CellAnalysis, name: &str, notes: &mut Footnotes) -> String {
    let Some(figure) = find(cell, name) else {
        return notes.missing("not read in this cell");
    };
    match (&figure.total.grade, figure.per_op) {
        (Grade::Unavailable { why }, _) => notes.missing(why),
        (_, None) => notes.missing("no operation to divide by"),
        (Grade::Scaled { .. }, Some(v)) => format!("~{}", events(v)),
        (_, Some(v)) => events(v),
    }
}

/// Events that no cell has, by reason.
fn unavailable(
    cells: &[CellAnalysis],
    names: &[&str],
    notes: &mut Footnotes,
    style: Style,
) -> String {
    let marked: Vec<String> = names
        .iter()
        .filter_map(|name| {
            let figure = cells.iter().find_map(|c| find(c, name))?;
            let mark = match &figure.total.grade {
                Grade::Unavailable { why } => notes.missing(why),
                _ => notes.missing("no operation to divide by"),
            };
            Some(format!("{name} {mark}"))
        })
        .collect();
    if marked.is_empty() {
        return String::new();
    }
    style.wrapped("  unavailable: ", "    ", &marked.join(", "))
}
