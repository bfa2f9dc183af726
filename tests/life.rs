//! The life of a finding and of a verdict, from one night to the next.

use serde_json::json;

use crate::support::shorthand::releases;
use crate::support::world::{deploy, log, place, release, verdict};
use crate::support::{Place, Table};

fn findings(place: &Place) -> Table {
    place.query("select control, severity, status from finding order by all")
}

#[test]
fn a_release_record_that_comes_late_resolves_the_finding() {
    let place = place();
    log(&place, "1", deploy());
    place.ran(1, &["audit"]);
    assert_eq!(verdict(&place), "unrecorded");
    assert_eq!(findings(&place).rows, [["recorded", "high", "open"]]);
    place.ran(0, &["audit"]);

    release(&place, "1", json!([{"release": "r1", "live": "10:00-10:20"}]));
    place.ran(0, &["audit", "--fail-on-open"]);
    assert_eq!(verdict(&place), "released");
    assert_eq!(findings(&place).rows, [["recorded", "high", "resolved"]]);
}

#[test]
fn a_release_record_that_is_corrected_counts_as_it_is_now() {
    let place = place();
    log(&place, "1", deploy());
    release(&place, "1", json!([{"release": "r1", "live": "10:00-10:20"}]));
    place.ran(0, &["audit"]);
    assert_eq!(verdict(&place), "released");

    let later = json!({"recorded_at": "2026-11-04T09:00:00Z", "outcome": "rejected"});
    release(&place, "2", json!([{"release": "r1", "live": "10:00-10:20", "live_record": later}]));
    place.ran(1, &["audit"]);
    assert_eq!(verdict(&place), "unrecorded");
    // What was found is new once.
    place.ran(0, &["audit"]);
    place.ran(1, &["audit", "--fail-on-open"]);
}

#[test]
fn a_release_record_that_is_corrected_in_its_place_counts_as_it_is_now() {
    let place = place();
    log(&place, "1", deploy());
    // Which content comes last says the night, not the place in the file or the text.
    for night in 0..6 {
        let outcome = if night % 2 == 0 { "succeeded" } else { "rejected" };
        let record = json!({"recorded_at": null, "outcome": outcome, "url": format!("https://ci.example.org/{night}")});
        let told = json!({"release": "r1", "live": "10:00-10:20", "live_record": record});
        let other = json!({"release": "r2", "live": "16:00-16:20"});
        release(&place, "1", if night < 3 { json!([other, told]) } else { json!([told, other]) });
        place.run(&["audit"]);
        assert_eq!(verdict(&place), if outcome == "succeeded" { "released" } else { "unrecorded" }, "night {night}");
    }
}

#[test]
fn a_release_log_alone_is_read_on_every_night() {
    let place = Place::new("[[source]]\nname = \"release-log\"\nconnector = \"release-log\"\npath = \"releases\"\n");
    let record = |with: serde_json::Value| {
        let mut record =
            json!({"schema": "changetrail.deployment/1", "id": "a", "pipeline": "p", "service": "s", "stage": "live"});
        record.as_object_mut().expect("an object").extend(with.as_object().expect("an object").clone());
        record.to_string()
    };
    place.write("releases/1.jsonl", record(json!({"started_at": "2026-11-03T10:00:00Z", "outcome": "running"})));
    place.run(&["audit"]);
    place.write("releases/2.jsonl", record(json!({"finished_at": "2026-11-03T10:20:00Z", "outcome": "succeeded"})));
    assert_ne!(place.run(&["audit"]).code, Some(2));
    // The end names no start: it began when the record of the night before says.
    let told = place.query("select outcome, started_at = timestamp '2026-11-03 10:00:00' from deployment");
    assert_eq!(told.rows, [["succeeded", "true"]]);
}

#[test]
fn a_source_that_was_renamed_is_told() {
    let place = place();
    log(&place, "1", deploy());
    assert!(!place.run(&["audit"]).stderr.contains("any more"));
    let config = std::fs::read_to_string(place.path("changetrail.toml")).expect("the configuration");
    place.write("changetrail.toml", config.replace("name = \"aws\"", "name = \"cloud\""));
    place.run(&["audit"]).says(&["source `aws` is not in the configuration any more", "give it its old name"]);
}

