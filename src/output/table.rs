//! Tables for people: as wide as the terminal, with nothing in the data that the terminal would act on.
//!
//! A result is drawn in portions, so that memory stays bounded; each portion repeats the header. Where the columns of a
//! portion cannot fit side by side, its rows are drawn one below the other, a line for each cell. A single row of many
//! columns is always drawn so.

use std::io::{self, Write};

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, LineStyle, TableStyle, Width,
};

use super::{Heading, inert, text};
use crate::store::{Column, Kind, RowSink, Value};

/// Rows that are laid out together.
const PORTION: usize = 1000;
/// A single row with more columns than this is drawn as lines.
const ROW_AS_TABLE: usize = 8;
/// A word up to this length is never broken: times, verdicts, account numbers.
const WHOLE_WORD: usize = 20;
/// What is longer is cut, where the width is limited.
const LONGEST: usize = 200;
/// Space between columns.
const GAP: u16 = 2;

/// What a table adapts to.
#[derive(Debug, Clone, Default)]
pub struct TableOptions {
    /// Whether somebody watches: then nothing may act on the terminal, in CSV either.
    pub terminal: bool,
    /// The width of the terminal; `None` does not limit the width.
    pub width: Option<u16>,
    pub color: bool,
    /// The columns to show, in this order; empty for all.
    pub columns: Vec<String>,
    /// What stands above it on a web page.
    pub heading: Heading,
}

pub(super) struct Table<W: Write> {
    writer: W,
    options: TableOptions,
    columns: Vec<Column>,
    /// Which cells of a row are shown.
    shown: Vec<usize>,
    rows: Vec<Vec<String>>,
    portions: usize,
}

impl<W: Write> Table<W> {
    pub(super) fn new(writer: W, options: TableOptions) -> Self {
        Self { writer, options, columns: Vec::new(), shown: Vec::new(), rows: Vec::new(), portions: 0 }
    }

    fn draw(&mut self) -> io::Result<()> {
        if self.portions > 0 {
            writeln!(self.writer)?;
        }
        let least = self.least_widths();
        let single = self.portions == 0 && self.rows.len() == 1 && self.columns.len() > ROW_AS_TABLE;
        if single || !self.fits(&least) {
            self.draw_lines()?;
        } else {
            self.draw_table(&least)?;
        }
        self.rows.clear();
        self.portions += 1;
        Ok(())
    }

    /// The least width of each column: its longest word, as far as words are kept whole.
    fn least_widths(&self) -> Vec<u16> {
        let longest_word = |text: &str| text.split(' ').map(|word| word.chars().count()).max().unwrap_or(0);
        let least = |(index, column): (usize, &Column)| {
            let cells = self.rows.iter().map(|row| longest_word(&row[index]));
            let least = cells.max().unwrap_or(0).max(longest_word(&column.name));
            u16::try_from(least.min(WHOLE_WORD)).unwrap_or(u16::MAX)
        };
        self.columns.iter().enumerate().map(least).collect()
    }

    /// Whether the columns can stand side by side.
    fn fits(&self, least: &[u16]) -> bool {
        let needed: usize = least.iter().map(|width| usize::from(width + GAP)).sum();
        self.options.width.is_none_or(|width| needed <= usize::from(width))
    }

    fn draw_table(&mut self, least: &[u16]) -> io::Result<()> {
        let mut table = comfy_table::Table::new();
        table.load_style(TableStyle::new().header_separator(LineStyle::none().fill('─'))).force_no_tty();
        match self.options.width {
            Some(width) => {
                table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
            }
            None => {
                table.set_content_arrangement(ContentArrangement::Disabled);
            }
        }
        if self.options.color {
            table.enforce_styling();
        }
        table.set_header(
            self.columns.iter().map(|column| Cell::new(inert(&column.name)).add_attribute(Attribute::Bold)),
        );
        for row in &self.rows {
            let cells = row.iter().zip(&self.columns).map(|(cell, column)| paint(cell, &column.name));
            table.add_row(cells);
        }
        for ((index, column), least) in self.columns.iter().enumerate().zip(least) {
            let Some(drawn) = table.column_mut(index) else {
                continue;
            };
            drawn.set_padding((0, GAP));
            if matches!(column.kind, Kind::Integer | Kind::Number) {
                drawn.set_cell_alignment(CellAlignment::Right);
            }
            if self.options.width.is_some() {
                drawn.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least + GAP)));
            }
        }
        for line in table.lines() {
            writeln!(self.writer, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn draw_lines(&mut self) -> io::Result<()> {
        let width = self.columns.iter().map(|column| column.name.chars().count()).max().unwrap_or(0);
        for (index, row) in self.rows.iter().enumerate() {
            if self.rows.len() > 1 {
                writeln!(self.writer, "── {} ──", self.portions * PORTION + index + 1)?;
            }
            for (cell, column) in row.iter().zip(&self.columns) {
                let name = inert(&column.name);
                writeln!(self.writer, "{}", format!("{name:width$}  {cell}").trim_end())?;
            }
        }
        Ok(())
    }
}

impl<W: Write> RowSink for Table<W> {
    fn begin(&mut self, columns: &[Column]) -> io::Result<()> {
        let chosen = &self.options.columns;
        let position = |name: &String| columns.iter().position(|column| column.name == *name);
        self.shown = chosen.iter().filter_map(position).collect();
        if self.shown.is_empty() {
            self.shown = (0..columns.len()).collect();
        }
        self.columns = self.shown.iter().map(|index| columns[*index].clone()).collect();
        Ok(())
    }

    fn row(&mut self, cells: &[Value]) -> io::Result<()> {
        let limited = self.options.width.is_some();
        let show = |index: &usize| {
            let cell = text(&cells[*index]);
            let cell = inert(&cell);
            if limited { cut(&cell) } else { cell.into_owned() }
        };
        let row = self.shown.iter().map(show).collect();
        self.rows.push(row);
        if self.rows.len() == PORTION { self.draw() } else { Ok(()) }
    }

    fn end(&mut self) -> io::Result<()> {
        if !self.rows.is_empty() || self.portions == 0 {
            self.draw()?;
        }
        self.writer.flush()
    }
}

fn cut(cell: &str) -> String {
    match cell.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &cell[..end]),
        None => cell.to_owned(),
    }
}

