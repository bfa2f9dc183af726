//! Judging only what may come out otherwise gives what judging everything gives: the evidence of a case comes in over
//! several nights, in any order, and after each night every table is what `--rebuild` makes of the same store.
//!
//! `AGAIN=all` takes every case, `AGAIN=links` those of a rule, `AGAIN=links/run-ended` one; else a share of them, another
//! for each `AGAIN_SEED`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use changetrail::config::Config;
use changetrail::progress::Silent;
use changetrail::store::{Access, Db, Visits};
use changetrail::{collect, reconcile, record};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::cases;
use crate::support::{Place, checkout};

const WAIT: Duration = Duration::from_secs(10);

/// One case in so many is taken.
const SHARE: u64 = 40;

/// Long enough for what is provisional to be settled.
const BETWEEN: SignedDuration = SignedDuration::from_hours(30);

/// What a run makes, and what it must not touch.
const TABLES: &[&str] = &[
    "change",
    "attempt",
    "attributed",
    "candidate",
    "link",
    "control_result",
    "finding",
    "unlinked_case",
    "verdict_history",
    "judgement",
    "deployment",
    "approval",
    "authorisation_change",
    "event",
    "deployment_version",
    "approval_version",
    "stage_version",
    "quarantine",
    "pipeline_stage",
    "deployment_standing",
    "actor",
    "initiated",
    "put_together",
    "told_twice",
    "told_otherwise",
    "undefined_pipeline",
    "managed_change",
    "reason",
];

