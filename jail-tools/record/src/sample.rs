//! One operation: the rows of the `samples` table.

use serde::{Deserialize, Serialize};

use crate::ledger::{CAUSES, Causes};
use crate::table::{Column, Table, TableError};

/// How an operation was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// No page was added to the page cache, and the thread did not sleep.
    Hit,
    /// Some of the demanded pages were added.
    Partial,
    /// All demanded pages were added (or the cache was bypassed and the device was read).
    Miss,
    /// No page was added, but the thread slept: somebody else's I/O.
    Wait,
    /// The experiment has no such classes, or nothing that could tell was armed.
    Unknown,
}

impl Class {
    /// Name in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Partial => "partial",
            Self::Miss => "miss",
            Self::Wait => "wait",
            Self::Unknown => "unknown",
        }
    }

    /// From the name in the table.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::Hit,
            Self::Partial,
            Self::Miss,
            Self::Wait,
            Self::Unknown,
        ]
        .into_iter()
        .find(|c| c.name() == name)
    }
}

/// One measured operation.
///
/// `Option` fields are `None` where nothing that could tell was armed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Trial, as in the plan's schedule.
    pub trial: u32,
    /// Cell, as in the plan.
    pub cell: u32,
    /// Measured thread within the trial, from 0.
    pub thread: u32,
    /// Operation within the thread, from 0.
    pub op: u64,
    /// CLOCK_MONOTONIC at the start, ns.
    pub start_ns: u64,
    /// From start to end, ns.
    pub latency_ns: i64,
    /// Units of work in the operation (1 for a read; iterations of a time slice).
    pub units: u64,
    /// The closed ledger.
    pub causes: Causes,
    /// Steal reported during the operation that belongs to earlier ones, ns.
    pub steal_late_ns: Option<i64>,
    /// Pages that the operation covers.
    pub pages: Option<u32>,
    /// Demanded pages that were added to the page cache within it, by probe.
    pub pages_missed: Option<u32>,
    /// Pages that readahead added beyond the demand within it, by probe.
    pub pages_readahead: Option<u32>,
    /// Demanded pages that were resident just before it, by the oracle.
    pub oracle_resident_pages: Option<u32>,
    /// Block requests that the thread issued.
    pub requests: Option<u32>,
    /// Bytes of those requests.
    pub request_bytes: Option<u64>,
    /// Device time of the requests that completed, issue to completion, summed. Overlaps with
    /// the ledger's causes, so it is not one of them, ns.
    pub request_ns: Option<u64>,
    /// Interrupts while the thread was current.
    pub interrupts: Option<u32>,
    /// Switches away: voluntary and not.
    pub switches_voluntary: Option<u32>,
    /// Switches away while runnable.
    pub switches_involuntary: Option<u32>,
    /// Page faults, user and kernel addresses together.
    pub faults: Option<u32>,
    /// Changes of CPU.
    pub migrations: Option<u32>,
    /// Missed switches that were healed.
    pub gaps: Option<u32>,
    /// What the operation returned (bytes), or minus errno.
    pub result: i64,
    /// How the operation was found.
    pub class: Class,
}

fn opt<T: Copy, F: Fn(&Sample) -> Option<T>>(rows: &[Sample], f: F) -> Column
where
    i64: TryFrom<T>,
{
    Column::Int(
        rows.iter()
            .map(|s| f(s).and_then(|v| i64::try_from(v).ok()))
            .collect(),
    )
}

impl Sample {
    /// The rows as columns, in the documented order.
    #[must_use]
    pub fn to_table(rows: &[Self]) -> Table {
        let mut t = Table::new("samples");
        t.push("trial", opt(rows, |s| Some(s.trial)));
        t.push("cell", opt(rows, |s| Some(s.cell)));
        t.push("thread", opt(rows, |s| Some(s.thread)));
        t.push("op", opt(rows, |s| Some(s.op)));
        t.push("start_ns", opt(rows, |s| Some(s.start_ns)));
        t.push("latency_ns", opt(rows, |s| Some(s.latency_ns)));
        t.push("units", opt(rows, |s| Some(s.units)));
        for (i, cause) in CAUSES.iter().enumerate() {
            t.push(cause.column, opt(rows, |s| s.causes.0[i]));
        }
        t.push("steal_late_ns", opt(rows, |s| s.steal_late_ns));
        t.push("pages", opt(rows, |s| s.pages));
        t.push("pages_missed", opt(rows, |s| s.pages_missed));
        t.push("pages_readahead", opt(rows, |s| s.pages_readahead));
        t.push(
            "oracle_resident_pages",
            opt(rows, |s| s.oracle_resident_pages),
        );
        t.push("requests", opt(rows, |s| s.requests));
        t.push("request_bytes", opt(rows, |s| s.request_bytes));
        t.push("request_ns", opt(rows, |s| s.request_ns));
        t.push("interrupts", opt(rows, |s| s.interrupts));
        t.push("switches_voluntary", opt(rows, |s| s.switches_voluntary));
        t.push(
            "switches_involuntary",
            opt(rows, |s| s.switches_involuntary),
        );
        t.push("faults", opt(rows, |s| s.faults));
        t.push("migrations", opt(rows, |s| s.migrations));
        t.push("gaps", opt(rows, |s| s.gaps));
        t.push("result", opt(rows, |s| Some(s.result)));
        t.push(
            "class",
            Column::Text(rows.iter().map(|s| Some(s.class.name().into())).collect()),
        );
        t
    }

