//! The store: one `DuckDB` file. This is the only module that names `duckdb`.
//!
//! A [`Db`] is one open connection. The writer opens the file to commit and closes it again (`append.rs`), so that
//! ad-hoc queries get in between; readers retry while the writer has it. What surprises: `DuckDB` lets one process write
//! or many read, never both, so *closing* is what makes others work.

mod append;
mod chain;
mod error;
mod migrate;
mod open;
pub mod parquet;
mod permission;
mod query;
pub mod rows;

pub(crate) use query::written;

pub use append::{Committed, Incoming, Poll};
pub use error::Error;
pub use open::{Access, Db, Visits, WRITER_PATIENCE};
pub use permission::writable;
pub use rows::{Column, Kind, RowSink, Value};

/// The text of a file under `queries/`.
macro_rules! sql {
    ($path:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/queries/", $path))
    };
}
pub(crate) use sql;
