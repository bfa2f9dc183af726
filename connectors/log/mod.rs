//! What connectors of logs share: which time to ask for, and files full of records.
//!
//! Where a log is asked for, [`windows`] says which time and in which pieces, [`streams`] reads them with their cursors,
//! and [`Hours`] makes one unit of each hour. Where it lies in files, [`PathCollector`] finds them, [`scan`] finds the
//! elements in them and [`reader`] makes units of those. The surprising fact: nothing here knows what a record is. Each
//! connector says so by giving an [`Outcome`] for each.

mod hours;
mod path;
pub(crate) mod reader;
mod scan;
pub(crate) mod streams;
pub(crate) mod windows;

pub(crate) use hours::Hours;
pub(crate) use path::PathCollector;
pub(crate) use reader::{Format, Starts, unreadable};

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::Record;

/// What becomes of an element of a log.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A change, an attempt, evidence of a session, or anything that does not say what it is.
    Keep(Record),
    /// It says that it only reads; the day of the event, if it says so.
    Read(Option<Date>),
    /// No entry of the log: a digest, an insight, a summary.
    Skipped,
    /// It cannot be told what it is.
    Rejected(String),
}

/// RFC 3339; without an offset, UTC.
pub(crate) fn time_of(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let time: DateTime = text.parse().ok()?;
    time.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}
