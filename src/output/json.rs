//! JSON: one array, one object per row, keys in the order of the columns.

use std::io::{self, Write};

use super::{keys, write_object};
use crate::store::{Column, Kind, RowSink, Value};

pub(super) struct Json<W> {
    writer: W,
    keys: Vec<String>,
    kinds: Vec<Kind>,
    rows: u64,
}

impl<W: Write> Json<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { writer, keys: Vec::new(), kinds: Vec::new(), rows: 0 }
    }
}

impl<W: Write> RowSink for Json<W> {
    fn begin(&mut self, columns: &[Column]) -> io::Result<()> {
        self.keys = keys(columns);
        self.kinds = columns.iter().map(|column| column.kind).collect();
        self.writer.write_all(b"[")
    }

    fn row(&mut self, cells: &[Value]) -> io::Result<()> {
        self.writer.write_all(if self.rows == 0 { b"\n" } else { b",\n" })?;
        self.rows += 1;
        write_object(&mut self.writer, &self.keys, &self.kinds, cells)
    }

    fn end(&mut self) -> io::Result<()> {
        self.writer.write_all(if self.rows == 0 { b"]\n" } else { b"\n]\n" })?;
        self.writer.flush()
    }
}
