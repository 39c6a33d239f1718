//! `jail-tools export`: a run's tables as CSV or JSON, streamed trial by trial.

mod csv;
mod json;
mod trials;

use std::io::{self, Write};
use std::str::FromStr;

use record::run_dir::RunError;
use record::{Column, Reading, RunDir, Sample, Table, TrialRecord};

/// A table that can be exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableName {
    /// One row for each operation.
    Samples,
    /// One row for each reading of a counter.
    Readings,
    /// One row for each trial.
    Trials,
}

/// Form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Quoted as in RFC 4180, with a header; a missing value is an empty field.
    Csv,
    /// An array of objects; a missing value is null.
    Json,
}

/// What can go wrong with an export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// No such table.
    #[error("no table `{0}`: choose samples, readings or trials")]
    UnknownTable(String),
    /// No such format.
    #[error("no format `{0}`: choose csv or json")]
    UnknownFormat(String),
    /// The run cannot be read.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Some trials cannot be read. All the others were exported.
    #[error("exported all but {} trial(s) that cannot be read: {}", .0.len(), .0.join("; "))]
    Damaged(Vec<String>),
    /// Writing failed.
    #[error("write the export: {0}")]
    Write(#[from] io::Error),
}

impl FromStr for TableName {
    type Err = ExportError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "samples" => Ok(Self::Samples),
            "readings" => Ok(Self::Readings),
            "trials" => Ok(Self::Trials),
            _ => Err(ExportError::UnknownTable(name.into())),
        }
    }
}

impl FromStr for Format {
    type Err = ExportError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "csv" => Ok(Self::Csv),
            "json" => Ok(Self::Json),
            _ => Err(ExportError::UnknownFormat(name.into())),
        }
    }
}

/// One value of a table.
#[derive(Debug, Clone, Copy)]
enum Value<'a> {
    Missing,
    Int(i64),
    Text(&'a str),
}

/// Writes tables with the same columns one after the other.
trait Writer {
    fn table(&mut self, table: &Table, to: &mut dyn Write) -> io::Result<()>;
    fn end(&mut self, to: &mut dyn Write) -> io::Result<()>;
}

/// Writes a table of a run, by names.
///
/// A reader that closes the pipe (`| head`) has had enough: that is not an error.
///
/// # Errors
/// No such table or format (the error lists those that there are), a run that cannot be read, or
/// a write that fails.
pub fn export(
    run: &RunDir,
    table: &str,
    format: &str,
    to: &mut impl Write,
) -> Result<(), ExportError> {
    let (table, format) = (table.parse()?, format.parse()?);
    match export_table(run, table, format, to) {
        Err(ExportError::Write(e)) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

fn export_table(
    run: &RunDir,
    name: TableName,
    format: Format,
    to: &mut dyn Write,
) -> Result<(), ExportError> {
    let mut writer: Box<dyn Writer> = match format {
        Format::Csv => Box::new(csv::Csv::default()),
        Format::Json => Box::new(json::Json::default()),
    };
    let (mut records, mut damaged) = (Vec::new(), Vec::new());
    for record in run.each_trial()? {
        match record {
            Ok(record) => records.push(record),
            Err(e) => damaged.push(e.to_string()),
        }
    }
    match name {
        TableName::Trials => writer.table(&trials::table(&run.manifest()?, &records), to)?,
        TableName::Samples => {
            writer.table(&Sample::to_table(&[]), to)?;
            damaged.extend(rows_of(run, "samples", &records, writer.as_mut(), to)?);
        }
        TableName::Readings => {
            writer.table(&Reading::to_table(&[]), to)?;
            damaged.extend(rows_of(run, "readings", &records, writer.as_mut(), to)?);
        }
    }
    writer.end(to)?;
    to.flush()?;
    if damaged.is_empty() {
        Ok(())
    } else {
        Err(ExportError::Damaged(damaged))
    }
}

/// Writes one trial after the other, and returns what is wrong with those that cannot be read.
fn rows_of(
    run: &RunDir,
    kind: &str,
    records: &[TrialRecord],
    writer: &mut dyn Writer,
    to: &mut dyn Write,
) -> io::Result<Vec<String>> {
    let mut damaged = Vec::new();
    for record in records {
        match run.table(kind, record) {
            Ok(table) => writer.table(&table, to)?,
            Err(e) => damaged.push(e.to_string()),
        }
    }
    Ok(damaged)
}

/// The values of a row, in the order of the columns.
fn row(table: &Table, row: usize) -> impl Iterator<Item = (&str, Value<'_>)> {
    table.columns.iter().map(move |(name, column)| {
        let value = match column {
            Column::Int(v) => v.get(row).copied().flatten().map(Value::Int),
            Column::Text(v) => v.get(row).and_then(Option::as_deref).map(Value::Text),
        };
        (name.as_str(), value.unwrap_or(Value::Missing))
    })
}
