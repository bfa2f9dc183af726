//! What every command has: the global options, the printer, the time; and how the hint of an error is found.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::Global;
use crate::config::Config;
use crate::error::Hint;
use crate::printer::Printer;
use crate::store::{Access, Db, WRITER_PATIENCE};
use crate::{collect, config, reconcile, record, report, store};

pub(super) struct Context {
    pub(super) global: Global,
    pub(super) printer: Printer,
    /// The time of this run: one for everything it does.
    pub(super) now: Timestamp,
}

impl Context {
    pub(super) fn new(global: Global, printer: Printer) -> Self {
        Self { global, printer, now: Timestamp::now() }
    }

    /// The configuration, with what is odd about it said.
    pub(super) fn config(&self) -> Result<Config, config::Error> {
        let config = Config::load(self.global.config.as_deref())?;
        for warning in &config.warnings {
            self.printer.warning(&format!("{}: {warning}", config.path().display()));
        }
        Ok(config)
    }

    /// The configuration, if there is one: whoever names a store can read it without.
    pub(super) fn config_if_any(&self) -> Result<Option<Config>, config::Error> {
        match Config::load(self.global.config.as_deref()) {
            Err(config::Error::NotFound { .. }) if self.global.store.is_some() => Ok(None),
            loaded => loaded.map(Some),
        }
    }

    /// Where the store of this run is.
    pub(super) fn store(&self, config: &Config) -> PathBuf {
        self.global.store.clone().unwrap_or_else(|| config.store_path())
    }

    /// How long to wait for the store in order to read it.
    pub(super) fn reader_wait(&self) -> Duration {
        self.global.wait.unwrap_or(READER_PATIENCE)
    }

    /// How long to wait for the store in order to write it: longer, because long queries are allowed.
    pub(super) fn writer_wait(&self) -> Duration {
        self.global.wait.unwrap_or(WRITER_PATIENCE)
    }

    /// The store for reading, and the configuration where there is one.
    pub(super) fn open(&self) -> anyhow::Result<(Db, Option<Config>)> {
        let config = self.config_if_any()?;
        let path = match (&self.global.store, &config) {
            (Some(path), _) => path.clone(),
            (None, Some(config)) => config.store_path(),
            (None, None) => anyhow::bail!("no store is named"),
        };
        Ok((Db::open(&path, Access::Read, self.reader_wait())?, config))
    }
}

/// How long a reader waits while a writer has the store.
const READER_PATIENCE: Duration = Duration::from_secs(30);

/// An error of the command line itself, with what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct Usage {
    pub(super) message: String,
    pub(super) hint: String,
}

impl Usage {
    pub(super) fn error(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
        Self { message: message.into(), hint: hint.into() }.into()
    }
}

/// That a result cannot be put where it was wanted.
pub(super) fn unwritable(path: &Path, error: &std::io::Error) -> anyhow::Error {
    let hint = "--out names a file or a folder; it must be possible to make files there";
    Usage::error(format!("writing {}: {error}", path.display()), hint)
}

/// What to do about an error: the first hint in its chain.
pub(super) fn hint_of(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|link| {
        if let Some(error) = link.downcast_ref::<Usage>() {
            return Some(error.hint.clone());
        }
        None.or_else(|| link.downcast_ref::<config::Error>().and_then(Hint::hint))
            .or_else(|| link.downcast_ref::<report::Error>().and_then(Hint::hint))
            .or_else(|| link.downcast_ref().and_then(store::Error::hint))
            .or_else(|| link.downcast_ref().and_then(collect::Error::hint))
            .or_else(|| link.downcast_ref().and_then(reconcile::Error::hint))
            .or_else(|| link.downcast_ref().and_then(record::Error::hint))
            .or_else(|| link.downcast_ref().and_then(record::CiError::hint))
    })
}

/// The name of whoever runs this: of the login, else the number of the user.
pub(super) fn operator() -> anyhow::Result<String> {
    let name = ["LOGNAME", "USER", "USERNAME"]
        .into_iter()
        .filter_map(|variable| std::env::var(variable).ok())
        .find(|name| !name.trim().is_empty());
    if let Some(name) = name {
        return Ok(name);
    }
    user_number().ok_or_else(|| Usage::error("it is not known who runs this", "set the variable LOGNAME"))
}

/// The number of the user, where the system shows it.
fn user_number() -> Option<String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let process = std::fs::metadata("/proc/self").ok()?;
        Some(format!("uid {}", process.uid()))
    }
    #[cfg(not(unix))]
    None
}
