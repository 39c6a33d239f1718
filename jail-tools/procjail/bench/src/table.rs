//! The report for a person.

use std::fmt::Write;

use record::verdict::Estimate;

use crate::figures::{Figure, ROUNDS_MIN};
use crate::latency::Block;
use crate::machine::Machine;
use crate::report::Report;
use crate::subject::Tool;
use crate::verdict::Judgement;
use crate::{idle, latency, memory, startup};

const NS_PER_MS: f64 = 1e6;
const NS_PER_US: f64 = 1e3;

/// All of it.
pub(crate) fn text(report: &Report) -> String {
    let mut out = String::new();
    let measured = &report.measured;
    if let Some(rows) = &measured.startup {
        out.push_str(&startup_table(rows));
    }
    for block in measured.latency.iter().flatten() {
        out.push_str(&latency_table(block));
    }
    if let Some(rows) = &measured.idle {
        out.push_str(&idle_table(rows));
    }
    if let Some(rows) = &measured.memory {
        out.push_str(&memory_table(rows));
    }
    out.push_str(&legend());
    out.push_str("Verdict:\n");
    for judgement in &report.judgements {
        out.push_str(&judged(judgement));
    }
    out.push_str(&machine(&report.machine));
    for warning in &report.warnings {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "warning: {warning}");
    }
    out
}

fn startup_table(rows: &[startup::Row]) -> String {
    let head = ["/bin/true under", "p50 ms", "p90 ms", "CPU ms", "ours/it"];
    let line = |row: &startup::Row| match row.start.as_result() {
        Ok(start) => vec![
            row.subject.name().into(),
            estimate(&start.wall_ns.p50, NS_PER_MS),
            p90(&start.wall_ns, NS_PER_MS),
            estimate(&start.cpu_ns.p50, NS_PER_MS),
            optional(start.ours_over_it.as_ref()),
        ],
        Err(why) => missing(vec![row.subject.name().into()], why),
    };
    let first = rows.iter().find_map(|row| row.start.figure());
    let title = titled(
        "Start-up, from clone to wait's return",
        first.map(|s| &s.wall_ns),
    );
    section(&title, &head, rows.iter().map(line))
}

fn latency_table(block: &Block) -> String {
    let head = ["SIGTERM through", "p50 us", "p90 us", "ours/it"];
    let line = |row: &latency::Row| match row.latency.as_result() {
        Ok(latency) => vec![
            row.subject.name().into(),
            estimate(&latency.ns.p50, NS_PER_US),
            p90(&latency.ns, NS_PER_US),
            optional(latency.ours_over_it.as_ref()),
        ],
        Err(why) => missing(vec![row.subject.name().into()], why),
    };
    let (from, to) = (block.sender_cpu, block.receiver_cpu);
    let what = format!(
        "Signal to handler, {} ({from} to {to}){}",
        block.stratum.name(),
        apart(&block.line_one_way_ns)
    );
    let first = block.rows.iter().find_map(|row| row.latency.figure());
    let title = titled(&what, first.map(|l| &l.ns));
    section(&title, &head, block.rows.iter().map(line))
}

/// The range, since it is no quantity that has a middle.
fn apart(one_way_ns: &[f64]) -> String {
    let least = one_way_ns.iter().copied().min_by(f64::total_cmp);
    let most = one_way_ns.iter().copied().max_by(f64::total_cmp);
    match least.zip(most) {
        Some((least, most)) => format!("; a cache line goes one way in {least:.0} to {most:.0} ns"),
        None => String::new(),
    }
}

fn idle_table(rows: &[idle::Row]) -> String {
    let head = ["while the command sleeps", "process", "wake-ups/s"];
    let line = |row: &idle::Row| {
        let mut line = vec![row.subject.name().to_owned(), row.role.name().to_owned()];
        match row.wakeups.as_result() {
            Ok(wakeups) => line.push(digits(wakeups.per_s())),
            Err(why) => return missing(line, why),
        }
        line
    };
    let seconds = rows.iter().find_map(|row| row.wakeups.figure());
    let seconds = seconds.map(|w| format!(", watched for {:.1} s", w.seconds));
    let title = format!(
        "Idle{}; context switches of all threads",
        seconds.unwrap_or_default()
    );
    section(&title, &head, rows.iter().map(line))
}

