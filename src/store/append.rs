//! Commits what a collector handed over: records, what could not be read, the window they came from and the cursor, in
//! one transaction. Reading the same thing again changes nothing but the time of reading.

use std::collections::{HashMap, HashSet};

use changetrail_connectors::{Record, Rejected, Unit, hex};
use duckdb::Appender;
use duckdb::types::{TimeUnit, Value as Cell};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::chain::{self, Batch, Line};
use super::open::{STORE, WORTH_A_CHECKPOINT};
use super::query::to_cell;
use super::{Db, Error, Value, sql};

/// What one commit did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Records that were new.
    pub stored: u64,
    /// Records handed over.
    pub kept: u64,
    /// Records that were stored before, or twice in what was handed over.
    pub duplicates: u64,
    /// Reads, counted and dropped.
    pub reads: u64,
    pub quarantined: u64,
}

/// A unit that came in, with what can be found out about it while the store is somebody else's.
#[derive(Debug, Clone)]
pub struct Incoming {
    pub unit: Unit,
    /// SHA-256 of each record as it will be stored, in order.
    hashes: Vec<String>,
}

impl From<Unit> for Incoming {
    fn from(unit: Unit) -> Self {
        let hashes = unit.records.iter().map(|record| hex(&Sha256::digest(record.body.as_bytes()))).collect();
        Self { unit, hashes }
    }
}

/// How a poll of a source ended.
#[derive(Debug, Clone)]
pub struct Poll<'a> {
    pub source: &'a str,
    pub now: Timestamp,
    /// Why the source could not be read to its end.
    pub error: Option<&'a str>,
}

/// The hash before the first batch.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

impl Db {
    /// Commits units of one source, in one transaction.
    ///
    /// # Errors
    /// The store could not be written; nothing of it is kept then.
    pub fn commit(
        &self,
        source: &str,
        operator: Option<&str>,
        now: Timestamp,
        units: &[Incoming],
    ) -> Result<Committed, Error> {
        self.transaction(|db| db.take_in(source, operator, now, units))
    }

    /// Commits all that `work` does, or nothing of it.
    ///
    /// # Errors
    /// Those of the work, and the store could not be written.
    pub fn transaction<T, E: From<Error>>(&self, work: impl FnOnce(&Self) -> Result<T, E>) -> Result<T, E> {
        self.batch("commit", "begin transaction")?;
        let result = work(self).and_then(|done| Ok(self.batch("commit", "commit").map(|()| done)?));
        if result.is_err() {
            // The first error is the one to tell; a failed rollback leaves nothing that it could have kept.
            let _ = self.batch("commit", "rollback");
        }
        result
    }

    /// As [`Db::transaction`], but what it brings goes into a log beside the file: who goes on writing puts the file in order
    /// once, after that.
    ///
    /// # Errors
    /// Those of [`Db::transaction`].
    pub fn transaction_in_log<T, E: From<Error>>(&self, work: impl FnOnce(&Self) -> Result<T, E>) -> Result<T, E> {
        self.batch("commit into the log", "set checkpoint_threshold = '1TB'")?;
        let result = self.transaction(work)?;
        self.batch("commit into the log", &format!("set checkpoint_threshold = '{WORTH_A_CHECKPOINT}'"))?;
        Ok(result)
    }

    /// Notes that a source was polled, whether or not it could be read to its end.
    ///
    /// # Errors
    /// The store could not be written.
    pub fn note_poll(&self, poll: &Poll<'_>) -> Result<(), Error> {
        let error = poll.error.map_or(Value::Null, |text| Value::Text(text.to_owned()));
        let params =
            [("source", Value::Text(poll.source.to_owned())), ("now", Value::Time(poll.now)), ("error", error)];
        self.run("note the poll", sql!("store/set_poll.sql"), &params).map(|_| ())
    }

    /// The units of a source that cannot be read to their end, and of which nobody has been told yet: (unit, why).
    ///
    /// # Errors
    /// The store could not be read.
    pub fn untold(&self, source: &str) -> Result<Vec<(String, String)>, Error> {
        let (_, rows) = self.rows(sql!("store/untold.sql"), &[("source", Value::Text(source.to_owned()))])?;
        Ok(rows.iter().filter_map(|row| pair(row)).collect())
    }

