//! Nothing that is unavailable is printed as a number, and what is printed as one has a grade: a
//! check of what a run says, in each form in which it says it. It knows the forms, not the run.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::common::Csv;

/// What stands where there is no figure.
const MISSING: char = '–';

/// Everything that a run says.
pub(crate) struct Telling {
    /// The report for a person.
    pub(crate) text: String,
    /// The report as JSON.
    pub(crate) json: Value,
    /// `export --table samples`, as CSV and as JSON.
    pub(crate) samples: (String, Value),
    /// `export --table readings`, as CSV and as JSON.
    pub(crate) readings: (String, Value),
}

/// Every form, one after the other; all that is wrong.
pub(crate) fn nothing_unavailable_is_printed_as_zero(told: &Telling) -> Result<(), String> {
    let mut wrong = in_text(&told.text);
    in_json(&told.json, "", &mut wrong);
    wrong.extend(in_samples(&told.json, &told.samples));
    wrong.extend(in_readings(&told.readings));
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}

/// The lines of the section with this heading, up to the next: headings begin at the margin.
fn section<'a>(text: &'a str, heading: &str) -> Vec<&'a str> {
    let begins = |l: &&str| !l.is_empty() && !l.starts_with(' ');
    text.lines()
        .skip_while(|l| !l.starts_with(heading))
        .skip(1)
        .take_while(|l| !begins(l))
        .collect()
}

/// A list that a line begins with this label, and that further lines go on with, indented deeper.
fn list_after(lines: &[&str], label: &str) -> Option<String> {
    let at = lines
        .iter()
        .position(|l| l.trim_start().starts_with(label))?;
    let indent = |l: &str| l.len() - l.trim_start().len();
    let more = lines[at + 1..]
        .iter()
        .take_while(|l| indent(l) > indent(lines[at]));
    let whole = std::iter::once(&lines[at]).chain(more);
    let text: Vec<&str> = whole.map(|l| l.trim()).collect();
    Some(text.join(" ").replacen(label, "", 1))
}