fn memory_table(rows: &[memory::Row]) -> String {
    let head = [
        "while the command sleeps",
        "process",
        "Private_Dirty",
        "Private_Clean",
        "Pss",
        "Rss",
    ];
    let line = |row: &memory::Row| {
        let mut line = vec![row.subject.name().to_owned(), row.role.name().to_owned()];
        match row.memory.as_result() {
            Ok(m) => {
                let kib = [
                    m.private_dirty_kib,
                    m.private_clean_kib,
                    m.pss_kib,
                    m.rss_kib,
                ];
                line.extend(kib.map(|kib| kib.to_string()));
            }
            Err(why) => return missing(line, why),
        }
        line
    };
    let title = "Memory, KiB, each subject by itself";
    section(title, &head, rows.iter().map(line))
}

/// How many values a table rests on.
fn titled(what: &str, figure: Option<&Figure>) -> String {
    figure.map_or_else(
        || what.to_owned(),
        |f| format!("{what}; {} times in {} rounds", f.values, f.rounds),
    )
}

/// A row that ends with the reason why there is no more.
fn missing(mut line: Vec<String>, why: &str) -> Vec<String> {
    line.push(if why == "not installed" {
        why.to_owned()
    } else {
        format!("unavailable ({why})")
    });
    line
}

fn section(title: &str, head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let head = head.iter().map(ToString::to_string).collect();
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    format!("{title}\n{}\n", aligned(&rows))
}

/// Columns, the first to the left. A reason, which ends a row early, may be as long as it is.
fn aligned(rows: &[Vec<String>]) -> String {
    let whole = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter(|r| r.len() == whole || column == 0);
        cells.map(|r| r[column].len()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..whole).map(width).collect();
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

fn p90(figure: &Figure, unit: f64) -> String {
    digits(figure.p90.value / unit)
}

fn optional(ratio: Option<&Estimate>) -> String {
    ratio.map_or_else(|| "-".into(), |e| estimate(e, 1.0))
}

/// `value [low, high]`, or the value alone where the rounds are too few.
fn estimate(e: &Estimate, unit: f64) -> String {
    let value = digits(e.value / unit);
    match (e.low, e.high) {
        (Some(low), Some(high)) => {
            format!("{value} [{}, {}]", digits(low / unit), digits(high / unit))
        }
        _ => value,
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

fn legend() -> String {
    format!(
        "Medians [95 % interval from drawing rounds; it needs {ROUNDS_MIN}]. ours/it: the median of procjail run or\n\
         procjail init over that of the row. \"-\": nothing to compare.\n\n"
    )
}

fn judged(j: &Judgement) -> String {
    let ratio = j
        .ratio
        .as_ref()
        .map(|r| format!("ratio {}", estimate(r, 1.0)));
    let seen = ratio.unwrap_or_else(|| j.seen.clone());
    format!("  {}: {} ({seen})\n", j.promise, j.outcome.name())
}

fn machine(machine: &Machine) -> String {
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "unavailable".into());
    let steal = match machine.steal_share.as_result() {
        Ok(share) => format!("{:.2} %", share * 100.0),
        Err(why) => format!("unavailable ({why})"),
    };
    let mut out = format!(
        "\nLinux {}, {}, CPUs {:?}\nload before {}; after {}; steal {steal}\n",
        known(&machine.kernel),
        known(&machine.processor),
        machine.cpus,
        known(&machine.load_before),
        known(&machine.load_after),
    );
    for (tool, found) in &machine.tools {
        let _ = match found {
            Some(found) => {
                let path = found.path.display();
                writeln!(out, "{path}: {}", known(&found.version))
            }
            None => writeln!(out, "{}: not installed", Tool::name(*tool)),
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        for (value, text) in [(0.0, "0"), (1234.5, "1234"), (0.012_345, "0.0123")] {
            assert_eq!(digits(value), text);
        }
    }

    #[test]
    fn a_reason_stands_where_figures_would_and_widens_no_column() {
        let rows = vec![
            vec!["a".to_owned(), "1".to_owned(), "2".to_owned()],
            missing(vec!["bcd".to_owned()], "not installed"),
            missing(vec!["e".to_owned()], "EPERM"),
        ];
        let expected = "  a    1  2\n  bcd  not installed\n  e    unavailable (EPERM)\n";
        assert_eq!(aligned(&rows), expected);
    }

    #[test]
    fn too_few_rounds_have_no_interval() {
        let e = |low, high| Estimate {
            value: 2.0,
            low,
            high,
        };
        assert_eq!(estimate(&e(None, None), 1.0), "2.00");
        assert_eq!(estimate(&e(Some(1.0), Some(3.0)), 1.0), "2.00 [1.00, 3.00]");
    }
}