    /// Notes that somebody was told of the units of a source that cannot be read to their end.
    ///
    /// # Errors
    /// The store could not be written.
    pub fn set_told(&self, source: &str) -> Result<(), Error> {
        self.run("told", sql!("store/set_told.sql"), &[("source", Value::Text(source.to_owned()))]).map(|_| ())
    }

    /// Makes a temporary table of text columns.
    ///
    /// # Errors
    /// The name or a column is unusable.
    pub(crate) fn load(&self, table: &str, columns: &[String], rows: &[Vec<Value>]) -> Result<(), Error> {
        let columns: Vec<String> = columns.iter().map(|column| format!("{} varchar", quoted(column))).collect();
        let create = format!("create or replace temporary table {} ({})", quoted(table), columns.join(", "));
        self.batch("data table", &create)?;
        let mut appender = self.appender(table)?;
        for cells in rows {
            row(&mut appender, cells)?;
        }
        appender.flush().map_err(failed)
    }

    /// Stores units of one source, within a [`Db::transaction`].
    ///
    /// # Errors
    /// The store could not be written.
    pub fn take_in(
        &self,
        source: &str,
        operator: Option<&str>,
        now: Timestamp,
        incoming: &[Incoming],
    ) -> Result<Committed, Error> {
        self.batch("incoming tables", sql!("store/incoming.sql"))?;
        let mut committed = self.announce(now, incoming)?;
        let (last, previous_hash) = self.last_batch()?;
        let batch = Batch { id: last + 1, source, operator, now, previous_hash: &previous_hash };
        let text = |text: &str| Value::Text(text.to_owned());
        let times = || incoming.iter().flat_map(|incoming| &incoming.unit.records).filter_map(|r| r.occurred_at);
        let mut params = vec![
            ("source", text(source)),
            ("operator", operator.map_or(Value::Null, text)),
            ("now", Value::Time(now)),
            ("batch_id", Value::Int(batch.id)),
            ("previous_hash", text(&previous_hash)),
            ("first", times().min().map_or(Value::Null, Value::Time)),
            ("last", times().max().map_or(Value::Null, Value::Time)),
        ];
        let taken = self.set_aside_taken(&params[..1], now, incoming)?;
        committed.kept -= taken.len() as u64;
        committed.quarantined += taken.len() as u64;
        self.run("known records", sql!("store/known.sql"), &params)?;
        self.run("repeated records", sql!("store/repeated.sql"), &params)?;
        let mut lines = self.store_new(&batch, incoming, &taken)?;
        committed.stored = lines.len() as u64;
        let mut set_aside = Vec::new();
        if committed.quarantined > 0 {
            self.run("quarantine", sql!("store/insert_quarantine.sql"), &params)?;
            set_aside = self.rows(sql!("store/quarantined.sql"), &params)?.1;
        }
        lines.extend(set_aside.iter().filter_map(|row| Line::set_aside(row)));
        params.push(("hash", Value::Text(chain::hash(&batch, lines))));
        params.push(("records", Value::Int(i64::try_from(committed.stored).unwrap_or(i64::MAX))));
        self.run("batch", sql!("store/insert_batch.sql"), &params)?;
        self.run("counts", sql!("store/count_units.sql"), &params)?;
        self.run("counts", sql!("store/replace_counts.sql"), &params)?;
        self.run("counts", sql!("store/insert_counts.sql"), &params)?;
        self.run("units", sql!("store/merge_units.sql"), &params)?;
        self.run("units", sql!("store/replace_units.sql"), &params)?;
        self.run("units", sql!("store/insert_units.sql"), &params)?;
        let units = || incoming.iter().map(|incoming| &incoming.unit);
        for (unit, proof) in units().filter_map(|unit| Some((&unit.key, unit.proof.as_ref()?))) {
            let proof = serde_json::to_string(proof).unwrap_or_default();
            let params = [params[0].clone(), params[2].clone(), ("unit", text(unit)), ("proof", text(&proof))];
            for statement in [
                sql!("store/forget_digest.sql"),
                sql!("store/forget_digest_files.sql"),
                sql!("store/insert_digest.sql"),
                sql!("store/insert_digest_files.sql"),
            ] {
                self.run("digests", statement, &params)?;
            }
        }
        for (stream, value) in units().filter_map(|unit| unit.cursor.as_ref()) {
            let cursor = [params[0].clone(), params[2].clone(), ("stream", text(stream)), ("value", text(value))];
            self.run("cursor", sql!("store/set_cursor.sql"), &cursor)?;
        }
        committed.duplicates = committed.kept - committed.stored.min(committed.kept);
        Ok(committed)
    }

