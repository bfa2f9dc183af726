//! Reads one log file into parts of a unit.
//!
//! Gunzip, scan, decide and hash in one pass; at most one part is held. The surprising fact: nothing that is wrong
//! with a file is an error here. What is whole is handed over, and the last part says why the rest is missing.

use std::borrow::Cow;
use std::fmt::Debug;
use std::io::Read;

use jiff::civil::Date;

use super::Outcome;
use super::scan::{Item, Scanner};
use crate::files::{Content, is_failure};
use crate::{Error, Redactor, Rejected, Unit};

/// Bytes of kept records after which a part is handed over.
const PART_BYTES: usize = 4 * 1024 * 1024;
/// Records after which a part is handed over.
const PART_RECORDS: usize = 5_000;
/// Bytes of a rejected element that are kept.
const REJECTED_BYTES: usize = 64 * 1024;

/// What becomes of the element that a text begins with, at this place in the file, and how long it is, where both can be
/// told at once.
pub(crate) type Starts = fn(&str, u64, &Redactor) -> Option<(Outcome, usize)>;

/// What differs between the log files of one system and another.
pub(crate) trait Format: Debug + Send + Sync {
    /// Whether a file of this name (in lower case) is looked at.
    fn is_wanted(&self, name: &str) -> bool {
        [".json", ".jsonl", ".ndjson", ".gz"].iter().any(|ending| name.ends_with(ending))
    }

    /// Name of the unit that the file at this path is; paths start below the source's folder.
    fn key(&self, path: &str) -> String {
        path.to_owned()
    }

    /// Whether the file of this key holds records; others are counted only.
    fn is_log(&self, _key: &str) -> bool {
        true
    }

    /// Whether a file of this key that has nothing in it is whole: lines may have been none.
    fn may_be_empty(&self, _key: &str) -> bool {
        false
    }

    /// What becomes of an element of the file of this key: its bytes, and its place in the file.
    fn classify(&self, key: &str, element: &[u8], place: u64, redactor: &Redactor) -> Outcome;

    /// What may be kept of an element that is set aside, before secrets are looked for by their names.
    fn shown<'a>(&self, element: &'a [u8]) -> Cow<'a, [u8]> {
        element.into()
    }

    /// What tells of an element by reading it, without its being measured first; not every format has it.
    fn starts(&self) -> Option<Starts> {
        None
    }
}

/// What one file may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes of one record; CloudTrail's own limit is 256 KB.
    pub(crate) element: usize,
    /// Bytes that a compressed file may inflate to; trail files have up to a few hundred MB.
    pub(crate) inflated: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { element: 16 * 1024 * 1024, inflated: 4 * 1024 * 1024 * 1024 }
    }
}

/// Collects records into parts of one unit and hands them over.
pub(crate) struct Parts<'a> {
    unit: Unit,
    bytes: usize,
    emit: &'a mut dyn FnMut(Unit) -> Result<(), Error>,
}

impl<'a> Parts<'a> {
    /// `unit` has the key, etag and day of all parts.
    pub(crate) fn new(unit: Unit, emit: &'a mut dyn FnMut(Unit) -> Result<(), Error>) -> Self {
        Self { unit, bytes: 0, emit }
    }

    /// Adds what became of an element; `bytes` are the element's own, `position` is asked only if they are set aside.
    pub(crate) fn add(
        &mut self,
        outcome: Outcome,
        position: impl FnOnce() -> String,
        bytes: &[u8],
        redactor: &Redactor,
    ) -> Result<(), Error> {
        match outcome {
            Outcome::Keep(record) => {
                self.bytes += record.body.len();
                self.unit.records.push(record);
            }
            Outcome::Read(day) => {
                if let Some(day) = day.or(self.unit.day) {
                    *self.unit.reads.entry(day).or_default() += 1;
                }
                return Ok(());
            }
            Outcome::Skipped => return Ok(()),
            Outcome::Rejected(error) => {
                let body = redactor.scrub(&bytes[..bytes.len().min(REJECTED_BYTES)]);
                self.bytes += body.len();
                self.unit.rejected.push(Rejected { position: position(), error, body, day: self.unit.day });
            }
        }
        if self.bytes < PART_BYTES && self.unit.records.len() + self.unit.rejected.len() < PART_RECORDS {
            return Ok(());
        }
        self.bytes = 0;
        let next = Unit {
            key: self.unit.key.clone(),
            etag: self.unit.etag.clone(),
            day: self.unit.day,
            part: self.unit.part + 1,
            ..Unit::default()
        };
        (self.emit)(std::mem::replace(&mut self.unit, next))
    }

