//! Cases: given evidence, expected rows (`cases/README.md`). One test for each folder of rules.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use changetrail::config::Config;
use changetrail::output::{Format, TableOptions, sink};
use changetrail::progress::Silent;
use changetrail::report::{self, Catalog, Filters};
use changetrail::store::{Access, Db, Visits};
use changetrail::{collect, reconcile, record};
use serde_json::Value;

use crate::support::shorthand::{content_log, events, releases, with_accounts};
use crate::support::{Place, Table, checkout};

/// When the audit takes place, unless the case says otherwise.
const NOW: &str = "2026-11-20T00:00:00Z";

/// Reports of which a case lists every row.
const WHOLE: &[&str] = &["changes", "attempts", "findings", "manual-changes"];

macro_rules! rules {
    ($($test:ident: $folder:literal,)*) => {
        const FOLDERS: &[&str] = &[$($folder),*];
        $(#[test] fn $test() { run_folder($folder); })*
    };
}

rules! {
    actors: "actors",
    approvals: "approvals",
    automations: "automations",
    azure: "azure",
    claimed: "claimed",
    content: "content",
    exemptions: "exemptions",
    findings: "findings",
    gcp: "gcp",
    kubernetes: "kubernetes",
    links: "links",
    mapping: "mapping",
    operations: "operations",
    pipelines: "pipelines",
    proof: "proof",
    release_log: "release-log",
    reports: "reports",
    roles: "roles",
    scopes: "scopes",
    sessions: "sessions",
    states: "states",
    verdicts: "verdicts",
    windows: "windows",
}

#[test]
fn every_folder_of_cases_is_run() {
    let there = folders(&checkout("tests/cases"));
    let run: BTreeSet<String> = FOLDERS.iter().map(|&folder| folder.to_owned()).collect();
    assert_eq!(there, run);
}

#[test]
fn every_case_that_fails_is_there() {
    for case in expected_failures().keys() {
        assert!(checkout("tests/cases").join(case).is_dir(), "expect-fails.txt: no case `{case}`");
    }
}

/// Every case there is.
pub(crate) fn all() -> Vec<PathBuf> {
    let root = checkout("tests/cases");
    let of_folder = |folder: &&str| {
        let folder = root.join(folder);
        folders(&folder).into_iter().map(move |case| folder.join(case)).collect::<Vec<_>>()
    };
    FOLDERS.iter().flat_map(of_folder).collect()
}

fn run_folder(folder: &str) {
    let root = checkout("tests/cases").join(folder);
    let wanted = std::env::var("CASE").ok();
    let failing = expected_failures();
    let mut report = String::new();
    for name in folders(&root) {
        let case = format!("{folder}/{name}");
        if wanted.as_ref().is_some_and(|wanted| *wanted != case) {
            continue;
        }
        let differences = run_case(&root.join(&name));
        match (differences.is_empty(), failing.get(&case)) {
            (true, None) | (false, Some(_)) => {}
            (false, None) => {
                let about = about(&root.join(&name));
                let _ = writeln!(report, "\n{case}: {about}\n{differences}");
            }
            (true, Some(_)) => {
                let _ = writeln!(report, "\n{case} passes now: take it out of expect-fails.txt");
            }
        }
    }
    assert!(report.is_empty(), "- expected, + said\n{report}");
}

/// Cases in which the program is known to be wrong, and why.
fn expected_failures() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(checkout("tests/cases/expect-fails.txt")).expect("expect-fails.txt");
    text.lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (case, why) =
                line.split_once(": ").unwrap_or_else(|| panic!("expect-fails.txt: `{line}` gives no reason"));
            (case.to_owned(), why.to_owned())
        })
        .collect()
}

fn folders(root: &Path) -> BTreeSet<String> {
    std::fs::read_dir(root)
        .unwrap_or_else(|error| panic!("{}: {error}", root.display()))
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().expect("a name"))
        .collect()
}

fn about(case: &Path) -> String {
    let text = std::fs::read_to_string(case.join("about.txt"))
        .unwrap_or_else(|error| panic!("{}/about.txt: {error}", case.display()));
    assert_eq!(text.lines().count(), 1, "{}: about.txt has one line", case.display());
    text.trim().to_owned()
}

/// Audits what is given; says how the reports differ from what is expected.
fn run_case(case: &Path) -> String {
    about(case);
    let place = Place::empty();
    let now = lay_out(case, &place);
    let db = audit(&place, &now);
    let catalog = Catalog::load(&[]).expect("reports");
    let mut differences = must_be_empty(&db);
    for path in expected_files(case) {
        let name = path.file_stem().expect("a name").to_string_lossy();
        let expected = Table::parse(&with_accounts(&read(&path)));
        let report = catalog.get(&name).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let said = said(&db, report).select(&expected.columns);
        let whole = WHOLE.contains(&&*name);
        let different = expected.differences(&said, !whole);
        if different.is_empty() {
            continue;
        }
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            update(&path, &expected, said, whole);
        }
        let _ = writeln!(differences, "  {name}\n{different}");
    }
    differences
}

/// The checks, which must return no row whatever was given; says which do.
fn must_be_empty(db: &Db) -> String {
    let mut found = String::new();
    let checks = std::fs::read_dir(checkout("queries/checks")).expect("the checks");
    for check in checks {
        let path = check.expect("an entry").path();
        let (_, rows) = db.rows(&read(&path), &[]).expect("an answer");
        for row in rows {
            let _ = writeln!(found, "  {}: {row:?}", path.display());
        }
    }
    found
}

fn expected_files(case: &Path) -> Vec<PathBuf> {
    let folder = case.join("expect");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{}: nothing is expected", folder.display());
    files
}

