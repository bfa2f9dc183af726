//! Bad input: a clear error that says what to do, exit code 2, and nothing lost.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::place::with_credentials;
use crate::support::{Output, Place};

const TRAIL: &str = r#"
[[source]]
name = "aws"
connector = "aws-cloudtrail"
path = "trail"
"#;

const RELEASES: &str = r#"
[[source]]
name = "log"
connector = "release-log"
path = "releases"
"#;

fn record(id: &str) -> String {
    format!(
        r#"{{"eventTime":"2026-11-03T10:00:00Z","eventID":"{id}","eventSource":"s3.amazonaws.com","eventName":"PutBucketPolicy","readOnly":false,"userIdentity":{{"type":"Root"}},"recipientAccountId":"111122223333"}}"#
    )
}

fn log(ids: &[&str]) -> String {
    let records: Vec<String> = ids.iter().map(|id| record(id)).collect();
    format!(r#"{{"Records":[{}]}}"#, records.join(","))
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(text).expect("memory");
    gzip.finish().expect("memory")
}

/// A folder with one good file, so that it shows whether the rest goes on.
fn trail(more: &str) -> Place {
    let place = Place::new(&format!("{TRAIL}{more}"));
    place.write("trail/good.json", log(&["e1"]));
    place
}

fn changes(place: &Place) -> Vec<String> {
    place.run(&["-q", "reconcile"]);
    let table = place.report("changes");
    let mut ids: Vec<String> = table.column("record_id").into_iter().map(str::to_owned).collect();
    ids.sort();
    ids
}

/// Runs a command that must fail before it does anything.
fn refused(config: &str, args: &[&str], words: &[&str]) {
    let place = Place::new(config);
    place.write("trail/good.json", log(&["e1"]));
    place.ran(2, args).says(words);
    assert!(!place.store().exists(), "a store was made");
}

#[test]
fn a_wrong_configuration() {
    let check = |config: &str, words: &[&str]| {
        refused(config, &["audit"], words);
        let output = Place::new(config).ran(2, &["check"]);
        for word in words {
            assert!(output.stdout.contains(word), "{word}\n{output}");
        }
    };
    check(
        "[[scope]]\nservice = \"x\"\nenvironment = \"live\"\nacounts = [\"1\"]\n[[service]]\nname = \"x\"\ntype = \"deployed\"\n",
        &["acounts", "aws_accounts", "line 4"],
    );
    check("[standard]\nskw = \"5m\"\n", &["skw", "skew"]);
    check("[[servce]]\nname = \"x\"\n", &["servce", "service"]);
    check("[[source]\n", &["line 1"]);
    check("[standard]\nskew = \"five minutes\"\n", &["skew", "five minutes"]);
    check(
        "[[service]]\nname = \"register\"\ntype = \"deployed\"\n[[scope]]\nservice = \"registr\"\nenvironment = \"live\"\n",
        &["registr", "did you mean `register`"],
    );
    check("[[service]]\nname = \"x\"\ntype = \"deploied\"\n", &["deploied", "deployed"]);
}

#[test]
fn a_configuration_that_is_not_there() {
    let place = Place::empty();
    place.ran(2, &["--config", "nowhere.toml", "audit"]).says(&["nowhere.toml"]);
    place.ran(2, &["audit"]).says(&["changetrail.toml", "changetrail init"]);
}

#[test]
fn a_source_that_does_not_exist() {
    let place = trail("");
    place.ran(2, &["collect", "--source", "asw"]).says(&["no source is called `asw`", "did you mean `aws`"]);
}

#[test]
fn a_plan_that_cannot_be_made() {
    let token = "token = { env = \"CHANGETRAIL_NO_SUCH_VARIABLE\" }";
    let place = Place::new(&format!(
        "[[source]]\nname = \"jira\"\nconnector = \"jira\"\nbase_url = \"https://example.invalid\"\nemail = \"a@example.org\"\nprojects = [\"REL\"]\n{token}\n"
    ));
    let plan = place.ran(2, &["collect", "--dry-run"]);
    assert!(plan.stdout.contains("cannot be read"), "{plan}");
}

#[test]
fn wrong_usage() {
    let place = trail("");
    place.ran(2, &["colect"]).says(&["colect", "collect"]);
    place.ran(2, &["collect", "--since", "yesterdayish"]).says(&["yesterdayish"]);
    place.ran(0, &["collect"]);
    place.ran(2, &["report", "chnges"]).says(&["chnges", "changes"]);
    place.ran(2, &["query", "selec 1"]).says(&["selec"]);
    place.ran(2, &["query", "select 1; select 2"]).says(&["2 statements", "only the last one's result", "hint: "]);
    place.ran(0, &["query", "select ';' as x; -- and no more; really"]);
    place.ran(2, &["query", "/* nothing */ ;"]).says(&["the query has no statement", "hint: "]);
    place.ran(2, &["query", "-f", "nope.sql"]).says(&["nope.sql", "No such file", "hint: "]);
    place.ran(2, &["query", "from chnge"]).says(&["chnge", "change"]);
    place.run(&["-q", "reconcile"]);
    place.ran(2, &["explain", "0000"]).says(&["no change or finding `0000`", "report changes"]);
    // A job reads that too.
    for format in [&["--log-format", "json"][..], &["--log-format=json"]] {
        let said = Place::empty().ran(2, &[&["report", "--bogus"], format].concat()).stderr;
        let said: serde_json::Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}\n{said}"));
        assert_eq!(said["level"], "error");
        let message = said["message"].as_str().expect("a message");
        assert!(message.starts_with("unexpected argument '--bogus'"), "{message}");
    }
}

