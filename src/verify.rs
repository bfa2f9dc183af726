//! Checks the chain of evidence: every record against its hash, every batch against its records, every link.
//!
//! The hash of each batch is made again from what is stored, by a statement that anybody can read. The surprising fact: this
//! finds every edit but one, a chain that was cut off or made anew from somewhere on. That shows only in the head, so
//! the head is printed by every report and belongs where whoever may edit the store may not.

use jiff::Timestamp;

use crate::store::{Db, Error, Value, sql};

/// What is wrong with one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The record, batch or place.
    pub subject: String,
    pub source: String,
    pub problem: String,
}

/// The last batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub batch: i64,
    pub hash: String,
    pub committed_at: Timestamp,
    /// Records in the whole chain.
    pub records: i64,
}

/// The end of the chain; `None` if nothing was ever stored.
///
/// # Errors
/// The store cannot be read.
pub fn head(db: &Db) -> Result<Option<Head>, Error> {
    let (_, rows) = db.rows(sql!("verify/head.sql"), &[])?;
    Ok(match rows.first().map(Vec::as_slice) {
        Some([Value::Int(batch), Value::Text(hash), Value::Time(committed_at), Value::Int(records)]) => {
            Some(Head { batch: *batch, hash: hash.clone(), committed_at: *committed_at, records: *records })
        }
        _ => None,
    })
}

/// Whether a batch of the chain has this hash.
///
/// # Errors
/// The store cannot be read.
pub fn is_in_chain(db: &Db, hash: &str) -> Result<bool, Error> {
    let (_, rows) = db.rows("select 1 from batch where hash = $hash", &[("hash", Value::Text(hash.to_owned()))])?;
    Ok(!rows.is_empty())
}

/// Everything that was edited after it was stored, in the order of the chain.
///
/// # Errors
/// The store cannot be read.
pub fn chain(db: &Db) -> Result<Vec<Problem>, Error> {
    db.batch("chain", sql!("verify/recomputed.sql"))?;
    let (_, batches) = db.rows(sql!("verify/batches.sql"), &[])?;
    for batch in batches {
        let [id, source, operator, now, previous] = <[Value; 5]>::try_from(batch).unwrap_or([const { Value::Null }; 5]);
        let params = [
            ("batch_id", id.clone()),
            ("source", source),
            ("operator", operator),
            ("now", now),
            ("previous_hash", previous),
        ];
        let (_, rows) = db.rows(sql!("store/batch_hash.sql"), &params)?;
        let [hash, records] =
            rows.into_iter().next().and_then(|row| row.try_into().ok()).unwrap_or([Value::Null, Value::Null]);
        db.run("chain", sql!("verify/keep.sql"), &[("batch_id", id), ("hash", hash), ("records", records)])?;
    }
    let (_, rows) = db.rows(sql!("verify/problems.sql"), &[])?;
    Ok(rows.into_iter().filter_map(problem).collect())
}

/// What the systems' own digests did not vouch for, as they were last checked; and how many were.
///
/// # Errors
/// The store cannot be read.
pub fn digests(db: &Db) -> Result<(i64, Vec<Problem>), Error> {
    db.batch("digests", sql!("reconcile/10_integrity.sql"))?;
    let (_, counted) = db.rows(sql!("verify/digests_checked.sql"), &[])?;
    let count = match counted.first().and_then(|row| row.first()) {
        Some(Value::Int(count)) => *count,
        _ => 0,
    };
    let (_, rows) = db.rows(sql!("verify/digests.sql"), &[])?;
    Ok((count, rows.into_iter().filter_map(problem).collect()))
}

fn problem(row: Vec<Value>) -> Option<Problem> {
    match <[Value; 3]>::try_from(row) {
        Ok([Value::Text(source), Value::Text(subject), Value::Text(problem)]) => {
            Some(Problem { subject, source, problem })
        }
        _ => None,
    }
}
