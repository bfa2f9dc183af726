//! Several processes and one store: queries while a collection runs, who holds the store, what is no store of ours.

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::Duration;

use changetrail::store::{Access, Db};

use crate::support::fake::Fake;
use crate::support::place::with_credentials;
use crate::support::{Output, Place};

const TRAIL: &str = r#"
[[source]]
name = "aws"
connector = "aws-cloudtrail"
path = "trail"
"#;

const RECORD: &str = r#"{"Records":[{"eventTime":"2026-11-03T10:00:00Z","eventID":"e1","eventSource":"s3.amazonaws.com","eventName":"PutBucketPolicy","readOnly":false,"userIdentity":{"type":"Root"},"recipientAccountId":"111122223333"}]}"#;

/// A folder with one record to collect.
fn trail() -> Place {
    let place = Place::new(TRAIL);
    place.write("trail/a.json", RECORD);
    place
}

const WAIT: Duration = Duration::from_secs(10);

#[test]
fn queries_answer_while_a_slow_collection_runs() {
    let fake = Fake::start(200, 25, Duration::from_millis(400));
    let place = Place::new(&fake.config());
    let mut collect = place.command(&["-q", "collect", "--since", "1h"]);
    let mut collect = with_credentials(&mut collect).stderr(Stdio::piped()).spawn().expect("it starts");
    while !place.store().exists() {
        sleep(Duration::from_millis(5));
    }
    let (mut counts, mut while_running) = (BTreeSet::new(), 0);
    while collect.try_wait().expect("a child").is_none() {
        let answer = place.query("select count(*) from raw_record");
        let count: u64 = answer.rows[0][0].parse().expect("a count");
        counts.insert(count);
        while_running += 1;
    }
    let output = collect.wait_with_output().expect("it ended");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(fake.pages.load(Ordering::SeqCst) >= 8);
    assert!(while_running >= 5, "only {while_running} queries were answered");
    assert!(counts.len() > 1, "nothing was seen to arrive: {counts:?}");
    assert_eq!(place.query("select count(*) from raw_record").rows, [["200"]]);
}

#[test]
fn who_holds_the_store_is_named() {
    let place = trail();
    let held = Db::open(&place.store(), Access::Write, WAIT).expect("a store");
    let pid = format!("PID {}", std::process::id());
    for args in [
        &["query", "from batch", "--wait", "1s"][..],
        &["report", "changes", "--wait", "1s"],
        &["collect", "--wait", "1s"],
        &["reconcile", "--wait", "1s"],
    ] {
        let output = place.ran(2, args);
        output.says(&["is in use by", &pid, "--wait"]);
    }
    drop(held);
    place.ran(0, &["collect"]);
    assert_eq!(place.query("select count(*) from raw_record").rows, [["1"]]);
}

#[test]
fn a_collection_waits_for_a_long_reader() {
    let place = trail();
    place.ran(0, &["collect"]);
    place.write("trail/b.json", RECORD.replace("e1", "e2"));
    let reader = Db::open(&place.store(), Access::Read, WAIT).expect("a store");
    let mut collect =
        place.command(&["collect"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    sleep(Duration::from_millis(1_500));
    assert!(collect.try_wait().expect("a child").is_none(), "it did not wait");
    drop(reader);
    assert_eq!(collect.wait().expect("it ended").code(), Some(0));
    assert_eq!(place.query("select count(*) from raw_record").rows, [["2"]]);
}

#[test]
fn a_reader_waits_for_a_writer() {
    let place = trail();
    place.ran(0, &["collect"]);
    let writer = Db::open(&place.store(), Access::Write, WAIT).expect("a store");
    let mut query =
        place.command(&["query", "from batch"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    sleep(Duration::from_millis(700));
    assert!(query.try_wait().expect("a child").is_none(), "it did not wait");
    drop(writer);
    assert_eq!(query.wait().expect("it ended").code(), Some(0));
}

#[test]
fn a_store_of_a_newer_version_is_refused_and_left_alone() {
    let place = trail();
    place.ran(0, &["collect"]);
    duckdb::Connection::open(place.store())
        .expect("a database")
        .execute_batch("update schema_version set version = 999; checkpoint")
        .expect("it is newer now");
    let before = fs::read(place.store()).expect("the store");
    for args in [&["query", "from batch"][..], &["collect"], &["reconcile"], &["audit"], &["report", "changes"]] {
        place.ran(2, args).says(&["newer", "999"]);
        assert_eq!(fs::read(place.store()).expect("the store"), before, "{args:?} touched it");
    }
}

#[test]
fn a_file_that_is_no_store_is_refused_and_left_alone() {
    let place = trail();
    let text = "Dear diary, this is no database at all. ".repeat(500);
    place.write("diary.duckdb", &text);
    place.write("short.duckdb", "x");
    duckdb::Connection::open(place.path("other.duckdb"))
        .expect("a database")
        .execute_batch("create table orders (id integer); checkpoint")
        .expect("somebody else's");
    for name in ["diary.duckdb", "short.duckdb", "other.duckdb"] {
        let before = fs::read(place.path(name)).expect("the file");
        for command in [&["query", "from batch"][..], &["collect"], &["reconcile"]] {
            let mut args = vec!["--store", name];
            args.extend(command);
            place.ran(2, &args).says(&["is not a changetrail store", name, "--store"]);
            let after = fs::read(place.path(name)).expect("the file");
            assert_eq!(after, before, "{args:?} touched it");
        }
    }
}

#[test]
fn a_store_that_is_not_there_says_what_to_do() {
    let place = trail();
    place.ran(2, &["query", "from batch"]).says(&["does not exist", "changetrail collect"]);
    let output = Output::of(&mut place.command(&["report", "changes"]));
    assert_eq!(output.code, Some(2), "{output}");
    assert!(!place.store().exists(), "a reader made one");
}
