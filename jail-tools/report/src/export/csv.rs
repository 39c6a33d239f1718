//! Quoted as in RFC 4180; lines end in a bare line feed, because a carriage return would become part
//! of the last column in every Unix tool that the output is piped to.

use std::io::{self, Write};

use record::Table;

use super::{Value, Writer, row};

#[derive(Debug, Default)]
pub(super) struct Csv {
    has_header: bool,
}

impl Writer for Csv {
    fn table(&mut self, table: &Table, to: &mut dyn Write) -> io::Result<()> {
        if !self.has_header && !table.columns.is_empty() {
            self.has_header = true;
            let names: Vec<String> = table.columns.iter().map(|(name, _)| quoted(name)).collect();
            to.write_all(names.join(",").as_bytes())?;
            to.write_all(b"\n")?;
        }
        let mut line = String::new();
        for index in 0..table.rows() {
            line.clear();
            for (position, (_, value)) in row(table, index).enumerate() {
                if position > 0 {
                    line.push(',');
                }
                match value {
                    Value::Missing => {}
                    Value::Int(v) => line.push_str(&v.to_string()),
                    // An empty text is quoted, so that it differs from a missing one.
                    Value::Text("") => line.push_str("\"\""),
                    Value::Text(text) => line.push_str(&quoted(text)),
                }
            }
            to.write_all(line.as_bytes())?;
            to.write_all(b"\n")?;
        }
        Ok(())
    }

    fn end(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// A field, in quotes where it needs them.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fields_that_need_quotes_get_them() {
        assert_eq!(quoted("hit"), "hit");
        assert_eq!(quoted("a, \"b\"\n"), "\"a, \"\"b\"\"\n\"");
    }
}