    /// Sees to it that the file is read again, though it does not change.
    pub(crate) fn again(&mut self) {
        self.unit.etag.clear();
    }

    /// Hands the last part over.
    pub(crate) fn finish(mut self, size: u64, sha256: String, incomplete: Option<String>) -> Result<(), Error> {
        self.unit.last = true;
        self.unit.size = size;
        self.unit.sha256 = sha256;
        self.unit.incomplete = incomplete;
        (self.emit)(self.unit)
    }
}

/// Reads the content of a file; the unit's key, etag and day are given.
///
/// # Errors
/// Only those of `emit`.
pub(crate) fn read(
    input: impl Read,
    unit: Unit,
    format: &dyn Format,
    limits: Limits,
    redactor: &Redactor,
    emit: &mut dyn FnMut(Unit) -> Result<(), Error>,
) -> Result<(), Error> {
    let (key, is_log) = (unit.key.clone(), format.is_log(&unit.key));
    let mut parts = Parts::new(unit, emit);
    let content = match Content::new(input, limits.inflated) {
        Ok(content) => content,
        Err(error) => {
            if is_failure(&error) {
                parts.again();
            }
            return parts.finish(0, String::new(), Some(format!("cannot read the file: {error}")));
        }
    };
    if !is_log {
        let (size, hash, error) = content.into_stored().finish();
        if error.as_ref().is_some_and(is_failure) {
            parts.again();
        }
        return parts.finish(size, hash, error.map(|error| format!("cannot read the file: {error}")));
    }
    // A file of no bytes has nothing to set aside.
    let is_empty = content.is_empty();
    let mut scanner = Scanner::new(content, limits.element);
    let mut incomplete = None;
    loop {
        if let Some(starts) = format.starts() {
            let look = |text: &str, place| starts(text, place, redactor);
            scanner.known(look, |outcome| parts.add(outcome, String::new, &[], redactor))?;
        }
        let Some(item) = scanner.next() else { break };
        let index = scanner.index();
        match item {
            Item::Element(range) => {
                let outcome = format.classify(&key, scanner.bytes(&range), index, redactor);
                let is_rejected = matches!(outcome, Outcome::Rejected(_));
                let range = if is_rejected { scanner.reject(range) } else { range };
                let bytes = scanner.bytes(&range);
                let bytes = if is_rejected { format.shown(bytes) } else { bytes.into() };
                parts.add(outcome, || format!("record {index}"), &bytes, redactor)?;
            }
            Item::Malformed(range, reason) => {
                let outcome = Outcome::Rejected(reason);
                parts.add(outcome, || format!("record {index}"), &format.shown(scanner.bytes(&range)), redactor)?;
            }
            Item::Cut(range, reason) => {
                let position = format!("byte {}", scanner.offset(&range));
                let rest = format.shown(scanner.bytes(&range));
                if !is_empty {
                    parts.add(Outcome::Rejected(reason.clone()), || position, &rest, redactor)?;
                }
                if !(is_empty && format.may_be_empty(&key)) {
                    incomplete = Some(reason);
                }
            }
        }
    }
    let stored = scanner.into_input().into_stored();
    let failed = stored.failed();
    let (size, hash, error) = stored.finish();
    if failed || error.as_ref().is_some_and(is_failure) {
        parts.again();
    }
    if let Some(error) = error {
        incomplete.get_or_insert_with(|| format!("cannot read the file: {error}"));
    }
    parts.finish(size, hash, incomplete)
}

/// A file that cannot be opened or listed is a unit too; without an etag it is tried again.
pub(crate) fn unreadable(unit: Unit, problem: String) -> Unit {
    Unit { etag: String::new(), last: true, incomplete: Some(problem), ..unit }
}

/// Day of the path, else of the file.
pub(crate) fn day(key: &str, modified: Option<Date>) -> Option<Date> {
    crate::files::day_in(key).or(modified)
}
