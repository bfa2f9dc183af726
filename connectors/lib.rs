//! How each system is polled and what its records mean.
//!
//! One folder per system: `connector.toml` (how it is polled), `map.sql` (what its records mean), fixtures and a
//! README with the vendor's facts. `engine/` runs the descriptions; Rust only where none can do it. This crate knows neither `DuckDB`, nor
//! the command line, nor the clock: time, cursors and configuration come in with [`Run`] and [`Source`], records go
//! out through a [`Sink`] as [`Unit`]s.
//!
//! The one surprising fact: a connector never says what a record *means*. It hands over the bytes, an id and a time;
//! `map.sql` judges later, and can judge again.

mod canonical;
mod catalog;
mod engine;
mod error;
mod files;
mod http;
mod limiter;
mod log;
mod objects;
mod params;
mod record;
mod redact;
mod secret;
pub mod spec;
#[cfg(test)]
mod testing;

#[path = "aws-cloudtrail/mod.rs"]
pub mod aws_cloudtrail;
#[path = "azure-activity-log/mod.rs"]
pub mod azure_activity_log;
#[path = "release-log/mod.rs"]
pub mod release_log;
#[path = "terraform-state/mod.rs"]
pub mod terraform_state;

pub use catalog::{Catalog, nearest};
pub use engine::{FolderError, throwaway_rsa_key};
pub use error::{ConfigError, Error};
pub use files::hex;
pub use http::Heard;
pub use record::{Proof, Receipt, Record, Rejected, Signature, Unit, Vouched};
pub use redact::Redactor;
pub use spec::Spec;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

/// One kind of system that can be polled: its description, its meaning, and how to make a [`Collector`] for a source.
pub trait Connector: Send + Sync {
    /// What `connector.toml` says.
    fn spec(&self) -> &Spec;

    /// The text of `map.sql`: one SELECT for each relation that the connector emits.
    fn mapping(&self) -> &str;

    /// Data tables that `map.sql` reads: (table name, CSV text with a header), from files in the connector's folder.
    fn tables(&self) -> Vec<(&str, &str)>;

    /// Whether it comes with the program, so that its mapping was examined when that was built.
    fn is_built_in(&self) -> bool {
        false
    }

    /// Checks a source's parameters, without touching network or files.
    ///
    /// # Errors
    /// Unknown or missing parameters, with the nearest known name.
    fn configure(&self, source: &Source) -> Result<Box<dyn Collector>, ConfigError>;
}

/// A configured source, as `[[source]]` has it.
#[derive(Debug, Clone)]
pub struct Source {
    /// Unique name.
    pub name: String,
    /// Every key but `name`, `connector` and `approvals`.
    pub params: toml::Table,
    /// The folder of the configuration file: relative paths start here.
    pub base: PathBuf,
}

/// Reads one source.
#[async_trait]
pub trait Collector: Send + Sync {
    /// Reads what is new and hands it to `sink`, unit by unit. Returns when the source has been read to its end.
    ///
    /// # Errors
    /// Whatever kept the source from being read to its end. What was handed over before stays.
    async fn collect(&self, run: &Run, sink: &Sink) -> Result<(), Error>;

    /// Holds the log against the system's own proof that it is whole and unaltered, where there is one, and hands over
    /// what was found.
    ///
    /// # Errors
    /// Whatever kept the proof from being read to its end.
    async fn validate(&self, _run: &Run, _sink: &Sink) -> Result<(), Error> {
        Ok(())
    }

    /// Whether what this machine has to have for it is there: secrets in variables and files. Asks nobody and starts
    /// no command.
    ///
    /// # Errors
    /// The first thing that is missing.
    fn ready(&self) -> Result<(), Error> {
        Ok(())
    }

    /// What [`Collector::collect`] would ask, in words, without asking: one line for each stream.
    fn plan(&self, run: &Run) -> Vec<String>;

    /// As [`Collector::plan`], asking the system for what the plan depends on.
    ///
    /// # Errors
    /// Whatever kept it from being found out.
    async fn survey(&self, run: &Run) -> Result<Vec<String>, Error> {
        Ok(self.plan(run))
    }

    /// Whether this source reads files, which stay: nothing runs out because it was not asked in time.
    fn is_path(&self) -> bool;

    /// Of a source that reads files, the files and folders that cannot be opened, each with why: `a/b.json: …`.
    ///
    /// # Errors
    /// Where they lie cannot be listed.
    fn unreadable(&self) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    /// Of a source that reads files, those that are named as none of its own, and so are not looked at.
    ///
    /// # Errors
    /// Where they lie cannot be listed.
    fn passed_over(&self) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }
}

/// What a collector needs to know of the world.
#[derive(Clone)]
pub struct Run {
    /// The time of the run; nothing later is asked for.
    pub now: Timestamp,
    /// Read again from here (`--since`); without it, from the cursors.
    pub since: Option<Timestamp>,
    /// Cursor of each stream, as the last committed unit left it.
    pub cursors: HashMap<String, String>,
    /// What was read before, to skip what has not changed.
    pub seen: Arc<dyn Seen>,
    /// Replaces secrets before a record leaves the connector.
    pub redactor: Arc<Redactor>,
    /// What comes of its requests.
    pub heard: Arc<Heard>,
}

/// What the store knows of units that were read before.
pub trait Seen: Send + Sync {
    /// The etag with which each unit was last read to its end, in the order of `units`; `None` if never.
    ///
    /// # Errors
    /// The store could not be asked.
    fn etags(&self, units: &[String]) -> Result<Vec<Option<String>>, Error>;

    /// Of a stream of objects: the id of each object's latest record, of all units whose keys begin with `prefix`.
    ///
    /// # Errors
    /// The store could not be asked.
    fn objects(&self, prefix: &str) -> Result<Vec<String>, Error>;

    /// Whether a record of that id is stored, in the order of `ids`.
    ///
    /// # Errors
    /// The store could not be asked.
    fn stored(&self, ids: &[String]) -> Result<Vec<bool>, Error>;

    /// What was last stored under each id, in the order of `ids`; `None` where nothing was.
    ///
    /// # Errors
    /// The store could not be asked.
    fn bodies(&self, ids: &[String]) -> Result<Vec<Option<String>>, Error>;

    /// Whether the ids of all records of units whose keys begin with `prefix` begin with it too; `None` where there are no
    /// records.
    ///
    /// # Errors
    /// The store could not be asked.
    fn prefixed(&self, prefix: &str) -> Result<Option<bool>, Error>;
}

/// Where units go: a bounded channel to the one writer.
#[derive(Clone)]
pub struct Sink(tokio::sync::mpsc::Sender<Unit>);

impl Sink {
    /// A sink and its receiving end, holding at most `capacity` units.
    #[must_use]
    pub fn channel(capacity: usize) -> (Self, tokio::sync::mpsc::Receiver<Unit>) {
        let (sender, receiver) = tokio::sync::mpsc::channel(capacity);
        (Self(sender), receiver)
    }

    /// Hands a unit over; waits while the writer is busy.
    ///
    /// # Errors
    /// The writer has stopped.
    pub async fn send(&self, unit: Unit) -> Result<(), Error> {
        self.0.send(unit).await.map_err(|_| Error::WriterStopped)
    }

    /// As [`Sink::send`], from a blocking thread.
    ///
    /// # Errors
    /// The writer has stopped.
    pub fn send_blocking(&self, unit: Unit) -> Result<(), Error> {
        self.0.blocking_send(unit).map_err(|_| Error::WriterStopped)
    }
}