    /// Says what has come in, without the records themselves: enough to find out which of them are new.
    fn announce(&self, now: Timestamp, incoming: &[Incoming]) -> Result<Committed, Error> {
        let mut committed = Committed::default();
        let today = now.to_zoned(TimeZone::UTC).date();
        let mut records = self.appender("incoming_record")?;
        let mut read = self.appender("incoming_read")?;
        let mut quarantine = self.appender("incoming_quarantine")?;
        let mut unit_rows = self.appender("incoming_unit")?;
        let mut place = 0_i64;
        for Incoming { unit, hashes } in incoming {
            let fallback = unit.day.unwrap_or(today);
            let delivered = fallback.to_zoned(TimeZone::UTC).map_or(now, |zoned| zoned.timestamp());
            for (record, hash) in unit.records.iter().zip(hashes) {
                let day = day(record.occurred_at.unwrap_or(delivered));
                let position = i64::try_from(record.position).unwrap_or(i64::MAX);
                let occurred = time(record);
                let cells = duckdb::params![place, record.record_id, hash, occurred, day, unit.key, position];
                records.append_row(cells).map_err(failed)?;
                place += 1;
            }
            for (day, reads) in &unit.reads {
                let count = i64::try_from(*reads).unwrap_or(i64::MAX);
                row(&mut read, &[text(&unit.key), text(&day.to_string()), Value::Int(count)])?;
                committed.reads += reads;
            }
            for rejected in &unit.rejected {
                append_rejected(&mut quarantine, unit, rejected, fallback)?;
            }
            append_unit(&mut unit_rows, unit)?;
            committed.kept += unit.records.len() as u64;
            committed.quarantined += unit.rejected.len() as u64;
        }
        for appender in [&mut records, &mut read, &mut quarantine, &mut unit_rows] {
            appender.flush().map_err(failed)?;
        }
        Ok(committed)
    }

    /// Sets records aside whose id a record of another item has, with other content; gives their places.
    fn set_aside_taken(
        &self,
        source: &[(&str, Value)],
        now: Timestamp,
        incoming: &[Incoming],
    ) -> Result<HashSet<usize>, Error> {
        if !incoming.iter().any(|incoming| incoming.unit.own_ids && !incoming.unit.records.is_empty()) {
            return Ok(HashSet::new());
        }
        self.run("records whose id is taken", sql!("store/taken.sql"), source)?;
        let (_, rows) = self.rows("select place, item from taken_record", &[])?;
        let owners: HashMap<usize, &str> = rows
            .iter()
            .filter_map(|row| match row.as_slice() {
                [Value::Int(place), Value::Text(item)] => Some((usize::try_from(*place).ok()?, item.as_str())),
                _ => None,
            })
            .collect();
        let today = now.to_zoned(TimeZone::UTC).date();
        let mut quarantine = self.appender("incoming_quarantine")?;
        let records = incoming.iter().flat_map(|Incoming { unit, .. }| unit.records.iter().map(move |it| (unit, it)));
        for (place, (unit, record)) in records.enumerate() {
            let Some(owner) = owners.get(&place) else { continue };
            let rejected = Rejected {
                position: format!("record {}", record.position),
                error: format!(
                    "another record has its id, `{}`, read for {owner}: ${{item}} belongs into event_id",
                    record.record_id
                ),
                body: record.body.clone(),
                day: record.occurred_at.map(|time| time.to_zoned(TimeZone::UTC).date()).or(unit.day),
            };
            append_rejected(&mut quarantine, unit, &rejected, today)?;
        }
        quarantine.flush().map_err(failed)?;
        self.run("records set aside", sql!("store/leave_taken.sql"), &[])?;
        Ok(owners.into_keys().collect())
    }