/// Names of a list of unavailable things: `a, b –(1); c –(2)` or `a –(1), b –(2)`.
fn names(list: &str) -> Vec<String> {
    let marks = list.split([',', ';']);
    let name = |item: &str| {
        item.split(MISSING)
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    marks.map(name).filter(|n| !n.is_empty()).collect()
}

/// The cells of a row: columns are two spaces apart, or more.
fn cells(line: &str) -> Vec<&str> {
    line.split("  ")
        .map(str::trim)
        .filter(|c| !c.is_empty())
        .collect()
}

fn has_digit(text: &str) -> bool {
    text.chars().any(|c| c.is_ascii_digit())
}

fn in_text(text: &str) -> Vec<String> {
    let mut wrong = in_blame(&section(text, "Where the time went"));
    wrong.extend(in_counters(&section(text, "Counters per operation")));
    wrong.extend(in_costs(&section(text, "The observer's cost")));
    wrong.extend(notes_are_there(text));
    wrong
}

const GRADES: [&str; 5] = ["counted", "inferred", "at least", "scaled", "sampled"];

/// One table for each cell, each followed by its lists.
fn in_blame(lines: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    let tables: Vec<&[&str]> = lines
        .split(|l| l.is_empty())
        .filter(|t| t.len() > 1)
        .collect();
    if tables.is_empty() {
        wrong.push("no table of causes".into());
    }
    for table in tables {
        let title = table[0].trim();
        let is_row = |l: &&&str| !l.trim_start().starts_with("watched") && cells(l).len() > 4;
        let rows: Vec<Vec<&str>> = table[1..].iter().filter(is_row).map(|l| cells(l)).collect();
        let [header, rows @ ..] = rows.as_slice() else {
            wrong.push(format!("{title}: no rows"));
            continue;
        };
        if header.first() != Some(&"cause") || header.last() != Some(&"grade") {
            wrong.push(format!("{title}: not a table of causes: {header:?}"));
        }
        for row in rows {
            let grade = row.last().copied().unwrap_or_default();
            if row.len() != header.len() || !GRADES.iter().any(|g| grade.starts_with(g)) {
                wrong.push(format!("{title}: no grade: {row:?}"));
            }
        }
        let unavailable = names(&list_after(table, "unavailable:").unwrap_or_default());
        let watched = list_after(table, "watched, and no time in it:").unwrap_or_default();
        let watched = names(&watched);
        for name in &unavailable {
            if let Some(row) = rows.iter().find(|r| r[0] == name) {
                wrong.push(format!("{title}: {name} is unavailable, and {row:?}"));
            }
            if watched.contains(name) {
                wrong.push(format!("{title}: {name} is unavailable, and watched"));
            }
        }
    }
    wrong
}

fn in_counters(lines: &[&str]) -> Vec<String> {
    let unavailable = names(&list_after(lines, "unavailable:").unwrap_or_default());
    let row = |name: &String| {
        lines.iter().find(|l| {
            let cells = cells(l);
            cells.first().is_some_and(|c| c == name) && cells[1..].iter().any(|c| has_digit(c))
        })
    };
    unavailable
        .iter()
        .filter_map(|name| Some(format!("{name} is unavailable, and {:?}", row(name)?)))
        .collect()
}

/// A cost that is missing has no ratio, and one that is there has a grade.
fn in_costs(lines: &[&str]) -> Vec<String> {
    // The first is the header.
    let rows = lines
        .iter()
        .skip(1)
        .map(|l| cells(l))
        .filter(|c| c.len() >= 4);
    let bad = |c: &Vec<&str>| {
        let missing = c[2].starts_with(MISSING);
        let figures = c[3..].iter().any(|c| has_digit(c));
        let graded = c.last().is_some_and(|g| GRADES.contains(g));
        (missing && figures) || (!missing && has_digit(c[2]) && !graded)
    };
    rows.filter(bad)
        .map(|c| format!("the observer's cost: {c:?}"))
        .collect()
}

/// Each mark for what is missing has its reason below.
fn notes_are_there(text: &str) -> Vec<String> {
    let marks = text.split(MISSING).skip(1);
    let number = |rest: &str| {
        let inside = rest.strip_prefix('(')?.split_once(')')?.0;
        inside.parse::<u32>().ok()
    };
    let has_note = |n: &u32| {
        let begins = format!("({n}) ");
        text.lines().any(|l| l.trim_start().starts_with(&begins))
    };
    marks
        .filter_map(number)
        .filter(|n| !has_note(n))
        .map(|n| format!("the mark ({n}) has no note"))
        .collect()
}

/// How many could tell is known although nothing is.
const COUNTS_OF_OBSERVERS: [&str; 3] = ["observed", "measured", "expected"];

/// A figure that is unavailable has no value, a reason, and nothing derived from it beside it.
fn in_json(value: &Value, path: &str, wrong: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let of = |v: &Value| v.get("grade").and_then(Value::as_str).map(str::to_owned);
            if of(value).as_deref() == Some("unavailable") {
                if !fields.get("value").is_none_or(Value::is_null) {
                    wrong.push(format!("{path}: unavailable, and {value}"));
                }
                if fields
                    .get("why")
                    .and_then(Value::as_str)
                    .is_none_or(str::is_empty)
                {
                    wrong.push(format!("{path}: unavailable without a reason"));
                }
            }
            let missing = fields
                .values()
                .any(|v| of(v).as_deref() == Some("unavailable"));
            for (name, field) in fields {
                let derived = field.is_number() || field.is_array();
                if missing && derived && !COUNTS_OF_OBSERVERS.contains(&name.as_str()) {
                    wrong.push(format!("{path}.{name}: {field} of what is unavailable"));
                }
                in_json(field, &format!("{path}.{name}"), wrong);
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                in_json(item, &format!("{path}[{i}]"), wrong);
            }
        }
        _ => {}
    }
}

