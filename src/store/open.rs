//! Opening the store: who may do what, and what happens while another process has it.
//!
//! The surprising fact: the engine costs ten times what the file costs. Who comes back again and again ([`Visits`]) keeps
//! the engine and lets go of the file alone.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use duckdb::{Config, Connection};

use super::{Error, migrate, sql};

/// How long a writer waits for readers before it gives up with its cursor unmoved.
pub const WRITER_PATIENCE: Duration = Duration::from_mins(10);

/// What the store is called in SQL.
pub(super) const STORE: &str = "store";

/// Time between two tries at a file that another process has.
const RETRY: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only reads; waits while a writer commits.
    Read,
    /// Reads and writes; keeps every other process out until it is dropped. Creates and migrates the store.
    Write,
}

/// One open connection to the store.
pub struct Db {
    pub(super) connection: Connection,
    path: PathBuf,
}

impl Db {
    /// Opens the store, waiting up to `wait` while another process has it.
    ///
    /// # Errors
    /// Missing (for reading), locked for longer than `wait`, made by a newer version, or no store at all.
    pub fn open(path: &Path, access: Access, wait: Duration) -> Result<Self, Error> {
        if access == Access::Read && !path.exists() {
            return Err(Error::Missing { path: path.to_owned() });
        }
        if let (Access::Write, Some(folder)) = (access, path.parent()) {
            std::fs::create_dir_all(folder).map_err(|source| Error::Folder { path: folder.to_owned(), source })?;
        }
        let connection = engine().map_err(|source| Error::Open { path: path.to_owned(), source })?;
        let db = Self { connection, path: path.to_owned() };
        db.take(access, wait)?;
        db.batch("macros", sql!("schema/macros.sql"))?;
        Ok(db)
    }

    /// Takes the file, waiting up to `wait` while another process has it.
    fn take(&self, access: Access, wait: Duration) -> Result<(), Error> {
        let (path, started) = (&self.path, Instant::now());
        loop {
            match attach(&self.connection, path, access) {
                Ok(()) => break,
                Err(source) => {
                    let text = source.to_string();
                    let Some(holder) = lock_holder(&text) else {
                        if text.contains("not a valid DuckDB database file") {
                            return Err(Error::Foreign { path: path.to_owned() });
                        }
                        return Err(Error::Open { path: path.to_owned(), source });
                    };
                    if started.elapsed() >= wait {
                        return Err(Error::Locked { path: path.to_owned(), holder });
                    }
                    sleep(RETRY);
                }
            }
        }
        migrate::bring_up_to_date(self, access)
    }

    /// Lets go of the file: what was committed is in it, and others get at it.
    fn leave(&self) -> Result<(), Error> {
        self.batch("let go of the store", &format!("use memory; detach {STORE}"))
    }

    /// A store in memory, with nothing in it: to ask the rules about something that is not stored.
    ///
    /// # Errors
    /// The database cannot make its tables.
    pub fn scratch() -> Result<Self, Error> {
        Self::open(Path::new(":memory:"), Access::Write, Duration::ZERO)
    }

    /// Takes from this connection everything that reaches outside the store, for good: files, network, extensions,
    /// settings. Done before any SQL that a user or a mapping wrote runs.
    ///
    /// # Errors
    /// The settings could not be locked; nothing foreign may run then.
    pub fn sandbox(&self) -> Result<(), Error> {
        self.batch("sandbox", "set enable_external_access = false; set lock_configuration = true")
    }

    /// Runs statements that return nothing.
    pub(crate) fn batch(&self, step: &str, sql: &str) -> Result<(), Error> {
        self.connection.execute_batch(sql).map_err(|source| Error::Statement { step: step.to_owned(), source })
    }

    /// Where the store lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A store that is opened for one piece of work after the other, and let go of in between.
pub struct Visits {
    path: PathBuf,
    /// Without the file.
    idle: Option<Db>,
}

impl Visits {
    /// To the store at `path`.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), idle: None }
    }

    /// Opens the store as [`Db::open`] does, for this work alone. What it sets aside (settings, temporary tables) may
    /// still be there on the next visit.
    ///
    /// # Errors
    /// Those of [`Db::open`], and those of the work.
    pub fn visit<T, E: From<Error>>(
        &mut self,
        access: Access,
        wait: Duration,
        work: impl FnOnce(&Db) -> Result<T, E>,
    ) -> Result<T, E> {
        // After an error nothing is kept: an engine that failed is not trusted with the next visit.
        let db = match self.idle.take() {
            Some(db) => db.take(access, wait).map(|()| db)?,
            None => Db::open(&self.path, access, wait)?,
        };
        let result = work(&db)?;
        db.leave()?;
        self.idle = Some(db);
        Ok(result)
    }
}

/// A database in memory for what is passing, to which the store is attached: only an attachment can say how its tables
/// are cut.
fn engine() -> duckdb::Result<Connection> {
    let config = Config::default()
        .enable_autoload_extension(false)?
        .with("autoinstall_known_extensions", "false")?
        .with("preserve_insertion_order", "false")?
        // What a commit brings goes into the file at once, not into a log before that.
        .with("checkpoint_threshold", "1MB")?;
    Connection::open_in_memory_with_flags(config)
}

/// Groups of rows a tenth of the usual size let two processors share the work on an ordinary night's records, and keep
/// what one of them holds of raw records to some megabytes.
fn attach(connection: &Connection, path: &Path, access: Access) -> duckdb::Result<()> {
    let options = match access {
        Access::Read => "read_only",
        Access::Write => "row_group_size 12288, storage_version 'v1.5.0'",
    };
    let quoted = path.to_string_lossy().replace('\'', "''");
    connection.execute_batch(&format!("attach '{quoted}' as {STORE} ({options}); use {STORE}; set timezone = 'UTC'"))
}

/// Who holds the file, out of `DuckDB`'s message; `None` if the message is about something else.
fn lock_holder(message: &str) -> Option<String> {
    if !message.contains("lock on file") && !message.contains("Conflicting lock") {
        return None;
    }
    let holder = message.split("lock is held in ").nth(1).and_then(|rest| {
        let end = rest.find(')').map(|end| end + 1).or_else(|| rest.find('.'))?;
        Some(rest[..end].trim().to_owned())
    });
    Some(holder.unwrap_or_else(|| "another process".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::lock_holder;

    #[test]
    fn the_message_names_the_process() {
        let message = "IO Error: Could not set lock on file \"/tmp/x.duckdb\": Conflicting lock is held in \
                       /usr/bin/changetrail (PID 4711) by user audit. See also https://duckdb.org/…";
        assert_eq!(lock_holder(message).as_deref(), Some("/usr/bin/changetrail (PID 4711)"));
        assert_eq!(lock_holder("IO Error: Could not set lock on file \"x\": busy").as_deref(), Some("another process"));
        assert_eq!(lock_holder("IO Error: no such file"), None);
    }
}
