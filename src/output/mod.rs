//! How results look: one file per format, each a [`RowSink`] over any writer.
//!
//! What comes out of audit logs is chosen by whoever made the log entry. Nothing in it may run: not in a terminal
//! (see `inert.rs`), not in a spreadsheet (see `csv.rs`), not in a browser (see `html/`).

mod csv;
mod html;
mod inert;
mod json;
mod ndjson;
mod parquet;
mod table;

use std::io::Write;
use std::path::Path;

use clap::ValueEnum;

use crate::store::{Column, Kind, RowSink, Value};
pub use html::{Heading, index};
pub use inert::{inert, inert_json};
pub use table::TableOptions;

/// How a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    // For people: as wide as the terminal.
    Table,
    // RFC 4180, for spreadsheets.
    Csv,
    // One array of objects.
    Json,
    // One object per line.
    Ndjson,
    // Typed columns, for other programs.
    Parquet,
    // A web page that stands alone.
    Html,
}

impl Format {
    /// The format that a file's ending stands for.
    #[must_use]
    pub fn of_file(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        Self::value_variants().iter().copied().find(|format| format.extension() == ending)
    }

    /// The usual ending of a file of this format.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Table => "txt",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Parquet => "parquet",
            Self::Html => "html",
        }
    }
}

/// Writes rows to `writer` in a format.
pub fn sink<'a>(format: Format, writer: impl Write + 'a, options: TableOptions) -> Box<dyn RowSink + 'a> {
    match format {
        Format::Table => Box::new(table::Table::new(writer, options)),
        Format::Csv => Box::new(csv::Csv::new(writer, options.terminal)),
        Format::Json => Box::new(json::Json::new(writer)),
        Format::Ndjson => Box::new(ndjson::Ndjson::new(writer)),
        Format::Parquet => Box::new(parquet::Parquet::new(writer)),
        Format::Html => Box::new(html::Html::new(writer, options.heading)),
    }
}

/// A cell as text; empty for null.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Text(value) => value.clone(),
        Value::Time(value) => value.to_string(),
    }
}

/// Keys of an object: equal names would hide all but one of their values.
fn keys(columns: &[Column]) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for column in columns {
        let mut key = column.name.clone();
        let mut copy = 2;
        while keys.contains(&key) {
            key = format!("{}_{copy}", column.name);
            copy += 1;
        }
        keys.push(key);
    }
    keys
}

/// One row as a JSON object, keys in the order of the columns.
fn write_object(writer: &mut impl Write, keys: &[String], kinds: &[Kind], cells: &[Value]) -> std::io::Result<()> {
    writer.write_all(b"{")?;
    for (index, ((key, kind), cell)) in keys.iter().zip(kinds).zip(cells).enumerate() {
        if index > 0 {
            writer.write_all(b",")?;
        }
        write_text(&mut *writer, key)?;
        writer.write_all(b":")?;
        write_json(writer, *kind, cell)?;
    }
    writer.write_all(b"}")
}

fn write_json(writer: &mut impl Write, kind: Kind, cell: &Value) -> std::io::Result<()> {
    match cell {
        Value::Null => writer.write_all(b"null")?,
        Value::Bool(value) => serde_json::to_writer(writer, value)?,
        Value::Int(value) => serde_json::to_writer(writer, value)?,
        // Not-a-number and infinity become null.
        Value::Float(value) => serde_json::to_writer(writer, value)?,
        Value::Time(value) => write_text(writer, &value.to_string())?,
        Value::Text(value) => match (kind, serde_json::from_str::<&serde_json::value::RawValue>(value)) {
            // Lists and structs; numbers too large for 64 bits.
            (Kind::Json | Kind::Number | Kind::Integer, Ok(raw)) => {
                writer.write_all(inert_json(raw.get()).as_bytes())?;
            }
            _ => write_text(writer, value)?,
        },
    }
    Ok(())
}

fn write_text(writer: &mut impl Write, text: &str) -> std::io::Result<()> {
    writer.write_all(inert_json(&serde_json::to_string(text)?).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes rows through a sink, and returns what it wrote.
    pub(super) fn render(
        format: Format,
        options: TableOptions,
        columns: &[(&str, Kind)],
        rows: &[Vec<Value>],
    ) -> String {
        let mut bytes = Vec::new();
        let mut sink = sink(format, &mut bytes, options);
        let columns: Vec<Column> =
            columns.iter().map(|(name, kind)| Column { name: (*name).to_owned(), kind: *kind }).collect();
        sink.begin(&columns).unwrap();
        for row in rows {
            sink.row(row).unwrap();
        }
        sink.end().unwrap();
        drop(sink);
        String::from_utf8(bytes).unwrap()
    }

    pub(super) fn cell(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    const COLUMNS: [(&str, Kind); 4] = [("a", Kind::Text), ("n", Kind::Number), ("t", Kind::Time), ("j", Kind::Json)];

    fn row() -> Vec<Value> {
        vec![
            cell("x\"\u{1b}"),
            Value::Int(-5),
            Value::Time("2026-10-01T13:00:00Z".parse().unwrap()),
            cell("[1,{\"k\":null}]"),
        ]
    }

    #[test]
    fn json_is_one_array_in_column_order() {
        let expected = "[\n{\"a\":\"x\\\"\\u001b\",\"n\":-5,\"t\":\"2026-10-01T13:00:00Z\",\"j\":[1,{\"k\":null}]},\n\
                        {\"a\":null,\"n\":null,\"t\":null,\"j\":null}\n]\n";
        let rows = [row(), vec![Value::Null; 4]];
        assert_eq!(render(Format::Json, TableOptions::default(), &COLUMNS, &rows), expected);
        assert_eq!(render(Format::Json, TableOptions::default(), &COLUMNS, &[]), "[]\n");
    }

    #[test]
    fn ndjson_is_one_object_per_line() {
        let written = render(Format::Ndjson, TableOptions::default(), &COLUMNS, &[row(), row()]);
        assert_eq!(written.lines().count(), 2);
        for line in written.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
        assert_eq!(render(Format::Ndjson, TableOptions::default(), &COLUMNS, &[]), "");
    }

    #[test]
    fn equal_names_keep_all_values() {
        let columns = [("a", Kind::Number), ("a", Kind::Number)];
        let rows = [vec![Value::Int(1), Value::Int(2)]];
        let written = render(Format::Ndjson, TableOptions::default(), &columns, &rows);
        assert_eq!(written, "{\"a\":1,\"a_2\":2}\n");
    }
}
