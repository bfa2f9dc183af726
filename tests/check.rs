//! `check` fails where the next audit would.

use crate::support::{Output, Place};

const WORLD: &str = r#"
[[source]]
name = "log"
connector = "release-log"
path = "releases"
"#;

const STANDARD: &str = r#"
id = "ACME-1"
title = "Releases at Acme"
version = "1"

[[control]]
id = "mine"
title = "Mine"
severity = { deployment = "low" }
"#;

const MINE: &str = "-- title: Mine
select 'deployment' as subject_kind, deployment_id as subject_id, service, environment, 'pass' as result, 'fine' as reason
from deployment";

/// A place with a release log that can be read.
fn good(more: &str) -> Place {
    let place = Place::new(&format!("{more}{WORLD}"));
    place.write("releases/1.jsonl", "");
    place
}

/// A place with a standard and a control of its own.
fn own() -> Place {
    let place = good("[standard]\nname = \"acme\"\n[extend]\nqueries = [\"acme\"]\n");
    place.write("acme/standards/acme.toml", STANDARD);
    place.write("acme/controls/mine.sql", MINE);
    place
}

/// `check` exits so, and says all of this.
fn checked(place: &Place, code: i32, words: &[&str]) -> Output {
    let output = place.ran(code, &["check"]);
    for word in words {
        assert!(output.stdout.contains(word), "`{word}` is not said\n{output}");
    }
    output
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_read() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let place = good("");
    checked(&place, 0, &["ok    source log: reads"]);
    symlink("nowhere", place.path("releases/2.txt")).expect("a link");
    checked(&place, 0, &["ok    source log: reads"]);
    symlink("nowhere", place.path("releases/2.jsonl")).expect("a link");
    checked(&place, 2, &["fail  source log", "1 cannot be read", "2.jsonl: ", "hint: "]);
    place.ran(2, &["audit"]);
    checked(&place, 2, &["warn  source log: 1 parts could not be read to their end, the first 2.jsonl"]);
    std::fs::remove_file(place.path("releases/2.jsonl")).expect("the link");
    let folder = place.path("releases");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o000)).expect("no permission");
    if std::fs::read_dir(&folder).is_ok() {
        eprintln!("skipped: a folder without permission: root reads everything");
    } else {
        checked(&place, 2, &["fail  source log", "releases"]);
    }
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).expect("permission");
}

#[cfg(unix)]
#[test]
fn a_store_that_cannot_be_written() {
    use std::os::unix::fs::PermissionsExt;
    let place = good("");
    place.write("file", "");
    let output = place.ran(2, &["--store", "file/s.duckdb", "check"]);
    assert!(output.stdout.contains("fail  store: the folder `file` for the store cannot be written"), "{output}");
    place.ran(2, &["--store", "file/s.duckdb", "audit"]).says(&["file", "hint: "]);
    let output = place.ran(2, &["--store", "releases", "check"]);
    assert!(output.stdout.contains("fail  store: the store `releases` is a folder"), "{output}");
    place.ran(0, &["audit"]);
    checked(&place, 0, &["ok    store"]);
    std::fs::set_permissions(place.store(), std::fs::Permissions::from_mode(0o444)).expect("no permission");
    if std::fs::OpenOptions::new().append(true).open(place.store()).is_ok() {
        eprintln!("skipped: a store without permission: root writes everything");
    } else {
        checked(&place, 2, &["fail  store: the store", "may not be opened"]);
        place.ran(2, &["audit"]).says(&["changetrail.duckdb` may not be opened", "hint: "]);
    }
}

#[test]
fn a_store_that_is_none() {
    let place = good("");
    place.write("other.sqlite", [b"SQLite format 3\0".as_slice(), &[0; 4080]].concat());
    for args in [&["check"][..], &["audit"], &["report", "changes"]] {
        let output = place.ran(2, &[&["--store", "other.sqlite"], args].concat());
        assert!(format!("{output}").contains("`other.sqlite` is not a changetrail store"), "{output}");
        assert!(!format!("{output}").contains("sqlite_scanner"), "{output}");
    }
}

