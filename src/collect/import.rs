//! Imports: files for a configured source, through the reader of its connector.
//!
//! The surprising fact: units of imported files have names of their own. A file that happens to be called like one of
//! the source's would otherwise replace its counts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use changetrail_connectors::{Catalog, Error as SourceError, Seen, Unit};

use super::Error;
use crate::config::Source;

/// What to import.
#[derive(Debug, Clone)]
pub struct Import {
    /// A file or a folder.
    pub path: PathBuf,
    /// Who imports it.
    pub operator: String,
}

impl Import {
    /// The source, as one that reads the files; and what the names of their units begin with.
    pub(super) fn prepare(&self, catalog: &Catalog, source: &Source) -> Result<(Source, String), Error> {
        let reads_files =
            catalog.find(&source.connector).is_ok_and(|connector| connector.spec().params.contains_key("path"));
        if !reads_files {
            return Err(Error::NoFiles { name: source.name.clone(), connector: source.connector.clone() });
        }
        let missing = |source| Error::Import { path: self.path.clone(), source };
        let path = std::fs::canonicalize(&self.path).map_err(missing)?;
        let text = path.to_string_lossy().into_owned();
        let mut source = source.clone();
        source.params = toml::Table::from_iter([("path".to_owned(), toml::Value::String(text))]);
        let parent = if path.is_dir() { &path } else { path.parent().unwrap_or(Path::new("/")) };
        Ok((source, format!("import:{}/", parent.display())))
    }
}

/// What the store knows of imported units.
pub(super) struct Prefixed {
    pub(super) prefix: String,
    pub(super) seen: Arc<dyn Seen>,
}

impl Prefixed {
    pub(super) fn rename(prefix: &str, unit: Unit) -> Unit {
        Unit { key: format!("{prefix}{}", unit.key), ..unit }
    }
}

impl Seen for Prefixed {
    fn etags(&self, units: &[String]) -> Result<Vec<Option<String>>, SourceError> {
        let units: Vec<String> = units.iter().map(|unit| format!("{}{unit}", self.prefix)).collect();
        self.seen.etags(&units)
    }

    fn objects(&self, prefix: &str) -> Result<Vec<String>, SourceError> {
        self.seen.objects(&format!("{}{prefix}", self.prefix))
    }

    fn stored(&self, ids: &[String]) -> Result<Vec<bool>, SourceError> {
        self.seen.stored(ids)
    }

    fn bodies(&self, ids: &[String]) -> Result<Vec<Option<String>>, SourceError> {
        self.seen.bodies(ids)
    }

    /// Of the source's own units: what is imported is named as what it reads itself.
    fn prefixed(&self, prefix: &str) -> Result<Option<bool>, SourceError> {
        self.seen.prefixed(prefix)
    }
}
