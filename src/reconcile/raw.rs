//! What a mapping sees of its source: the view `raw`, and the tables beside it.
//!
//! The surprising fact: what it is not to see is looked for only where there is any, for the planner takes four fifths of
//! the records to be missing then, and lets one processor map the rest.

use std::ops::RangeInclusive;

use changetrail_connectors::Connector;

use super::Error;
use crate::store::{Db, Value, sql};

/// Which records a mapping sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Records {
    /// Those that came in since it was last run.
    New,
    /// And those that belong together with them.
    Together,
    /// Each content of what was told in several ways, by itself.
    Contradicting,
}

impl Records {
    fn sql(self) -> &'static str {
        match self {
            Self::New => "raw_record",
            Self::Together => sql!("map/raw_together.sql"),
            Self::Contradicting => sql!("map/raw_contradicting.sql"),
        }
    }
}

/// Makes the view `raw`: the records of a source that came in after a batch, and what stands beside it.
///
/// # Errors
/// The store fails.
pub(super) fn prepare(
    db: &Db,
    source: &str,
    connector: &dyn Connector,
    after_batch: i64,
    records: Records,
) -> Result<(), Error> {
    let params = [("source", Value::Text(source.to_owned())), ("after_batch", Value::Int(after_batch))];
    db.script("replaced records", sql!("map/replaced.sql"), &params)?;
    let has_objects = connector.spec().has_objects();
    let previous = if has_objects { sql!("map/previous.sql") } else { sql!("map/no_previous.sql") };
    db.script("previous records", previous, &params)?;
    show(db, source, after_batch..=i64::MAX, records, "")
}

/// The view `raw` itself: the records of the batches after the first and up to the last of `batches`, perhaps only those
/// that the condition `only` leaves.
///
/// # Errors
/// The store fails.
pub(super) fn show(
    db: &Db,
    source: &str,
    batches: RangeInclusive<i64>,
    records: Records,
    only: &str,
) -> Result<(), Error> {
    let (_, rows) = db.rows(sql!("map/leaves_out.sql"), &[("source", Value::Text(source.to_owned()))])?;
    let leaves_out = rows.first().map(Vec::as_slice) == Some(&[Value::Bool(true)]);
    let params = [
        ("source", Value::Text(source.to_owned())),
        ("after_batch", Value::Int(*batches.start())),
        ("through_batch", Value::Int(*batches.end())),
    ];
    let view = sql!("map/raw.sql")
        .replace("{left_out}", if leaves_out { sql!("map/raw_left_out.sql") } else { "" })
        .replace("{records}", records.sql())
        .replace("{only}", only);
    Ok(db.script("raw records", &view, &params)?)
}