/// A source that fails beside a good one: exit code 2, it is said why, the good one is read.
fn beside_a_good_one(source: &str, words: &[&str]) {
    let place = trail(source);
    let mut command = place.command(&["audit"]);
    let output = Output::of(&mut command);
    assert_eq!(output.code, Some(2), "{output}");
    output.says(words);
    assert_eq!(changes(&place), ["e1"]);
    // The audit was not complete, so nothing counts as seen by one.
    assert_eq!(place.query("select count(*) from audit").rows, [["0"]]);
}

#[test]
fn a_source_that_fails_stops_no_other() {
    beside_a_good_one(
        "[[source]]\nname = \"gone\"\nconnector = \"aws-cloudtrail\"\npath = \"no-such-folder\"\n",
        &["source `gone` failed", "no-such-folder", "relative paths start at"],
    );
    beside_a_good_one(
        "[[source]]\nname = \"odd\"\nconnector = \"aws-cloudtrial\"\npath = \"trail\"\n",
        &["source `odd` failed", "unknown connector `aws-cloudtrial`", "did you mean `aws-cloudtrail`"],
    );
    beside_a_good_one(
        "[[source]]\nname = \"odd\"\nconnector = \"aws-cloudtrail\"\npaht = \"trail\"\n",
        &["source `odd` failed", "unknown key `paht`", "did you mean `path`"],
    );
    beside_a_good_one(
        "[[source]]\nname = \"odd\"\nconnector = \"aws-cloudtrail\"\nregions = [\"eu-wset-2\"]\n",
        &["source `odd` failed", "`eu-wset-2` is no region", "did you mean `eu-west-2`"],
    );
}

#[test]
fn no_credentials() {
    let place = trail(
        "[[source]]\nname = \"api\"\nconnector = \"aws-cloudtrail\"\nregions = [\"eu-west-2\"]\nendpoint_url = \"http://127.0.0.1:9\"\n",
    );
    let output = place.ran(2, &["collect", "--since", "1h"]);
    output.says(&["source `api` failed", "cannot authenticate", "AWS_PROFILE"]);
    assert_eq!(changes(&place), ["e1"]);
}

#[test]
fn nobody_at_the_endpoint() {
    let place = trail(
        "[[source]]\nname = \"api\"\nconnector = \"aws-cloudtrail\"\nregions = [\"eu-west-2\"]\nendpoint_url = \"http://127.0.0.1:9\"\n",
    );
    let mut command = place.command(&["collect", "--since", "1h"]);
    let output = Output::of(with_credentials(&mut command));
    assert_eq!(output.code, Some(2), "{output}");
    output.says(&["source `api` failed", "cannot reach", "endpoint_url"]);
    assert_eq!(changes(&place), ["e1"]);
}

