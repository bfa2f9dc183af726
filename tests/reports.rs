//! Every report: of nothing, at the edges of its period, in every format, and the whole set with its manifest.

use std::collections::BTreeSet;
use std::path::Path;

use changetrail::report::{Catalog, Report};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::support::shorthand::releases;
use crate::support::world::{log, place, release};
use crate::support::{Place, Table};

fn built_in() -> Vec<Report> {
    Catalog::load(&[]).expect("reports").iter().cloned().collect()
}

fn declares(report: &Report, option: &str) -> bool {
    report.header.params.iter().any(|param| param.name == option)
}

/// A place with a row in every report, all of it at 10:05 or 10:00 on 3 November.
fn full() -> Place {
    let place = place();
    let world = std::fs::read_to_string(place.path("changetrail.toml")).expect("the world");
    let exemption = "[[exemption]]\nid = \"X-1\"\nreason = \"r\"\nrequested_by = \"Bob Brown\"\napproved_by = \"Dana White\"\n\
        from = \"2026-11-03T10:00:00Z\"\nto = \"2026-11-03T10:05:00Z\"\nservice = \"register\"\n";
    place.write("changetrail.toml", format!("{world}\n{exemption}"));
    let put = |id: &str, who: &str| json!({"id": id, "time": "10:05", "action": "s3:PutBucketPolicy", "who": who, "key": format!("ASIA{id}")});
    let mut failed = put("attempt", "sso:alice@example.org");
    failed["error"] = json!("AccessDenied");
    log(
        &place,
        "1",
        json!([
            put("manual", "sso:alice@example.org"),
            put("unapproved", "role:register-deploy/x"),
            put("unrecorded", "role:night-snapshots/x"),
            put("unknown", "nobody"),
            failed
        ]),
    );
    release(&place, "1", json!([{"release": "r1", "live": "10:00-10:20", "approvals": []}]));
    release(&place, "2", json!([{"release": "r2", "live": "10:00-10:20", "pipeline": "site-build"}]));
    place.write("releases/pipelines.jsonl", releases::lines(&releases::pipelines(json!([{"at": "3 10:00"}]))));
    place
}

#[test]
fn of_nothing() {
    let place = Place::new("");
    place.ran(0, &["audit"]);
    for report in built_in() {
        let said = place.report(&report.name);
        assert!(!said.columns.is_empty(), "{}", report.name);
        match report.name.as_str() {
            "summary" => {
                let numbers: Vec<&String> = said.rows[0].iter().filter(|cell| !cell.is_empty()).collect();
                assert!(said.rows.len() == 1 && numbers.iter().all(|cell| *cell == "0"), "{said:?}");
            }
            "standard" => assert!(said.column("result").iter().all(|result| *result != "pass"), "{said:?}"),
            name => assert!(said.rows.is_empty(), "{name}: {said:?}"),
        }
    }
}

#[test]
fn at_the_edges_of_the_period() {
    let place = full();
    place.ran(1, &["audit"]);
    let rows = |name: &str, args: &[&str]| {
        let output = place.ran(0, &[&["report", name, "-o", "csv"], args].concat());
        Table::parse(&output.stdout).rows
    };
    let of_0_changes = |rows: Vec<Vec<String>>| rows[0][2] == "0";
    for report in built_in().iter().filter(|report| declares(report, "since")) {
        let name = report.name.as_str();
        // What the report is about happened at 10:00 or at 10:05; the days of coverage are whole.
        let (before, at, after) = match name {
            "changes" | "attempts" | "manual-changes" | "unapproved-changes" | "unrecorded-changes" | "summary" => {
                ("2026-11-03T10:05:00Z", "2026-11-03T10:05:00Z", "2026-11-03T10:05:01Z")
            }
            "releases" | "releases-without-changes" => {
                ("2026-11-03T10:00:00Z", "2026-11-03T10:00:00Z", "2026-11-03T10:00:01Z")
            }
            // In force from 10:00 to 10:05, half-open.
            "exemptions" => ("2026-11-03T10:00:00Z", "2026-11-03T10:04:59Z", "2026-11-03T10:05:00Z"),
            "coverage" => ("2026-11-03", "2026-11-03", "2026-11-04"),
            // The last of what they are about.
            "findings" => ("2026-11-03", "2026-11-03", "2100-01-01"),
            // Looked at below; and only some systems say when a record could be asked for, or have a Terraform state.
            "controls" | "standard" | "lag" | "drift" => continue,
            other => panic!("report {other} has a period that no test looks at"),
        };
        let earlier = rows(name, &["--until", before]);
        let inside = rows(name, &["--since", at]);
        let later = rows(name, &["--since", after]);
        if name == "summary" {
            assert!(of_0_changes(earlier) && !of_0_changes(inside) && of_0_changes(later), "{name}");
        } else {
            assert!(earlier.is_empty(), "{name} before: {earlier:?}");
            assert!(!inside.is_empty(), "{name} from then on");
            assert!(later.is_empty(), "{name} after: {later:?}");
        }
    }
    // Controls count the subjects of the period; those that are as they are stay.
    let subjects = |args: &[&str]| -> Vec<String> {
        let output = place.ran(0, &[&["report", "controls", "-o", "csv", "--service", "register"], args].concat());
        let table = Table::parse(&output.stdout);
        ["automated", "proven-in-preprod", "dev-auto"]
            .map(|control| table.cell(table.row("control", control), "subjects").to_owned())
            .to_vec()
    };
    assert_eq!(subjects(&["--until", "2026-11-03T10:00:00Z"]), ["0", "0", "1"]);
    assert_eq!(subjects(&["--since", "2026-11-03T10:00:00Z", "--until", "2026-11-03T10:05:00Z"]), ["0", "1", "1"]);
    assert_eq!(subjects(&["--since", "2026-11-03T10:05:00Z"]), ["4", "0", "1"]);
}

