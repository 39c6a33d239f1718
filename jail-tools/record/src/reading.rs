//! One reading of one perf counter: the rows of the `readings` table.

use serde::{Deserialize, Serialize};

use crate::grade::Grade;
use crate::table::{Column, Table, TableError};

/// When in the trial a reading was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// By the measured thread, just before the first operation.
    Start,
    /// By another thread, in between.
    Series,
    /// By the measured thread, just after the last operation.
    End,
}

impl Moment {
    /// Name in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Series => "series",
            Self::End => "end",
        }
    }
}

/// A cumulative counter value at a moment. Raw: nothing is scaled on the way to the disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Trial.
    pub trial: u32,
    /// Cell.
    pub cell: u32,
    /// Measured thread within the trial.
    pub thread: u32,
    /// CLOCK_MONOTONIC, ns.
    pub at_ns: u64,
    /// Start, series or end.
    pub moment: Moment,
    /// Name of the event, as in the table of events.
    pub event: String,
    /// The counter, unscaled; `None` if it could not be opened or read.
    pub value: Option<u64>,
    /// Nanoseconds enabled.
    pub enabled_ns: Option<u64>,
    /// Nanoseconds counting.
    pub running_ns: Option<u64>,
    /// Grade of this reading.
    pub grade: Grade,
}

impl Reading {
    /// The rows as columns.
    #[must_use]
    pub fn to_table(rows: &[Self]) -> Table {
        let int = |f: &dyn Fn(&Self) -> Option<i64>| Column::Int(rows.iter().map(f).collect());
        let text =
            |f: &dyn Fn(&Self) -> String| Column::Text(rows.iter().map(|r| Some(f(r))).collect());
        let mut t = Table::new("readings");
        t.push("trial", int(&|r| Some(i64::from(r.trial))));
        t.push("cell", int(&|r| Some(i64::from(r.cell))));
        t.push("thread", int(&|r| Some(i64::from(r.thread))));
        t.push("at_ns", int(&|r| i64::try_from(r.at_ns).ok()));
        t.push("moment", text(&|r| r.moment.name().into()));
        t.push("event", text(&|r| r.event.clone()));
        t.push(
            "value",
            int(&|r| r.value.and_then(|v| i64::try_from(v).ok())),
        );
        t.push(
            "enabled_ns",
            int(&|r| r.enabled_ns.and_then(|v| i64::try_from(v).ok())),
        );
        t.push(
            "running_ns",
            int(&|r| r.running_ns.and_then(|v| i64::try_from(v).ok())),
        );
        t.push(
            "grade",
            text(&|r| serde_json::to_string(&r.grade).unwrap_or_default()),
        );
        t
    }

    /// The rows of a `readings` table.
    ///
    /// # Errors
    /// A column that is missing or of another type, a required value that is null or out of range.
    pub fn from_table(t: &Table) -> Result<Vec<Self>, TableError> {
        let (moment, event, grade) = (t.texts("moment")?, t.texts("event")?, t.texts("grade")?);
        let bad = |column: &str, row| TableError::Value {
            column: column.into(),
            row,
        };
        (0..t.rows())
            .map(|i| {
                Ok(Self {
                    trial: t.required("trial", i)?,
                    cell: t.required("cell", i)?,
                    thread: t.required("thread", i)?,
                    at_ns: t.required("at_ns", i)?,
                    moment: match moment[i].as_deref() {
                        Some("start") => Moment::Start,
                        Some("series") => Moment::Series,
                        Some("end") => Moment::End,
                        _ => return Err(bad("moment", i)),
                    },
                    event: event[i].clone().ok_or_else(|| bad("event", i))?,
                    value: t.optional("value", i)?,
                    enabled_ns: t.optional("enabled_ns", i)?,
                    running_ns: t.optional("running_ns", i)?,
                    grade: grade[i]
                        .as_deref()
                        .and_then(|g| serde_json::from_str(g).ok())
                        .ok_or_else(|| bad("grade", i))?,
                })
            })
            .collect()
    }
}
