//! Opening the store: who may do what, and what happens while another process has it.
//!
//! The surprising fact: the engine costs ten times what the file costs. Who comes back again and again ([`Visits`]) keeps
//! the engine and lets go of the file alone.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use duckdb::{Config, Connection};

use super::{Error, migrate, permission, sql};

/// How long a writer waits for readers before it gives up with its cursor unmoved.
pub const WRITER_PATIENCE: Duration = Duration::from_mins(10);

/// What the store is called in SQL.
pub(super) const STORE: &str = "store";

/// What `DuckDB` calls a database without a file.
const IN_MEMORY: &str = ":memory:";

/// What a commit brings goes into the file, not into a log before that, as soon as it is this much.
pub(super) const WORTH_A_CHECKPOINT: &str = "1MB";

/// Time between two tries at a file that another process has.
const RETRY: Duration = Duration::from_millis(20);

/// What an engine may hold in memory, 2 GB but no more than `DuckDB` takes the machine to have; the rest goes to disk for
/// as long as it is needed.
pub(super) const LIMIT: &str =
    "set memory_limit = least(parse_formatted_bytes(current_setting('memory_limit')), 2000000000) || ' B'";

/// What stands between the store's own name and that of a process in the names of files that are there for a while only.
const BESIDE: &str = ".passing-";

/// Numbers these files of this process.
static NAMES: AtomicU64 = AtomicU64::new(0);

