//! What a release log says otherwise, or only, after the release: the verdict goes by what it says last, and that it said
//! otherwise is told all the same.

use serde_json::{Value, json};

use crate::support::Place;
use crate::support::shorthand::releases;
use crate::support::world::{deploy, log, place, release, verdict};

/// The findings about releases.
fn findings(place: &Place) -> Vec<Vec<String>> {
    place
        .query("select control, severity, status from finding where subject_kind = 'deployment' and status <> 'resolved' order by all")
        .rows
}

/// A release whose record says nothing of when it was written.
fn told(with: &Value) -> Value {
    let mut record = json!({"recorded_at": null});
    record.as_object_mut().expect("an object").extend(with.as_object().expect("an object").clone());
    json!([{"release": "r1", "live": "10:00-10:20", "preprod": null, "live_record": record}, {"release": "r1", "preprod": "08:00-08:30"}])
}

fn dana(at: &str) -> Value {
    json!([{"phase": "pre", "decision": "approved", "approver": "dana@example.org", "decided_at": at, "automated": false, "gated": true}])
}

const BEFORE: &str = "2026-11-03T09:50:00Z";

#[test]
fn an_approval_that_was_not_there_on_the_night_before_is_told() {
    let place = place();
    log(&place, "1", deploy());
    release(&place, "1", told(&json!({"approvals": []})));
    place.ran(1, &["audit"]);
    assert_eq!(verdict(&place), "unapproved");

    release(&place, "2", told(&json!({"approvals": dana(BEFORE)})));
    place.run(&["audit"]);
    assert_eq!(verdict(&place), "released");
    assert_eq!(findings(&place), [["two-stage-authorisation", "high", "open"]]);
    let said = place.query("select summary from finding where status <> 'resolved'").rows.concat().concat();
    assert!(said.contains("changed-after-the-start"), "{said}");
}

/// What was rewritten is shown as what fails, with what was said before: of the finding and of the change.
#[test]
fn explain_shows_what_is_told_otherwise_and_by_which_records() {
    let place = place();
    log(&place, "1", deploy());
    release(&place, "1", told(&json!({"approvals": dana(BEFORE)})));
    place.ran(0, &["audit"]);
    release(
        &place,
        "2",
        told(&json!({"approvals": dana(BEFORE), "requested_by": "bob@example.org", "bypassed": false})),
    );
    place.ran(1, &["audit"]);
    let found =
        place.query("select finding_id, (select change_id from change where record_id = 'c') from finding").rows;
    for (id, section) in [(&found[0][0], "results"), (&found[0][1], "controls")] {
        let said = place.ran(0, &["explain", id, "-o", "json"]).stdout;
        let said: Value = serde_json::from_str(&said).expect("JSON");
        let otherwise = said["told_otherwise"].as_array().expect("what is told otherwise");
        assert_eq!(otherwise.len(), 1, "{said}");
        for (key, word) in [("fact", "requested_by"), ("before", "alice@example.org"), ("after", "bob@example.org")] {
            assert_eq!(otherwise[0][key], word, "{said}");
        }
        assert_ne!(otherwise[0]["before_record"], otherwise[0]["record"]);
        let failed = said[section].as_array().expect("results").iter().filter(|row| row["result"] == "fail");
        let failed: Vec<_> = failed.map(|row| (&row["control"], &row["reason"])).collect();
        assert_eq!(failed, [(&json!("two-stage-authorisation"), &json!("changed-after-the-start"))], "{said}");
        assert!(said[section].as_array().expect("results").iter().all(|row| row["because"].is_string()), "{said}");
    }
}

