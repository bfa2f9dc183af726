//! De-duplication: whatever is read, in whatever order, parts and repetition, each content is kept once and the counts foot.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use changetrail::store::{Access, Db, Incoming, Value};
use changetrail_connectors::{Record, Unit};
use jiff::Timestamp;
use proptest::prelude::*;

use crate::support::Place;

/// What a unit holds: (id, version of its content, second) of each record.
type Holds = Vec<(u8, u8)>;

/// The parts of a unit: one, or two where it is cut.
fn parts(key: usize, holds: &Holds, cut: bool) -> Vec<Unit> {
    let records: Vec<Record> =
        holds.iter().enumerate().map(|(position, (id, version))| record(position, *id, *version)).collect();
    let unit = Unit { key: format!("unit-{key}"), etag: "1".to_owned(), ..Unit::default() };
    if !cut || records.len() < 2 {
        return vec![Unit { records, last: true, ..unit }];
    }
    let (first, second) = records.split_at(records.len() / 2);
    vec![
        Unit { records: first.to_vec(), ..unit.clone() },
        Unit { records: second.to_vec(), part: 1, last: true, ..unit },
    ]
}

fn record(position: usize, id: u8, version: u8) -> Record {
    Record {
        record_id: format!("record-{id}"),
        // Some records say no time.
        occurred_at: (id % 4 != 3)
            .then(|| Timestamp::from_second(1_793_700_000 + i64::from(id) * 40_000).expect("a time")),
        body: format!(r#"{{"id":{id},"version":{version}}}"#),
        received_hmac: None,
        position: position as u64,
    }
}

/// A store for all tries: each has a source of its own in it.
struct Shared {
    db: Db,
    tries: AtomicUsize,
    _place: Place,
}

fn shared() -> Shared {
    let place = Place::empty();
    let db = Db::open(&place.store(), Access::Write, Duration::from_secs(10)).expect("a store");
    Shared { db, tries: AtomicUsize::new(0), _place: place }
}

fn ask(db: &Db, source: &str, sql: &str) -> Vec<Vec<Value>> {
    let params = [("source", Value::Text(source.to_owned()))];
    db.rows(sql, &params).expect("an answer").1
}

/// Units, and in which commits they come: each commit a list of units, each of them whole in one commit or cut over two.
fn readings() -> impl Strategy<Value = (Vec<Holds>, Vec<Vec<(usize, bool)>>)> {
    let holds = prop::collection::vec((0u8..12, 0u8..3), 0..8);
    let units = prop::collection::vec(holds, 1..6);
    units.prop_flat_map(|units| {
        let commit = prop::sample::subsequence((0..units.len()).collect::<Vec<_>>(), 1..=units.len())
            .prop_shuffle()
            .prop_flat_map(|chosen| {
                let count = chosen.len();
                (Just(chosen), prop::collection::vec(any::<bool>(), count))
            })
            .prop_map(|(chosen, cuts)| chosen.into_iter().zip(cuts).collect::<Vec<_>>());
        (Just(units), prop::collection::vec(commit, 1..7))
    })
}

#[test]
fn each_content_is_kept_once_and_the_counts_foot() {
    let shared = shared();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 32,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let outcome = runner.run(&readings(), |(units, commits)| {
        check(&shared, &units, &commits);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

fn check(shared: &Shared, units: &[Holds], commits: &[Vec<(usize, bool)>]) {
    let source = format!("try-{}", shared.tries.fetch_add(1, Ordering::SeqCst));
    let (db, now) = (&shared.db, Timestamp::from_second(1_795_000_000).expect("a time"));
    let mut read: BTreeSet<usize> = BTreeSet::new();
    let mut stored = 0;
    for commit in commits {
        let mut now_and_later: [Vec<Incoming>; 2] = [Vec::new(), Vec::new()];
        for (unit, cut) in commit {
            read.insert(*unit);
            for (index, part) in parts(*unit, &units[*unit], *cut).into_iter().enumerate() {
                now_and_later[index].push(part.into());
            }
        }
        for units in now_and_later.iter().filter(|units| !units.is_empty()) {
            stored += db.commit(&source, None, now, units).expect("a commit").stored;
        }
    }
    let expected: BTreeSet<(u8, u8)> = read.iter().flat_map(|unit| units[*unit].clone()).collect();
    let bodies: BTreeSet<String> =
        expected.iter().map(|(id, version)| format!(r#"{{"id":{id},"version":{version}}}"#)).collect();
    let kept = ask(db, &source, "select record from raw_record where source = $source");
    assert_eq!(kept.len(), bodies.len(), "a content is kept twice, or not at all");
    let kept: BTreeSet<String> = kept
        .into_iter()
        .map(|row| match &row[0] {
            Value::Text(text) => text.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kept, bodies);
    assert_eq!(stored, bodies.len() as u64);
    let seen: usize = read.iter().map(|unit| units[*unit].len()).sum();
    let counts = "select coalesce(sum(kept), 0)::bigint, coalesce(sum(duplicates), 0)::bigint from unit_count where source = $source";
    let int = |count: usize| Value::Int(i64::try_from(count).expect("a small number"));
    assert_eq!(ask(db, &source, counts), [[int(seen), int(seen - bodies.len())]], "seen, and of these seen before");
    let complete = "select count(*) from unit where source = $source and complete";
    assert_eq!(ask(db, &source, complete), [[int(read.len())]]);
}
