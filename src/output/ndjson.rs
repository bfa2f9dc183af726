//! Newline-delimited JSON: one object per row and line, keys in the order of the columns.

use std::io::{self, Write};

use super::{keys, write_object};
use crate::store::{Column, Kind, RowSink, Value};

pub(super) struct Ndjson<W> {
    writer: W,
    keys: Vec<String>,
    kinds: Vec<Kind>,
}

impl<W: Write> Ndjson<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { writer, keys: Vec::new(), kinds: Vec::new() }
    }
}

impl<W: Write> RowSink for Ndjson<W> {
    fn begin(&mut self, columns: &[Column]) -> io::Result<()> {
        self.keys = keys(columns);
        self.kinds = columns.iter().map(|column| column.kind).collect();
        Ok(())
    }

    fn row(&mut self, cells: &[Value]) -> io::Result<()> {
        write_object(&mut self.writer, &self.keys, &self.kinds, cells)?;
        self.writer.write_all(b"\n")
    }

    fn end(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
