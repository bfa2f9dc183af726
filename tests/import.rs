//! Files that somebody brings, for a source that reads elsewhere.

use crate::support::Place;

fn record(id: &str) -> String {
    format!(
        r#"{{"eventID":"{id}","eventTime":"2026-11-03T10:00:00Z","eventSource":"s3.amazonaws.com","eventName":"CreateBucket","readOnly":false,"userIdentity":{{"type":"Root"}},"recipientAccountId":"111122223333"}}"#
    )
}

fn log(ids: &[&str]) -> String {
    let records: Vec<String> = ids.iter().map(|id| record(id)).collect();
    format!("{{\"Records\":[{}]}}", records.join(","))
}

#[test]
fn files_belong_to_the_source_and_count_once() {
    let place = Place::new(
        "[[source]]\nname = \"aws\"\nconnector = \"aws-cloudtrail\"\nregions = [\"eu-west-2\"]\nendpoint_url = \"http://127.0.0.1:1\"\n",
    );
    place.write("old/a.json", log(&["e1", "e2"]));
    place.write("old/b.json", log(&["e3"]));
    place.ran(0, &["import", "--source", "aws", "old"]).says(&["3 records seen, 3 stored"]);
    // What has not changed is not read again; a copy elsewhere is read and known.
    place.ran(0, &["import", "--source", "aws", "old"]).says(&["0 records seen"]);
    place.write("copy/a.json", log(&["e2", "e4"]));
    place.ran(0, &["import", "--source", "aws", "copy/a.json"]).says(&["2 records seen, 1 stored, 1 duplicates"]);
    let stored = place.query("select source, count(*) as records, count(distinct operator) as operators from raw_record join batch using (batch_id, source) group by source");
    assert_eq!(stored.rows, [["aws", "4", "1"]]);
    // Two files of one name in different folders are two units, and the source itself counts as never polled.
    assert_eq!(place.query("select count(*) from unit").rows, [["3"]]);
    assert_eq!(place.query("select count(*) from poll").rows, [["0"]]);
    place.ran(0, &["reconcile"]);
    assert_eq!(place.report("changes").rows.len(), 4);
    place.ran(0, &["verify"]);
}

#[test]
fn a_source_of_files_keeps_its_own_counts() {
    let place = Place::new("[[source]]\nname = \"aws\"\nconnector = \"aws-cloudtrail\"\npath = \"trail\"\n");
    place.write("trail/a.json", log(&["e1"]));
    place.ran(0, &["collect"]);
    place.write("old/a.json", log(&["e2"]));
    place.ran(0, &["import", "--source", "aws", "old"]);
    place.ran(0, &["collect"]).says(&["0 records seen"]);
    let counts = place.query("select sum(kept), sum(duplicates) from unit_count");
    assert_eq!(counts.rows, [["2", "0"]]);
}

#[test]
fn what_cannot_be_imported_says_why() {
    let place = Place::new("[[source]]\nname = \"aws\"\nconnector = \"aws-cloudtrail\"\npath = \"trail\"\n");
    place.ran(2, &["import", "--source", "aws", "nowhere"]).says(&["could not read `nowhere`"]);
    place.ran(2, &["import", "--source", "asw", "nowhere"]).says(&["no source is called `asw`", "did you mean `aws`?"]);
    place.write("broken/a.json", "{\"Records\":[");
    place.ran(2, &["import", "--source", "aws", "broken"]).says(&["a.json", "could not be read to its end"]);
    place.write("others/releases.csv", "id\n");
    place.ran(0, &["import", "--source", "aws", "others"]).says(&["nothing was read", "no such files"]);
}
