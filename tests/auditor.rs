//! What the README tells an auditor to do, done.

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::world::{deploy, log, place, release};
use crate::support::{Place, Table, checkout};

/// The section of the README.
fn section() -> String {
    let readme = std::fs::read_to_string(checkout("README.md")).expect("the README");
    let (_, after) = readme.split_once("\n## For auditors\n").expect("a section for auditors");
    after.split("\n## ").next().expect("the section").to_owned()
}

/// The code blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().expect("an end").to_owned()).collect()
}

/// The queries of the README, by the number that they trace.
fn queries() -> BTreeMap<String, String> {
    let sql = blocks(&section(), "sql").join("\n");
    let parts = sql.split("-- ").skip(1);
    parts
        .map(|part| {
            let (name, query) = part.split_once('\n').expect("a query");
            (name.trim().to_owned(), query.trim().to_owned())
        })
        .collect()
}

#[test]
fn the_steps_lead_to_the_set_and_every_number_to_its_rows() {
    let place = Place::empty();
    let steps: Vec<String> = blocks(&section(), "")
        .iter()
        .flat_map(|block| block.lines())
        .filter_map(|line| line.strip_prefix("changetrail "))
        .map(|line| line.split('#').next().unwrap_or_default().trim().to_owned())
        .take_while(|line| !line.starts_with("exempt"))
        .collect();
    assert_eq!(
        steps.iter().map(|step| step.split(' ').next().unwrap_or_default()).collect::<Vec<_>>(),
        ["init", "check", "audit", "report"]
    );
    for step in &steps {
        let args: Vec<&str> = step.split(' ').filter(|word| !word.is_empty()).collect();
        place.ran(i32::from(step == "audit"), &args);
        if step == "init" {
            // Who follows the steps edits what was written: here it becomes the sample organisation's.
            place.copy(&checkout("src/cli/demo/sample"), "");
        }
    }
    let read = |name: &str| {
        let path = place.path("november").join(name);
        Table::parse(&std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    };
    assert!(read("manifest.csv").rows.len() >= 14);
    let summary = read("summary.csv");
    let queries = queries();
    let numbers: Vec<&String> = summary.columns.iter().filter(|column| !column.starts_with("period_")).collect();
    assert_eq!(
        queries.keys().collect::<Vec<_>>().len(),
        numbers.len(),
        "a number without a query, or the other way round"
    );
    for number in numbers {
        let query = queries.get(number).unwrap_or_else(|| panic!("no query traces `{number}`"));
        let rows = place.query(query.trim_end_matches(';')).rows.len();
        assert_eq!(summary.cell(&summary.rows[0], number), rows.to_string(), "{number}");
    }
    // Something of each is there: a query that finds nothing would prove nothing.
    for number in [
        "changes",
        "released",
        "nonconforming",
        "unapproved",
        "unrecorded",
        "manual",
        "unattributed",
        "platform",
        "exempted",
        "attempts",
        "sources",
    ] {
        assert_ne!(summary.cell(&summary.rows[0], number), "0", "{number}");
    }
}

#[test]
fn every_finding_leads_to_its_evidence() {
    let place = Place::empty();
    place.copy(&checkout("src/cli/demo/sample"), "");
    place.ran(1, &["-q", "audit"]);
    let findings =
        place.query("select subject_kind, min(finding_id) as finding_id from finding group by all order by all");
    assert!(findings.rows.len() >= 3, "{findings:?}");
    for row in &findings.rows {
        let (kind, id) = (findings.cell(row, "subject_kind"), findings.cell(row, "finding_id"));
        let said = place.ran(0, &["explain", id]).stdout;
        assert!(said.contains(id) && said.contains("queries/controls/"), "{kind}\n{said}");
        let json = place.ran(0, &["explain", id, "-o", "json"]).stdout;
        let json: serde_json::Value = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}\n{json}"));
        assert_eq!(json["finding"][0]["finding_id"], *id);
        let evidence = json["evidence"].as_array().expect("evidence");
        assert!(!evidence.is_empty(), "{kind} {id} without evidence");
        for record in evidence {
            use sha2::Digest as _;
            let text = record["record"].as_str().expect("the record as it is stored");
            let hash = changetrail_connectors::hex(&sha2::Sha256::digest(text));
            assert_eq!(record["sha256"], hash, "the hash of what is shown");
        }
        if kind == "case" {
            let change = json["changes"][0]["change_id"].as_str().expect("a change");
            let change = place.ran(0, &["explain", change, "-o", "json"]).stdout;
            let change: serde_json::Value =
                serde_json::from_str(&change).unwrap_or_else(|error| panic!("{error}\n{change}"));
            for key in [
                "change",
                "actor",
                "sessions",
                "releases",
                "approvals",
                "controls",
                "exemptions",
                "history",
                "rules",
                "evidence",
            ] {
                assert!(change[key].is_array(), "{key}");
            }
        }
    }
    place.ran(2, &["explain", "nothing"]).says(&["there is no change or finding `nothing`"]);
}

/// Of the change and of the finding alike: a decision that was taken back, and a review of the code, are no approval of the
/// stage.
#[test]
fn explain_says_of_every_decision_whether_it_counts() {
    let place = place();
    log(&place, "1", deploy());
    let review = json!({"phase": "review", "decision": "approved", "approver": "bob@example.org", "decided_at": "2026-11-03T09:30:00Z"});
    let approvals = json!([review, "dana@example.org 09:40", "dana@example.org 09:45 rejected"]);
    release(&place, "1", json!([{"release": "r1", "live": "10:00-10:20", "approvals": approvals}]));
    place.ran(1, &["-q", "audit"]);
    let finding = place.query("select finding_id from finding where subject_id = 'r1:live'").rows[0][0].clone();
    for id in ["c", finding.as_str()] {
        let said = place.ran(0, &["explain", id, "-o", "json"]).stdout;
        let said: serde_json::Value = serde_json::from_str(&said).expect("JSON");
        let standing: Vec<_> =
            said["approvals"].as_array().expect("approvals").iter().map(|a| (&a["phase"], &a["standing"])).collect();
        let expected = json!([
            ["review", "counts as a signature, not as the approval of the stage: a review of the code"],
            ["pre", "does not count: taken back before the start"],
            ["pre", "no approval"],
        ]);
        assert_eq!(json!(standing), expected, "{id}");
    }
}