#[test]
fn judging_again_gives_what_judging_everything_gives() {
    let wanted = std::env::var("AGAIN").unwrap_or_default();
    let seed: u64 = std::env::var("AGAIN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_default();
    let mut report = String::new();
    let mut taken = 0;
    for case in cases::all() {
        let name = case.strip_prefix(checkout("tests/cases")).expect("a case").to_string_lossy().into_owned();
        let draw = Draw::new(&format!("{seed} {name}"));
        if wanted == "all"
            || (!wanted.is_empty() && name.starts_with(&wanted))
            || (wanted.is_empty() && draw.of("taken", SHARE) == 0)
        {
            taken += 1;
            let place = Place::empty();
            let now = cases::lay_out(&case, &place);
            report += &differences(&name, &place, now.parse().expect("a time"), &draw);
        }
    }
    assert!(taken > 0, "AGAIN={wanted}: there is no such case");
    assert!(report.is_empty(), "- judged again, + judged whole\n{report}");
}

#[test]
fn judging_the_public_scenario_again_gives_what_judging_everything_gives() {
    let scenario = checkout("../shared/scenarios/public-1");
    if !scenario.join("changetrail.toml").exists() {
        eprintln!("skipped: {} is absent", scenario.display());
        return;
    }
    let place = Place::empty();
    place.copy(&scenario, "");
    let now = "2026-11-20T00:00:00Z".parse().expect("a time");
    let report = differences("public-1", &place, now, &Draw::new("public-1"));
    assert!(report.is_empty(), "- judged again, + judged whole\n{report}");
}

/// Lets the evidence in night by night; says where a table is not what judging everything makes of it.
fn differences(name: &str, given: &Place, now: Timestamp, draw: &Draw) -> String {
    let place = Place::empty();
    place.write("changetrail.toml", std::fs::read(given.path("changetrail.toml")).expect("a configuration"));
    for folder in folders(&given.path("")) {
        let inner = folder.strip_prefix(given.path("")).expect("a folder of it");
        std::fs::create_dir_all(place.path(&inner.to_string_lossy())).expect("a folder");
    }
    let pieces = pieces(&given.path(""));
    let nights = 2 + draw.of("nights", 2);
    let mut report = String::new();
    for night in 0..nights {
        let until_last = i32::try_from(nights - 1 - night).expect("a few nights");
        let now = now - BETWEEN * until_last;
        for piece in pieces.iter().filter(|piece| draw.of(&piece.file.to_string_lossy(), nights) == night) {
            piece.arrive(&place, now);
        }
        judge(&place, now, false);
        // The first time everything is judged.
        if night == 0 {
            continue;
        }
        let again = tables(&place);
        let kept = std::fs::read(place.store()).expect("the store");
        judge(&place, now, true);
        let whole = tables(&place);
        std::fs::write(place.store(), kept).expect("the store");
        for (table, rows) in &again {
            for (row, count) in rows {
                let there = whole[table].get(row).copied().unwrap_or_default();
                if *count > there {
                    let _ = writeln!(report, "{name}, night {night}, {table} - {row}");
                }
            }
            for (row, count) in &whole[table] {
                let there = rows.get(row).copied().unwrap_or_default();
                if *count > there {
                    let _ = writeln!(report, "{name}, night {night}, {table} + {row}");
                }
            }
        }
    }
    report
}

/// What comes in as one: a record, a line, else a whole file.
struct Piece {
    file: PathBuf,
    content: Vec<u8>,
}

impl Piece {
    fn arrive(&self, place: &Place, now: Timestamp) {
        if self.file.to_string_lossy().ends_with("pushed.jsonl") {
            let outcome = record::append(&place.store(), &mut self.content.as_slice(), "case", now, WAIT);
            assert!(outcome.expect("it can be pushed").rejected.is_empty());
        } else {
            place.write(&self.file.to_string_lossy(), &self.content);
        }
    }
}

fn pieces(root: &Path) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for path in folders(root).iter().flat_map(|folder| files(folder)) {
        let file = path.strip_prefix(root).expect("a file of it").to_owned();
        let content = std::fs::read(&path).expect("a file");
        let parts: Vec<Vec<u8>> = match path.extension().and_then(|ending| ending.to_str()) {
            Some("jsonl") => content.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect(),
            Some("json") => match serde_json::from_slice::<Value>(&content) {
                Ok(log) if log["Records"].is_array() => {
                    let records = log["Records"].as_array().expect("records");
                    records.iter().map(|record| json!({"Records": [record]}).to_string().into_bytes()).collect()
                }
                _ => vec![content],
            },
            _ => vec![content],
        };
        let is_whole = parts.len() == 1;
        for (number, content) in parts.into_iter().enumerate() {
            // Parts of a file stand beside each other.
            let name = file.file_name().expect("a name").to_string_lossy();
            let part = if is_whole { file.clone() } else { file.with_file_name(format!("{number:04}-{name}")) };
            pieces.push(Piece { file: part, content });
        }
    }
    pieces.retain(|piece| piece.file != Path::new("changetrail.toml"));
    pieces
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = entries(folder).into_iter().filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// A folder and all below it.
fn folders(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![root.to_owned()];
    for path in entries(root).into_iter().filter(|path| path.is_dir()) {
        found.extend(folders(&path));
    }
    found.sort();
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect()
}

/// Audits the evidence as of a time; with `rebuild`, judges what was collected before.
pub(crate) fn judge(place: &Place, now: Timestamp, rebuild: bool) {
    let config = Config::load(Some(&place.path("changetrail.toml"))).unwrap_or_else(|error| panic!("{error:?}"));
    let visits = Visits::new(&place.store());
    if !rebuild {
        let options = collect::Options { judged_next: true, ..collect::Options::new(now, WAIT) };
        collect::run(&config, &visits, &options, &Silent).expect("it can be collected");
    }
    let options = reconcile::Options { now, rebuild, wait: WAIT, instead: None };
    reconcile::run(&config, &visits, &options, &Silent).expect("it can be reconciled");
}

/// The rows of each table, counted.
fn tables(place: &Place) -> BTreeMap<&'static str, BTreeMap<String, usize>> {
    let db = Db::open(&place.store(), Access::Read, WAIT).expect("a store");
    let mut tables = BTreeMap::new();
    for table in TABLES {
        let (_, rows) = db.rows(&format!("from {table}"), &[]).expect("rows");
        let counted: &mut BTreeMap<String, usize> = tables.entry(*table).or_default();
        for row in rows {
            *counted.entry(format!("{row:?}")).or_default() += 1;
        }
    }
    tables
}

/// Numbers that look random and are the same each time.
struct Draw(String);

impl Draw {
    fn new(seed: &str) -> Self {
        Self(seed.to_owned())
    }

    fn of(&self, what: &str, below: u64) -> u64 {
        let digest = Sha256::digest(format!("{} {what}", self.0));
        u64::from(digest[0]) % below
    }
}