#[test]
fn by_service_environment_and_verdict() {
    let place = full();
    place.ran(1, &["audit"]);
    for report in built_in() {
        let rows = |args: &[&str]| {
            let output = place.ran(0, &[&["report", &report.name, "-o", "csv"], args].concat());
            Table::parse(&output.stdout)
        };
        let all = rows(&[]).rows.len();
        for (option, other) in [("service", "site"), ("environment", "dev"), ("verdict", "released")] {
            let option = format!("--{option}");
            if !declares(&report, &option[2..]) {
                place.ran(2, &["report", &report.name, &option, other]).says(&["does not take"]);
                continue;
            }
            let fewer = rows(&[&option, other]);
            assert!(fewer.rows.len() <= all, "{}", report.name);
            if fewer.columns.iter().any(|column| *column == option[2..]) {
                for cell in fewer.column(&option[2..]) {
                    // An exemption of every environment is one of this, too.
                    assert!(cell == other || cell.is_empty(), "{} {option}: {cell}", report.name);
                }
            }
        }
    }
}

#[test]
fn the_whole_set_has_a_manifest_and_the_same_bytes_each_time() {
    let place = full();
    place.ran(1, &["audit"]);
    let period = ["--since", "2026-11-01", "--until", "2026-12-01"];
    place.ran(0, &[&["report", "--out", "one/"], &period[..]].concat());
    place.ran(0, &[&["report", "--out", "two"], &period[..]].concat());
    let manifest = Table::parse(&std::fs::read_to_string(place.path("one/manifest.csv")).expect("a manifest"));
    let files = |folder: &str| -> BTreeSet<String> {
        let entries = std::fs::read_dir(place.path(folder)).expect("a folder");
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect()
    };
    let expected: BTreeSet<String> =
        built_in().iter().map(|report| format!("{}.csv", report.name)).chain(["manifest.csv".to_owned()]).collect();
    assert_eq!(files("one"), expected);
    for row in &manifest.rows {
        let cell = |column: &str| manifest.cell(row, column);
        let bytes = std::fs::read(place.path("one").join(cell("file"))).expect("a file");
        assert_eq!(hex(&bytes), cell("sha256"), "{}", cell("file"));
        let text = String::from_utf8(bytes).expect("text");
        assert_eq!(Table::parse(&text).rows.len().to_string(), cell("rows"), "{}", cell("file"));
    }
    let head = place.query("select hash from batch order by batch_id desc limit 1");
    assert!(manifest.column("evidence_head").iter().all(|cell| *cell == head.rows[0][0]));
    let changes = manifest.row("file", "changes.csv");
    assert_eq!(
        ["since", "until", "version"].map(|column| manifest.cell(changes, column)),
        ["2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", env!("CARGO_PKG_VERSION")]
    );
    for file in files("one") {
        let read = |folder: &str| std::fs::read(place.path(folder).join(&file)).expect("a file");
        assert_eq!(read("one"), read("two"), "{file}");
    }
}

fn hex(bytes: &[u8]) -> String {
    changetrail_connectors::hex(&Sha256::digest(bytes))
}