    /// The rows of a `samples` table.
    ///
    /// # Errors
    /// A column that is missing or of another type, a required value that is null or out of range.
    pub fn from_table(t: &Table) -> Result<Vec<Self>, TableError> {
        // Columns are looked up once: a run has millions of rows.
        let mut rows = blank(&t.required_column("trial")?);
        fill(&mut rows, t.required_column("cell")?, |s, v| s.cell = v);
        fill(&mut rows, t.required_column("thread")?, |s, v| s.thread = v);
        fill(&mut rows, t.required_column("op")?, |s, v| s.op = v);
        fill(&mut rows, t.required_column("start_ns")?, |s, v| {
            s.start_ns = v;
        });
        fill(&mut rows, t.required_column("latency_ns")?, |s, v| {
            s.latency_ns = v;
        });
        fill(&mut rows, t.required_column("units")?, |s, v| s.units = v);
        fill(&mut rows, t.required_column("result")?, |s, v| s.result = v);
        fill(&mut rows, t.optional_column("steal_late_ns")?, |s, v| {
            s.steal_late_ns = v;
        });
        fill(&mut rows, t.optional_column("pages")?, |s, v| s.pages = v);
        fill(&mut rows, t.optional_column("pages_missed")?, |s, v| {
            s.pages_missed = v;
        });
        fill(&mut rows, t.optional_column("pages_readahead")?, |s, v| {
            s.pages_readahead = v;
        });
        fill(
            &mut rows,
            t.optional_column("oracle_resident_pages")?,
            |s, v| s.oracle_resident_pages = v,
        );
        fill(&mut rows, t.optional_column("requests")?, |s, v| {
            s.requests = v;
        });
        fill(&mut rows, t.optional_column("request_bytes")?, |s, v| {
            s.request_bytes = v;
        });
        fill(&mut rows, t.optional_column("request_ns")?, |s, v| {
            s.request_ns = v;
        });
        fill(&mut rows, t.optional_column("interrupts")?, |s, v| {
            s.interrupts = v;
        });
        fill(
            &mut rows,
            t.optional_column("switches_voluntary")?,
            |s, v| s.switches_voluntary = v,
        );
        fill(
            &mut rows,
            t.optional_column("switches_involuntary")?,
            |s, v| s.switches_involuntary = v,
        );
        fill(&mut rows, t.optional_column("faults")?, |s, v| s.faults = v);
        fill(&mut rows, t.optional_column("migrations")?, |s, v| {
            s.migrations = v;
        });
        fill(&mut rows, t.optional_column("gaps")?, |s, v| s.gaps = v);
        for (part, cause) in CAUSES.iter().enumerate() {
            fill(&mut rows, t.ints(cause.column)?.iter().copied(), |s, ns| {
                s.causes.0[part] = ns;
            });
        }
        let class = |(row, name): (usize, &Option<String>)| {
            let bad = || TableError::Value {
                column: "class".into(),
                row,
            };
            name.as_deref().and_then(Class::from_name).ok_or_else(bad)
        };
        let classes = t
            .texts("class")?
            .iter()
            .enumerate()
            .map(class)
            .collect::<Result<Vec<_>, _>>()?;
        fill(&mut rows, classes, |s, class| s.class = class);
        Ok(rows)
    }
}

fn fill<T>(rows: &mut [Sample], values: impl IntoIterator<Item = T>, set: impl Fn(&mut Sample, T)) {
    rows.iter_mut()
        .zip(values)
        .for_each(|(row, value)| set(row, value));
}

/// Rows of which only the trial is known yet.
fn blank(trials: &[u32]) -> Vec<Sample> {
    let row = |trial: &u32| Sample {
        trial: *trial,
        cell: 0,
        thread: 0,
        op: 0,
        start_ns: 0,
        latency_ns: 0,
        units: 0,
        causes: Causes::default(),
        steal_late_ns: None,
        pages: None,
        pages_missed: None,
        pages_readahead: None,
        oracle_resident_pages: None,
        requests: None,
        request_bytes: None,
        request_ns: None,
        interrupts: None,
        switches_voluntary: None,
        switches_involuntary: None,
        faults: None,
        migrations: None,
        gaps: None,
        result: 0,
        class: Class::Unknown,
    };
    trials.iter().map(row).collect()
}
