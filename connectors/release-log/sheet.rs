//! A release log that is kept in a spreadsheet: each row of a CSV file becomes a release record.
//!
//! Columns are found by their header, `columns` of the source names those that are called otherwise; what nobody knows is
//! kept beside. The surprising fact: a spreadsheet writes times without a zone, so the source says which one is meant, and
//! a day comes before its month, as in the United Kingdom.

use std::io;

use csv::StringRecord;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use serde_json::{Map, Value, json};

use crate::{Record, Redactor, Rejected, canonical};

/// Fields of a release record that may be a column.
pub(super) const FIELDS: &[&str] = &[
    "id",
    "release_id",
    "pipeline",
    "service",
    "version",
    "commit",
    "artifact_digest",
    "steps_digest",
    "stage",
    "environment",
    "trigger",
    "requested_by",
    "started_at",
    "finished_at",
    "recorded_at",
    "outcome",
    "bypassed",
    "url",
    "approved_by",
    "approved_at",
    "run_ids",
    "tickets",
];
/// Bytes of a rejected row that are kept.
const REJECTED_BYTES: usize = 64 * 1024;

/// What a source says of its spreadsheets.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// Field and header, where they differ.
    pub(super) columns: Vec<(String, String)>,
    /// What a time without a zone means.
    pub(super) zone: TimeZone,
}

impl Layout {
    /// The field that a header stands for: as the source says, else by its name, whatever its case and punctuation.
    fn field(&self, header: &str) -> Option<&'static str> {
        let known = |name: &str| FIELDS.iter().copied().find(|field| *field == name);
        if let Some((field, _)) = self.columns.iter().find(|(_, own)| plain(own) == plain(header)) {
            return known(field);
        }
        FIELDS.iter().copied().find(|field| plain(field) == plain(header))
    }
}

fn plain(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The records of a CSV file, one after the other.
pub(super) struct Sheet<'a, R> {
    reader: csv::Reader<R>,
    headers: Vec<(String, Option<&'static str>)>,
    layout: &'a Layout,
    redactor: &'a Redactor,
    failure: Option<io::Error>,
}

impl<'a, R: io::Read> Sheet<'a, R> {
    pub(super) fn new(input: R, layout: &'a Layout, redactor: &'a Redactor) -> Self {
        let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(input);
        let mut failure = None;
        let headers = match reader.byte_headers() {
            Ok(headers) => headers.iter().map(|header| String::from_utf8_lossy(header).into_owned()).collect(),
            Err(error) => {
                failure = Some(io::Error::other(error));
                Vec::new()
            }
        };
        let named = |header: String| {
            let header = header.trim_start_matches('\u{feff}').to_owned();
            let field = layout.field(&header);
            (header, field)
        };
        let headers = headers.into_iter().map(named).collect();
        Self { reader, headers, layout, redactor, failure }
    }

    /// Why the file could not be read to its end, if so.
    pub(super) fn failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    pub(super) fn into_input(self) -> R {
        self.reader.into_inner()
    }

    fn record(&self, row: &StringRecord, line: u64) -> Result<Record, String> {
        let (mut fields, mut others) = (Map::new(), Map::new());
        for ((header, field), cell) in self.headers.iter().zip(row).filter(|(_, cell)| !cell.is_empty()) {
            let place = if field.is_some() { &mut fields } else { &mut others };
            place.insert(field.map_or_else(|| header.clone(), str::to_owned), json!(cell));
        }
        // Where no column says who approved, nobody knows; an empty cell of one says that nobody did.
        let told = self.headers.iter().any(|(_, field)| *field == Some("approved_by"));
        let text = self.layout.release(fields, others, told)?.to_string();
        let (body, received_hmac) = self.redactor.apply(&text);
        let value: Value = serde_json::from_str(&body).map_err(|error| format!("not readable as JSON: {error}"))?;
        let name = super::lines::name(&value)?;
        Ok(Record {
            record_id: format!("{name}#{}", &canonical::hash(&value)[..32]),
            occurred_at: super::lines::time(&value),
            body: body.into_owned(),
            received_hmac,
            position: line,
        })
    }
}

impl<R: io::Read> Iterator for Sheet<'_, R> {
    type Item = Result<Record, Rejected>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.failure.is_none() {
            let mut row = csv::ByteRecord::new();
            match self.reader.read_byte_record(&mut row) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.failure = Some(io::Error::other(error));
                    return None;
                }
            }
            if row.iter().all(<[u8]>::is_empty) {
                continue;
            }
            let line = row.position().map_or(0, csv::Position::line);
            let text = StringRecord::from_byte_record(row.clone());
            let text = text.map_err(|_| "the row is not UTF-8: save the spreadsheet as CSV UTF-8".to_owned());
            return Some(text.and_then(|row| self.record(&row, line)).map_err(|error| {
                let cells: Vec<&[u8]> = row.iter().collect();
                let whole = cells.join(&b',');
                let body = self.redactor.scrub(&whole[..whole.len().min(REJECTED_BYTES)]);
                Rejected { position: format!("line {line}"), error, body, day: None }
            }));
        }
        None
    }
}