#[test]
fn as_parquet() {
    let place = full();
    place.ran(1, &["audit"]);
    place.ran(0, &["report", "--out", "set/", "-o", "parquet"]);
    for report in built_in() {
        let csv = place.report(&report.name);
        let path = place.path("set").join(format!("{}.parquet", report.name));
        let (columns, rows) = parquet(&path);
        assert_eq!(columns, csv.columns, "{}", report.name);
        assert_eq!(rows, csv.rows.len(), "{}", report.name);
        // The same rows are the same bytes, and go through a pipe as well.
        let output = place.command(&["report", &report.name, "-o", "parquet"]).output().expect("a run");
        assert!(output.stdout == std::fs::read(&path).expect("a file"), "{}", report.name);
    }
    let db = duckdb::Connection::open_in_memory().expect("a database");
    let types: String = db
        .query_row(
            &format!(
                "select typeof(occurred_at) || ' ' || typeof(ambiguous) || ' ' || typeof(resource) || ' ' || count(*) over ()
                 from '{}' limit 1",
                place.path("set/changes.parquet").display()
            ),
            [],
            |row| row.get(0),
        )
        .expect("an answer");
    assert_eq!(types, "TIMESTAMP BOOLEAN VARCHAR 4");
    let count: String = db
        .query_row(
            &format!("select typeof(manual) || ' ' || manual from '{}'", place.path("set/summary.parquet").display()),
            [],
            |row| row.get(0),
        )
        .expect("an answer");
    assert_eq!(count, "BIGINT 1");
    // Odd names, equal names, nulls, lists.
    place.ran(
        0,
        &["query", "select 1 as a, 'x' as a, null as \"\"\"\", [1, 2] as l, 1.5::decimal(4,2) as d", "-o", "csv"],
    );
    let output = place
        .command(&[
            "query",
            "select 1 as a, 'x' as a, null as \"\"\"\", [1, 2] as l, 1.5::decimal(4,2) as d",
            "-o",
            "parquet",
        ])
        .output()
        .expect("a run");
    let path = place.write("odd.parquet", &output.stdout);
    assert_eq!(parquet(&path), (["a", "a_2", "\"", "l", "d"].map(str::to_owned).to_vec(), 1));
}

#[test]
fn as_web_pages() {
    let place = full();
    place.ran(1, &["audit"]);
    place.ran(0, &["report", "--out", "set/", "-o", "html"]);
    let read = |name: &str| std::fs::read_to_string(place.path("set").join(name)).expect("a page");
    let (index, manifest) = (read("index.html"), read("manifest.csv"));
    assert!(manifest.contains("index.html,"), "{manifest}");
    for report in built_in() {
        let (csv, page) = (place.report(&report.name), read(&format!("{}.html", report.name)));
        assert_eq!(page.matches("<tr><td").count(), csv.rows.len(), "{}", report.name);
        assert_eq!(page.matches("<th scope").count(), csv.columns.len(), "{}", report.name);
        assert!(page.contains(&format!("<h1>{}</h1>", report.header.title)), "{}", report.name);
        // Nothing that runs, nothing that is loaded from anywhere.
        assert!(!["<script", "src=", "url(", "@import"].iter().any(|loads| page.contains(loads)), "{}", report.name);
        assert!(index.contains(&format!("<a href=\"{}.html\">", report.name)), "{}", report.name);
        let printed = place.ran(0, &["report", &report.name, "-o", "html"]).stdout;
        assert!(printed == page, "{}", report.name);
    }
    let queried = place.ran(0, &["query", "select '<script>' as x", "-o", "html"]).stdout;
    assert!(queried.contains("<td>&lt;script&gt;</td>"), "{queried}");
}

/// The columns of a Parquet file and the number of its rows.
fn parquet(path: &Path) -> (Vec<String>, usize) {
    let db = duckdb::Connection::open_in_memory().expect("a database");
    let mut statement = db.prepare(&format!("from '{}'", path.display())).expect("a file");
    let rows = statement.query_map([], |_| Ok(())).expect("rows").count();
    (statement.column_names(), rows)
}

#[test]
fn a_service_that_does_not_exist_is_no_empty_report() {
    let place = full();
    place.ran(1, &["audit"]);
    for args in [&["report", "changes"][..], &["report", "--out", "reports"]] {
        place
            .ran(2, &[args, &["--service", "registre"]].concat())
            .says(&["no service `registre`", "did you mean `register`?"]);
    }
    assert!(!place.path("reports").exists());
    place.ran(0, &["report", "changes", "--service", "register"]);
}

