//! What a collector hands over.

use jiff::{Timestamp, civil::Date};
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::Notify;

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
    /// Whether a record whose id another item's record has, with other content, is another record: then it is set aside.
    /// Keys are `STREAM/ITEM/…`.
    pub own_ids: bool,
    /// Whether what stands further down replaces what stands above it, also where it is told word for word as before: then
    /// a record is kept at each place.
    pub in_order: bool,
    /// Cursor (stream, value) to commit together with this unit.
    pub cursor: Option<(String, String)>,
    /// What the system's own proof that its log is whole came to.
    pub proof: Option<Box<Proof>>,
    /// Signed when this unit, and whatever was handed over before it, is in the store.
    pub receipt: Option<Receipt>,
}

/// What a file that vouches for log files says, and what was found of it: facts, judged in SQL.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Proof {
    /// Files that follow on each other.
    pub stream: String,
    /// Where the file says that it lies.
    pub key: String,
    /// The time that it vouches for, as it says.
    pub starts_at: Option<String>,
    /// The end of that time.
    pub ends_at: Option<String>,
    /// SHA-256 of its content, hex.
    pub hash: String,
    /// Whether its signature holds.
    pub signature: Signature,
    /// The signature, hex: kept beside it, else as the next file states it.
    pub signature_text: Option<String>,
    /// The file before it, its hash and its signature, as it states them.
    pub previous_key: Option<String>,
    /// See there.
    pub previous_hash: Option<String>,
    /// See there.
    pub previous_signature: Option<String>,
    /// Why it proves nothing.
    pub problem: Option<String>,
    /// The log files that it vouches for.
    pub files: Vec<Vouched>,
}

/// A log file that a proof vouches for.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Vouched {
    /// Where it should lie.
    pub key: String,
    /// Its hash, as the proof states it.
    pub expected: String,
    /// The hash of what lies there, or why it cannot be read; nothing if nothing lies there.
    pub found: Option<String>,
}

/// Whether a signature holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signature {
    /// The signature is not to be had: that of the newest file, in a copy.
    #[default]
    NotKnown,
    /// There is no public key of that name.
    NoKey,
    /// The system signed it.
    Good,
    /// It did not.
    Bad,
}

/// Tells a collector that what it handed over is in the store.
#[derive(Debug, Clone, Default)]
pub struct Receipt(Arc<Notify>);

impl Receipt {
    /// It is in the store.
    pub fn sign(&self) {
        self.0.notify_one();
    }

    /// Waits until it is; for ever where the writer fails, which ends the run.
    pub async fn signed(&self) {
        self.0.notified().await;
    }
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