#[test]
fn a_line_that_was_not_whole_yet_is_set_aside_until_it_is() {
    let place = place();
    let lines = releases::lines(&releases::deployments(json!([{"release": "r1", "live": "10:00-10:20"}])));
    place.write("releases/1.jsonl", &lines[..lines.len() - 20]);
    let aside = "1 records of source `release-log` are set aside";
    place.run(&["audit"]).says(&[aside]);
    place.run(&["audit"]).says(&[aside]);
    place.write("releases/1.jsonl", &lines);
    assert!(!place.run(&["audit"]).stderr.contains("are set aside"));
}

#[test]
fn a_sign_in_that_comes_late_unmasks_the_person() {
    let place = place();
    release(&place, "1", json!([{"release": "r1", "live": "10:00-10:20"}]));
    log(&place, "1", deploy());
    place.ran(0, &["audit"]);
    assert_eq!(verdict(&place), "released");

    log(
        &place,
        "2",
        json!([{"id": "s", "time": "10:00", "action": "sts:AssumeRole", "who": "sso:alice@example.org", "key": "ASIA0",
                "role": "register-deploy", "session": "x", "issues": "ASIA1"}]),
    );
    place.ran(1, &["audit"]);
    assert_eq!(verdict(&place), "manual");
    assert_eq!(place.report("changes").column("actor"), ["alice@example.org"]);
}

#[test]
fn a_finding_that_comes_back_is_new_again_and_keeps_its_id() {
    let place = place();
    log(&place, "1", deploy());
    place.ran(1, &["audit"]);
    let id = place.query("select finding_id, first_seen from finding");
    release(&place, "1", json!([{"release": "r1", "live": "10:00-10:20"}]));
    place.ran(0, &["audit"]);
    release(
        &place,
        "1",
        json!([{"release": "r1", "live": "10:00-10:20", "live_record": {"outcome": "rejected", "recorded_at": "2026-11-05T00:00:00Z"}}]),
    );
    place.ran(1, &["audit"]);
    assert_eq!(place.query("select finding_id, first_seen from finding"), id);
    assert_eq!(findings(&place).rows, [["recorded", "high", "open"]]);
}

#[test]
fn what_comes_late_into_a_known_case_is_new_though_it_happened_earlier() {
    let place = place();
    let by_hand = |id: &str, time: &str| json!([{"id": id, "time": time, "action": "s3:PutBucketPolicy", "who": "sso:alice@example.org", "key": "ASIA1"}]);
    log(&place, "1", by_hand("c", "12:05"));
    place.ran(1, &["audit"]);
    place.ran(0, &["audit"]);
    log(&place, "2", by_hand("d", "12:01"));
    place.ran(1, &["audit"]);
    place.ran(0, &["audit"]);
    assert_eq!(place.query("select count(*), count(distinct finding_id) from finding").rows, [["1", "1"]]);
}

#[test]
fn another_failure_of_a_known_release_is_new() {
    let place = place();
    log(&place, "1", deploy());
    release(&place, "1", json!([{"release": "r1", "live": "10:00-10:20", "live_record": {"approvals": []}}]));
    place.ran(1, &["audit"]);
    assert_eq!(verdict(&place), "unapproved");
    place.ran(0, &["audit"]);
    // Somebody writes an approval of before the start into the record: the verdict goes by the latest, the finding tells of it.
    let later = json!({"recorded_at": "2026-11-06T09:00:00Z"});
    release(&place, "2", json!([{"release": "r1", "live": "10:00-10:20", "live_record": later}]));
    place.ran(1, &["audit"]);
    assert_eq!(verdict(&place), "released");
    place.ran(0, &["audit"]);
}