#[test]
fn the_ending_of_a_file_says_the_format() {
    let place = full();
    place.ran(1, &["audit"]);
    let read = |name: &str| std::fs::read(place.path(name)).expect(name);
    place.ran(0, &["report", "changes", "--out", "changes.CSV"]);
    assert!(read("changes.CSV").starts_with(b"change_id,occurred_at,"));
    place.ran(0, &["report", "changes", "--out", "changes.json"]);
    assert!(read("changes.json").starts_with(b"["));
    place.ran(0, &["report", "changes", "--out", "changes.parquet"]);
    assert!(read("changes.parquet").starts_with(b"PAR1"));
    place.ran(0, &["report", "changes", "--out", "changes.json", "-o", "csv"]);
    assert!(read("changes.json").starts_with(b"change_id,"));
    for name in ["changes", "changes.xlsx"] {
        place.ran(2, &["report", "changes", "--out", name]).says(&[name, "no format", ".csv, .json", "hint: "]);
        assert!(!place.path(name).exists());
    }
    place.ran(0, &["report", "changes", "--out", "changes", "-o", "csv"]);
    assert!(read("changes").starts_with(b"change_id,"));
    place.ran(0, &["report", "changes", "--out", "changes.txt"]);
    assert!(String::from_utf8_lossy(&read("changes.txt")).contains('─'), "a table");
    place.ran(0, &["report", "changes", "--out", "/dev/null"]);
}

#[test]
fn a_folder_never_has_a_manifest_that_does_not_fit() {
    let place = full();
    place.ran(1, &["audit"]);
    let config = std::fs::read_to_string(place.path("changetrail.toml")).expect("the configuration");
    place.ran(0, &["report", "--out", "set"]);
    let fits = || {
        let text = std::fs::read_to_string(place.path("set/manifest.csv")).expect("a manifest");
        let manifest = Table::parse(&text);
        for row in &manifest.rows {
            let bytes = std::fs::read(place.path("set").join(manifest.cell(row, "file"))).expect("a file");
            assert_eq!(hex(&bytes), manifest.cell(row, "sha256"), "{}", manifest.cell(row, "file"));
        }
        assert!(std::fs::read_dir(place.path("set")).expect("a folder").count() == manifest.rows.len() + 1);
    };
    fits();
    // The last of the reports breaks, and the others have changed.
    place.write("changetrail.toml", format!("{config}\n[extend]\nqueries = [\"mine\"]\n"));
    place.write("mine/reports/zzz.sql", "-- title: Broken\nselect error('broken')");
    place.ran(2, &["report", "--out", "set", "--since", "2026-11-29"]).says(&["broken"]);
    fits();
    place.write("mine/reports/zzz.sql", "-- title: Whole\nselect 1 as one");
    for out in ["set/", "set/changes.csv"] {
        place.ran(2, &["report", "changes", "--out", out, "--since", "2026-11-29"]).says(&[
            "manifest.csv, which would not fit any more",
            "report --out set/",
            "hint: ",
        ]);
        fits();
    }
    place.ran(0, &["report", "zzz", "--out", "set/"]);
    place.ran(0, &["report", "--out", "set", "--since", "2026-11-29"]);
    fits();
    place.write("file", "");
    place.ran(2, &["report", "--out", "file"]).says(&["`file` is no folder", "hint: "]);
    place.ran(2, &["report", "changes", "--out", "file/changes.csv"]).says(&["writing file/changes.csv", "hint: "]);
    std::fs::create_dir_all(place.path("other/changes.csv/x")).expect("folders");
    place.ran(2, &["report", "changes", "--out", "other/"]).says(&["writing other/changes.csv", "hint: "]);
    place.ran(2, &["report", "--out", "other"]).says(&["writing other/changes.csv", "hint: "]);
    assert!(!place.path("other/manifest.csv").exists());
}

/// One that was refused lies in the period in which it was, one that was only told of where it was told of; what has no time
/// at all is left out of none.
#[test]
fn what_never_started_is_in_the_report_of_its_period() {
    let place = place();
    let refused = |id: &str, more: serde_json::Value| {
        let mut record = json!({"outcome": "rejected", "started_at": null, "finished_at": null, "approvals": null});
        record.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        json!({"release": id, "preprod": null, "live": "10:00-10:20", "live_record": record})
    };
    let no = json!([{"phase": "pre", "decision": "rejected", "approver": "dana@example.org", "decided_at": "2026-11-03T09:50:00Z"}]);
    let releases = json!([
        refused("decided", json!({"approvals": no, "recorded_at": "2026-11-05T00:00:00Z"})),
        refused("ended", json!({"finished_at": "2026-11-03T10:00:00Z", "recorded_at": "2026-11-05T00:00:00Z"})),
        refused("told", json!({"recorded_at": "2026-11-04T10:00:00Z"})),
        refused("timeless", json!({"recorded_at": null})),
    ]);
    release(&place, "1", releases);
    place.ran(0, &["audit"]);
    let listed = |since: &str, until: &str| {
        let said = place.ran(0, &["report", "releases", "-o", "csv", "--since", since, "--until", until]).stdout;
        Table::parse(&said).column("release_id").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(listed("2026-11-03T00:00:00Z", "2026-11-04T00:00:00Z"), ["decided", "ended", "timeless"]);
    assert_eq!(listed("2026-11-04T00:00:00Z", "2026-11-05T00:00:00Z"), ["told", "timeless"]);
}
