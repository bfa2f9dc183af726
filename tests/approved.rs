//! What people approve: exemptions and baselines, written by the program, refused where the rules would ignore them.

use serde_json::json;

use crate::support::Place;
use crate::support::world::{deploy, log, place, release, verdict};

/// A change by hand, by Alice.
fn by_hand(place: &Place) {
    log(
        place,
        "1",
        json!([{"id": "c", "time": "10:05", "action": "s3:PutBucketPolicy", "who": "sso:alice@example.org", "key": "ASIA1"}]),
    );
}

/// The arguments of a good exemption, with some replaced.
fn exempt<'a>(with: &[(&'a str, &'a str)]) -> Vec<&'a str> {
    let good = [
        ("--id", "BG-1"),
        ("--reason", "incident 4711"),
        ("--requested-by", "Bob Brown"),
        ("--approved-by", "Dana White"),
        ("--from", "2026-11-03"),
        ("--to", "2026-11-04"),
        ("--service", "register"),
    ];
    let mut args = vec!["exempt"];
    for (key, value) in good {
        let value = with.iter().find(|(other, _)| *other == key).map_or(value, |(_, value)| value);
        if !value.is_empty() {
            args.extend([key, value]);
        }
    }
    for (key, value) in with.iter().filter(|(key, _)| !good.iter().any(|(known, _)| known == key)) {
        args.extend([*key, *value]);
    }
    args
}

#[test]
fn an_exemption_is_written_and_counts() {
    let place = place();
    by_hand(&place);
    place.ran(1, &["audit"]);
    let before = std::fs::read_to_string(place.path("changetrail.toml")).expect("the configuration");
    place.ran(0, &exempt(&[("--actor", "agreen"), ("--verdict", "manual")]));
    let after = std::fs::read_to_string(place.path("changetrail.toml")).expect("the configuration");
    assert!(after.starts_with(&before), "what stood there stays as it was");
    place.ran(0, &["audit", "--fail-on-open"]);
    assert_eq!(verdict(&place), "exempted");
    let exemptions = place.report("exemptions");
    let row = exemptions.row("exemption_id", "BG-1");
    let cell = |column: &str| exemptions.cell(row, column);
    assert_eq!(
        ["requested_by", "approved_by", "changes_covered", "expired", "ignored"].map(cell),
        ["bob@example.org", "dana@example.org", "1", "true", ""]
    );
}

#[test]
fn what_the_rules_would_ignore_is_refused() {
    let place = place();
    by_hand(&place);
    let before = std::fs::read_to_string(place.path("changetrail.toml")).expect("the configuration");
    let refused = |with: &[(&str, &str)], why: &str| {
        place.ran(2, &exempt(with)).says(&[why]);
    };
    refused(&[("--requested-by", "dwhite")], "who asked for it approved it");
    refused(&[("--approved-by", "Carol Grey")], "neither senior nor manager");
    refused(&[("--approved-by", "somebody")], "neither senior nor manager");
    refused(&[("--actor", "dana@example.org")], "who made the changes approved it");
    refused(&[("--reason", " ")], "without a reason");
    refused(&[("--service", "")], "would excuse everybody");
    refused(&[("--actor", "")], "an actor without a name");
    refused(&[("--service", "regster")], "did you mean `register`?");
    refused(&[("--to", "2026-11-03")], "ends");
    refused(&[("--to", "2026-11-02")], "ends");
    refused(&[("--control", "prod-aproval")], "did you mean `prod-approval`?");
    refused(&[("--to", "soon")], "2026-11-03T09:30:00Z");
    assert_eq!(std::fs::read_to_string(place.path("changetrail.toml")).expect("the configuration"), before);

    place.ran(0, &exempt(&[]));
    let again = place.ran(2, &exempt(&[]));
    again.says(&["`BG-1` is there twice"]);
    assert!(!again.stderr.contains("line"), "the command line has no lines: {again}");
}

#[test]
fn exemptions_may_have_a_file_of_their_own() {
    let place = place();
    by_hand(&place);
    let world = std::fs::read_to_string(place.path("changetrail.toml")).expect("the world");
    place.write("changetrail.toml", format!("exemptions = \"approved/exemptions.toml\"\n{world}"));
    std::fs::create_dir(place.path("approved")).expect("a folder");
    place.ran(1, &["audit"]);
    place.ran(0, &exempt(&[]));
    place.ran(0, &exempt(&[("--id", "BG-2"), ("--reason", "with \"quotes\"\nand = lines")]));
    place.ran(0, &["audit", "--fail-on-open"]);
    assert_eq!(verdict(&place), "exempted");
    assert_eq!(place.report("exemptions").column("exemption_id"), ["BG-1", "BG-2"]);
    place.write("approved/exemptions.toml", "[[exemption]]\nid = 5\n");
    place.ran(2, &["audit"]).says(&["exemptions.toml", "invalid type"]);
    place.write("approved/exemptions.toml", "[[service]]\nname = \"x\"\n");
    place.ran(2, &["audit"]).says(&["exemptions.toml", "unknown field `service`"]);
}

const BASELINE: &[&str] =
    &["baseline", "--reason", "old estate", "--requested-by", "Alice Green", "--approved-by", "Dana White"];

fn baseline(until: &str) -> Vec<&str> {
    [BASELINE, &["--until", until]].concat()
}

fn findings(place: &Place) -> Vec<Vec<String>> {
    place.query("select control, status from finding order by all").rows
}

