//! Aligned tables, wrapped text, and colour where it was asked for.

/// How the report is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// ANSI colours.
    pub colour: bool,
    /// Columns of the terminal.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            colour: false,
            width: 100,
        }
    }
}

/// How a piece of text stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Bold,
    Dim,
    Good,
    Bad,
}

impl Style {
    /// The text in a tone.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            _ if !self.colour || text.is_empty() => return text.into(),
            Tone::Plain => return text.into(),
            Tone::Bold => "1",
            Tone::Dim => "2",
            Tone::Good => "32",
            Tone::Bad => "31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// A heading with an empty line before it.
    pub(super) fn heading(self, text: &str) -> String {
        format!("\n{}\n", self.paint(Tone::Bold, text))
    }

    /// Text broken at spaces, every line indented; the first by `first` instead.
    pub(super) fn wrapped(self, first: &str, indent: &str, text: &str) -> String {
        let (mut out, mut line) = (String::new(), first.to_owned());
        let mut empty = true;
        for word in text.split_whitespace() {
            if !empty && chars(&line) + 1 + chars(word) > self.width {
                out.push_str(&line);
                out.push('\n');
                line = indent.into();
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        out + &line + "\n"
    }
}

/// Width on a terminal. All that is printed is one column wide.
pub(super) fn chars(text: &str) -> usize {
    text.chars().count()
}

/// A table: the first column to the left, the others to the right.
#[derive(Debug, Default)]
pub(super) struct Grid {
    rows: Vec<(Tone, Vec<String>)>,
    left: Vec<usize>,
}

impl Grid {
    /// A table with a header.
    pub(super) fn new<S: AsRef<str>>(header: &[S]) -> Self {
        let header = header.iter().map(|h| h.as_ref().to_owned()).collect();
        Self {
            rows: vec![(Tone::Dim, header)],
            left: vec![0],
        }
    }

    /// Aligns another column to the left.
    pub(super) fn align_left(mut self, column: usize) -> Self {
        self.left.push(column);
        self
    }

    /// Adds a row.
    pub(super) fn row(&mut self, tone: Tone, cells: Vec<String>) {
        self.rows.push((tone, cells));
    }

    /// The lines, indented by two.
    pub(super) fn render(&self, style: Style) -> String {
        let columns = self
            .rows
            .iter()
            .map(|(_, cells)| cells.len())
            .max()
            .unwrap_or(0);
        let width = |c: usize| {
            self.rows
                .iter()
                .filter_map(|(_, r)| r.get(c))
                .map(|t| chars(t))
                .max()
        };
        let widths: Vec<usize> = (0..columns).map(|c| width(c).unwrap_or(0)).collect();
        let mut out = String::new();
        for (tone, cells) in &self.rows {
            let mut line = String::new();
            for (column, text) in cells.iter().enumerate() {
                let pad = " ".repeat(widths[column].saturating_sub(chars(text)));
                line.push_str("  ");
                if self.left.contains(&column) {
                    line.push_str(text);
                    line.push_str(&pad);
                } else {
                    line.push_str(&pad);
                    line.push_str(text);
                }
            }
            out.push_str(&style.paint(*tone, line.trim_end()));
            out.push('\n');
        }
        out
    }
}

/// Numbered reasons for figures that are missing; the same reason has the same number.
#[derive(Debug, Default)]
pub(super) struct Footnotes(Vec<String>);

impl Footnotes {
    /// The mark for a missing figure, with the number of its reason.
    pub(super) fn missing(&mut self, why: &str) -> String {
        format!("{}{}", super::units::MISSING, self.mark(why))
    }

    /// The number of a note.
    pub(super) fn mark(&mut self, why: &str) -> String {
        let number = self.0.iter().position(|w| w == why).unwrap_or_else(|| {
            self.0.push(why.into());
            self.0.len() - 1
        });
        format!("({})", number + 1)
    }

    /// The notes, one to a line.
    pub(super) fn render(&self, style: Style) -> String {
        let note =
            |(i, why): (usize, &String)| style.wrapped(&format!("  ({}) ", i + 1), "      ", why);
        self.0.iter().enumerate().map(note).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_letters_they_hold() {
        let mut grid = Grid::new(&["cell", "p50"]);
        grid.row(Tone::Plain, vec!["4k".into(), "1.02 µs".into()]);
        grid.row(Tone::Plain, vec!["64k warm".into(), "–".into()]);
        assert_eq!(
            grid.render(Style::default()),
            "  cell          p50\n  4k        1.02 µs\n  64k warm        –\n"
        );
    }

    #[test]
    fn text_is_broken_at_spaces_within_the_width() {
        let style = Style {
            colour: false,
            width: 12,
        };
        assert_eq!(
            style.wrapped("- ", "  ", "one two three four"),
            "- one two\n  three four\n"
        );
    }

    #[test]
    fn there_is_no_escape_sequence_unless_asked_for() {
        assert_eq!(Style::default().paint(Tone::Bad, "x"), "x");
        assert!(
            Style {
                colour: true,
                width: 80
            }
            .paint(Tone::Bad, "x")
            .contains('\x1b')
        );
    }

    #[test]
    fn one_reason_has_one_number() {
        let mut notes = Footnotes::default();
        assert_eq!(
            [notes.missing("a"), notes.missing("b"), notes.missing("a")],
            ["–(1)", "–(2)", "–(1)"]
        );
    }
}
