//! A unit that is handed over in parts, so that not too much is held.

use sha2::{Digest, Sha256};

use super::records::Reader;
use crate::log::Outcome;
use crate::{Rejected, Unit, files};

/// Bytes and records after which a part is handed over.
const PART_BYTES: usize = 4 * 1024 * 1024;
const PART_RECORDS: usize = 5_000;
/// Bytes of a rejected record that are kept.
const REJECTED_BYTES: usize = 64 * 1024;

/// The parts of one unit.
pub(super) struct Parts {
    unit: Unit,
    bytes: usize,
    count: u64,
}

impl Parts {
    pub(super) fn new(unit: Unit) -> Self {
        Self { unit, bytes: 0, count: 0 }
    }

    /// Adds what became of a record; `text` is what is kept of one that is none. Gives a part that is full.
    pub(super) fn add(&mut self, outcome: Outcome, text: &str, reader: &Reader<'_>) -> Option<Unit> {
        match outcome {
            Outcome::Keep(mut record) => {
                record.position = self.count;
                self.bytes += record.body.len();
                self.unit.records.push(record);
            }
            Outcome::Read(day) => {
                if let Some(day) = day.or(self.unit.day) {
                    *self.unit.reads.entry(day).or_default() += 1;
                }
            }
            Outcome::Skipped => {}
            Outcome::Rejected(error) => {
                let mut body = reader.scrub(text);
                body.truncate(body.floor_char_boundary(REJECTED_BYTES));
                self.bytes += body.len();
                let position = format!("record {}", self.count);
                self.unit.rejected.push(Rejected { position, error, body, day: self.unit.day });
            }
        }
        self.count += 1;
        if self.bytes < PART_BYTES && self.unit.records.len() + self.unit.rejected.len() < PART_RECORDS {
            return None;
        }
        Some(self.take())
    }

    /// Sets the item aside for which nothing can be asked: as it was, it counts as read.
    pub(super) fn aside(mut self, problem: String, item: &str, reader: &Reader<'_>) -> Unit {
        // One record is never too much to hold.
        drop(self.add(Outcome::Rejected(problem), &serde_json::json!({"item": item}).to_string(), reader));
        self.finish(None)
    }

    /// What there is so far, as a part that is not the last.
    pub(super) fn take(&mut self) -> Unit {
        self.bytes = 0;
        let Unit { key, etag, day, window, part, .. } = &self.unit;
        let next = Unit {
            key: key.clone(),
            etag: etag.clone(),
            day: *day,
            window: *window,
            part: part + 1,
            ..Unit::default()
        };
        std::mem::replace(&mut self.unit, next)
    }

    /// The last part.
    pub(super) fn finish(self, cursor: Option<(String, String)>) -> Unit {
        Unit { last: true, cursor, ..self.unit }
    }
}

/// A short name for a long one.
pub(super) fn short(text: &str) -> String {
    files::hex(&Sha256::digest(text.as_bytes())[..8])
}
