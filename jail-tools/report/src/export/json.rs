//! An array of objects, one to a line.

use std::io::{self, Write};

use record::Table;

use super::{Value, Writer, row};

#[derive(Debug, Default)]
pub(super) struct Json {
    rows: u64,
}

impl Writer for Json {
    fn table(&mut self, table: &Table, to: &mut dyn Write) -> io::Result<()> {
        for index in 0..table.rows() {
            to.write_all(if self.rows == 0 { b"[\n{" } else { b",\n{" })?;
            self.rows += 1;
            for (position, (name, value)) in row(table, index).enumerate() {
                if position > 0 {
                    to.write_all(b",")?;
                }
                serde_json::to_writer(&mut *to, name)?;
                to.write_all(b":")?;
                match value {
                    Value::Missing => to.write_all(b"null")?,
                    Value::Int(v) => write!(to, "{v}")?,
                    Value::Text(text) => serde_json::to_writer(&mut *to, text)?,
                }
            }
            to.write_all(b"}")?;
        }
        Ok(())
    }

    fn end(&mut self, to: &mut dyn Write) -> io::Result<()> {
        to.write_all(if self.rows == 0 { b"[]\n" } else { b"\n]\n" })
    }
}
