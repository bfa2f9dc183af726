//! Killing a collection at any moment loses nothing and needs no clean-up.

use std::io::Write;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::sleep;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::fake::Fake;
use crate::support::place::with_credentials;
use crate::support::{Place, Table};

/// More files than one commit takes, so that there is a before, a between and an after.
const FILES: usize = 4_500;

/// What a store holds, apart from when.
#[derive(Debug, PartialEq, Eq)]
struct Content {
    records: Table,
    counts: Table,
    units: Table,
    cursors: Table,
}

/// Log files with records that are in two of them, reads, and lines that are none.
fn corpus() -> Place {
    let place = Place::new("[[source]]\nname = \"aws\"\nconnector = \"aws-cloudtrail\"\npath = \"trail\"\n");
    for file in 0..FILES {
        // The first record of a file is the last of the one before it.
        let mut records: Vec<String> = (file * 2..=file * 2 + 2).map(|n| record(n, n % 5 == 4)).collect();
        if file % 100 == 0 {
            records.push("17".to_owned());
        }
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        write!(gzip, r#"{{"Records":[{}]}}"#, records.join(",")).expect("memory");
        let name = format!("trail/{:02}/{file:04}.json.gz", file / 500);
        place.write(&name, gzip.finish().expect("memory"));
    }
    place
}

fn record(number: usize, reads: bool) -> String {
    format!(
        r#"{{"eventTime":"2026-11-{:02}T10:00:00Z","eventID":"event-{number}","eventSource":"s3.amazonaws.com","eventName":"PutBucketPolicy","readOnly":{reads},"userIdentity":{{"type":"Root"}},"recipientAccountId":"111122223333"}}"#,
        number % 9 + 1
    )
}

/// A corpus, and what a collection of it that nothing disturbed leaves. Gone with the last test that uses it.
struct Shared {
    corpus: Place,
    undisturbed: Content,
}

static SHARED: Mutex<Weak<Shared>> = Mutex::new(Weak::new());

fn shared() -> Arc<Shared> {
    let mut kept = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(shared) = kept.upgrade() {
        return shared;
    }
    let corpus = corpus();
    corpus.ran(0, &["--store", "undisturbed.duckdb", "collect"]);
    let undisturbed = content(&corpus, "undisturbed.duckdb");
    assert!(undisturbed.records.rows.len() > FILES);
    let shared = Arc::new(Shared { corpus, undisturbed });
    *kept = Arc::downgrade(&shared);
    shared
}

fn content(place: &Place, store: &str) -> Content {
    let query = |sql: &str| Table::parse(&place.ran(0, &["--store", store, "query", sql, "-o", "csv"]).stdout);
    let chain = query(
        "select count(*) from batch b left join batch p on p.batch_id = b.batch_id - 1
         where b.batch_id > 1 and p.hash is distinct from b.previous_hash",
    );
    assert_eq!(chain.rows, [["0"]], "the chain of batches is broken");
    Content {
        records: query("select source, record_id, hash from raw_record order by all"),
        counts: query("from unit_count order by all"),
        units: query("select source, unit, etag, size, sha256, complete, incomplete from unit order by all"),
        cursors: query("select source, stream, value from cursor order by all"),
    }
}

fn start(corpus: &Place, store: &str) -> Child {
    corpus
        .command(&["-q", "--store", store, "collect"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts")
}

/// Kills with SIGKILL; says whether it was still running.
fn kill(mut child: Child) -> bool {
    let running = child.try_wait().expect("a child").is_none();
    child.kill().expect("it can be killed");
    child.wait().expect("it ended");
    running
}

#[test]
fn killed_at_several_sizes_of_the_store() {
    let shared = shared();
    let Shared { corpus, undisturbed } = &*shared;
    for (number, size) in [1, 300_000, 700_000, 1_200_000].into_iter().enumerate() {
        let store = format!("size-{number}.duckdb");
        let length = |name: &str| std::fs::metadata(corpus.path(name)).map_or(0, |file| file.len());
        let wal = format!("{store}.wal");
        let mut child = start(corpus, &store);
        while child.try_wait().expect("a child").is_none() && length(&store) + length(&wal) < size {
            sleep(Duration::from_millis(1));
        }
        kill(child);
        corpus.ran(0, &["--store", &store, "collect"]);
        assert_eq!(&content(corpus, &store), undisturbed, "killed at {size} bytes");
    }
}

#[test]
fn killed_again_and_again() {
    let shared = shared();
    let Shared { corpus, undisturbed } = &*shared;
    let store = "often.duckdb";
    // Each try lives a little longer than the one before, the first not even to open the store.
    let mut killed = 0;
    for tries in 0..12 {
        let child = start(corpus, store);
        sleep(Duration::from_millis(10 + tries * 90));
        if !kill(child) {
            break;
        }
        killed += 1;
    }
    assert!(killed > 0, "it always was too quick to be killed");
    corpus.ran(0, &["--store", store, "collect"]);
    assert_eq!(&content(corpus, store), undisturbed);
}

#[test]
fn killed_while_it_asks_an_api() {
    let fake = Fake::start(120, 20, Duration::from_millis(150));
    let place = Place::new(&fake.config());
    let collect = ["-q", "collect", "--since", "1h"];
    let started = Instant::now();
    let child = with_credentials(&mut place.command(&collect))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    // Somewhere between the first page and the last.
    while fake.pages.load(std::sync::atomic::Ordering::SeqCst) < 3 {
        assert!(started.elapsed() < Duration::from_mins(1), "it never asked");
        sleep(Duration::from_millis(10));
    }
    assert!(kill(child), "it had ended");
    let output = with_credentials(&mut place.command(&collect)).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let records = place.query("select count(*), count(distinct record_id) from raw_record");
    assert_eq!(records.rows, [["120", "120"]]);
    // The cursor says that everything was read, and nothing is past it.
    let late = place.query(
        "select count(*) from raw_record where occurred_at >
            (select min(make_utc(value)) from cursor where stream like '%/writes')",
    );
    assert_eq!(late.rows, [["0"]]);
}

#[test]
fn what_could_not_be_read_fails_the_next_run_where_nobody_was_told() {
    use changetrail::config::Config;
    use changetrail::{collect, progress::Silent, store::Visits};
    let place = Place::new("[[source]]\nname = \"aws\"\nconnector = \"aws-cloudtrail\"\npath = \"trail\"\n");
    place.write("trail/1.json", r#"{"Records":[{"eventTime":"#);
    let config = Config::load(Some(&place.path("changetrail.toml"))).unwrap_or_else(|error| panic!("{error:?}"));
    let options = collect::Options::new(jiff::Timestamp::now(), Duration::from_secs(10));
    // What is stored when the program is killed before it says anything.
    let outcome = collect::run(&config, &Visits::new(&place.store()), &options, &Silent).expect("it can be collected");
    assert!(!outcome.complete());
    place.ran(2, &["audit"]).says(&["1.json"]);
    place.ran(0, &["audit"]);
    // A run that ended has told it.
    place.write("trail/2.json", r#"{"Records":[{"eventTime":"#);
    place.ran(2, &["collect"]).says(&["2.json"]);
    place.ran(0, &["collect"]);
}
