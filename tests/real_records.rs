//! Real records of CloudTrail, where they lie beside the checkout: an attacked account, the logs of attacks, and events
//! that others have labelled. Every record is accounted for, and every change names who and what.

use serde_json::{Value, json};

use crate::support::{Place, Table, checkout};

/// A place in which `folder` of the shared data has been audited; nothing where it is absent.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn audited(folder: &str) -> Option<Place> {
    let path = checkout("../shared/data").join(folder);
    if !path.is_dir() {
        eprintln!("skipped: {} is absent", path.display());
        return None;
    }
    let place = Place::new(&configuration(&path.to_string_lossy()));
    place.ran(1, &["audit"]);
    Some(place)
}

fn configuration(path: &str) -> String {
    let path = toml::Value::String(path.to_owned());
    format!("[[source]]\nname = \"aws\"\nconnector = \"aws-cloudtrail\"\npath = {path}\n")
}

/// Seen, duplicates, quarantined, reads, non-changes, sessions, attempts, changes, pending: sums over all days.
fn counts(coverage: &Table) -> Vec<u64> {
    ["seen", "duplicates", "quarantined", "reads", "non_changes", "sessions", "attempts", "changes", "pending"]
        .iter()
        .map(|column| coverage.column(column).iter().map(|count| count.parse::<u64>().expect("a count")).sum())
        .collect()
}

/// Every change has an actor kind and a target: no mere account, and no role or policy that only occurs in the call.
fn every_change_names_who_and_what(place: &Place) {
    for table in [place.report("changes"), place.report("attempts")] {
        for row in &table.rows {
            let [kind, action, resource] = ["actor_kind", "action", "resource"].map(|column| table.cell(row, column));
            assert!(["person", "pipeline", "workload", "platform", "unknown"].contains(&kind), "{row:?}");
            assert!(resource.contains(':') && !resource.ends_with(':'), "{row:?}");
            let service = action.split(':').next().expect("a service");
            let foreign = resource.contains(":policy/") || resource.contains(":role/");
            assert!(service == "iam" || !foreign, "{row:?}");
            assert!(!resource.contains(":aws:policy/"), "{row:?}");
        }
    }
}

#[test]
fn no_record_of_an_attacked_account_is_lost() {
    let Some(place) = audited("invictus") else { return };
    assert_eq!(counts(&place.report("coverage")), [2900, 0, 0, 2262, 58, 67, 94, 419, 0]);
    every_change_names_who_and_what(&place);
}

#[test]
fn no_record_of_the_attacks_logs_is_lost() {
    let Some(place) = audited("stratus") else { return };
    assert_eq!(counts(&place.report("coverage")), [5, 0, 0, 0, 0, 1, 0, 4, 0]);
    every_change_names_who_and_what(&place);
}

/// The labels say whether somebody clicked in the console; none of these events was done by hand in another way, which
/// would be manual for us too.
#[test]
fn what_others_call_manual_is_manual() {
    let folder = checkout("../shared/data/clickops");
    if !folder.is_dir() {
        eprintln!("skipped: {} is absent", folder.display());
        return;
    }
    let (mut records, mut clicked) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(&folder).expect("a folder") {
        let text = std::fs::read_to_string(entry.expect("an entry").path()).expect("a file");
        let labelled: Value = serde_json::from_str(&text).expect("JSON");
        if labelled["expect"]["is_clickops"] == json!(true) {
            clicked.push(labelled["event"]["eventID"].as_str().expect("an id").to_owned());
        }
        records.push(labelled["event"].clone());
    }
    let place = Place::new(&configuration("trail"));
    place.write("trail/events.json", json!({ "Records": records }).to_string());
    place.ran(1, &["audit"]);
    let changes = place.report("changes");
    let mut manual: Vec<&str> = changes
        .rows
        .iter()
        .filter(|row| changes.cell(row, "verdict") == "manual")
        .map(|row| changes.cell(row, "record_id"))
        .collect();
    manual.sort_unstable();
    clicked.sort_unstable();
    assert_eq!(manual, clicked);
    assert_eq!(changes.rows.len(), clicked.len());
}
