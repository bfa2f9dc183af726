//! Reports: SQL files with a header, run against the store.

mod catalog;
mod error;
pub mod header;
mod run;

pub use catalog::{Catalog, Report};
pub use error::Error;
pub use header::{Each, Header, Severity};
pub use run::{Filters, run, worst};