    /// Appends the records that are neither known nor repeated: straight into their table, borrowed, the one place where
    /// many bytes pass.
    fn store_new<'a>(
        &self,
        batch: &Batch<'_>,
        incoming: &'a [Incoming],
        taken: &HashSet<usize>,
    ) -> Result<Vec<Line<'a>>, Error> {
        let (_, rows) = self.rows(sql!("store/left_out.sql"), &[])?;
        let left_out: HashSet<usize> = rows
            .iter()
            .filter_map(|row| match row.first() {
                Some(Value::Int(index)) => usize::try_from(*index).ok(),
                _ => None,
            })
            .collect();
        let mut appender = self.connection.appender_to_catalog_and_db("raw_record", STORE, "main").map_err(failed)?;
        let records = incoming.iter().flat_map(|Incoming { unit, hashes }| {
            unit.records.iter().zip(hashes).map(move |(record, hash)| (unit, record, hash))
        });
        let mut lines = Vec::new();
        for (index, (unit, record, hash)) in records.enumerate() {
            if left_out.contains(&index) || taken.contains(&index) {
                continue;
            }
            let received = record.received_hmac.map(|hmac| hex(&hmac));
            let position = i64::try_from(record.position).unwrap_or(i64::MAX);
            let occurred = time(record);
            appender
                .append_row(duckdb::params![
                    batch.source,
                    record.record_id,
                    hash,
                    received,
                    occurred,
                    unit.key,
                    position,
                    batch.id,
                    record.body
                ])
                .map_err(failed)?;
            lines.push(Line::record(unit, record, hash));
        }
        appender.flush().map_err(failed)?;
        Ok(lines)
    }

    fn appender(&self, table: &str) -> Result<Appender<'_>, Error> {
        self.connection.appender_to_catalog_and_db(table, "temp", "main").map_err(failed)
    }

    fn last_batch(&self) -> Result<(i64, String), Error> {
        let (_, rows) = self.rows(sql!("store/last_batch.sql"), &[])?;
        Ok(match rows.first().map(Vec::as_slice) {
            Some([Value::Int(id), Value::Text(hash)]) => (*id, hash.clone()),
            _ => (0, GENESIS.to_owned()),
        })
    }
}

fn append_rejected(appender: &mut Appender<'_>, unit: &Unit, rejected: &Rejected, fallback: Date) -> Result<(), Error> {
    let day = rejected.day.unwrap_or(fallback).to_string();
    let hash = hex(&Sha256::digest(rejected.body.as_bytes()));
    let cells = duckdb::params![unit.key, rejected.position, rejected.error, hash, day, rejected.body];
    appender.append_row(cells).map_err(failed)
}

fn append_unit(appender: &mut Appender<'_>, unit: &Unit) -> Result<(), Error> {
    let [start, end] = unit.window.map_or([Value::Null, Value::Null], |(start, end)| [start, end].map(Value::Time));
    let cells = [
        text(&unit.key),
        text(&unit.etag),
        Value::Int(i64::try_from(unit.size).unwrap_or(i64::MAX)),
        text(&unit.sha256),
        start,
        end,
        Value::Int(i64::from(unit.part)),
        Value::Bool(unit.last),
        unit.incomplete.as_deref().map_or(Value::Null, text),
        Value::Bool(unit.own_ids),
        Value::Bool(unit.in_order),
    ];
    row(appender, &cells)
}

/// The UTC day of a time, as the engine counts days.
fn day(time: Timestamp) -> Cell {
    let days = time.as_second().div_euclid(24 * 60 * 60);
    Cell::Date32(i32::try_from(days).unwrap_or_default())
}

fn time(record: &Record) -> Option<Cell> {
    record.occurred_at.map(|time| Cell::Timestamp(TimeUnit::Microsecond, time.as_microsecond()))
}

fn row(appender: &mut Appender<'_>, cells: &[Value]) -> Result<(), Error> {
    appender.append_row(duckdb::appender_params_from_iter(cells.iter().map(to_cell))).map_err(failed)
}

fn failed(source: duckdb::Error) -> Error {
    Error::Statement { step: "take in records".into(), source }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn pair(row: &[Value]) -> Option<(String, String)> {
    match row {
        [Value::Text(first), Value::Text(second)] => Some((first.clone(), second.clone())),
        _ => None,
    }
}

/// A name as an SQL identifier, whatever is in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
