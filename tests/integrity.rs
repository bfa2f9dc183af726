//! Log files that are missing or not what their digest vouched for are findings, until they are put right.

use changetrail_connectors::hex;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::support::Place;

const LOG: &str =
    "AWSLogs/111122223333/CloudTrail/eu-west-2/2026/11/03/111122223333_CloudTrail_eu-west-2_20261103T0910Z_a.json";
const DIGEST: &str = "AWSLogs/111122223333/CloudTrail-Digest/eu-west-2/2026/11/03/111122223333_CloudTrail-Digest_eu-west-2_main_eu-west-2_20261103T";

const RECORDS: &str = r#"{"Records":[{"eventID":"e1","eventTime":"2026-11-03T09:05:00Z","eventName":"ConsoleLogin","eventSource":"signin.amazonaws.com"}]}"#;

/// Writes the digest of an hour; gives its name and hash.
fn digest(place: &Place, hour: u8, before: Option<&(String, String)>, logs: &[&str]) -> (String, String) {
    let key = format!("{DIGEST}{hour:02}0000Z.json");
    let files: Vec<_> = logs
        .iter()
        .map(|log| json!({"s3Object": log, "hashValue": hex(&Sha256::digest(RECORDS.as_bytes()))}))
        .collect();
    let text = json!({
        "digestStartTime": format!("2026-11-03T{:02}:00:00Z", hour - 1), "digestEndTime": format!("2026-11-03T{hour:02}:00:00Z"),
        "digestS3Bucket": "trail", "digestS3Object": key, "digestPublicKeyFingerprint": "f",
        "previousDigestS3Object": before.map(|before| &before.0), "previousDigestHashValue": before.map(|before| &before.1),
        "logFiles": files,
    })
    .to_string();
    place.write(&format!("trail/{key}"), &text);
    (key, hex(&Sha256::digest(text.as_bytes())))
}

fn findings(place: &Place) -> Vec<[String; 3]> {
    place.ran(0, &["reconcile"]);
    let table = place.query("select severity, status, summary from finding where control = 'log-integrity' order by 3");
    table.rows.iter().map(|row| [row[0].clone(), row[1].clone(), row[2].clone()]).collect()
}

#[test]
fn what_was_vouched_for_and_is_not_there_is_a_finding() {
    let place = Place::new("[[source]]\nname = \"aws\"\nconnector = \"aws-cloudtrail\"\npath = \"trail\"\n");
    place.write(&format!("trail/{LOG}"), RECORDS);
    let first = digest(&place, 9, None, &[]);
    let second = digest(&place, 10, Some(&first), &[LOG]);
    digest(&place, 11, Some(&second), &[]);
    // Nothing is said before anybody has looked, and nothing where all is whole.
    place.ran(0, &["collect"]);
    assert!(findings(&place).is_empty());
    place.ran(0, &["collect", "--validate"]);
    assert!(findings(&place).is_empty());
    assert!(place.ran(0, &["verify"]).stdout.contains("digests 3"));

    std::fs::remove_file(place.path(&format!("trail/{LOG}"))).expect("a file");
    place.ran(0, &["collect", "--validate"]);
    let [severity, status, summary] = findings(&place).remove(0);
    assert_eq!((severity.as_str(), status.as_str()), ("high", "open"));
    assert!(summary.contains("1 × log file missing") && summary.contains(LOG), "{summary}");
    let output = place.ran(1, &["verify"]);
    assert!(output.stdout.contains(LOG) && output.stdout.contains("log file missing"), "{output}");

    place.write(&format!("trail/{LOG}"), RECORDS.replace("e1", "e2"));
    place.run(&["collect", "--validate"]);
    assert!(findings(&place)[0][2].contains("log file altered"));
    place.write(&format!("trail/{LOG}"), RECORDS);
    place.ran(0, &["collect", "--validate"]);
    assert_eq!(findings(&place)[0][1], "resolved");
}

#[test]
fn a_digest_that_is_missing_or_altered_is_a_finding() {
    let place = Place::new("[[source]]\nname = \"aws\"\nconnector = \"aws-cloudtrail\"\npath = \"trail\"\n");
    let first = digest(&place, 9, None, &[]);
    let second = digest(&place, 10, Some(&first), &[]);
    let third = digest(&place, 11, Some(&second), &[]);
    digest(&place, 12, Some(&third), &[]);
    digest(&place, 9, None, &[LOG]);
    std::fs::remove_file(place.path(&format!("trail/{}", third.0))).expect("a file");
    place.ran(0, &["collect", "--validate"]);
    let summary = &findings(&place)[0][2];
    assert!(summary.contains("1 × digest missing"), "{summary}");
    assert!(summary.contains("1 × digest altered"), "{summary}");
}
