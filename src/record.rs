//! Appends release records that a pipeline pushes: source `record`, hash-chained like all evidence, with operator and
//! time. What a pipeline says about its own approvals is a claim, no evidence.

mod ci;
mod judged;

use std::io::BufRead;
use std::path::Path;
use std::time::Duration;

use changetrail_connectors::release_log::parse_lines;
use changetrail_connectors::{Redactor, Unit};
use jiff::Timestamp;
use thiserror::Error;

use crate::collect::{self, Key, has_evidence};
use crate::reconcile;
use crate::store::{self, Access, Db, Value, sql};

pub use ci::{Error as CiError, Told, record as from_ci};

/// The source that pushed records belong to.
pub const SOURCE: &str = "record";

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Records that say something new.
    pub accepted: u64,
    /// Records that the store had, word for word, or that came twice. They are kept again, for their order counts.
    pub known: u64,
    /// Lines that are no release records, or that judging would set aside: `line 3: why`. They are kept in quarantine.
    pub rejected: Vec<String>,
    /// Deployments that are over and of which nothing that was pushed says when they began.
    pub without_start: Vec<String>,
    /// What to say where the key of the hashes was lost.
    pub lost_key: Option<String>,
}

#[derive(Debug, Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Key(#[from] collect::Error),
    #[error("the records could not be tried")]
    Tried(#[from] reconcile::Error),
    #[error("could not read the records to their end")]
    Input {
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Key(error) => error.hint(),
            Self::Tried(error) => error.hint(),
            Self::Input { .. } => None,
        }
    }
}

/// Appends the records of `input`, one a line; all or, where the store fails, none.
///
/// # Errors
/// The input cannot be read, or the store cannot be written. A line that is no record, or none that counts, is no error
/// but [`Outcome::rejected`].
pub fn append(
    store: &Path,
    input: &mut dyn BufRead,
    operator: &str,
    now: Timestamp,
    wait: Duration,
) -> Result<Outcome, Error> {
    let key = Key::of(store)?;
    let redactor = Redactor::new(key.bytes);
    // The key sorts by time: of two versions that say no `recorded_at` the one pushed later counts. Told again word for word
    // it counts again, for something else may have been told in between.
    let mut unit = Unit { key: format!("{now:.9}"), last: true, in_order: true, ..Unit::default() };
    let mut lines = parse_lines(input, &redactor);
    for line in &mut lines {
        match line {
            Ok(record) => unit.records.push(record),
            Err(rejected) => unit.rejected.push(rejected),
        }
    }
    if let Some(source) = lines.failure() {
        return Err(Error::Input { source });
    }
    if unit.records.is_empty() && unit.rejected.is_empty() {
        return Ok(Outcome::default());
    }
    let over = judged::refuse(&mut unit, now)?;
    // Last, for others wait for it.
    let db = Db::open(store, Access::Write, wait)?;
    let lost_key = key.lost(has_evidence(&db)?);
    let rejected = unit.rejected.iter().map(|line| format!("{}: {}", line.position, line.error)).collect();
    let committed = db.commit(SOURCE, Some(operator), now, &[unit.into()])?;
    let (_, rows) = db.rows(sql!("record/known.sql"), &[])?;
    let known = match rows.first().map(Vec::as_slice) {
        Some([Value::Int(known)]) => known.unsigned_abs(),
        _ => 0,
    };
    let without_start = judged::without_start(&db, over)?;
    Ok(Outcome { accepted: committed.kept - known, known, rejected, without_start, lost_key })
}