/// For each cell, the columns of causes that the report calls unavailable without any operation
/// that could tell: every row of the cell is empty there.
fn in_samples(report: &Value, (csv, json): &(String, Value)) -> Vec<String> {
    let mut blind: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    let experiments = report["analysis"]["experiments"].as_array();
    let cells = experiments
        .into_iter()
        .flatten()
        .filter_map(|e| e["cells"].as_array())
        .flatten();
    for cell in cells {
        let shares = cell["blame"]["all"]["shares"].as_array();
        let unseen = shares.into_iter().flatten().filter(|s| {
            s["total_ns"]["grade"] == "unavailable" && s["observed"].as_u64() == Some(0)
        });
        let columns = unseen.filter_map(|s| s["column"].as_str().map(Into::into));
        blind.insert(cell["cell"].as_i64().unwrap_or(-1), columns.collect());
    }
    let mut wrong = Vec::new();
    let csv = Csv::parse(csv);
    let of_cell = csv.ints("cell");
    for (cell, columns) in &blind {
        for column in columns {
            let values = csv.ints(column);
            let figure = (0..csv.rows.len())
                .find(|row| of_cell[*row] == Some(*cell) && values[*row].is_some());
            if let Some(row) = figure {
                wrong.push(format!(
                    "{column} of cell {cell}, row {row}: {:?}",
                    values[row]
                ));
            }
        }
    }
    for row in json.as_array().into_iter().flatten() {
        let columns = row["cell"].as_i64().and_then(|cell| blind.get(&cell));
        for column in columns.into_iter().flatten() {
            if !row[column].is_null() {
                wrong.push(format!("{column} in JSON: {}", row[column]));
            }
        }
    }
    wrong.truncate(20);
    wrong
}

/// The grade of a reading is the last field, as JSON text.
fn in_readings((csv, json): &(String, Value)) -> Vec<String> {
    let mut wrong = Vec::new();
    for line in csv.lines().filter(|l| l.contains("unavailable")) {
        let figures = line.split(",\"{").next().unwrap_or_default();
        if !figures.ends_with(",,,") && !figures.ends_with(",,") {
            wrong.push(format!("a reading: {line}"));
        }
    }
    for row in json.as_array().into_iter().flatten() {
        let grade = row["grade"].as_str().unwrap_or_default();
        let empty = row["value"].is_null();
        if grade.is_empty() || grade.contains("unavailable") != empty {
            wrong.push(format!("a reading in JSON: {row}"));
        }
    }
    wrong.truncate(20);
    wrong
}

/// The checker can fail: each way of telling a zero that was not seen is found.
#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEXT: &str = "\
jail-tools 0.1.0 · run x

Where the time went

  4k cold random · 500 operations in 36.7 ms; the slowest 1 %: 5 in 985 µs
  cause      per op   share  ops touched  slowest: per op   share  ops touched  grade
  device    35.9 µs  48.9 %          495          99.1 µs  50.3 %            5  inferred (1)
  residual  1.02 µs   1.4 %          496          29.3 µs  14.9 %            5  inferred
  watched, and no time in it: upstream, preempted
  unavailable: wake-up –(2); hard irq, timer irq,
    softirq –(3)
  residual without signs: 3.4 % of all
  (1) getrusage around the operation
  (2) only probes tell it
  (3) no probes
  Every ledger closes: 500 operations re-checked.

Counters per operation (:u: in user mode only), mean over whole trials
  event           4k cold random
  page-faults:u                0
  task-clock              44,751
  unavailable: context-switches –(1), cpu-migrations
    –(1)
  (1) happens in the kernel only: it would read 0

The observer's cost on this machine
  armed              operation            p50  ratio to bare  grade
  bare               warm 4 KiB pread  590 ns  0.990 [0.984–1.000]  counted
  ledger page armed  warm 4 KiB pread    –(1)              –
  (1) unavailable(EPERM)