#[test]
fn a_key_that_was_lost() {
    let place = good("");
    place.write("releases/1.jsonl", "{}\n");
    assert!(!place.ran(0, &["collect"]).stderr.contains("key file"), "the first");
    std::fs::remove_file(place.path("changetrail.duckdb.key")).expect("the key");
    place.ran(0, &["collect"]).says(&["changetrail.duckdb.key was not there", "restored from a backup"]);
    assert!(!place.ran(0, &["collect"]).stderr.contains("key file"), "told once");
    std::fs::remove_file(place.path("changetrail.duckdb.key")).expect("the key");
    let record =
        r#"{"schema":"changetrail.deployment/1","id":"r","pipeline":"p","stage":"prod","outcome":"succeeded"}"#;
    place.write("one.jsonl", record);
    place.ran(0, &["record", "one.jsonl"]).says(&["changetrail.duckdb.key was not there"]);
}

/// The engine gives up where it cannot write: what the user has to know is that nothing is lost.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    let place = good("");
    place.ran(0, &["audit"]);
    let record =
        r#"{"schema":"changetrail.deployment/1","id":"r","pipeline":"p","stage":"prod","outcome":"succeeded","url":"#;
    let mut noise = 1_u64;
    let mut next = || {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{noise:016x}")
    };
    let mut line = |number| format!("{record}\"{number} {}\"}}", (0..60).map(|_| next()).collect::<Vec<_>>().concat());
    let lines = (0..3000).map(&mut line).collect::<Vec<_>>().join("\n");
    place.write("releases/2.jsonl", lines);
    // A limit on the size of files, in blocks of 512 bytes, stands for a disk that is full.
    let room = std::fs::metadata(place.store()).expect("the store").len() / 512 + 100;
    let script = format!("trap '' XFSZ; ulimit -f {room}; exec \"$0\" collect");
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_changetrail")]).current_dir(place.path(""));
    let output = Output::of(&mut command);
    assert_eq!(output.code, Some(2), "{output}");
    output.says(&["hint: nothing that was committed before is lost", "make room"]);
    place.ran(0, &["verify"]);
    place.ran(0, &["collect"]);
    assert_eq!(place.query("select count(*) from raw_record").rows, [["3000"]]);
}

#[test]
fn a_control_that_cannot_be_asked() {
    let place = own();
    checked(&place, 0, &["ok    rules: 1 controls can be asked, 1 of your own"]);
    let refused = |sql: &str, why: &str| {
        place.write("acme/controls/mine.sql", format!("-- title: Mine\n{sql}"));
        checked(&place, 2, &["fail  rules: the control acme/controls/mine.sql is unusable", why, "hint: a control is"]);
        assert!(!place.store().exists(), "check made a store");
    };
    refused("selec 1", "syntax error");
    refused("select 1 as x", "subject_kind");
    refused("select * from read_csv('changetrail.toml')", "disabled");
    refused("select 1; select 2", "more than one statement");
}

#[test]
fn queries_that_nobody_reads() {
    let told = |place: &Place, words: &[&str]| {
        checked(place, 2, words);
        place.ran(2, &["audit"]).says(words).says(&["hint: "]);
        assert!(!place.store().exists(), "it began to collect");
    };
    told(&good("[extend]\nqueries = [\"nowhere\"]\n"), &["`[extend] queries`: nowhere: No such file"]);
    let place = own();
    place.write("acme/controls/mein.sql", MINE);
    told(&place, &["acme/controls/mein.sql: no standard has a [[control]] of this name", "id `mein`"]);
    let place = own();
    place.write("acme/report/all.sql", "-- title: All\nfrom change");
    told(&place, &["acme/report: nothing reads what is in this folder", "did you mean `reports`?"]);
    let place = own();
    place.write("acme/all.sql", "-- title: All\nfrom change");
    told(&place, &["acme/all.sql: nothing reads this file", "controls/, reports/, standards/"]);
    // What is nobody's query is the folder's own business.
    let place = own();
    place.write("acme/docs/README.md", "ours");
    place.write("acme/README.md", "ours");
    checked(&place, 0, &["ok    rules"]);
}

#[test]
fn exemptions_that_are_not_there() {
    let place = good("exemptions = \"exemptions.toml\"\n");
    checked(&place, 0, &["warn  configuration: `exemptions`: exemptions.toml is not there"]);
    place.ran(0, &["audit"]).says(&["exemptions.toml is not there", "changetrail exempt"]);
    place.write("exemptions.toml", "");
    assert!(!checked(&place, 0, &[]).stdout.contains("exemptions.toml"));
}
