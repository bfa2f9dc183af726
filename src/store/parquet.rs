//! Writes rows as a Parquet file.
//!
//! Only `DuckDB`'s `copy … to` writes Parquet, and it needs what a sandboxed store has not: access to files. So the rows
//! pass through a database of their own, in a temporary folder, which knows nothing but these rows.

use std::path::PathBuf;

use duckdb::Connection;
use tempfile::TempDir;

use super::open::LIMIT;
use super::query::to_cell;
use super::{Column, Kind, Value};

/// Rows that are handed over together.
const PORTION: usize = 2048;

/// A Parquet file in the making; gone with its folder when dropped.
pub struct Parquet {
    connection: Connection,
    folder: TempDir,
    portion: Vec<Vec<duckdb::types::Value>>,
}

impl Parquet {
    /// A file of these columns, without rows. Names have to differ.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn new(columns: &[Column]) -> std::io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("changetrail-parquet-").tempdir()?;
        let columns: Vec<String> = columns
            .iter()
            .map(|column| format!("\"{}\" {}", column.name.replace('"', "\"\""), sql_type(column.kind)))
            .collect();
        let open = || {
            let connection = Connection::open(folder.path().join("rows.duckdb"))?;
            // One thread: the same rows are the same bytes.
            connection
                .execute_batch(&format!("set threads = 1; {LIMIT}; create table rows ({})", columns.join(", ")))?;
            Ok(connection)
        };
        let connection = open().map_err(failed)?;
        Ok(Self { connection, folder, portion: Vec::new() })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// A cell does not fit its column, or there is no room.
    pub fn row(&mut self, cells: &[Value]) -> std::io::Result<()> {
        self.portion.push(cells.iter().map(to_cell).collect());
        if self.portion.len() == PORTION { self.hand_over() } else { Ok(()) }
    }

    /// Makes the file, and says where it is.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn finish(&mut self) -> std::io::Result<PathBuf> {
        self.hand_over()?;
        let path = self.folder.path().join("rows.parquet");
        let quoted = path.to_string_lossy().replace('\'', "''");
        self.connection
            .execute_batch(&format!("copy (from rows order by rowid) to '{quoted}' (format parquet, compression zstd)"))
            .map_err(failed)?;
        Ok(path)
    }

    fn hand_over(&mut self) -> std::io::Result<()> {
        let mut appender = self.connection.appender("rows").map_err(failed)?;
        for row in self.portion.drain(..) {
            appender.append_row(duckdb::appender_params_from_iter(row)).map_err(failed)?;
        }
        appender.flush().map_err(failed)
    }
}

fn sql_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "boolean",
        Kind::Integer => "bigint",
        Kind::Number => "double",
        Kind::Time => "timestamp",
        Kind::Text | Kind::Json => "varchar",
    }
}

fn failed(error: duckdb::Error) -> std::io::Error {
    std::io::Error::other(error)
}