/// Tells this process from all others that use the store. Its number would not: in a container that is always 1.
static PROCESS: LazyLock<String> =
    LazyLock::new(|| format!("{:016x}", getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()))));

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
        if path != Path::new(IN_MEMORY) {
            permission::readable(path)?;
        }
        let connection = engine(path).map_err(|source| Error::Open { path: path.to_owned(), source })?;
        let db = Self { connection, path: path.to_owned() };
        if access == Access::Write && !path.exists() && path != Path::new(IN_MEMORY) {
            db.make()?;
        }
        db.take(access, wait)?;
        if access == Access::Write {
            clear_away(path);
        }
        db.batch("macros", sql!("schema/macros.sql"))?;
        Ok(db)
    }

    /// Makes the file where there is none: whole, under another name, and only then under its own. Whoever is killed while
    /// making it leaves nothing that would have to be removed by hand.
    fn make(&self) -> Result<(), Error> {
        let new = beside(&self.path);
        let failed = |source| unopened(&self.path, Access::Write, source);
        attach(&self.connection, Path::new(&new), Access::Write).map_err(failed)?;
        self.leave()?;
        // Where another process was quicker its file stays; where the file system knows no links it is made in place.
        let _ = std::fs::hard_link(&new, &self.path);
        let _ = std::fs::remove_file(&new);
        Ok(())
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
                        // The engine takes a file of SQLite for one that it would read with an extension.
                        if text.contains("not a valid DuckDB database file") || text.contains("sqlite_scanner") {
                            return Err(Error::Foreign { path: path.to_owned() });
                        }
                        return Err(unopened(path, access, source));
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
        Self::open(Path::new(IN_MEMORY), Access::Write, Duration::ZERO)
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

/// A store that is opened for one piece of work after the other, and let go of in between. Its copies share one engine and
/// take turns.
#[derive(Clone)]
pub struct Visits {
    path: PathBuf,
    engine: Arc<Mutex<Engine>>,
}

/// What is left of the visit before.
enum Engine {
    None,
    /// Without the file.
    Idle(Db),
    /// With the file, for writing.
    Inside(Db),
}

impl Visits {
    /// To the store at `path`.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), engine: Arc::new(Mutex::new(Engine::None)) }
    }

    /// Where the store lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the store as [`Db::open`] does, for this work alone. What it sets aside (settings, temporary tables) may
    /// still be there on the next visit.
    ///
    /// # Errors
    /// Those of [`Db::open`], and those of the work.
    pub fn visit<T, E: From<Error>>(
        &self,
        access: Access,
        wait: Duration,
        work: impl FnOnce(&Db) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut engine = self.engine();
        let db = self.enter(&mut engine, access, wait)?;
        let result = work(&db)?;
        db.leave()?;
        *engine = Engine::Idle(db);
        Ok(result)
    }

    /// As [`Visits::visit`], for writing; nobody else gets in before the next visit.
    ///
    /// # Errors
    /// Those of [`Db::open`], and those of the work.
    pub fn visit_and_stay<T, E: From<Error>>(
        &self,
        wait: Duration,
        work: impl FnOnce(&Db) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut engine = self.engine();
        let db = self.enter(&mut engine, Access::Write, wait)?;
        let result = work(&db)?;
        *engine = Engine::Inside(db);
        Ok(result)
    }

    /// Opens the store for writing, for work after which this engine is of no use to another visit.
    ///
    /// # Errors
    /// Those of [`Db::open`].
    pub fn last(&self, wait: Duration) -> Result<Db, Error> {
        self.enter(&mut self.engine(), Access::Write, wait)
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After an error nothing is left: an engine that failed is not trusted with the next visit.
    fn enter(&self, engine: &mut Engine, access: Access, wait: Duration) -> Result<Db, Error> {
        match std::mem::replace(engine, Engine::None) {
            Engine::Inside(db) => Ok(db),
            Engine::Idle(db) => db.take(access, wait).map(|()| db),
            Engine::None => Db::open(&self.path, access, wait),
        }
    }
}

/// A database in memory for what is passing, to which the store is attached: only an attachment can say how its tables
/// are cut.
fn engine(store: &Path) -> duckdb::Result<Connection> {
    let config = Config::default()
        .enable_autoload_extension(false)?
        .with("autoinstall_known_extensions", "false")?
        .with("preserve_insertion_order", "false")?
        // Made when it is needed, gone with the engine; each has its own, for two would write over each other's files.
        .with("temp_directory", beside(store))?
        .with("checkpoint_threshold", WORTH_A_CHECKPOINT)?;
    let connection = Connection::open_in_memory_with_flags(config)?;
    connection.execute_batch(LIMIT)?;
    Ok(connection)
}

/// A name for what is there for a while only: beside the store, where there is room for it, and never given twice.
fn beside(store: &Path) -> String {
    let number = NAMES.fetch_add(1, Ordering::Relaxed);
    format!("{}{BESIDE}{}-{number}", store.to_string_lossy(), *PROCESS)
}

/// Clears away what killed processes have left. Whoever may write is alone with the store: nobody is using it.
fn clear_away(store: &Path) {
    let (Some(folder), Some(name)) = (store.parent(), store.file_name()) else { return };
    let begins = format!("{}{BESIDE}", name.to_string_lossy());
    let own = format!("{begins}{}-", *PROCESS);
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(&begins) && !name.starts_with(&own) {
            // What cannot be removed is in nobody's way.
            let _ = if entry.path().is_dir() {
                std::fs::remove_dir_all(entry.path())
            } else {
                std::fs::remove_file(entry.path())
            };
        }
    }
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

/// Why the store could not be opened: for want of permission, else what the engine says.
fn unopened(path: &Path, access: Access, source: duckdb::Error) -> Error {
    let denied = if access == Access::Write { permission::writable(path) } else { permission::readable(path) };
    denied.err().unwrap_or(Error::Open { path: path.to_owned(), source })
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
    use std::path::Path;
    use std::time::Duration;

    use super::{Access, Db, lock_holder};
    use crate::store::Value;

    /// The names of what lies in a folder, in order.
    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("a folder");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_does_not_fit_into_memory_lies_beside_the_store_while_it_is_needed() {
        let folder = tempfile::tempdir().expect("a folder");
        let db = Db::open(&folder.path().join("s.duckdb"), Access::Write, Duration::ZERO).expect("a store");
        db.batch("less", "set memory_limit = '40MB'; set threads = 1").expect("less memory");
        db.sandbox().expect("a sandbox");
        let made =
            "begin transaction; create table big as select range as n, sha256(range::varchar) as h from range(700000)";
        db.batch("much", made).expect("a table that does not fit");
        let sorted = "select count(*), sum(n)::bigint from (select n, row_number() over (order by h) from big)";
        let (_, rows) = db.rows(sorted, &[]).expect("an order that does not fit");
        assert_eq!(rows, [[Value::Int(700_000), Value::Int(244_999_650_000)]]);
        let spilled = |name: &String| name.starts_with("s.duckdb.passing-");
        assert!(names(folder.path()).iter().any(spilled), "{:?}", names(folder.path()));
        drop(db);
        assert!(!names(folder.path()).iter().any(spilled), "{:?}", names(folder.path()));
    }

    #[test]
    fn what_a_killed_process_spilled_is_cleared_away_by_the_next_writer() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, left) = (folder.path().join("s.duckdb"), folder.path().join("s.duckdb.passing-0-0"));
        drop(Db::open(&store, Access::Write, Duration::ZERO).expect("a store"));
        for name in [&left, &folder.path().join("other.duckdb.passing-0-0")] {
            std::fs::create_dir(name).expect("a folder");
            std::fs::write(name.join("duckdb_temp_storage_DEFAULT-0.tmp"), "spilled").expect("a file");
        }
        std::fs::write(folder.path().join("s.duckdb.passing-0-new"), "half a store").expect("a file");
        drop(Db::open(&store, Access::Read, Duration::ZERO).expect("a reader"));
        assert!(left.exists(), "another reader may be using it");
        drop(Db::open(&store, Access::Write, Duration::ZERO).expect("a writer"));
        assert_eq!(names(folder.path()), ["other.duckdb.passing-0-0", "s.duckdb"]);
    }

    #[test]
    fn the_message_names_the_process() {
        let message = "IO Error: Could not set lock on file \"/tmp/x.duckdb\": Conflicting lock is held in \
                       /usr/bin/changetrail (PID 4711) by user audit. See also https://duckdb.org/…";
        assert_eq!(lock_holder(message).as_deref(), Some("/usr/bin/changetrail (PID 4711)"));
        assert_eq!(lock_holder("IO Error: Could not set lock on file \"x\": busy").as_deref(), Some("another process"));
        assert_eq!(lock_holder("IO Error: no such file"), None);
    }
}
