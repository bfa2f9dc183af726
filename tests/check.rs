//! `check` fails where the next audit would.

use crate::support::{Output, Place, skip};

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
        skip("a folder without permission", "root reads everything");
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
        skip("a store without permission", "root writes everything");
    } else {
        checked(&place, 2, &["fail  store: the store", "may not be opened"]);
        place.ran(2, &["audit"]).says(&["changetrail.duckdb` may not be opened", "hint: "]);
    }
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
    refused("select 1 as x", "x");
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