/// The same lines elsewhere are no news: only if another of them counts since.
#[test]
fn a_file_that_is_moved_or_copied_tells_nothing_new() {
    for copied in [true, false] {
        let place = place();
        log(&place, "1", deploy());
        release(&place, "4", told(&json!({"approvals": dana(BEFORE)})));
        release(&place, "5", told(&json!({"approvals": []})));
        place.ran(1, &["audit"]);
        let before = findings(&place);
        let elsewhere = |from: &str, to: &str| {
            let (from, to) =
                (place.path(&format!("releases/{from}.jsonl")), place.path(&format!("releases/{to}.jsonl")));
            std::fs::copy(&from, to).expect("copied");
            if !copied {
                std::fs::remove_file(from).expect("removed");
            }
        };
        elsewhere("4", "3");
        place.ran(0, &["audit"]);
        assert_eq!((verdict(&place).as_str(), findings(&place)), ("unapproved", before.clone()));
        // Behind the line that counts comes another one that nobody ever went by, and so does what it hides nothing of.
        release(&place, "1", told(&json!({"approvals": [], "requested_by": "bob@example.org"})));
        place.ran(0, &["audit"]);
        assert_eq!(findings(&place), before);
        // The last by its path counts.
        elsewhere("3", "6");
        place.ran(1, &["audit"]);
        assert_eq!(verdict(&place), "released");
        let said = place.query("select summary from finding where status <> 'resolved'").rows.concat().concat();
        assert!(said.contains("changed-after-the-start"), "{said}");
        release(&place, "55", told(&json!({"approvals": dana(BEFORE), "version": "2"})));
        place.run(&["audit"]);
        let said = place.query("select summary from finding where status <> 'resolved'").rows.concat().concat();
        assert!(said.contains("changed-after-the-start"), "a line behind it hides nothing: {said}");
        place.ran(0, &["reconcile", "--rebuild"]);
        assert_eq!(place.query("select summary from finding where status <> 'resolved'").rows.concat().concat(), said);
    }
}

/// A line that comes later and says that it is older is no older than the reading before it.
#[test]
fn a_rewriting_chooses_no_time_at_which_it_is_excused() {
    let place = place();
    log(&place, "1", deploy());
    release(&place, "1", told(&json!({"approvals": [], "recorded_at": "2026-11-03T10:21:00Z"})));
    let exempt = "\n[[exemption]]\nid = 'X-1'\nreason = 'incident'\napproved_by = 'Dana White'\nrequested_by = 'Bob Brown'\nfrom = '2026-11-03T08:00:00Z'\nto = '2026-11-04T08:00:00Z'\nservice = 'register'\ndeployments = ['r1:live']\n";
    let path = place.path("changetrail.toml");
    let config = std::fs::read_to_string(&path).expect("the configuration");
    std::fs::write(&path, config + exempt).expect("written");
    place.ran(0, &["audit"]);
    assert_eq!(findings(&place), [["two-stage-authorisation", "high", "exempted"]]);
    release(
        &place,
        "2",
        told(&json!({"approvals": [], "requested_by": "bob@example.org", "recorded_at": "2026-11-03T12:00:00Z"})),
    );
    place.ran(1, &["audit"]);
    assert_eq!(findings(&place), [["two-stage-authorisation", "high", "open"]]);
}

#[test]
fn every_fact_of_the_authorisation_counts() {
    let untimed = |gated: bool, phase: &str| json!([{"phase": phase, "decision": "approved", "approver": "dana@example.org", "automated": false, "gated": gated}]);
    for (before, after) in [
        (json!({"approvals": untimed(false, "pre")}), json!({"approvals": untimed(true, "pre")})),
        (json!({"approvals": untimed(true, "review")}), json!({"approvals": untimed(true, "pre")})),
        (
            json!({"approvals": dana(BEFORE), "authors": ["dana@example.org"]}),
            json!({"approvals": dana(BEFORE), "authors": []}),
        ),
        (
            json!({"approvals": dana(BEFORE), "requested_by": "carol@example.org"}),
            json!({"approvals": dana(BEFORE), "requested_by": "bob@example.org"}),
        ),
    ] {
        let place = place();
        log(&place, "1", deploy());
        release(&place, "1", told(&before));
        place.run(&["audit"]);
        release(&place, "2", told(&after));
        place.run(&["audit"]);
        assert_eq!(findings(&place), [["two-stage-authorisation", "high", "open"]], "{before} {after}");
    }
}

#[test]
fn an_approval_apart_that_comes_long_after_the_release_is_told() {
    let place = place();
    log(&place, "1", deploy());
    release(&place, "1", told(&json!({"approvals": []})));
    place.ran(1, &["audit"]);
    let apart = json!({"schema": "changetrail.approval/1", "deployment": "r1:live", "decision": "approved", "approver": "dana@example.org", "decided_at": BEFORE});
    place.write("releases/2.jsonl", format!("{apart}\n"));
    place.run(&["audit"]);
    assert_eq!(verdict(&place), "released");
    assert_eq!(findings(&place), [["two-stage-authorisation", "high", "open"]]);
}

