//! What would be judged otherwise: the rules are run over a copy of the store, as they are and then as they would be.
//!
//! The store itself is only read. What differs between the two runs is what the change does, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Error, Options, run};
use crate::config::Config;
use crate::progress::Progress;
use crate::standard::Shelves;
use crate::store::{Access, Db, Visits, sql};

/// What would change.
#[derive(Debug, Clone)]
pub enum Proposal {
    /// The configuration would be this one.
    Configuration(Box<Config>),
    /// Files of this folder would stand in for those of the same name in `queries/`.
    Queries(PathBuf),
}

/// A copy of the store that was judged as proposed; gone with its folder when dropped.
pub struct Trial {
    db: Db,
    _folder: TempDir,
}

impl Trial {
    /// The copy: `finding_as_is` has the findings as they are, `verdict_history` the verdicts that would be others.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.db
    }
}

/// Judges a copy of the store as it is configured, and then as proposed.
///
/// # Errors
/// The store cannot be read or copied, or the rules cannot be run.
pub fn what_if(
    config: &Config,
    proposal: &Proposal,
    store: &Path,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Trial, Error> {
    let copying = |source| Error::Copy { path: store.to_owned(), source };
    let folder = tempfile::Builder::new().prefix("changetrail-what-if-").tempdir().map_err(copying)?;
    let copy = folder.path().join("store.duckdb");
    copy_store(store, &copy, options).map_err(copying)??;
    let visits = Visits::new(&copy);
    run(config, &visits, options, progress)?;
    let wait = options.wait;
    Db::open(&copy, Access::Write, wait)?.batch("as it is", sql!("what-if/as_is.sql"))?;
    match proposal {
        Proposal::Configuration(proposed) => run(proposed, &visits, options, progress)?,
        Proposal::Queries(queries) => {
            let mut proposed = config.clone();
            let shelves = Shelves { own: &config.extend_queries, instead: Some(queries) };
            proposed.requirements = shelves.standard(&config.standard.name)?;
            let options = Options { instead: Some(queries.clone()), ..options.clone() };
            run(&proposed, &visits, &options, progress)?
        }
    };
    let db = Db::open(&copy, Access::Read, wait)?;
    Ok(Trial { db, _folder: folder })
}

/// Copies the file and what is not merged into it yet, while no writer can be there.
fn copy_store(store: &Path, copy: &Path, options: &Options) -> std::io::Result<Result<(), Error>> {
    let reader = match Db::open(store, Access::Read, options.wait) {
        Ok(reader) => reader,
        Err(error) => return Ok(Err(error.into())),
    };
    let log = |path: &Path| PathBuf::from(format!("{}.wal", path.display()));
    if log(store).exists() {
        fs::copy(log(store), log(copy))?;
    }
    // Last, for closing the file again lets go of its lock.
    fs::copy(store, copy)?;
    drop(reader);
    Ok(Ok(()))
}
