//! Rows as they come out of the store, free of any `DuckDB` type.

use jiff::Timestamp;

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// Also dates (`2026-10-01`), and lists and structs as JSON text.
    Text(String),
    /// UTC.
    Time(Timestamp),
}

/// What kind of cells a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Integer,
    /// Also decimals, as text.
    Number,
    Text,
    Time,
    /// Lists, structs and JSON, as JSON text.
    Json,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
}

/// Takes rows one at a time, so that a result of any size needs little memory.
pub trait RowSink {
    /// Called once, before any row.
    ///
    /// # Errors
    /// The output could not be written.
    fn begin(&mut self, columns: &[Column]) -> std::io::Result<()>;

    /// Called for each row; as many cells as columns.
    ///
    /// # Errors
    /// The output could not be written.
    fn row(&mut self, cells: &[Value]) -> std::io::Result<()>;

    /// Called once, after the last row.
    ///
    /// # Errors
    /// The output could not be written.
    fn end(&mut self) -> std::io::Result<()>;
}