#[test]
fn a_baseline_covers_the_past_and_counts_down() {
    let place = place();
    log(&place, "1", deploy());
    place.ran(1, &["audit"]);
    place.ran(0, &baseline("2026-11-04")).says(&["1 open findings lie before it, 0 do not"]);
    place.ran(0, &["audit", "--fail-on-open"]).says(&["baseline: 1 of 1 findings left"]);
    assert_eq!(findings(&place), [["recorded", "baseline"]]);
    // It is still listed, and the change is what it is.
    assert_eq!(place.report("findings").column("status"), ["baseline"]);
    assert_eq!(verdict(&place), "unrecorded");
    place.ran(0, &["reconcile", "--rebuild"]);
    assert_eq!(findings(&place), [["recorded", "baseline"]]);

    release(&place, "1", json!([{"release": "r1", "live": "10:00-10:20"}]));
    place.ran(0, &["audit"]).says(&["baseline: 0 of 1 findings left"]);
    assert_eq!(findings(&place), [["recorded", "resolved"]]);
}

#[test]
fn a_baseline_never_covers_what_comes_later() {
    let place = place();
    let change = |id: &str, time: &str| json!({"id": id, "time": time, "action": "s3:PutBucketPolicy", "who": "role:register-deploy/x", "key": "ASIA1"});
    log(&place, "1", json!([change("c", "10:05")]));
    place.ran(1, &["audit"]);
    // Half-open: what happens at that very time is later.
    place.ran(0, &baseline("2026-11-03T10:05:00Z")).says(&["0 open findings lie before it, 1 do not"]);
    place.ran(0, &["reconcile"]);
    assert_eq!(findings(&place), [["recorded", "open"]]);
    place.ran(0, &baseline("2026-11-03T10:05:01Z"));
    place.ran(0, &["audit", "--fail-on-open"]);
    assert_eq!(findings(&place), [["recorded", "baseline"]]);
    place.checks_hold();

    // The same case goes on: the finding is open again, and new.
    log(&place, "2", json!([change("d", "10:06")]));
    place.ran(1, &["audit"]);
    assert_eq!(findings(&place), [["recorded", "open"]]);
}

#[test]
fn a_release_that_is_told_to_be_old_is_not_covered() {
    let place = place();
    place.ran(0, &["audit"]);
    place.ran(0, &baseline("2026-11-03"));
    let push = |id: &str, end: &str| {
        let line = json!({"schema": "changetrail.deployment/1", "id": id, "pipeline": "register-release", "stage": "prod", "outcome": "succeeded",
            "started_at": "2026-11-02T10:00:00Z", "finished_at": end, "approvals": []});
        place.write("pushed.jsonl", line.to_string());
        place.ran(0, &["record", "pushed.jsonl"]);
    };
    // It began before the baseline's end, it says, and was told after the baseline was taken.
    push("r1:prod", "2026-11-02T10:20:00Z");
    place.ran(1, &["audit"]);
    assert_eq!(findings(&place), [["two-stage-authorisation", "open"]]);
    // Who takes a baseline now accepts it too.
    place.ran(0, &baseline("2026-11-03"));
    place.ran(0, &["audit"]);
    assert_eq!(findings(&place), [["two-stage-authorisation", "baseline"]]);
    place.checks_hold();
    // A change that it made later is none of the past.
    log(&place, "1", deploy());
    push("r1:prod", "2026-11-03T10:20:00Z");
    place.ran(1, &["audit"]);
    assert_eq!(findings(&place), [["two-stage-authorisation", "open"]]);
}

#[test]
fn a_baseline_needs_two_people_and_the_past() {
    let place = place();
    place.ran(2, &baseline("2026-11-04")).says(&["does not exist"]);
    assert!(!place.store().exists());
    log(&place, "1", deploy());
    place.ran(1, &["audit"]);
    let refused = |with: &[(usize, &str)], why: &str| {
        let mut args = baseline("2026-11-04");
        for (index, value) in with {
            args[*index] = value;
        }
        place.ran(2, &args).says(&["refused", why]);
    };
    refused(&[(4, "dana@example.org")], "who asked for it approved it");
    refused(&[(6, "Carol Grey")], "neither senior nor manager");
    refused(&[(2, " ")], "no reason");
    refused(&[(8, "2999-01-01")], "future");
    place.ran(0, &["audit"]);
    assert_eq!(findings(&place), [["recorded", "open"]]);

    // One that counted, and whose approver loses the role for the time when it was set, counts no more.
    place.ran(0, &baseline("2026-11-04"));
    place.ran(0, &["audit"]);
    let world = std::fs::read_to_string(place.path("changetrail.toml")).expect("the world");
    place.write("changetrail.toml", world.replace("roles = [\"manager\"]", "roles = []"));
    place.ran(1, &["audit"]);
    assert_eq!(findings(&place), [["baseline", "open"], ["recorded", "open"]]);
}

#[test]
fn definitions_count_from_when_they_were_made() {
    let place = place();
    let pipeline = |revision: &str, at: &str, raw: serde_json::Value| json!([{"revision": revision, "at": at, "stages": {"dev": {"trigger": "manual"}}, "raw": raw}]);
    let write = |definition: serde_json::Value| {
        use crate::support::shorthand::releases;
        place.write("releases/pipelines.jsonl", releases::lines(&releases::pipelines(definition)));
    };
    write(pipeline("1", "1 09:00", json!({})));
    place.ran(0, &["audit"]);
    place.ran(0, &baseline("2026-11-02"));
    place.ran(0, &["reconcile"]);
    assert_eq!(findings(&place), [["dev-auto", "baseline"]]);
    // Changed later, and still not as the standard wants it.
    write(pipeline("2", "2 09:00", json!({})));
    place.ran(1, &["audit", "--fail-on", "medium"]);
    assert_eq!(findings(&place), [["dev-auto", "open"]]);
}
