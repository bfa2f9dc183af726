//! Collects the records of a request window into one unit for each hour, empty hours included: they are coverage.
//!
//! Pages come newest first, but that is not relied on: until the whole window has been read an hour may get more, so
//! it goes out in parts, and only the end of the window makes each hour's last one. The surprising fact: a record
//! whose own time lies outside of the window is kept in the nearest hour; what was asked for is no reason to lose it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Outcome, windows};
use crate::{Redactor, Rejected, Unit};

/// Bytes held before parts go out; many streams run at once.
const HELD: usize = 1024 * 1024;
/// Bytes of a rejected record that are kept.
const REJECTED_BYTES: usize = 64 * 1024;

/// The units of one request window.
#[derive(Debug)]
pub(crate) struct Hours {
    units: BTreeMap<Timestamp, Hour>,
    held: usize,
}

#[derive(Debug)]
struct Hour {
    unit: Unit,
    /// Records so far: the place of the next one.
    count: u64,
}

impl Hours {
    /// For the stream of that name; `start` is before `end`.
    pub(crate) fn new(stream: &str, start: Timestamp, end: Timestamp) -> Self {
        Self::of(stream, windows::hours(start, end))
    }

    /// As [`Hours::new`], for pieces of any length.
    pub(crate) fn of(stream: &str, pieces: Vec<(Timestamp, Timestamp)>) -> Self {
        let mut units = BTreeMap::new();
        for (from, to) in pieces {
            let key = format!("{stream}/{}", from.strftime("%Y-%m-%dT%H"));
            let day = Some(from.to_zoned(TimeZone::UTC).date());
            let unit = Unit { key, day, window: Some((from, to)), ..Unit::default() };
            units.insert(from, Hour { unit, count: 0 });
        }
        Self { units, held: 0 }
    }

    /// Adds what became of a record; `asked` is where it belongs if it does not say when it happened, `text` and `place`
    /// are kept of what is rejected.
    pub(crate) fn put(&mut self, outcome: Outcome, text: &[u8], asked: Timestamp, place: &str, redactor: &Redactor) {
        let time = match &outcome {
            Outcome::Keep(record) => record.occurred_at.unwrap_or(asked),
            _ => asked,
        };
        let Some(hour) = self.hour(time) else { return };
        let position = hour.count;
        hour.count += 1;
        let weight = match outcome {
            Outcome::Keep(mut record) => {
                record.position = position;
                let weight = record.body.len();
                hour.unit.records.push(record);
                weight
            }
            Outcome::Read(day) => {
                if let Some(day) = day.or(hour.unit.day) {
                    *hour.unit.reads.entry(day).or_default() += 1;
                }
                0
            }
            Outcome::Skipped => 0,
            Outcome::Rejected(error) => {
                let body = redactor.scrub(&text[..text.len().min(REJECTED_BYTES)]);
                let weight = body.len();
                let rejected = Rejected { position: place.to_owned(), error, body, day: hour.unit.day };
                hour.unit.rejected.push(rejected);
                weight
            }
        };
        self.held += weight + 100;
    }

    /// Notes that an hour could not be read whole.
    pub(crate) fn incomplete(&mut self, time: Timestamp, reason: &str) {
        if let Some(hour) = self.hour(time) {
            hour.unit.incomplete = Some(reason.to_owned());
        }
    }

    /// Parts that have to go out so that not too much is held.
    pub(crate) fn overflow(&mut self) -> Vec<Unit> {
        if self.held < HELD {
            return Vec::new();
        }
        self.held = 0;
        self.units.values_mut().filter(|hour| hour.unit.weight() > 1_024).map(Hour::take_part).collect()
    }

    /// The last parts, oldest hour first; `cursors` are committed with the last hour, in that order.
    pub(crate) fn finish(self, cursors: Vec<(String, String)>) -> Vec<Unit> {
        let mut hours: Vec<Hour> = self.units.into_values().collect();
        let last = hours.pop();
        let mut units: Vec<Unit> = hours.into_iter().map(|hour| Unit { last: true, ..hour.unit }).collect();
        if let Some(mut hour) = last {
            let mut cursors = cursors.into_iter().peekable();
            // A unit carries one cursor: one more goes with one more part.
            while let Some(cursor) = cursors.next() {
                hour.unit.cursor = Some(cursor);
                if cursors.peek().is_some() {
                    units.push(hour.take_part());
                }
            }
            units.push(Unit { last: true, ..hour.unit });
        }
        units
    }

    /// The hour of a time, else the nearest.
    fn hour(&mut self, time: Timestamp) -> Option<&mut Hour> {
        // What is later than all belongs to the last.
        let time = time.max(*self.units.keys().next()?);
        self.units.range_mut(..=time).next_back().map(|(_, hour)| hour)
    }
}

impl Hour {
    /// What there is, as a part; the rest goes on without it.
    fn take_part(&mut self) -> Unit {
        let next = Unit {
            key: self.unit.key.clone(),
            day: self.unit.day,
            window: self.unit.window,
            part: self.unit.part + 1,
            // Said of the unit, so with its last part.
            incomplete: self.unit.incomplete.take(),
            ..Unit::default()
        };
        std::mem::replace(&mut self.unit, next)
    }
}
