//! CSV after RFC 4180, UTF-8.
//!
//! A text cell that a spreadsheet would run as a formula gets a leading `'`. Numbers are numbers: `-5` stays. On a
//! terminal nothing acts, as in a table; in a file and for other programs every character stays what it is.

use std::borrow::Cow;
use std::io::{self, Write};

use super::{inert, text};
use crate::store::{Column, Kind, RowSink, Value};

pub(super) struct Csv<W: Write> {
    writer: csv::Writer<W>,
    terminal: bool,
    kinds: Vec<Kind>,
}

impl<W: Write> Csv<W> {
    pub(super) fn new(writer: W, terminal: bool) -> Self {
        let writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(writer);
        Self { writer, terminal, kinds: Vec::new() }
    }

    fn write(&mut self, field: &str) -> io::Result<()> {
        let field = if self.terminal { inert(field) } else { Cow::Borrowed(field) };
        self.writer.write_field(field.as_bytes()).map_err(into_io)
    }

    fn end_row(&mut self) -> io::Result<()> {
        self.writer.write_record(None::<&[u8]>).map_err(into_io)
    }
}

impl<W: Write> RowSink for Csv<W> {
    fn begin(&mut self, columns: &[Column]) -> io::Result<()> {
        self.kinds = columns.iter().map(|column| column.kind).collect();
        for column in columns {
            self.write(&neutral(&column.name))?;
        }
        self.end_row()
    }

    fn row(&mut self, cells: &[Value]) -> io::Result<()> {
        for (index, cell) in cells.iter().enumerate() {
            // Decimals, and integers beyond 64 bits, are numbers that come as text.
            let is_number = matches!(self.kinds.get(index), Some(Kind::Integer | Kind::Number));
            match cell {
                Value::Text(text) if !is_number => self.write(&neutral(text))?,
                other => self.write(&text(other))?,
            }
        }
        self.end_row()
    }

    fn end(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// The text as a cell that no spreadsheet runs.
fn neutral(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Keeps the kind of an I/O error: a broken pipe is no failure.
fn into_io(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{cell, render};
    use super::super::{Format, TableOptions};
    use super::*;
    use crate::store::Kind;

    fn check(cells: Vec<Value>, expected: &str) {
        let columns: Vec<_> = cells.iter().map(|_| ("=c", Kind::Text)).collect();
        let written = render(Format::Csv, TableOptions::default(), &columns, &[cells]);
        let (header, row) = written.split_once("\r\n").unwrap();
        assert!(header.starts_with("'=c"));
        assert_eq!(row, format!("{expected}\r\n"));
    }

    #[test]
    fn formulas_are_neutralised() {
        check(vec![cell("=HYPERLINK(\"http://x\")")], "\"'=HYPERLINK(\"\"http://x\"\")\"");
        check(vec![cell("+1"), cell("-1"), cell("@x"), cell("\tx")], "'+1,'-1,'@x,'\tx");
        check(vec![cell("\r=x")], "\"'\r=x\"");
        check(vec![cell("a=b"), cell("x-y")], "a=b,x-y");
    }

    #[test]
    fn kinds_of_cells() {
        let time = Value::Time("2026-10-01T13:00:00.5Z".parse().unwrap());
        check(vec![Value::Null, Value::Bool(true), Value::Int(-5), time], ",true,-5,2026-10-01T13:00:00.5Z");
        check(vec![cell("a,b"), cell("two\nlines"), cell("q\"q")], "\"a,b\",\"two\nlines\",\"q\"\"q\"");
    }

    #[test]
    fn decimals_are_numbers() {
        let columns = [("d", Kind::Number), ("h", Kind::Integer), ("t", Kind::Text)];
        let row = vec![cell("-1.50"), cell("-99999999999999999999"), cell("-1.50")];
        let written = render(Format::Csv, TableOptions::default(), &columns, &[row]);
        assert_eq!(written, "d,h,t\r\n-1.50,-99999999999999999999,'-1.50\r\n");
    }

    #[test]
    fn nothing_acts_on_a_terminal() {
        let columns = [("c", Kind::Text)];
        let row = vec![cell("\u{1b}]0;owned\u{7}")];
        let watched = TableOptions { terminal: true, ..TableOptions::default() };
        assert_eq!(
            render(Format::Csv, watched, &columns, std::slice::from_ref(&row)),
            "c\r\n\\u{1b}]0;owned\\u{7}\r\n"
        );
        assert_eq!(render(Format::Csv, TableOptions::default(), &columns, &[row]), "c\r\n\u{1b}]0;owned\u{7}\r\n");
    }

    #[test]
    fn a_lonely_empty_cell_is_still_a_row() {
        check(vec![Value::Null], "\"\"");
    }
}
