//! Whoever edits the evidence is found out, whatever they edit.

use changetrail::store::{Access, Db, WRITER_PATIENCE};

use crate::support::Place;

const RECORDS: [&str; 3] = ["e1", "e2", "e3"];

/// A store of three batches, one record in each, and one thing that could not be read.
fn place() -> Place {
    let place = Place::new("[[source]]\nname = \"aws\"\nconnector = \"aws-cloudtrail\"\npath = \"trail\"\n");
    for id in RECORDS {
        let record = format!(
            r#"{{"eventID":"{id}","eventTime":"2026-11-03T10:00:00Z","eventSource":"s3.amazonaws.com","eventName":"CreateBucket","readOnly":false,"userIdentity":{{"type":"Root"}},"recipientAccountId":"111122223333"}}"#
        );
        let rest = if id == "e3" { ",5" } else { "" };
        place.write(&format!("trail/{id}.json"), format!("{{\"Records\":[{record}{rest}]}}"));
        place.ran(0, &["collect"]);
    }
    place
}

fn head(place: &Place) -> String {
    let said = place.ran(0, &["verify"]).stdout;
    said.split_whitespace().nth(1).expect("a hash").to_owned()
}

#[test]
fn what_nobody_edited_is_whole_and_every_report_says_the_head() {
    let place = place();
    let head = head(&place);
    assert_eq!(head.len(), 64);
    place.ran(1, &["audit"]).says(&[&format!("evidence head {head}, batch 3")]);
    let report = place.ran(0, &["report", "changes", "-o", "csv"]);
    report.says(&[&head]);
    assert!(!report.stdout.contains(&head), "no line of a CSV");
    // Collecting on, the old head stays in the chain.
    place.write(
        "trail/e4.json",
        "{\"Records\":[{\"eventID\":\"e4\",\"eventTime\":\"2026-11-03T11:00:00Z\",\"eventName\":\"X\"}]}",
    );
    place.ran(0, &["collect"]);
    assert!(place.ran(0, &["verify", "--head", &head]).stdout.contains("batch 4, 4 records"));
}

#[test]
fn each_edit_is_found_and_named() {
    let place = place();
    let whole = std::fs::read(place.store()).expect("the store");
    for (edit, named) in [
        (
            "update raw_record set record = replace(record, 'Root', 'Other') where record_id = 'e2'",
            "record e2 in e2.json",
        ),
        ("update raw_record set record = '{}', hash = sha256('{}') where record_id = 'e2'", "batch 2"),
        ("update raw_record set occurred_at = occurred_at + interval 1 day where record_id = 'e2'", "batch 2"),
        ("update raw_record set source = 'other' where record_id = 'e2'", "batch 2"),
        ("delete from raw_record where record_id = 'e2'", "1 of its 1 records are missing"),
        (
            "insert into raw_record select * replace ('e9' as record_id) from raw_record where record_id = 'e2'",
            "1 records were added to its 1",
        ),
        ("update raw_record set batch_id = 9 where record_id = 'e2'", "there is no such batch"),
        ("update quarantine set record = '6'", "what was set aside"),
        ("delete from quarantine", "batch 3"),
        ("update batch set operator = 'nobody' where batch_id = 2", "batch 2"),
        ("update batch set committed_at = committed_at - interval 1 day where batch_id = 2", "batch 2"),
        (
            "update batch set hash = repeat('a', 64) where batch_id = 2",
            "batch 3 (source aws): it does not follow on the batch before it",
        ),
        (
            "delete from batch where batch_id = 2; delete from raw_record where batch_id = 2",
            "batch 2 before it is missing",
        ),
    ] {
        std::fs::write(place.store(), &whole).expect("the store as it was");
        {
            let db = Db::open(&place.store(), Access::Write, WRITER_PATIENCE).expect("the store");
            for statement in edit.split(';') {
                db.rows(statement, &[]).expect("an edit");
            }
        }
        let output = place.ran(1, &["verify"]);
        assert!(output.stdout.contains(named), "{edit}\n{output}");
    }
}

#[test]
fn a_chain_that_was_cut_off_is_found_by_its_head() {
    let place = place();
    let head = head(&place);
    {
        let db = Db::open(&place.store(), Access::Write, WRITER_PATIENCE).expect("the store");
        for statement in [
            "delete from batch where batch_id = 3",
            "delete from raw_record where batch_id = 3",
            "delete from quarantine",
        ] {
            db.rows(statement, &[]).expect("an edit");
        }
    }
    assert!(!place.ran(0, &["verify"]).stdout.contains(&head));
    assert!(place.ran(1, &["verify", "--head", &head]).stdout.contains("it is not in the chain"));
}

#[test]
fn a_store_with_nothing_in_it_is_whole() {
    let place = Place::new("");
    place.ran(0, &["collect"]);
    assert!(place.ran(0, &["verify"]).stdout.contains("nothing is stored yet"));
}

#[test]
fn a_head_that_is_none_is_a_slip_and_no_edit() {
    let place = place();
    let head = head(&place);
    for slip in ["3f2a", &head[..63], &format!("{head}0"), &"g".repeat(64)] {
        place.ran(2, &["verify", "--head", slip]).says(&["64 hexadecimal digits"]);
    }
    // As it may come out of a mail, or another program.
    place.ran(0, &["verify", "--head", &format!(" {} ", head.to_uppercase())]);
    assert!(place.ran(1, &["verify", "--head", &"0".repeat(64)]).stdout.contains("not in the chain"));
}

#[test]
fn an_audit_says_that_the_clock_went_back() {
    let place = place();
    place.ran(1, &["audit"]);
    let db = Db::open(&place.store(), Access::Write, WRITER_PATIENCE).expect("the store");
    db.rows("update poll set polled_at = timestamp '2100-01-01 00:00:00'", &[]).expect("an edit");
    drop(db);
    place.ran(0, &["audit"]).says(&["clock", "the store was written at 2100-01-01T00:00:00Z"]);
}
