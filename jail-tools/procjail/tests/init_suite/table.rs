//! One scenario under all inits: what is asserted, what is printed, and what is kept.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::subject::{Place, Subject, subjects};
use crate::verdict::{Verdict, Why};

/// What is asserted of the peers, so that a scenario is known to tell a good init from a bad one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peers {
    /// Data.
    AsSeen,
    AllPass,
    /// None of them can do this.
    SomeFails,
}

/// How much of what was seen is kept, in characters.
const NOTE_MAX: usize = 400;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Cell {
    init: String,
    outcome: Outcome,
    /// What was seen instead, or why it does not apply.
    why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    Passed,
    Failed,
    NotApplicable,
}

impl Cell {
    fn of(subject: &Subject, verdict: Verdict) -> Self {
        let (outcome, why) = match verdict {
            Ok(()) => (Outcome::Passed, String::new()),
            Err(Why::Failed(seen)) => (Outcome::Failed, seen),
            Err(Why::NotApplicable(why)) => (Outcome::NotApplicable, why),
        };
        Self {
            init: subject.name.to_owned(),
            outcome,
            why: why.chars().take(NOTE_MAX).collect(),
        }
    }

    fn mark(&self) -> &'static str {
        match self.outcome {
            Outcome::Passed => "yes",
            Outcome::Failed => "NO",
            Outcome::NotApplicable => "n/a",
        }
    }
}

/// Runs the scenario under every init that there is in this place.
///
/// # Panics
/// procjail fails it, or the peers are not as they have to be.
pub(crate) fn judge(
    place: Place,
    scenario: &str,
    peers: Peers,
    story: impl Fn(&Subject) -> Verdict,
) {
    let mut cells = Vec::new();
    let mut wrong = Vec::new();
    let all = subjects(place);
    for subject in &all {
        let mut verdict = story(subject);
        // A peer that has to pass may have been too slow once.
        let must_pass = peers == Peers::AllPass && !subject.is_ours();
        if must_pass && matches!(verdict, Err(Why::Failed(_))) {
            verdict = story(&subject.waited_for());
        }
        let cell = Cell::of(subject, verdict);
        println!("{scenario}: {}: {} {}", cell.init, cell.mark(), cell.why);
        if cell.outcome == Outcome::Failed && (subject.is_ours() || must_pass) {
            wrong.push(format!("{}: {}", cell.init, cell.why));
        }
        cells.push((subject.is_ours(), cell));
    }
    let mut of_peers = cells.iter().filter(|(ours, _)| !ours).peekable();
    if peers == Peers::SomeFails && of_peers.peek().is_some() {
        let fails = of_peers.any(|(_, c)| c.outcome == Outcome::Failed);
        assert!(fails, "{scenario}: no peer was seen to fail it");
    }
    Table::of(place).keep(scenario, cells.into_iter().map(|(_, c)| c).collect());
    assert!(wrong.is_empty(), "{scenario}\n{}", wrong.join("\n"));
}

/// All outcomes in a place: a file of JSON a scenario, and the table of all that there are.
struct Table {
    folder: PathBuf,
}

impl Table {
    fn of(place: Place) -> Self {
        let name = match place {
            Place::FirstProcess => "as-first-process",
            Place::Ordinary => "as-ordinary-process",
        };
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("init-suite");
        Self {
            folder: folder.join(name),
        }
    }

    fn keep(&self, scenario: &str, cells: Vec<Cell>) {
        fs::create_dir_all(&self.folder).unwrap();
        // Tests of one program run side by side, and each renews the whole table.
        let lock = File::create(self.folder.join("lock")).unwrap();
        lock.lock().unwrap();
        let file = self
            .folder
            .join(format!("{}.json", scenario.replace(' ', "-")));
        let row = Row {
            scenario: scenario.to_owned(),
            cells,
        };
        fs::write(file, serde_json::to_string_pretty(&row).unwrap()).unwrap();
        fs::write(self.folder.join("table.txt"), text(&self.rows())).unwrap();
    }

    fn rows(&self) -> Vec<Row> {
        let entries = fs::read_dir(&self.folder).unwrap();
        let paths = entries.map(|e| e.unwrap().path());
        let mut rows: Vec<Row> = paths
            .filter(|p| p.extension().is_some_and(|e| e == "json"))
            .filter_map(|p| serde_json::from_str(&fs::read_to_string(p).ok()?).ok())
            .collect();
        rows.sort_by(|a, b| a.scenario.cmp(&b.scenario));
        rows
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    scenario: String,
    cells: Vec<Cell>,
}

/// A row a scenario, a column an init; below it, what was seen where it failed.
fn text(rows: &[Row]) -> String {
    let mut columns: Vec<&str> = Vec::new();
    for cell in rows.iter().flat_map(|r| &r.cells) {
        if !columns.contains(&cell.init.as_str()) {
            columns.push(&cell.init);
        }
    }
    let wide = rows.iter().map(|r| r.scenario.len()).max().unwrap_or(0);
    let mut text = format!("{:wide$}", "");
    for column in &columns {
        let _ = write!(text, "  {column}");
    }
    let mut notes = String::new();
    for row in rows {
        let _ = write!(text, "\n{:wide$}", row.scenario);
        let cells: BTreeMap<&str, &Cell> = row.cells.iter().map(|c| (c.init.as_str(), c)).collect();
        for column in &columns {
            let cell = cells.get(column);
            let mark = cell.map_or("", |c| c.mark());
            let _ = write!(text, "  {mark:^0$}", column.len());
            if let Some(cell) = cell.filter(|c| !c.why.is_empty()) {
                let _ = writeln!(notes, "{}: {column}: {}", row.scenario, cell.why);
            }
        }
    }
    format!("{text}\n\n{notes}")
}