/// Writes what was said in place of what was expected; of a part, the rows whose first cell was expected.
fn update(path: &Path, expected: &Table, said: Table, whole: bool) {
    let keys = expected.column(&expected.columns[0]);
    let rows = said.rows.into_iter().filter(|row| whole || keys.contains(&row[0].as_str())).collect();
    let table = Table { columns: said.columns, rows };
    std::fs::write(path, table.to_csv()).expect("the expectation can be written");
}

/// Lays a case out as files. Returns the time of the audit.
pub(crate) fn lay_out(case: &Path, place: &Place) -> String {
    let given = case.join("given");
    let known = [
        "changetrail.toml",
        "events.json",
        "releases.json",
        "pipelines.json",
        "pushed.json",
        "trail",
        "azure",
        "gcp",
        "kubernetes",
        "releases",
        "content",
        "content.json",
    ];
    for entry in std::fs::read_dir(&given).unwrap_or_else(|error| panic!("{}: {error}", given.display())) {
        let name = entry.expect("an entry").file_name();
        assert!(known.iter().any(|known| *known == name), "{} is not looked at", given.join(name).display());
    }
    let (config, now) = configuration(case);
    place.write("changetrail.toml", config);
    for folder in ["trail", "azure", "gcp", "kubernetes", "releases", "content"] {
        std::fs::create_dir_all(place.path(folder)).expect("a folder");
        if given.join(folder).is_dir() {
            place.copy(&given.join(folder), folder);
        }
    }
    if let Some(events) = json(&given.join("events.json")) {
        let log = serde_json::json!({"Records": events::records(events)});
        place.write("trail/events.json", log.to_string());
    }
    if let Some(log) = json(&given.join("content.json")) {
        place.write("content/log.jsonl", content_log(log));
    }
    let mut lines = Vec::new();
    if let Some(pipelines) = json(&given.join("pipelines.json")) {
        lines.extend(releases::pipelines(pipelines));
    }
    if let Some(releases) = json(&given.join("releases.json")) {
        lines.extend(releases::deployments(releases));
    }
    place.write("releases/short-form.jsonl", releases::lines(&lines));
    if let Some(pushed) = json(&given.join("pushed.json")) {
        let lines = releases::lines(&releases::deployments(pushed));
        place.write("pushed.jsonl", lines);
    }
    now
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json(path: &Path) -> Option<Value> {
    path.is_file().then(|| {
        serde_json::from_str(&with_accounts(&read(path))).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    })
}

/// The world, with what its rule adds and with the case's own configuration laid over it; and the time of the audit.
fn configuration(case: &Path) -> (String, String) {
    let parse = |path: &Path| -> toml::Table {
        let text = with_accounts(&read(path)).replace("{checkout}", &checkout("").to_string_lossy());
        text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let mut world = parse(&checkout("tests/cases/world.toml"));
    let of_the_rule = case.with_file_name("world.toml");
    if of_the_rule.is_file() {
        lay_over(&mut world, parse(&of_the_rule));
    }
    let mut now = NOW.to_owned();
    let own = case.join("given/changetrail.toml");
    if own.is_file() {
        let mut own = parse(&own);
        if let Some(toml::Value::Table(mut harness)) = own.remove("case") {
            if let Some(toml::Value::String(time)) = harness.remove("now") {
                now = time;
            }
            if let Some(toml::Value::Array(lists)) = harness.remove("without") {
                for list in lists {
                    let dropped = world.remove(list.as_str().expect("a name"));
                    assert!(dropped.is_some(), "the world has no {list}");
                }
            }
            assert!(harness.is_empty(), "[case] does not know {harness:?}");
        }
        lay_over(&mut world, own);
    }
    (world.to_string(), now)
}

fn lay_over(world: &mut toml::Table, own: toml::Table) {
    for (key, value) in own {
        match (world.get_mut(&key), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => lay_over(old, new),
            (Some(toml::Value::Array(old)), toml::Value::Array(new)) => {
                for entry in new {
                    let name = entry.get("name").cloned();
                    match old.iter_mut().find(|old| name.is_some() && old.get("name") == name.as_ref()) {
                        Some(same) => *same = entry,
                        None => old.push(entry),
                    }
                }
            }
            (_, value) => {
                world.insert(key, value);
            }
        }
    }
}

/// Collects and reconciles at a fixed time.
fn audit(place: &Place, now: &str) -> Db {
    let now = now.parse().expect("a time");
    let wait = Duration::from_secs(10);
    let config = Config::load(Some(&place.path("changetrail.toml"))).unwrap_or_else(|error| panic!("{error:?}"));
    if let Ok(mut pushed) = std::fs::read(place.path("pushed.jsonl")).as_deref() {
        let outcome = record::append(&place.store(), &mut pushed, "case", now, wait);
        assert!(outcome.expect("it can be pushed").rejected.is_empty());
    }
    // As `audit` does it.
    let visits = Visits::new(&place.store());
    let options = collect::Options { judged_next: true, ..collect::Options::new(now, wait) };
    let outcome = collect::run(&config, &visits, &options, &Silent).expect("it can be collected");
    assert!(outcome.complete(), "{outcome:?}");
    let options = reconcile::Options { now, rebuild: false, wait, instead: None };
    reconcile::run(&config, &visits, &options, &Silent).expect("it can be reconciled");
    Db::open(&place.store(), Access::Read, wait).expect("a store")
}

fn said(db: &Db, report: &report::Report) -> Table {
    let mut text = Vec::new();
    let mut rows = sink(Format::Csv, &mut text, TableOptions::default());
    report::run(db, report, &Filters::default(), rows.as_mut()).expect("a report");
    drop(rows);
    Table::parse(&String::from_utf8(text).expect("UTF-8"))
}
