//! Tables as columns, and their Parquet form.
//!
//! Two column types are enough for what is recorded: 64-bit integers and text, both nullable,
//! because missing is never zero. Parquet (snappy) is read as it is by DuckDB, DataFusion,
//! Spark and ClickHouse.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as PhysicalType};
use parquet::column::reader::ColumnReader;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

/// A column of nullable values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// Signed 64-bit integers.
    Int(Vec<Option<i64>>),
    /// UTF-8 text.
    Text(Vec<Option<String>>),
}

impl Column {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Int(v) => v.len(),
            Self::Text(v) => v.len(),
        }
    }

    /// No rows?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A named table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Name (`samples`).
    pub name: String,
    /// Columns in order, all of the same length.
    pub columns: Vec<(String, Column)>,
}

/// What can be wrong with a table on disk.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Parquet refused.
    #[error("parquet: {0}")]
    Parquet(#[from] ParquetError),
    /// A column that this version needs is not there, or has another type.
    #[error("column {0} is missing or has another type: was the run written by another version?")]
    Column(String),
    /// A value that must be there is null or out of range.
    #[error("column {column}, row {row}: null or out of range")]
    Value {
        /// The column.
        column: String,
        /// The row, from 0.
        row: usize,
    },
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            columns: Vec::new(),
        }
    }

    /// Adds a column.
    pub fn push(&mut self, name: &str, column: Column) {
        self.columns.push((name.into(), column));
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |(_, c)| c.len())
    }

    fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|(n, _)| n == name).map(|(_, c)| c)
    }

    /// An integer column.
    ///
    /// # Errors
    /// It does not exist or is not of integers.
    pub fn ints(&self, name: &str) -> Result<&[Option<i64>], TableError> {
        match self.column(name) {
            Some(Column::Int(v)) => Ok(v),
            _ => Err(TableError::Column(name.into())),
        }
    }

    /// A text column.
    ///
    /// # Errors
    /// It does not exist or is not of text.
    pub fn texts(&self, name: &str) -> Result<&[Option<String>], TableError> {
        match self.column(name) {
            Some(Column::Text(v)) => Ok(v),
            _ => Err(TableError::Column(name.into())),
        }
    }

    /// A nullable integer, in the type that the row wants.
    ///
    /// # Errors
    /// The column is missing, or the value does not fit.
    pub fn optional<T: TryFrom<i64>>(
        &self,
        name: &str,
        row: usize,
    ) -> Result<Option<T>, TableError> {
        let bad = || TableError::Value {
            column: name.into(),
            row,
        };
        let value = *self.ints(name)?.get(row).ok_or_else(bad)?;
        value.map(|v| T::try_from(v).map_err(|_| bad())).transpose()
    }

    /// An integer that must be there.
    ///
    /// # Errors
    /// The column is missing, or the value is null or does not fit.
    pub fn required<T: TryFrom<i64>>(&self, name: &str, row: usize) -> Result<T, TableError> {
        self.optional(name, row)?.ok_or_else(|| TableError::Value {
            column: name.into(),
            row,
        })
    }

    /// An integer column in the type that the rows want.
    ///
    /// # Errors
    /// The column is missing, or a value does not fit.
    pub fn optional_column<T: TryFrom<i64>>(
        &self,
        name: &str,
    ) -> Result<Vec<Option<T>>, TableError> {
        let bad = |row| TableError::Value {
            column: name.into(),
            row,
        };
        let convert = |(row, v): (usize, &Option<i64>)| {
            v.map(|v| T::try_from(v).map_err(|_| bad(row))).transpose()
        };
        self.ints(name)?.iter().enumerate().map(convert).collect()
    }

    /// An integer column without nulls, in the type that the rows want.
    ///
    /// # Errors
    /// The column is missing, or a value is null or does not fit.
    pub fn required_column<T: TryFrom<i64>>(&self, name: &str) -> Result<Vec<T>, TableError> {
        let bad = |row| TableError::Value {
            column: name.into(),
            row,
        };
        let convert = |(row, v): (usize, &Option<i64>)| {
            v.and_then(|v| T::try_from(v).ok()).ok_or_else(|| bad(row))
        };
        self.ints(name)?.iter().enumerate().map(convert).collect()
    }

    /// Appends the rows of another table with the same columns.
    ///
    /// # Errors
    /// The columns differ.
    pub fn append(&mut self, other: Self) -> Result<(), TableError> {
        if self.columns.is_empty() {
            self.columns = other.columns;
            return Ok(());
        }
        if self.columns.len() != other.columns.len() {
            return Err(TableError::Column(format!(
                "(count) {}",
                other.columns.len()
            )));
        }
        for ((name, mine), (theirs_name, theirs)) in self.columns.iter_mut().zip(other.columns) {
            match (mine, theirs) {
                (Column::Int(a), Column::Int(b)) if *name == theirs_name => a.extend(b),
                (Column::Text(a), Column::Text(b)) if *name == theirs_name => a.extend(b),
                _ => return Err(TableError::Column(theirs_name)),
            }
        }
        Ok(())
    }

    /// Writes the table as one Parquet file.
    ///
    /// # Errors
    /// Writing fails.
    pub fn write_parquet<W: Write + Send>(&self, to: W) -> Result<(), TableError> {
        let fields = self
            .columns
            .iter()
            .map(|(name, column)| field(name, column))
            .collect::<Result<Vec<_>, _>>()?;
        let schema = Arc::new(
            Type::group_type_builder(&self.name)
                .with_fields(fields)
                .build()?,
        );
        let properties = Arc::new(
            WriterProperties::builder()
                .set_compression(Compression::SNAPPY)
                .build(),
        );
        let mut writer = SerializedFileWriter::new(to, schema, properties)?;
        let mut group = writer.next_row_group()?;
        for (_, column) in &self.columns {
            let Some(mut to) = group.next_column()? else {
                break;
            };
            match column {
                Column::Int(v) => {
                    let values: Vec<i64> = v.iter().flatten().copied().collect();
                    to.typed::<Int64Type>()
                        .write_batch(&values, Some(&levels(v)), None)?;
                }
                Column::Text(v) => {
                    let values: Vec<ByteArray> = v
                        .iter()
                        .flatten()
                        .map(|s| ByteArray::from(s.as_str()))
                        .collect();
                    to.typed::<ByteArrayType>()
                        .write_batch(&values, Some(&levels(v)), None)?;
                }
            }
            to.close()?;
        }
        group.close()?;
        writer.close()?;
        Ok(())
    }

    /// Reads a table from a Parquet file that this project wrote.
    ///
    /// # Errors
    /// The file is damaged, or has a column of a type that this project does not write.
    pub fn read_parquet<R: ChunkReader + 'static>(name: &str, from: R) -> Result<Self, TableError> {
        let reader = SerializedFileReader::new(from)?;
        let schema = reader.metadata().file_metadata().schema_descr_ptr();
        let mut table = Self::new(name);
        for index in 0..schema.num_columns() {
            let column_name = schema.column(index).name().to_owned();
            let mut all: Option<Column> = None;
            for g in 0..reader.num_row_groups() {
                let group = reader.get_row_group(g)?;
                let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
                let part = read_column(group.get_column_reader(index)?, rows, &column_name)?;
                match (&mut all, part) {
                    (None, part) => all = Some(part),
                    (Some(Column::Int(a)), Column::Int(b)) => a.extend(b),
                    (Some(Column::Text(a)), Column::Text(b)) => a.extend(b),
                    _ => return Err(TableError::Column(column_name)),
                }
            }
            let empty = || match schema.column(index).physical_type() {
                PhysicalType::BYTE_ARRAY => Column::Text(Vec::new()),
                _ => Column::Int(Vec::new()),
            };
            let column = all.unwrap_or_else(empty);
            if index > 0 && column.len() != table.rows() {
                return Err(TableError::Value {
                    column: column_name,
                    row: column.len().min(table.rows()),
                });
            }
            table.push(&column_name, column);
        }
        Ok(table)
    }
}

