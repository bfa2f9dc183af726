//! The hash that stands for a batch in the chain of evidence.
//!
//! `queries/store/batch_hash.sql` says what it is, and `verify` makes it again with it from what is stored. Here it is made
//! of what goes into the store, because whoever commits keeps others waiting: the engine takes twenty times as long. The
//! test below holds the two against each other.

use std::borrow::Cow;

use changetrail_connectors::{Record, Unit, hex};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::Value;

/// Between the parts of a line, and between lines.
const PART: &str = "\u{1f}";
const LINE: &str = "\u{1e}";

/// What a batch is, beside what it stores.
pub(super) struct Batch<'a> {
    pub(super) id: i64,
    pub(super) source: &'a str,
    pub(super) operator: Option<&'a str>,
    pub(super) now: Timestamp,
    pub(super) previous_hash: &'a str,
}

/// One thing that a batch stores; the fields are in the order that the lines have.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line<'a> {
    kind: &'static str,
    unit: &'a str,
    position: i64,
    place: Cow<'a, str>,
    name: &'a str,
    hash: &'a str,
    received: Cow<'a, str>,
    occurred: Cow<'a, str>,
}

impl<'a> Line<'a> {
    pub(super) fn record(unit: &'a Unit, record: &'a Record, hash: &'a str) -> Self {
        let position = i64::try_from(record.position).unwrap_or(i64::MAX);
        Self {
            kind: "0",
            unit: &unit.key,
            position,
            place: position.to_string().into(),
            name: &record.record_id,
            hash,
            received: record.received_hmac.map_or(Cow::Borrowed(""), |hmac| hex(&hmac).into()),
            occurred: record.occurred_at.map_or(Cow::Borrowed(""), |time| time.as_microsecond().to_string().into()),
        }
    }

    /// Of a row of `queries/store/quarantined.sql`.
    pub(super) fn set_aside(row: &'a [Value]) -> Option<Self> {
        let [
            Value::Text(unit),
            Value::Text(place),
            Value::Text(stage),
            Value::Text(hash),
            Value::Text(error),
            Value::Text(day),
        ] = row
        else {
            return None;
        };
        let (place, received, occurred) = (place.into(), error.into(), day.into());
        Some(Self { kind: "1", unit, position: 0, place, name: stage, hash, received, occurred })
    }
}

/// The hash of the batch before, who brought this one and when, and what it stored, unit by unit in order.
pub(super) fn hash(batch: &Batch<'_>, mut lines: Vec<Line<'_>>) -> String {
    lines.sort_unstable();
    let (id, now) = (batch.id.to_string(), batch.now.as_microsecond().to_string());
    let mut whole = [batch.previous_hash, &id, batch.source, batch.operator.unwrap_or_default(), &now].join(LINE);
    if lines.is_empty() {
        whole.push_str(LINE);
    }
    for unit in lines.chunk_by(|one, other| (one.kind, one.unit) == (other.kind, other.unit)) {
        let mut hash = Sha256::new();
        for (index, line) in unit.iter().enumerate() {
            hash.update(if index == 0 { "" } else { LINE });
            hash.update(&*line.place);
            for part in [line.name, line.hash, &line.received, &line.occurred] {
                hash.update(PART);
                hash.update(part);
            }
        }
        whole.push_str(LINE);
        whole.push_str(&[unit[0].kind, batch.source, unit[0].unit, &hex(&hash.finalize())].join(PART));
    }
    hex(&Sha256::digest(whole))
}

#[cfg(test)]
mod tests {
    use changetrail_connectors::{Record, Rejected, Unit};
    use jiff::Timestamp;

    use crate::store::{Db, Value, sql};

    fn record(id: &str, position: u64, time: Option<i64>) -> Record {
        Record {
            record_id: id.into(),
            occurred_at: time.and_then(|time| Timestamp::from_microsecond(time).ok()),
            body: format!("{{\"id\":\"{id}\",\"position\":{position}}}"),
            received_hmac: (position == 2).then_some([7; 32]),
            position,
        }
    }

    fn rejected(position: &str) -> Rejected {
        Rejected { position: position.into(), error: "no, \u{1f}'é".into(), body: "x".into(), day: None }
    }

    /// What the statement by which a chain is verified makes of a batch.
    fn by_statement(db: &Db, id: i64) -> Vec<Value> {
        let batch = "select source, operator, committed_at, previous_hash from batch where batch_id = $id";
        let (_, rows) = db.rows(batch, &[("id", Value::Int(id))]).expect("a batch");
        let names = ["source", "operator", "now", "previous_hash"];
        let mut params: Vec<_> = names.into_iter().zip(rows[0].clone()).collect();
        params.push(("batch_id", Value::Int(id)));
        db.rows(sql!("store/batch_hash.sql"), &params).expect("a hash").1.remove(0)
    }

    #[test]
    fn it_is_the_hash_that_verifying_makes_again() {
        let db = Db::scratch().expect("a store");
        let now = Timestamp::from_microsecond(1_790_000_000_123_456).expect("a time");
        let unit = |key: &str, records: Vec<Record>, rejected: Vec<Rejected>| {
            Unit { key: key.into(), last: true, records, rejected, ..Unit::default() }.into()
        };
        let many = (0..30).map(|n| record(&format!("m{}", n % 7), n / 2, Some(1_000_000 * n.cast_signed()))).collect();
        for units in [
            vec![unit("b/é", many, vec![]), unit("a", vec![record("x", 2, None), record("", 10, Some(-5))], vec![])],
            vec![unit("a", vec![record("y", 11, Some(7))], vec![rejected("record 10"), rejected("record 9")])],
            vec![unit("B", vec![], vec![rejected("byte 3")])],
            vec![unit("empty", vec![], vec![])],
        ] {
            for operator in [None, Some("é@example.org")] {
                db.commit("aws", operator, now, &units).expect("a commit");
            }
        }
        let (_, batches) = db.rows("select batch_id, hash, records from batch order by all", &[]).expect("batches");
        assert_eq!(batches.len(), 8);
        for batch in batches {
            let [Value::Int(id), hash, records] = <[Value; 3]>::try_from(batch).expect("three") else {
                panic!("an id")
            };
            assert_eq!(by_statement(&db, id), [hash, records], "batch {id}");
        }
    }
}