#[test]
fn another_fault_of_a_known_log_is_new() {
    let place = place();
    let by_hand = |id: &str, who: &str| json!([{"id": id, "time": "12:05", "action": "s3:PutBucketPolicy", "who": who, "key": "ASIA1"}]);
    log(&place, "1", by_hand("c", "sso:alice@example.org"));
    log(&place, "2", by_hand("d", "sso:alice@example.org"));
    place.ran(1, &["audit"]);
    log(&place, "3", by_hand("d", "sso:carol@example.org"));
    place.ran(1, &["audit"]);
    place.ran(0, &["audit"]);
    log(&place, "4", by_hand("c", "sso:carol@example.org"));
    place.ran(1, &["audit"]);
    place.ran(0, &["audit"]);
}

#[test]
fn a_finding_is_new_where_it_is_worse_than_it_ever_was() {
    let place = place();
    let world = std::fs::read_to_string(place.path("changetrail.toml")).expect("the world");
    let settled_in = |hours: u64| {
        let standard = format!("[standard]\nsettle = \"{hours}h\"");
        assert!(world.contains("[standard]"), "the world has no settings");
        place.write("changetrail.toml", world.replace("[standard]", &standard));
    };
    log(
        &place,
        "1",
        json!([{"id": "c", "time": "10:05", "in": "preprod", "action": "s3:PutBucketPolicy", "who": "role:register-deploy/x", "key": "ASIA1"}]),
    );
    // What is pushed may be told later than what lies in a folder.
    place.write(
        "push.jsonl",
        releases::lines(&releases::deployments(json!([{"release": "r9", "preprod": "4 10:00-10:20"}]))),
    );
    place.ran(0, &["record", "push.jsonl"]);
    let severity = |expected: &str| assert_eq!(findings(&place).rows, [["recorded", expected, "open"]]);
    settled_in(900_000);
    place.ran(0, &["audit", "--fail-on", "medium"]);
    severity("low");
    settled_in(24);
    place.ran(1, &["audit", "--fail-on", "medium"]);
    severity("medium");
    // Seen with less for a night, it is no other thing than before.
    settled_in(900_000);
    place.ran(0, &["audit", "--fail-on", "medium"]);
    severity("low");
    settled_in(24);
    place.ran(0, &["audit", "--fail-on", "medium"]);
    severity("medium");
}

#[test]
fn an_exemption_is_added_and_runs_out() {
    let place = place();
    let world = std::fs::read_to_string(place.path("changetrail.toml")).expect("the world");
    log(
        &place,
        "1",
        json!([{"id": "c", "time": "10:05", "action": "s3:PutBucketPolicy", "who": "sso:alice@example.org", "key": "ASIA1"}]),
    );
    place.ran(1, &["audit"]);
    assert_eq!(verdict(&place), "manual");

    let exemption = "[[exemption]]\nid = \"X-1\"\nreason = \"incident\"\nrequested_by = \"Bob Brown\"\napproved_by = \"Dana White\"\nfrom = \"2026-11-03T00:00:00Z\"\nto = \"2026-11-04T00:00:00Z\"\nservice = \"register\"\n";
    place.write("changetrail.toml", format!("{world}\n{exemption}"));
    place.ran(0, &["audit", "--fail-on-open"]);
    assert_eq!(verdict(&place), "exempted");

    // The same approver without a role: it never counted.
    let roleless = world.replace("roles = [\"manager\"]", "roles = []");
    place.write("changetrail.toml", format!("{roleless}\n{exemption}"));
    place.ran(1, &["audit"]);
    assert_eq!(verdict(&place), "manual");
}

#[test]
fn pushed_records_explain_but_do_not_vouch() {
    let place = place();
    log(&place, "1", deploy());
    let lines = releases::lines(&releases::deployments(json!([{"release": "r1", "live": "10:00-10:20"}])));
    place.write("push.jsonl", lines);
    place.ran(0, &["record", "push.jsonl"]);
    place.ran(0, &["record", "push.jsonl"]);
    place.run(&["audit"]);
    // Told twice, it is one.
    assert_eq!(place.query("select count(*) from deployment").rows, [["2"]]);
    assert_eq!(verdict(&place), "unapproved");
    assert_eq!(place.report("changes").column("reason"), ["approvals-claimed"]);
}

