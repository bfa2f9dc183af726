//! What the store knows of units that were read before.

use std::time::Duration;

use changetrail_connectors::{Error, Seen};

use crate::store::{Access, Value, Visits, sql};

/// Asks the store, never at the same time as the writer of this process: the file's lock is per process and would
/// not keep the two apart.
pub(super) struct Known {
    source: String,
    store: Visits,
    /// How long to wait for others that have the store.
    wait: Duration,
}

impl Known {
    pub(super) fn new(store: Visits, source: String, wait: Duration) -> Self {
        Self { source, store, wait }
    }

    /// The first column of what the store answers.
    fn ask(&self, sql: &str, name: &str, value: String) -> Result<Vec<Value>, Error> {
        let failed = |source: crate::store::Error| Error::Store { action: "ask", source: Box::new(source) };
        let params = [("source", Value::Text(self.source.clone())), (name, Value::Text(value))];
        let (_, rows) = self.store.visit(Access::Read, self.wait, |db| db.rows(sql, &params)).map_err(failed)?;
        Ok(rows.into_iter().filter_map(|row| row.into_iter().next()).collect())
    }
}

impl Seen for Known {
    fn etags(&self, units: &[String]) -> Result<Vec<Option<String>>, Error> {
        let rows = self.ask(sql!("store/seen.sql"), "units", list(units)?)?;
        Ok(rows.into_iter().map(|etag| if let Value::Text(etag) = etag { Some(etag) } else { None }).collect())
    }

    fn objects(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let rows = self.ask(sql!("store/objects.sql"), "prefix", prefix.to_owned())?;
        Ok(rows.into_iter().filter_map(|id| if let Value::Text(id) = id { Some(id) } else { None }).collect())
    }

    fn stored(&self, ids: &[String]) -> Result<Vec<bool>, Error> {
        let rows = self.ask(sql!("store/stored.sql"), "ids", list(ids)?)?;
        Ok(rows.into_iter().map(|stored| stored == Value::Bool(true)).collect())
    }

    fn bodies(&self, ids: &[String]) -> Result<Vec<Option<String>>, Error> {
        let rows = self.ask(sql!("store/bodies.sql"), "ids", list(ids)?)?;
        Ok(rows.into_iter().map(|body| if let Value::Text(body) = body { Some(body) } else { None }).collect())
    }

    fn prefixed(&self, prefix: &str) -> Result<Option<bool>, Error> {
        let rows = self.ask(sql!("store/prefixed.sql"), "prefix", prefix.to_owned())?;
        Ok(rows.into_iter().find_map(|row| if let Value::Bool(prefixed) = row { Some(prefixed) } else { None }))
    }
}

fn list(texts: &[String]) -> Result<String, Error> {
    serde_json::to_string(texts).map_err(|source| Error::Store { action: "ask", source: Box::new(source) })
}
