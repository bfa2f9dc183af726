//! What the store knows of units that were read before.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use changetrail_connectors::{Error, Seen};

use crate::store::{Access, Db, Value, WRITER_PATIENCE, sql};

/// Asks the store, never at the same time as the writer of this process: the file's lock is per process and would
/// not keep the two apart.
pub(super) struct Known {
    store: PathBuf,
    source: String,
    gate: Arc<Mutex<()>>,
}

impl Known {
    pub(super) fn new(store: PathBuf, source: String, gate: Arc<Mutex<()>>) -> Self {
        Self { store, source, gate }
    }
}

impl Seen for Known {
    fn etags(&self, units: &[String]) -> Result<Vec<Option<String>>, Error> {
        let failed = |source: crate::store::Error| Error::Store { action: "ask", source: Box::new(source) };
        let _alone = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let db = Db::open(&self.store, Access::Read, WRITER_PATIENCE).map_err(failed)?;
        let asked =
            serde_json::to_string(units).map_err(|source| Error::Store { action: "ask", source: Box::new(source) })?;
        let params = [("source", Value::Text(self.source.clone())), ("units", Value::Text(asked))];
        let (_, rows) = db.rows(sql!("store/seen.sql"), &params).map_err(failed)?;
        Ok(rows
            .into_iter()
            .map(|row| match row.into_iter().next() {
                Some(Value::Text(etag)) => Some(etag),
                _ => None,
            })
            .collect())
    }
}