#[test]
fn what_makes_an_audit_fail() {
    let place = place();
    // Medium: by hand in dev.
    log(
        &place,
        "1",
        json!([{"id": "c", "time": "10:05", "in": "dev", "action": "s3:PutBucketPolicy", "who": "sso:alice@example.org", "key": "ASIA1"}]),
    );
    place.ran(0, &["audit"]);
    place.ran(0, &["audit", "--fail-on-open"]);
    place.ran(1, &["audit", "--fail-on-open", "--fail-on", "medium"]);
    place.ran(1, &["audit", "--fail-on-open", "--fail-on", "low"]);
    place.ran(0, &["audit", "--fail-on-open", "--fail-on", "never"]);
    place.ran(0, &["report", "manual-changes"]);
    place.ran(1, &["report", "manual-changes", "--fail-on", "medium"]);
    place.ran(0, &["report", "manual-changes", "--fail-on", "high"]);
}

#[test]
fn a_source_of_sign_ins_of_which_nothing_came_yet_keeps_the_verdict_open() {
    let place = place();
    let world = std::fs::read_to_string(place.path("changetrail.toml")).expect("the world");
    std::fs::create_dir(place.path("hub")).expect("a folder");
    let source = "[[source]]\nname = \"hub\"\nconnector = \"aws-cloudtrail\"\npath = \"hub\"\n";
    place.write("changetrail.toml", format!("{world}\n{source}"));
    log(&place, "1", deploy());
    place.ran(0, &["collect", "--source", "aws", "--source", "release-log"]);
    place.ran(0, &["reconcile"]);
    assert_eq!(place.report("changes").column("state"), ["provisional"]);
    assert_eq!(findings(&place).rows, [["recorded", "medium", "open"]]);

    place.ran(1, &["audit"]);
    assert_eq!(place.report("changes").column("state"), ["final"]);
    assert_eq!(findings(&place).rows, [["recorded", "high", "open"]]);
}

#[test]
fn a_clock_that_was_ahead_hides_no_finding() {
    use changetrail::store::{Access, Db, WRITER_PATIENCE};
    let place = place();
    log(
        &place,
        "1",
        json!([{"id": "a", "time": "10:05", "action": "s3:PutBucketPolicy", "who": "sso:alice@example.org", "key": "ASIA1"}]),
    );
    place.ran(1, &["audit"]);
    let db = Db::open(&place.store(), Access::Write, WRITER_PATIENCE).expect("the store");
    db.rows("update audit set audited_at = timestamp '2100-01-01 00:00:00'", &[]).expect("an edit");
    drop(db);
    log(
        &place,
        "2",
        json!([{"id": "b", "time": "12:05", "action": "s3:PutBucketPolicy", "who": "sso:carol@example.org", "key": "ASIA2"}]),
    );
    place.ran(1, &["audit"]);
    place.ran(0, &["audit"]);
}

#[cfg(target_os = "linux")]
#[test]
fn an_audit_that_nobody_was_told_of_is_not_the_last_complete_one() {
    let place = place();
    log(&place, "1", deploy());
    let full = std::fs::File::options().write(true).open("/dev/full").expect("a full disk");
    let status = place.command(&["audit"]).stdout(full).status().expect("a run");
    assert_eq!(status.code(), Some(2));
    place.ran(1, &["audit"]);
    place.ran(0, &["audit"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_release_log_that_the_system_does_not_give_accuses_nobody() {
    let place = place();
    log(&place, "1", deploy());
    // It opens, and its first byte cannot be had.
    std::os::unix::fs::symlink("/proc/self/mem", place.path("releases/1.jsonl")).expect("a link");
    let state = || {
        let changes = place.report("changes");
        changes.cell(changes.row("record_id", "c"), "state").to_owned()
    };
    place.ran(2, &["audit"]);
    assert_eq!(state(), "provisional");
    // Each night: nobody knows what is in it.
    place.ran(2, &["audit"]).says(&["1.jsonl"]);
    assert_eq!(state(), "provisional");
    // What is gone holds nothing open for ever.
    std::fs::remove_file(place.path("releases/1.jsonl")).expect("a link less");
    place.ran(1, &["audit"]);
    assert_eq!(state(), "final");
}
