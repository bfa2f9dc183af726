//! Parquet: typed columns, for other programs. Lists and structs are JSON text.

use std::fs::File;
use std::io::{self, Write};

use super::keys;
use crate::store::{Column, RowSink, Value, parquet};

pub(super) struct Parquet<W> {
    writer: W,
    file: Option<parquet::Parquet>,
}

impl<W: Write> Parquet<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { writer, file: None }
    }
}

impl<W: Write> RowSink for Parquet<W> {
    fn begin(&mut self, columns: &[Column]) -> io::Result<()> {
        let named = keys(columns).into_iter().zip(columns);
        let columns: Vec<_> = named.map(|(name, column)| Column { name, kind: column.kind }).collect();
        self.file = Some(parquet::Parquet::new(&columns)?);
        Ok(())
    }

    fn row(&mut self, cells: &[Value]) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), |file| file.row(cells))
    }

    fn end(&mut self) -> io::Result<()> {
        if let Some(mut file) = self.file.take() {
            io::copy(&mut File::open(file.finish()?)?, &mut self.writer)?;
        }
        self.writer.flush()
    }
}
