//! Jobs that record themselves, from the variables that their systems set.

use crate::support::shorthand::{events, with_accounts};
use crate::support::{Output, Place, checkout};

/// The world of the cases, with one change of the pipeline in live.
fn place() -> Place {
    let world = std::fs::read_to_string(checkout("tests/cases/world.toml")).expect("the world");
    let place = Place::new(&with_accounts(&world));
    std::fs::create_dir_all(place.path("releases")).expect("a folder");
    let records = events::records(serde_json::json!([
        {"id": "c", "time": "10:05", "action": "s3:PutBucketPolicy", "who": "role:register-deploy/x", "key": "ASIA1"}
    ]));
    place.write("trail/1.json", serde_json::json!({ "Records": records }).to_string());
    place
}

fn in_job(place: &Place, variables: &[(&str, &str)], args: &[&str]) -> Output {
    let mut command = place.command(&[&["record", "--from-ci", "--stage", "prod"], args].concat());
    Output::of(command.envs(variables.iter().copied()))
}

const GITLAB: &[(&str, &str)] = &[
    ("GITLAB_CI", "true"),
    ("CI_PROJECT_PATH", "org/register"),
    ("CI_PIPELINE_ID", "7001"),
    ("CI_JOB_ID", "9"),
    ("GITLAB_USER_EMAIL", "alice@example.org"),
];

#[test]
fn the_end_of_a_job_has_the_start_that_was_recorded_first() {
    let place = place();
    let pipeline = ["--pipeline", "register-release", "--outcome"];
    assert_eq!(in_job(&place, GITLAB, &[&pipeline[..], &["running"]].concat()).code, Some(0));
    // Mapped before the end comes in: what is told in two records is joined all the same.
    place.ran(0, &["reconcile"]);
    let running = place.query("select outcome, started_at is not null, finished_at is null from deployment");
    assert_eq!(running.rows, [["running", "true", "true"]]);
    assert_eq!(in_job(&place, GITLAB, &[&pipeline[..], &["success"]].concat()).code, Some(0));
    place.ran(0, &["reconcile"]);
    let done = place
        .query("select outcome, started_at <= finished_at, run_ids[1], requested_by, count(*) over () from deployment");
    assert_eq!(done.rows, [["succeeded", "true", "7001", "alice@example.org", "1"]]);
}

#[test]
fn a_record_that_is_pushed_after_its_time_is_shown_as_late_and_its_approvals_are_claims() {
    let place = place();
    let line = r#"{"schema":"changetrail.deployment/1","id":"r1","pipeline":"register-release","stage":"prod","outcome":"succeeded",
        "requested_by":"alice@example.org","started_at":"2026-11-03T10:00:00Z","finished_at":"2026-11-03T10:20:00Z","recorded_at":"2026-11-03T10:21:00Z",
        "approvals":[{"phase":"pre","decision":"approved","approver":"dana@example.org","decided_at":"2026-11-03T09:50:00Z"}]}"#;
    place.write("late.jsonl", line.replace('\n', ""));
    place.ran(0, &["record", "late.jsonl"]);
    place.ran(1, &["audit"]);
    let changes = place.report("changes");
    assert_eq!(changes.cell(changes.row("record_id", "c"), "reason"), "approvals-claimed");
    let said = place.ran(0, &["explain", "c"]).stdout;
    assert!(said.contains("late, at 20"), "{said}");
}

#[test]
fn a_runner_that_cannot_reach_the_store_prints_its_record() {
    let place = Place::empty();
    let printed = in_job(&place, GITLAB, &["--outcome", "running", "--print"]);
    assert_eq!(printed.code, Some(0), "{printed}");
    let record: serde_json::Value = serde_json::from_str(&printed.stdout).expect("one record");
    assert_eq!(record["id"], "gitlab:org/register:7001:prod:9");
    assert!(!place.store().exists());
}

#[test]
fn outside_a_job_it_says_what_to_do() {
    let place = place();
    let output = in_job(&place, &[], &["--outcome", "running"]);
    assert_eq!(output.code, Some(2));
    assert!(output.stderr.contains("GitHub Actions") && output.stderr.contains("hint"), "{output}");
}
