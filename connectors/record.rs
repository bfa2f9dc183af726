//! What a collector hands over.

use jiff::{Timestamp, civil::Date};
use std::collections::BTreeMap;

/// One record as the system sent it.
#[derive(Debug, Clone)]
pub struct Record {
    /// The provider's event id, else a hash of the canonical record. Equal for equal events, whenever they are read.
    pub record_id: String,
    /// When the event happened, if the record says so.
    pub occurred_at: Option<Timestamp>,
    /// JSON text, secrets replaced.
    pub body: String,
    /// HMAC-SHA-256 of the bytes received, when `body` differs from them (a secret was replaced).
    pub received_hmac: Option<[u8; 32]>,
    /// Place in its unit: line of a file, index in an array. Of records with equal times the later one counts.
    pub position: u64,
}

/// Something that could not be read as a record.
#[derive(Debug, Clone)]
pub struct Rejected {
    /// Where in the unit: `record 17`, `byte 5120`, `line 3`.
    pub position: String,
    /// Why, for a person.
    pub error: String,
    /// The bytes, cut to 64 KiB, invalid UTF-8 replaced, secrets replaced.
    pub body: String,
    /// Day of delivery.
    pub day: Option<Date>,
}

/// What is read and counted as one thing: a file and its etag, an hour of an API. Large units come in several parts.
#[derive(Debug, Clone, Default)]
pub struct Unit {
    /// Stable name within the source: a path relative to the source's root, or `account/region/2026-10-01T13`.
    pub key: String,
    /// Changes when the content does: size and modification time of a file, an object's etag. Empty for an API.
    pub etag: String,
    /// Size in bytes as stored by the system (a compressed file's own size), on the last part.
    pub size: u64,
    /// SHA-256 of the file as it lies there, hex, on the last part; empty for an API.
    pub sha256: String,
    /// The time that the unit covers, half-open, where that is known (an API's window).
    pub window: Option<(Timestamp, Timestamp)>,
    /// 0 for the first part. A first part replaces the counts of an earlier reading, later parts add to them.
    pub part: u32,
    /// Whether this is the last part: only then does the unit count as read.
    pub last: bool,
    /// What to keep.
    pub records: Vec<Record>,
    /// What could not be read.
    pub rejected: Vec<Rejected>,
    /// Read and dropped without judging (reads), by day of the event.
    pub reads: BTreeMap<Date, u64>,
    /// Day of delivery, for records without a time.
    pub day: Option<Date>,
    /// Why the unit could not be read to its end; it is kept, reported, and makes the run that first meets it exit 2.
    pub incomplete: Option<String>,
    /// Cursor (stream, value) to commit together with this unit.
    pub cursor: Option<(String, String)>,
}

impl Unit {
    /// Approximate memory held, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let records: usize = self.records.iter().map(|r| r.body.len() + 96).sum();
        let rejected: usize = self.rejected.iter().map(|r| r.body.len() + 96).sum();
        records + rejected + 256
    }
}
