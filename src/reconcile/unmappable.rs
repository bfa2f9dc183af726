//! Finds the records on which a mapping fails, so that the others are mapped without them.
//!
//! A mapping is SQL over all records at once, and an error names none of them. The surprising fact: so the records are
//! tried by halves, each time as if they were all there is, and what came of it is taken back.

use std::ops::RangeInclusive;

use changetrail_connectors::Connector;

use super::mapping::{Prepared, prepare, try_out};
use super::raw::{self, Records};
use super::{Error, Options};
use crate::error::with_causes;
use crate::store::{self, Db, Value, sql};

/// A mapping that fails on more records than this is itself at fault.
const MOST: usize = 100;

/// Notes the records on which the mapping of a source fails with this error. Where it fails without records too, on too many,
/// or on all that there ever were, the mapping is itself at fault: then the error is given back, in words for whoever wrote it.
///
/// # Errors
/// The store cannot be read or written.
pub(super) fn note(
    db: &Db,
    source: &str,
    settings: &[(String, String)],
    connector: &dyn Connector,
    options: &Options,
    error: Error,
) -> Result<Option<Error>, Error> {
    // Where it fails before any record is looked at, what failed first is told.
    let Ok(prepared) = prepare(db, source, settings, connector, options) else { return Ok(Some(error)) };
    let seen = prepared.records();
    let mut search = Search { db, source, connector, prepared, records: seen, found: Vec::new(), refused: None };
    let mut all = search.all()?;
    if search.found.is_empty() {
        // What was told in several ways is mapped content by content, too.
        search.records = Records::Contradicting;
        raw::show(db, source, 0..=i64::MAX, search.records, "")?;
        all = search.all()?;
    }
    let found = search.found;
    let every = found.len() as u64 == all.unsigned_abs();
    if found.len() > MOST || (every && search.prepared.through == 0) {
        return Ok(Some(search.refused.unwrap_or(error)));
    }
    if found.is_empty() {
        return Ok(Some(error));
    }
    for (number, error) in &found {
        let mut params = search.prepared.params.clone();
        params.extend([("number", Value::Int(*number)), ("error", Value::Text(error.clone()))]);
        db.run("unmappable", sql!("map/note_unmappable.sql"), &params)?;
    }
    Ok(None)
}

struct Search<'a> {
    db: &'a Db,
    source: &'a str,
    connector: &'a dyn Connector,
    prepared: Prepared<'a>,
    records: Records,
    /// Numbers of records, each with the error.
    found: Vec<(i64, String)>,
    /// What is wrong with the mapping itself, as the last record shows it on which it fails.
    refused: Option<Error>,
}

impl Search<'_> {
    /// Searches all records that `raw` shows; returns their number.
    fn all(&mut self) -> Result<i64, Error> {
        self.db.batch("records to try", sql!("map/tried.sql"))?;
        let (_, rows) = self.db.rows("select count(*) from tried", &[])?;
        let Some([Value::Int(records)]) = rows.first().map(Vec::as_slice) else { return Ok(0) };
        // It may fail without any.
        if self.fails(&(0..=0)).is_none() {
            self.halves(1..=*records);
        }
        Ok(*records)
    }

    /// Why the mapping fails on these records, if it does.
    fn fails(&mut self, numbers: &RangeInclusive<i64>) -> Option<String> {
        let failed = try_out(self.db, self.source, self.connector, &self.prepared, self.records, numbers).err()?;
        Some(match failed {
            Error::Mapping { connector, problem } => {
                self.refused = Some(Error::Mapping { connector, problem: problem.clone() });
                problem
            }
            // The rest shows the statement, which is ours as much as the mapping's.
            Error::Store(store::Error::Statement { source, .. }) => {
                source.to_string().lines().next().unwrap_or_default().to_owned()
            }
            other => with_causes(&other),
        })
    }

    /// Searches records that fail in a range. Where each half is fine by itself nothing is found.
    fn halves(&mut self, numbers: RangeInclusive<i64>) {
        let (first, last) = (*numbers.start(), *numbers.end());
        if first > last || self.found.len() > MOST {
            return;
        }
        let Some(error) = self.fails(&numbers) else { return };
        if first == last {
            self.found.push((first, error));
            return;
        }
        let middle = first + (last - first) / 2;
        self.halves(first..=middle);
        self.halves(middle + 1..=last);
    }
}
