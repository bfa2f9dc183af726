//! Doing it again changes nothing; counts belong to what was read, so reading it again replaces them.

use std::fs;

use crate::support::{Place, Table, checkout};

const REPORTS: &[&str] = &["changes", "attempts", "releases", "controls", "summary"];
const EVIDENCE: &str = "select source, record_id, hash from raw_record order by all";

fn sample() -> Place {
    let place = Place::empty();
    place.copy(&checkout("src/cli/demo/sample"), "");
    place
}

/// A configuration of one folder of CloudTrail files.
const TRAIL: &str = r#"
[[source]]
name = "aws"
connector = "aws-cloudtrail"
path = "trail"
"#;

fn log(ids: &[&str]) -> String {
    let record = |id: &&str| {
        format!(
            r#"{{"eventTime":"2026-11-03T10:00:00Z","eventID":"{id}","eventSource":"s3.amazonaws.com","eventName":"PutBucketPolicy","awsRegion":"eu-west-2","readOnly":false,"userIdentity":{{"type":"Root","arn":"arn:aws:iam::111122223333:root"}},"recipientAccountId":"111122223333"}}"#
        )
    };
    let records: Vec<String> = ids.iter().map(record).collect();
    format!(r#"{{"Records":[{}]}}"#, records.join(","))
}

#[test]
fn a_second_audit_changes_no_row() {
    let place = sample();
    place.ran(1, &["audit"]);
    let reports: Vec<Table> = REPORTS.iter().map(|name| place.report(name)).collect();
    let evidence = place.query(EVIDENCE);
    let coverage = counts(&place);
    assert!(evidence.rows.len() > 100);

    // Nothing is new in the second one: the findings are those of the first.
    place.ran(0, &["audit"]);
    for (name, before) in REPORTS.iter().zip(reports) {
        assert_eq!(place.report(name), before, "{name}");
    }
    assert_eq!(place.query(EVIDENCE), evidence);
    assert_eq!(counts(&place), coverage);
}

#[test]
fn reading_again_and_rebuilding_change_no_row() {
    let place = sample();
    place.ran(1, &["audit"]);
    let reports: Vec<Table> = REPORTS.iter().map(|name| place.report(name)).collect();
    let (evidence, coverage) = (place.query(EVIDENCE), counts(&place));
    place.ran(0, &["collect", "--since", "2026-01-01"]);
    place.ran(0, &["reconcile", "--rebuild"]);
    for (name, before) in REPORTS.iter().zip(reports) {
        assert_eq!(place.report(name), before, "{name}");
    }
    assert_eq!(place.query(EVIDENCE), evidence);
    assert_eq!(counts(&place), coverage);
}

#[test]
fn findings_keep_their_ids_and_their_first_sight() {
    let place = sample();
    place.ran(1, &["audit"]);
    let life = "select finding_id, first_seen, opened_at, status from finding order by all";
    let first = place.query(life);
    assert!(!first.rows.is_empty());
    place.ran(0, &["audit"]);
    assert_eq!(place.query(life), first);
    // All open ones can still be asked for.
    place.ran(1, &["audit", "--fail-on-open"]);
}

#[test]
fn coverage_foots_in_every_row() {
    let place = sample();
    place.ran(1, &["audit"]);
    let coverage = place.report("coverage");
    assert!(coverage.rows.len() > 3);
    for row in &coverage.rows {
        foots(&coverage, row);
    }
}

/// Whether `seen` is the sum of the eight counts after it.
pub(crate) fn foots(coverage: &Table, row: &[String]) {
    let count = |column: &str| -> u64 { coverage.cell(row, column).parse().expect("a number") };
    let parts = ["duplicates", "quarantined", "reads", "non_changes", "sessions", "attempts", "changes", "pending"];
    let sum: u64 = parts.iter().map(|part| count(part)).sum();
    assert_eq!(count("seen"), sum, "{row:?}");
}

/// What was counted, without the time of the last poll.
fn counts(place: &Place) -> Table {
    let coverage = place.report("coverage");
    let columns: Vec<String> = coverage.columns.iter().filter(|name| *name != "last_polled_at").cloned().collect();
    coverage.select(&columns)
}

/// The counts of the only day.
fn day(place: &Place, columns: &[&str]) -> Vec<String> {
    let coverage = place.report("coverage");
    assert_eq!(coverage.rows.len(), 1, "{coverage:?}");
    columns.iter().map(|column| coverage.cell(&coverage.rows[0], column).to_owned()).collect()
}

#[test]
fn a_file_that_changes_replaces_its_counts() {
    let columns = ["seen", "duplicates", "quarantined", "changes"];
    let place = Place::new(TRAIL);
    place.write("trail/2026/11/03/a.json", log(&["e1", "e2"]));
    place.run(&["audit"]);
    assert_eq!(day(&place, &columns), ["2", "0", "0", "2"]);

    // One record more, one that is none: the file is counted as it is now.
    let longer = log(&["e1", "e2", "e3"]).replace("]}", ",17]}");
    place.write("trail/2026/11/03/a.json", &longer);
    place.run(&["audit"]);
    assert_eq!(day(&place, &columns), ["4", "0", "1", "3"]);

    // A copy of it under another name adds nothing but duplicates.
    place.write("trail/2026/11/03/b.json", &longer);
    place.run(&["audit"]);
    assert_eq!(day(&place, &columns), ["8", "3", "2", "3"]);
    assert_eq!(place.report("changes").rows.len(), 3);
}

#[test]
fn what_was_read_stays_when_the_file_goes() {
    let place = Place::new(TRAIL);
    place.write("trail/2026/11/03/a.json", log(&["e1", "e2"]));
    place.write("trail/2026/11/03/b.json", log(&["e3"]));
    place.run(&["audit"]);
    fs::remove_file(place.path("trail/2026/11/03/a.json")).expect("the file can go");
    place.run(&["audit"]);
    assert_eq!(place.report("changes").rows.len(), 3);
}

#[test]
fn which_version_of_a_release_counts_does_not_go_by_what_was_read_first() {
    let record = |outcome: &str| {
        format!(
            r#"{{"schema":"changetrail.deployment/1","id":"r1:prod","pipeline":"register-release","stage":"prod","started_at":"2026-11-03T10:00:00Z","outcome":"{outcome}"}}"#
        )
    };
    let place = Place::new("[[source]]\nname = \"release-log\"\nconnector = \"release-log\"\npath = \"releases\"\n");
    let outcome = || {
        place.ran(0, &["collect"]);
        place.ran(0, &["reconcile"]);
        place.query("select outcome from deployment").rows
    };
    place.write("releases/b.jsonl", record("failed"));
    assert_eq!(outcome(), [["failed"]]);
    // Without a time of recording the last by path counts.
    place.write("releases/a.jsonl", record("succeeded"));
    assert_eq!(outcome(), [["failed"]]);
    place.ran(0, &["reconcile", "--rebuild"]);
    assert_eq!(outcome(), [["failed"]]);
    // What stands in a file now comes before what stood there.
    place.write("releases/b.jsonl", record("cancelled"));
    assert_eq!(outcome(), [["cancelled"]]);
}