fn field(name: &str, column: &Column) -> Result<Arc<Type>, ParquetError> {
    let builder = match column {
        Column::Int(_) => Type::primitive_type_builder(name, PhysicalType::INT64),
        Column::Text(_) => Type::primitive_type_builder(name, PhysicalType::BYTE_ARRAY)
            .with_logical_type(Some(LogicalType::String)),
    };
    Ok(Arc::new(
        builder.with_repetition(Repetition::OPTIONAL).build()?,
    ))
}

/// Definition levels: 1 where there is a value, 0 where it is null.
fn levels<T>(values: &[Option<T>]) -> Vec<i16> {
    values.iter().map(|v| i16::from(v.is_some())).collect()
}

fn nullable<T>(values: Vec<T>, levels: &[i16]) -> Vec<Option<T>> {
    let mut values = values.into_iter();
    levels
        .iter()
        .map(|l| if *l > 0 { values.next() } else { None })
        .collect()
}

fn read_column(reader: ColumnReader, rows: usize, name: &str) -> Result<Column, TableError> {
    let mut levels = Vec::with_capacity(rows);
    match reader {
        ColumnReader::Int64ColumnReader(mut r) => {
            let mut values = Vec::with_capacity(rows);
            while levels.len() < rows {
                if r.read_records(rows - levels.len(), Some(&mut levels), None, &mut values)?
                    .0
                    == 0
                {
                    break;
                }
            }
            Ok(Column::Int(nullable(values, &levels)))
        }
        ColumnReader::ByteArrayColumnReader(mut r) => {
            let mut values: Vec<ByteArray> = Vec::with_capacity(rows);
            while levels.len() < rows {
                if r.read_records(rows - levels.len(), Some(&mut levels), None, &mut values)?
                    .0
                    == 0
                {
                    break;
                }
            }
            let texts = values
                .into_iter()
                .map(|b| b.as_utf8().map(str::to_owned))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(Column::Text(nullable(texts, &levels)))
        }
        _ => Err(TableError::Column(name.into())),
    }
}