#[test]
fn a_file_that_cannot_be_had_is_told_each_time() {
    let place = trail("");
    // Root may read anything: a link that leads nowhere cannot be read by anybody.
    std::os::unix::fs::symlink("nowhere", place.path("trail/broken.json")).expect("a link");
    place.ran(2, &["collect"]).says(&["broken.json", "could not be read"]);
    assert_eq!(changes(&place), ["e1"]);
    // Nobody knows what is in it.
    place.ran(2, &["collect"]).says(&["broken.json", "could not be read"]);
    let unit = place.query("select incomplete is not null as told from unit where unit = 'broken.json'");
    assert_eq!(unit.rows, [["true"]]);
    assert_eq!(place.report("summary").column("gaps"), ["1"]);

    // Mended, it is read.
    std::fs::remove_file(place.path("trail/broken.json")).expect("the link can go");
    place.write("trail/broken.json", log(&["e2"]));
    place.ran(0, &["collect"]);
    assert_eq!(changes(&place), ["e1", "e2"]);
    assert_eq!(place.report("summary").column("gaps"), ["0"]);
}

#[test]
fn a_file_that_is_cut_short_keeps_its_whole_records() {
    let place = trail("");
    let whole = gzip(log(&["e2", "e3", "e4"]).as_bytes());
    // Stored, not packed: the cut is in the middle of the last record.
    let mut stored = GzEncoder::new(Vec::new(), Compression::none());
    stored.write_all(log(&["e2", "e3", "e4"]).as_bytes()).expect("memory");
    let mut cut = stored.finish().expect("memory");
    cut.truncate(cut.len() - 60);
    place.write("trail/2026/11/03/cut.json.gz", &cut);
    place.ran(2, &["collect"]).says(&["cut.json.gz", "could not be read to its end"]);
    assert_eq!(changes(&place), ["e1", "e2", "e3"]);
    let set_aside = "select count(*) from quarantine";
    assert_eq!(place.query(set_aside).rows, [["1"]]);
    // Met before, it is reported, and no failure any more.
    place.ran(0, &["collect"]);
    place.ran(0, &["collect", "--since", "2026-01-01"]);
    assert_eq!(place.query(set_aside).rows, [["1"]]);
    assert_eq!(place.report("summary").column("gaps"), ["1"]);
    // Delivered whole, it is whole.
    place.write("trail/2026/11/03/cut.json.gz", whole);
    place.ran(0, &["collect"]);
    assert_eq!(changes(&place), ["e1", "e2", "e3", "e4"]);
    assert_eq!(place.report("summary").column("gaps"), ["0"]);
}

