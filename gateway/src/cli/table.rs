//! Aligned columns for people; colours only where the session has them.

use unicode_width::UnicodeWidthStr;

/// How a cell stands out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tone {
    #[default]
    Plain,
    /// Headings.
    Strong,
    Good,
    Bad,
}

impl Tone {
    /// Select graphic rendition (ECMA-48).
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Strong => Some("1"),
            Self::Good => Some("32"),
            Self::Bad => Some("31"),
        }
    }

    pub(super) fn paint(self, text: &str, colour: bool) -> String {
        match self.code().filter(|_| colour && !text.is_empty()) {
            Some(code) => format!("\u{1b}[{code}m{}\u{1b}[0m", calm(text)),
            None => calm(text),
        }
    }
}

/// What came from elsewhere, be it a name that a terminal chose, must not move the cursor.
pub(super) fn calm(text: &str) -> String {
    text.replace(|one: char| one.is_control() && one != '\n', " ")
}

pub(super) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// Breaks no line either.
    pub(super) fn new(text: impl Into<String>, tone: Tone) -> Self {
        let text: String = text.into();
        let text = text.replace(char::is_control, " ");
        Self { text, tone }
    }

    /// With more text behind.
    pub(super) fn with(self, more: &str) -> Self {
        Self::new(self.text + more, self.tone)
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// Rows of cells, each column as wide as its widest one.
#[derive(Default)]
pub(super) struct Table {
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(super) fn with_head(names: impl IntoIterator<Item = String>) -> Self {
        let head = names.into_iter().map(|name| Cell::new(name, Tone::Strong));
        Self {
            rows: vec![head.collect()],
        }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// A name and its value.
    pub(super) fn field(&mut self, name: String, value: impl Into<Cell>) {
        self.row([name.into(), value.into()]);
    }

    /// The lines, each with its end.
    pub(super) fn text(&self, colour: bool) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells
                    .map(|cell| cell.text.width())
                    .max()
                    .unwrap_or_default()
            })
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            let mut behind = 0;
            for (cell, width) in row.iter().zip(&widths) {
                let painted = cell.tone.paint(&cell.text, colour);
                line.push_str(&" ".repeat(behind));
                line.push_str(&painted);
                behind = width - cell.text.width() + 2;
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::with_head(["Имя".to_owned(), "Порт".to_owned()]);
        table.row(["Склад 商".into(), Cell::new("9706", Tone::Good)]);
        table
    }

    #[test]
    fn columns_stand_under_each_other_in_any_script() {
        assert_eq!(table().text(false), "Имя       Порт\nСклад 商  9706\n");
    }

    #[test]
    fn colour_is_there_only_where_it_was_asked_for() {
        assert!(table().text(true).contains("\u{1b}[32m9706\u{1b}[0m"));
        assert!(!table().text(false).contains('\u{1b}'));
    }

    #[test]
    fn a_name_cannot_move_the_cursor() {
        let mut table = Table::default();
        table.row(["a\u{1b}[2Jb\nc".into()]);
        assert_eq!(table.text(true), "a [2Jb c\n");
    }
}