impl Layout {
    /// The row as a release record. What a cell means is for `map.sql` to say, but for times, which need the zone.
    fn release(
        &self,
        mut fields: Map<String, Value>,
        others: Map<String, Value>,
        approvals_told: bool,
    ) -> Result<Value, String> {
        let mut take = |name: &str| fields.remove(name).and_then(|cell| cell.as_str().map(str::to_owned));
        let several = |cell: Option<String>| -> Vec<String> {
            cell.iter().flat_map(|cell| cell.split(';')).map(|part| part.trim().to_owned()).collect()
        };
        let (approvers, times) = (several(take("approved_by")), several(take("approved_at")));
        let keys = json!({"run_ids": several(take("run_ids")), "tickets": several(take("tickets"))});
        let mut moments = Map::new();
        for name in ["started_at", "finished_at", "recorded_at"] {
            if let Some(cell) = take(name) {
                moments.insert(name.to_owned(), json!(self.moment(name, &cell)?));
            }
        }
        let mut approvals = Vec::new();
        for (place, approver) in approvers.iter().enumerate().filter(|(_, approver)| !approver.is_empty()) {
            let at = times.get(place).filter(|time| !time.is_empty());
            let at = at.map(|time| self.moment("approved_at", time)).transpose()?;
            approvals.push(json!({"phase": "pre", "decision": "approved", "approver": approver, "decided_at": at}));
        }
        let mut record = Map::from_iter([("schema".to_owned(), json!("changetrail.deployment/1"))]);
        record.append(&mut fields);
        record.append(&mut moments);
        if approvals_told {
            record.insert("approvals".to_owned(), json!(approvals));
        }
        record.insert("keys".to_owned(), keys);
        if !record.contains_key("id") {
            let part = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let parts = ["pipeline", "release_id", "stage", "started_at"].map(part);
            record.insert("id".to_owned(), json!(parts.join(":")));
        }
        if !others.is_empty() {
            record.insert("columns".to_owned(), Value::Object(others));
        }
        Ok(Value::Object(record))
    }

    fn moment(&self, name: &str, cell: &str) -> Result<String, String> {
        if let Some(time) = crate::log::time_of(cell).filter(|_| has_zone(cell)) {
            return Ok(time.to_string());
        }
        let time = local(cell)
            .ok_or_else(|| format!("`{name}`: `{cell}` is no time; write 2026-11-03 10:00 or 03/11/2026 10:00"))?;
        // Where a clock is put forward or back, a time is never or twice.
        let zoned = self.zone.to_ambiguous_timestamp(time);
        let why = match zoned.offset() {
            AmbiguousOffset::Gap { .. } => "does not exist",
            AmbiguousOffset::Fold { .. } => "is there twice",
            AmbiguousOffset::Unambiguous { .. } => "cannot be told",
        };
        let zone = self.zone.iana_name().unwrap_or("the time zone");
        let refusal =
            || format!("`{name}`: `{cell}` {why} in {zone}; write it with its offset, as 2026-10-25T01:30:00+01:00");
        Ok(zoned.unambiguous().map_err(|_| refusal())?.to_string())
    }
}

/// A time without a zone. A year of two digits is one of this century, or of the last one's end.
fn local(cell: &str) -> Option<DateTime> {
    let formats = [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%d %H:%M",
        "%d/%m/%Y %H:%M:%S",
        "%d/%m/%Y %H:%M",
        "%d/%m/%y %H:%M:%S",
        "%d/%m/%y %H:%M",
    ];
    let read = |format: &&str| strtime::parse(format, cell).ok()?.to_datetime().ok();
    formats.iter().filter_map(read).find(|time| time.year() >= 1000)
}

fn has_zone(cell: &str) -> bool {
    let clock = cell.split_once(['T', ' ']).map_or("", |(_, clock)| clock);
    clock.ends_with(['Z', 'z']) || clock.contains(['+', '-'])
}