/// A cell with the colour of what it says: how bad a verdict, a severity or a result is.
fn paint(text: &str, column: &str) -> Cell {
    let cell = Cell::new(text);
    if !matches!(column, "verdict" | "severity" | "result" | "status" | "state") {
        return cell;
    }
    match text {
        "manual" | "unapproved" | "unrecorded" | "unattributed" | "high" | "fail" | "open" => cell.fg(Color::Red),
        "nonconforming" | "medium" | "no-evidence" | "provisional" | "warn" => cell.fg(Color::Yellow),
        "released" | "pass" | "resolved" | "ok" => cell.fg(Color::Green),
        "exempted" => cell.fg(Color::Cyan),
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::super::tests::{cell, render};
    use super::*;

    fn draw(width: Option<u16>, color: bool, columns: &[(&str, Kind)], rows: &[Vec<Value>]) -> String {
        let options = TableOptions { width, color, ..Default::default() };
        render(Format::Table, options, columns, rows)
    }

    const TWO: [(&str, Kind); 2] = [("verdict", Kind::Text), ("n", Kind::Number)];

    #[test]
    fn a_small_table() {
        let rows = [vec![cell("manual"), Value::Int(3)], vec![cell("released"), Value::Int(12)]];
        let expected = "verdict    n\n──────────────\nmanual     3\nreleased  12\n";
        assert_eq!(draw(None, false, &TWO, &rows), expected);
    }

    #[test]
    fn an_empty_result_has_its_header() {
        assert!(draw(None, false, &TWO, &[]).starts_with("verdict  n\n"));
    }

    #[test]
    fn only_we_color() {
        let rows = [vec![cell("manual"), cell("\u{1b}[31mx")]];
        let plain = draw(None, false, &TWO, &rows);
        assert!(!plain.contains('\u{1b}'), "{plain:?}");
        assert!(plain.contains("\\u{1b}[31mx"));
        let colored = draw(None, true, &TWO, &rows);
        assert!(colored.contains('\u{1b}') && colored.contains("\\u{1b}[31mx"), "{colored:?}");
    }

    #[test]
    fn long_cells_stay_within_the_terminal() {
        let rows = [vec![cell(&"word ".repeat(100)), Value::Int(1)]];
        let drawn = draw(Some(60), false, &TWO, &rows);
        assert!(drawn.lines().all(|line| line.chars().count() <= 60), "{drawn}");
        assert!(drawn.contains('…'));
    }

    #[test]
    fn words_are_kept_whole() {
        let columns = [("at", Kind::Time), ("why", Kind::Text)];
        let row = vec![cell("2026-11-03T09:30:00Z"), cell("a person's change is never linked to a release")];
        let drawn = draw(Some(40), false, &columns, &[row.clone(), row.clone()]);
        assert!(drawn.contains("2026-11-03T09:30:00Z  a person's"), "{drawn}");
        let lines = draw(Some(25), false, &columns, &[row.clone(), row]);
        assert!(lines.starts_with("── 1 ──\nat   2026-11-03T09:30:00Z\n"), "{lines}");
    }

    #[test]
    fn too_many_columns_become_lines() {
        let columns: Vec<_> = (0..9).map(|_| ("some-column", Kind::Text)).collect();
        let row = vec![cell("some-value"); 9];
        let drawn = draw(Some(80), false, &columns, &[row.clone(), row.clone()]);
        assert!(drawn.starts_with("── 1 ──\nsome-column  some-value\n"), "{drawn}");
        let single = draw(None, false, &columns, std::slice::from_ref(&row));
        assert!(single.starts_with("some-column  some-value\n"), "{single}");
        let wide = draw(None, false, &columns, &[row.clone(), row]);
        assert_eq!(wide.lines().count(), 4, "{wide}");
    }

    #[test]
    fn chosen_columns_in_their_order() {
        let options = TableOptions { columns: vec!["n".into(), "verdict".into(), "gone".into()], ..Default::default() };
        let drawn = render(Format::Table, options, &TWO, &[vec![cell("manual"), Value::Int(3)]]);
        assert!(drawn.starts_with("n  verdict\n"), "{drawn}");
    }

    #[test]
    fn large_results_come_in_portions() {
        let rows = vec![vec![cell("manual"), Value::Int(3)]; PORTION + 1];
        let drawn = draw(None, false, &TWO, &rows);
        assert_eq!(drawn.matches("verdict").count(), 2);
        assert_eq!(drawn.matches("manual").count(), PORTION + 1);
    }
}