";

    fn telling() -> Telling {
        Telling {
            text: TEXT.into(),
            json: json!({ "analysis": { "experiments": [{ "cells": [{
                "cell": 3,
                "blame": { "all": { "shares": [
                    { "column": "ledger_hardirq_ns", "share": null, "per_op_ns": null, "observed": 0,
                      "total_ns": { "value": null, "grade": "unavailable", "why": "no probes" } },
                    { "column": "ledger_device_ns", "share": 0.5, "per_op_ns": 3.0, "observed": 9,
                      "total_ns": { "value": 27, "grade": "inferred", "how": "getrusage" } },
                ] } },
                "counters": [
                    { "event": "cpu-migrations", "per_op": null, "measured": 0, "expected": 2,
                      "total": { "value": null, "grade": "unavailable", "why": "kernel only" } },
                ],
            }] }] } }),
            samples: (
                "cell,ledger_device_ns,ledger_hardirq_ns\n3,27,\n".into(),
                json!([{ "cell": 3, "ledger_device_ns": 27, "ledger_hardirq_ns": null }]),
            ),
            readings: (
                "event,value,enabled_ns,running_ns,grade\n\
                 cpu-migrations,,,,\"{\"\"grade\"\":\"\"unavailable\"\",\"\"why\"\":\"\"kernel only\"\"}\"\n"
                    .into(),
                json!([{ "event": "cpu-migrations", "value": null,
                         "grade": "{\"grade\":\"unavailable\",\"why\":\"kernel only\"}" }]),
            ),
        }
    }

    #[track_caller]
    fn is_found(doctored: &Telling, says: &str) {
        let wrong = nothing_unavailable_is_printed_as_zero(doctored).unwrap_err();
        assert!(wrong.contains(says), "{wrong}");
        assert_eq!(wrong.lines().count(), 1, "{wrong}");
    }

    fn with_text(from: &str, to: &str) -> Telling {
        assert!(TEXT.contains(from));
        Telling {
            text: TEXT.replace(from, to),
            ..telling()
        }
    }

    #[test]
    fn an_honest_telling_passes() {
        nothing_unavailable_is_printed_as_zero(&telling()).unwrap();
    }

    #[test]
    fn a_zero_in_the_text_is_found() {
        let residual = "  residual  1.02 µs";
        let row = "  hard irq  0.00 ns     0 %            0          0.00 ns     0 %            0  counted\n";
        is_found(
            &with_text(residual, &format!("{row}{residual}")),
            "hard irq is unavailable, and [",
        );
        is_found(
            &with_text("upstream, preempted", "upstream, preempted, softirq"),
            "softirq is unavailable, and watched",
        );
        is_found(
            &with_text("5  inferred (1)", "5  "),
            "no grade: [\"device\"",
        );
        is_found(
            &with_text("5  inferred (1)", "5  unavailable"),
            "no grade: [\"device\"",
        );
        is_found(
            &with_text(
                "  task-clock ",
                "  cpu-migrations             0\n  task-clock ",
            ),
            "cpu-migrations is unavailable, and",
        );
        is_found(
            &with_text("–(1)              –", "–(1)  0.000 [0.000–0.000]"),
            "the observer's cost",
        );
        is_found(
            &with_text("wake-up –(2)", "wake-up –(9)"),
            "(9) has no note",
        );
    }

    fn with_json(at: &str, value: Value) -> Telling {
        let mut doctored = telling();
        *doctored.json.pointer_mut(at).unwrap() = value;
        doctored
    }

    #[test]
    fn a_zero_in_the_json_is_found() {
        let cell = "/analysis/experiments/0/cells/0";
        let share = format!("{cell}/blame/all/shares/0");
        let zero = json!(0);
        is_found(
            &with_json(&format!("{share}/total_ns/value"), zero.clone()),
            "unavailable, and",
        );
        is_found(
            &with_json(&format!("{share}/per_op_ns"), json!(0.0)),
            "per_op_ns: 0.0 of what is unavailable",
        );
        is_found(
            &with_json(&format!("{cell}/counters/0/per_op"), zero),
            "per_op: 0 of what",
        );
        is_found(
            &with_json(&format!("{share}/total_ns/why"), json!("")),
            "without a reason",
        );
    }

    #[test]
    fn a_zero_in_an_export_is_found() {
        let mut doctored = telling();
        doctored.samples.0 = doctored.samples.0.replace("3,27,\n", "3,27,0\n");
        is_found(&doctored, "ledger_hardirq_ns of cell 3, row 0: Some(0)");
        let mut doctored = telling();
        doctored.samples.1[0]["ledger_hardirq_ns"] = json!(0);
        is_found(&doctored, "ledger_hardirq_ns in JSON: 0");
        let mut doctored = telling();
        doctored.readings.0 = doctored.readings.0.replace(",,,,", ",0,0,0,");
        is_found(&doctored, "a reading: cpu-migrations,0");
        let mut doctored = telling();
        doctored.readings.1[0]["value"] = json!(0);
        is_found(&doctored, "a reading in JSON");
    }
}