#[test]
fn what_is_told_at_once_was_not_told_later() {
    let place = place();
    log(&place, "1", deploy());
    release(&place, "1", told(&json!({"approvals": []})));
    release(&place, "2", told(&json!({"approvals": dana(BEFORE)})));
    place.ran(0, &["audit"]);
    assert_eq!(verdict(&place), "released");
    assert!(findings(&place).is_empty(), "{:?}", findings(&place));
}

#[test]
fn a_release_stays_the_same_finding_whatever_it_fails() {
    let place = place();
    log(&place, "1", deploy());
    let unproven = |approvals: Value| json!([{"release": "r1", "live": "10:00-10:20", "preprod": null, "live_record": {"approvals": approvals}}]);
    release(&place, "1", unproven(json!([])));
    place.ran(1, &["audit"]);
    let id = || place.query("select finding_id, first_seen from finding where subject_kind = 'deployment'");
    let first = id();
    assert_eq!(findings(&place)[0][0], "two-stage-authorisation");

    // Signed off, and still never in pre-production.
    release(&place, "1", unproven(dana(BEFORE)));
    place.run(&["audit"]);
    assert_eq!(id(), first);
    let controls: Vec<String> = findings(&place).into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(controls.len(), 1, "{controls:?}");
}

#[test]
fn what_is_pushed_again_word_for_word_counts_again() {
    let place = place();
    log(&place, "1", deploy());
    let push = |outcome: &str| {
        let record = json!({"recorded_at": null, "outcome": outcome});
        let lines = releases::lines(&releases::deployments(
            json!([{"release": "r1", "live": "10:00-10:20", "preprod": null, "live_record": record}]),
        ));
        place.write("push.jsonl", lines);
        place.ran(0, &["record", "push.jsonl"])
    };
    for (outcome, said) in [("succeeded", "1 accepted, 0"), ("failed", "1 accepted, 0"), ("succeeded", "0 accepted, 1")]
    {
        push(outcome).says(&[&format!("{said} known already, 0 refused")]);
    }
    // What tells nothing leaves nothing.
    let batches = || place.query("select count(*) from batch").rows;
    let before = batches();
    place.ran(0, &["record", "-"]).says(&["there was no record, nothing is written"]);
    assert_eq!(batches(), before);
    place.run(&["audit"]);
    assert_eq!(place.query("select outcome from deployment").rows, [["succeeded"]]);
}

#[test]
fn a_pushed_definition_replaces_none_that_somebody_vouches_for() {
    let place = place();
    log(&place, "1", deploy());
    let definition = |revision: &str, required: u64, people: &[&str]| {
        let given =
            json!([{"revision": revision, "stages": {"prod": {"approvals_required": required, "approvers": people}}}]);
        releases::lines(&releases::pipelines(given))
    };
    place.write("releases/pipelines.jsonl", definition("14", 0, &[]));
    place.write("push.jsonl", definition("15", 1, &["dana@example.org"]));
    place.ran(0, &["record", "push.jsonl"]);
    place.run(&["audit"]);
    let result = "select result from control_result where control = 'prod-approval' and subject_kind = 'pipeline'";
    assert_eq!(place.query(result).rows, [["fail"]]);
}

#[test]
fn a_release_log_that_can_be_read_no_more_accuses_nobody_of_what_came_since() {
    let place = place();
    release(&place, "1", json!([{"release": "r1", "live": "10:00-10:20"}]));
    place.ran(0, &["audit"]);
    std::fs::rename(place.path("releases"), place.path("elsewhere")).expect("another folder");
    let now = jiff::Timestamp::now().to_string();
    log(
        &place,
        "1",
        json!([{"id": "c", "time": now, "action": "s3:PutBucketPolicy", "who": "role:register-deploy/x", "key": "ASIA1"}]),
    );
    place.ran(2, &["audit"]);
    let changes = place.report("changes");
    assert_eq!(changes.cell(changes.row("record_id", "c"), "state"), "provisional");
}

#[test]
fn a_stage_without_a_name_is_set_aside() {
    let place = place();
    let definition = json!({
        "schema": "changetrail.pipeline/1", "pipeline": "register-release", "revision": "1", "changed_at": "2026-11-01T00:00:00Z",
        "stages": [{"name": "dev", "environment": "dev"}, {"environment": "live", "approvals_required": 1}],
    });
    place.write("releases/pipelines.jsonl", format!("{definition}\n"));
    place.run(&["audit"]);
    assert_eq!(place.query("select stage from pipeline_stage").rows, [["dev"]]);
    assert_eq!(place.query("select error from quarantine").rows, [["a stage of the definition has no name"]]);
}