#[test]
fn records_that_are_none_are_set_aside_and_counted() {
    let place = trail("");
    let text = format!(r#"{{"Records":[{},17,"text",null,{{"eventName":"X"}},{}]}}"#, record("e2"), record("e3"));
    place.write("trail/2026/11/03/odd.json", text);
    place.write("trail/2026/11/03/empty.json", "");
    place.write("trail/2026/11/03/no-json.json", "this is no JSON");
    let output = place.run(&["audit"]);
    output.says(&["set aside", "coverage"]);
    assert_eq!(changes(&place), ["e1", "e2", "e3"]);
    let coverage = place.report("coverage");
    let total: u64 = coverage.column("quarantined").iter().map(|cell| cell.parse::<u64>().expect("a number")).sum();
    let rows: u64 = place.query("select count(*) from quarantine").rows[0][0].parse().expect("a number");
    assert!(total >= 4, "{coverage:?}");
    assert_eq!(total, rows);
    for row in &coverage.rows {
        crate::idempotence::foots(&coverage, row);
    }
}

#[test]
fn a_bomb_stays_small() {
    let place = trail("");
    // 600 MB of blanks inside a record, packed to less than one.
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(br#"{"Records":["#).expect("memory");
    gzip.write_all(record("e2").as_bytes()).expect("memory");
    gzip.write_all(b",{\"a\":\"").expect("memory");
    let blanks = vec![b' '; 1 << 20];
    for _ in 0..600 {
        gzip.write_all(&blanks).expect("memory");
    }
    place.write("trail/bomb.json.gz", gzip.finish().expect("memory"));
    let measured = "import resource, subprocess, sys\n\
                    code = subprocess.run([sys.argv[1], 'collect']).returncode\n\
                    print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)";
    let output = std::process::Command::new("python3")
        .args(["-c", measured, env!("CARGO_BIN_EXE_changetrail")])
        .current_dir(place.path(""))
        .output()
        .expect("python3 runs: it measures the memory");
    let said = String::from_utf8_lossy(&output.stderr);
    let result = String::from_utf8_lossy(&output.stdout);
    let (code, megabytes) = result.trim().split_once(' ').expect("code and memory");
    assert_eq!(code, "2", "{said}");
    assert!(said.contains("bomb.json.gz"), "{said}");
    assert!(megabytes.parse::<u64>().expect("a number") < 300, "{megabytes} MB");
    assert_eq!(changes(&place), ["e1", "e2"]);
}

#[test]
fn malformed_release_records() {
    let place = Place::new(RELEASES);
    let good = r#"{"schema":"changetrail.deployment/1","id":"d1","pipeline":"p","stage":"prod","outcome":"succeeded","started_at":"2026-11-03T10:00:00Z"}"#;
    let lines = [
        good,
        "{\"schema\":\"changetrail.deployment/1\",",
        "17",
        "",
        r#"{"schema":"changetrail.deployment/1","id":"d2","stage":"prod","outcome":"succeeded"}"#,
        r#"{"schema":"changetrail.deployment/1","id":"d3","pipeline":"p","stage":"prod","outcome":"splendid"}"#,
        r#"{"schema":"something.else/1","id":"d4"}"#,
        &good.replace("d1", "d5").replace("started_at\":\"2026", "unknown_field\":\"x\",\"started_at\":\"2026"),
    ];
    place.write("releases/2026-11-03.jsonl", lines.join("\n"));
    place.run(&["audit"]);
    let deployments = place.query("select deployment_id from deployment order by 1");
    assert_eq!(deployments.column("deployment_id"), ["d1", "d5"]);
    let errors = place.query("select stage, error from quarantine order by all").to_csv();
    for word in ["splendid", "`pipeline` is missing", "something.else/1"] {
        assert!(errors.contains(word), "{word}\n{errors}");
    }
    assert!(place.query("from quarantine").rows.len() >= 4, "{errors}");
    let coverage = place.report("coverage");
    for row in &coverage.rows {
        crate::idempotence::foots(&coverage, row);
    }
    // The record as it was, unknown field and all, is still there.
    let kept = place.query("select record from raw_record where record like '%d5%'");
    assert!(kept.rows[0][0].contains("unknown_field"));
}

#[test]
fn refused_lines_of_record_are_named_and_the_others_kept() {
    let place = Place::new(RELEASES);
    std::fs::create_dir_all(place.path("releases")).expect("a folder");
    let lines = "{\"schema\":\"changetrail.deployment/1\",\"id\":\"d1\",\"pipeline\":\"p\",\"stage\":\"prod\",\"outcome\":\"running\"}\nnonsense\n";
    place.write("in.jsonl", lines);
    place.ran(2, &["record", "in.jsonl"]).says(&["line 2", "refused"]);
    let kept = place.query("select source, record_id from raw_record");
    assert_eq!(kept.rows.len(), 1);
    assert_eq!(kept.column("source"), ["record"]);
    place.ran(2, &["record", "nowhere.jsonl"]).says(&["nowhere.jsonl"]);
}

#[test]
fn a_third_party_system_that_was_not_read_whole_is_not_audited_with_the_same_rigour() {
    let service = "[[service]]\nname = \"cms\"\ntype = \"third-party\"\n[[scope]]\nservice = \"cms\"\nenvironment = \"live\"\nsources = [\"aws\"]\n";
    let place = Place::new(&format!("{TRAIL}{service}"));
    let whole = gzip(br#"{"Records":[]}"#);
    let result = |place: &Place| {
        let controls = place.report("controls");
        controls.cell(controls.row("control", "third-party"), "result").to_owned()
    };
    place.write("trail/2026/11/03/cut.json.gz", &whole[..whole.len() - 4]);
    place.ran(2, &["audit"]);
    assert_eq!(result(&place), "no-evidence");
    // It is told once, and stays a gap.
    place.ran(0, &["audit"]);
    assert_eq!(result(&place), "no-evidence");
    place.write("trail/2026/11/03/cut.json.gz", whole);
    place.ran(0, &["audit"]);
    assert_eq!(result(&place), "pass");
}
