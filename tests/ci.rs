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
fn an_end_without_a_start_is_told() {
    let place = place();
    let ends = || in_job(&place, GITLAB, &["--pipeline", "register-release", "--outcome", "success"]);
    let output = ends();
    assert_eq!(output.code, Some(0), "{output}");
    output.says(&["`gitlab:org/register:7001:prod:9` has no start", "--outcome running"]);
    let began = in_job(&place, GITLAB, &["--pipeline", "register-release", "--outcome", "running"]);
    assert!(!began.stderr.contains("no start"), "{began}");
    let output = ends();
    assert!(!output.stderr.contains("no start"), "{output}");
}

#[test]
fn a_record_that_would_be_set_aside_is_refused_at_once() {
    let place = place();
    let good = serde_json::json!({"schema": "changetrail.deployment/1", "id": "r1", "pipeline": "register-release", "stage": "prod",
        "outcome": "succeeded", "started_at": "2026-11-03T10:00:00Z", "finished_at": "2026-11-03T10:20:00Z"});
    let but = |key: &str, value: &str| {
        let mut record = good.clone();
        record[key] = value.into();
        format!("{record}\n")
    };
    let lines = [
        format!("{good}\n"),
        but("outcome", "banana"),
        but("stage", ""),
        but("started_at", "yesterday"),
        "no JSON\n".to_owned(),
        but("finished_at", "soon"),
        but("outcome", "banana"),
        "{\"schema\":\"changetrail.approval/1\",\"approver\":\"dana@example.org\",\"decision\":\"approved\"}\n"
            .to_owned(),
    ];
    place.write("records.jsonl", lines.concat());
    let output = place.ran(2, &["record", "records.jsonl"]);
    output.says(&[
        "refused: line 2: unknown outcome banana",
        "refused: line 3: the record names no stage",
        "refused: line 4: started_at is no time: yesterday",
        "refused: line 5: ",
        "refused: line 6: finished_at is no time: soon",
        "refused: line 7: unknown outcome banana",
        "refused: line 8: an approval names",
        "1 accepted, 0 known already, 7 refused",
    ]);
    place.ran(0, &["reconcile"]);
    assert_eq!(place.query("select count(*), min(outcome) from deployment").rows, [["1", "succeeded"]]);
    assert_eq!(place.query("select count(*) from quarantine where stage = 'map'").rows, [["0"]]);
    place.ran(0, &["verify"]);
}

#[test]
fn what_is_said_of_an_authorisation_and_cannot_be_read_is_refused_at_once() {
    let place = place();
    let deployment = |fields: &str| {
        format!(
            r#"{{"schema":"changetrail.deployment/1","id":"r1","pipeline":"p","stage":"prod","outcome":"succeeded",{fields}}}"#
        )
    };
    let event = |decision: &str| {
        format!(
            r#"{{"context":{{"id":"3","source":"/ci/1","type":"dev.cdevents.approval.updated.0.1.0-draft","timestamp":"2026-11-03T09:50:00Z","chainId":"c1"}},
            "subject":{{"id":"a","content":{{"responder":"urn:user:dana@example.org","decision":"{decision}"}}}}}}"#
        )
        .replace('\n', "")
    };
    let lines = [
        deployment(r#""approvals":["dana@example.org"]"#),
        deployment(r#""approvals":[{"decision":"perhaps","approver":"dana@example.org"}]"#),
        deployment(r#""approvals":[{"phase":"sideways","decision":"approved","approver":"dana@example.org"}]"#),
        deployment(r#""started_at":"2026-11-03""#),
        r#"{"schema":"changetrail.approval/1","release_id":"r1","decision":"approved","approver":"dana@example.org","decided_at":"2026-11-03"}"#.to_owned(),
        r#"{"schema":"changetrail.pipeline/1","pipeline":"p","stages":[{"name":"prod","can_bypass":"admins only"}]}"#.to_owned(),
        // the deployment that it lets in may be told later
        event("approved"),
        event("perhaps"),
    ];
    place.write("records.jsonl", lines.join("\n"));
    let output = place.ran(2, &["record", "records.jsonl"]);
    output.says(&[
        "refused: line 1: the approval has no decision",
        "refused: line 2: unknown decision perhaps",
        "refused: line 3: unknown phase sideways",
        "refused: line 4: started_at has no time of day: 2026-11-03",
        "refused: line 5: decided_at has no time of day: 2026-11-03",
        "refused: line 6: can_bypass of a stage is neither true nor false: admins only",
        "refused: line 8: unknown decision perhaps",
        "1 accepted, 0 known already, 7 refused",
    ]);
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

#[test]
fn what_a_file_says_is_not_told_beside_it() {
    let place = place();
    place.write("one.jsonl", "");
    place.ran(2, &["record", "one.jsonl", "--stage", "prod"]).says(&["cannot be used with"]);
    place.ran(2, &["record", "one.jsonl", "--service", "register"]).says(&["cannot be used with"]);
}

type Variables = Vec<(&'static str, &'static str)>;

/// What a job of each system has in its environment, as far as it tells of the run, and much that does not; before it the
/// id of the deployment, after it what is told on the command line, and a name of the sessions that it takes.
fn jobs() -> Vec<(&'static str, Variables, Vec<&'static str>, &'static str)> {
    let azure = [
        ("TF_BUILD", "True"),
        ("AGENT_NAME", "Azure Pipelines 2"),
        ("SYSTEM_COLLECTIONURI", "https://dev.azure.com/example/"),
        ("SYSTEM_TEAMPROJECT", "register"),
        ("BUILD_DEFINITIONNAME", "register-build"),
        ("BUILD_BUILDID", "7101"),
        ("BUILD_BUILDNUMBER", "20261103.4"),
        ("BUILD_SOURCEVERSION", "9f2c4e1a7b6d5c4b3a2918070605040302010fee"),
        ("BUILD_REQUESTEDFOR", "Alice Green"),
        ("BUILD_REQUESTEDFOREMAIL", "alice@example.org"),
        ("BUILD_REASON", "IndividualCI"),
        ("AGENT_JOBSTATUS", "SucceededWithIssues"),
    ];
    let release = [
        ("RELEASE_DEFINITIONNAME", "register-release"),
        ("RELEASE_RELEASEID", "812"),
        ("RELEASE_RELEASENAME", "Release-812"),
        ("RELEASE_ENVIRONMENTNAME", "Prod"),
        ("RELEASE_ENVIRONMENTID", "103"),
        ("RELEASE_ATTEMPTNUMBER", "2"),
        ("RELEASE_REASON", "Manual"),
        ("RELEASE_DEPLOYMENT_REQUESTEDFOR", "Alice Green"),
        ("RELEASE_REQUESTEDFOREMAIL", "alice@example.org"),
        ("RELEASE_RELEASEWEBURL", "https://dev.azure.com/example/register/_release?releaseId=812"),
    ];
    let github = [
        ("CI", "true"),
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("GITHUB_REPOSITORY", "example/register"),
        ("GITHUB_RUN_ID", "11804321567"),
        ("GITHUB_RUN_ATTEMPT", "3"),
        ("GITHUB_RUN_NUMBER", "412"),
        ("GITHUB_WORKFLOW", "Release"),
        ("GITHUB_REF_NAME", "main"),
        ("GITHUB_SHA", "9f2c4e1a7b6d5c4b3a2918070605040302010fee"),
        ("GITHUB_ACTOR", "agreen"),
        ("GITHUB_TRIGGERING_ACTOR", "alice@example.org"),
        ("GITHUB_EVENT_NAME", "workflow_dispatch"),
    ];
    let gitlab = [
        ("CI", "true"),
        ("GITLAB_CI", "true"),
        ("CI_PROJECT_PATH", "example/register"),
        ("CI_PIPELINE_ID", "1002003001"),
        ("CI_JOB_ID", "5550001112"),
        ("CI_JOB_STATUS", "success"),
        ("CI_JOB_STARTED_AT", "2026-11-03T10:00:00Z"),
        ("CI_JOB_URL", "https://gitlab.com/example/register/-/jobs/5550001112"),
        ("CI_COMMIT_SHA", "9f2c4e1a7b6d5c4b3a2918070605040302010fee"),
        ("CI_COMMIT_SHORT_SHA", "9f2c4e1a"),
        ("CI_COMMIT_TAG", ""),
        ("CI_PIPELINE_SOURCE", "schedule"),
        ("GITLAB_USER_EMAIL", "alice@example.org"),
        ("GITLAB_USER_LOGIN", "agreen"),
    ];
    let jenkins = [
        ("JENKINS_URL", "https://ci.example.org/"),
        ("JOB_NAME", "register/release%2F2026"),
        ("BUILD_NUMBER", "41"),
        ("BUILD_TAG", "jenkins-register-release%2F2026-41"),
        ("BUILD_URL", "https://ci.example.org/job/register/job/release%252F2026/41/"),
        ("GIT_COMMIT", "9f2c4e1a7b6d5c4b3a2918070605040302010fee"),
        ("BUILD_USER_EMAIL", "alice@example.org"),
    ];
    vec![
        ("ado:register-build:7101:prod:1", azure.to_vec(), vec![], "ado-7101"),
        ("ado:register-release:812:prod:2", [&azure[..], &release[..]].concat(), vec![], "ado-rel-812-103"),
        (
            "github:example/register:11804321567:prod:3",
            github.to_vec(),
            vec!["--outcome", "success"],
            "gh-11804321567-3",
        ),
        ("gitlab:example/register:1002003001:prod:5550001112", gitlab.to_vec(), vec![], "gl-1002003001"),
        (
            "jenkins:register/release%2F2026:41:prod",
            jenkins.to_vec(),
            vec!["--outcome", "SUCCESS"],
            "jenkins-register-release%2f2026-41",
        ),
    ]
}

#[test]
fn jobs_of_every_system_are_in_the_log_with_their_keys() {
    let place = place();
    for (_, variables, outcome, _) in jobs() {
        for outcome in [&["--outcome", "running"][..], &outcome] {
            let output = in_job(&place, &variables, &[&["--pipeline", "register-release"][..], outcome].concat());
            assert_eq!(output.code, Some(0), "{output}");
        }
    }
    place.ran(0, &["reconcile"]);
    assert_eq!(place.query("select count(*) from quarantine").rows, [["0"]]);
    for (id, _, _, session) in jobs() {
        let told = place.query(&format!(
            "select outcome, environment, requested_by, started_at is not null, finished_at is not null, list_contains(session_names, '{session}') from deployment where deployment_id = '{id}'"
        ));
        assert_eq!(told.rows, [["succeeded", "live", "alice@example.org", "true", "true", "true"]], "{id}");
    }
    let triggers = place.query("select string_agg(coalesce(trigger, '?'), ' ' order by deployment_id) from deployment");
    assert_eq!(triggers.rows, [["automatic manual manual scheduled ?"]]);
}

#[test]
fn the_correlation_id_that_a_job_sets_is_one_of_its_keys() {
    let place = Place::empty();
    let id = ("ARM_CORRELATION_REQUEST_ID", "6332bb20-07e6-517b-bd86-858e49a4791e");
    for (_, variables, _, _) in jobs() {
        let printed = in_job(&place, &[&variables[..], &[id]].concat(), &["--outcome", "running", "--print"]);
        let record: serde_json::Value = serde_json::from_str(&printed.stdout).expect("one record");
        assert_eq!(record["keys"]["azure_correlation_ids"], serde_json::json!([id.1]));
    }
}

#[test]
fn what_a_job_is_called_is_text_and_no_outcome_is_made_up() {
    let place = place();
    let name = "x\u{1b}[31m\"}\n{\"schema\":\"changetrail.deployment/1\",\"id\":\"forged\",\"pipeline\":\"register-release\"}'; drop table deployment; --";
    let long = "y".repeat(100_000);
    let hostile = [
        ("JENKINS_URL", "https://ci.example.org/"),
        ("JOB_NAME", name),
        ("BUILD_NUMBER", "1"),
        ("BUILD_TAG", long.as_str()),
        ("BUILD_USER_EMAIL", "=cmd()|' /C calc'!A0"),
    ];
    assert_eq!(in_job(&place, &hostile, &["--pipeline", "register-release", "--outcome", "running"]).code, Some(0));
    // A word that no system says is no outcome: the record is refused, not taken for a success.
    let refused = in_job(&place, GITLAB, &["--pipeline", "register-release", "--outcome", "splendid"]);
    assert_eq!(refused.code, Some(2), "{refused}");
    refused.says(&["refused: line 1: unknown outcome splendid"]);
    place.ran(0, &["reconcile"]);
    let told = place.query("select count(*), min(deployment_id like 'jenkins:x%') from deployment");
    assert_eq!(told.rows, [["1", "true"]]);
    assert_eq!(place.query("select count(*) from quarantine where stage = 'read'").rows, [["1"]]);
    let shown = place.ran(0, &["query", "select deployment_id, requested_by from deployment"]).stdout;
    assert!(!shown.contains('\u{1b}'), "{shown}");
}

#[test]
fn cdevents_as_the_specification_has_them_are_read_from_a_pipe() {
    let place = place();
    let sha = "0b31b1c02ff458ad9b7b81cbdf8f028bd54699fa151f221d1e8de6817db93427";
    let event = |id: &str, kind: &str, time: &str, subject: serde_json::Value| {
        serde_json::json!({
            "context": {"specversion": "0.5.1", "id": id, "chainId": "4c8cb7dd-3448-41de-8768-eec704e2829b", "source": "/event/source/123", "type": format!("dev.cdevents.{kind}"),
                "timestamp": format!("2026-11-03T{time}.315384Z"), "schemaUri": "https://myorg.com/schema/custom",
                "links": [{"linkType": "RELATION", "linkKind": "TRIGGER", "target": {"contextId": "5328c37f-bb7e-4bb7-84ea-9f5f85e4a7ce"}}]},
            "subject": subject, "customData": {"any": [1, {"thing": null}]}, "customDataContentType": "application/json"})
    };
    let subject = |id: &str, content: serde_json::Value| serde_json::json!({"id": id, "source": "/event/source/123", "content": content});
    let artifact = format!("pkg:oci/myapp@sha256%3A{sha}");
    let lines = [
        event(
            "1",
            "pipelinerun.started.0.3.0",
            "10:00:00",
            subject(
                "7001",
                serde_json::json!({"pipelineName": "register-release", "uri": "https://www.example.com/7001"}),
            ),
        ),
        event(
            "2",
            "service.deployed.0.3.0",
            "10:20:00",
            subject(
                "register",
                serde_json::json!({"environment": {"id": "prod", "source": "/env"}, "artifactId": artifact}),
            ),
        ),
        // Neither a requester nor an artifact, and a kind that a later version adds.
        event(
            "3",
            "service.removed.0.3.0",
            "10:30:00",
            subject("register", serde_json::json!({"environment": {"id": "prod"}})),
        ),
        event(
            "4",
            "deployment.finished.0.1.0-draft",
            "10:31:00",
            subject("d", serde_json::json!({"outcome": "success"})),
        ),
    ];
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    place.write("events.jsonl", format!("\u{feff}{}\n", lines.join("\n")));
    let mut command = place.command(&["record", "-"]);
    let file = std::fs::File::open(place.path("events.jsonl")).expect("the events");
    let output = Output::of(command.stdin(std::process::Stdio::from(file)));
    assert_eq!(output.code, Some(0), "{output}");
    place.ran(0, &["reconcile"]);
    let told = place.query(
        "select pipeline, environment, artifact_digest, run_ids[1], outcome, started_at, finished_at from deployment",
    );
    let digest = format!("sha256:{sha}");
    assert_eq!(
        told.rows,
        [[
            "register-release",
            "live",
            digest.as_str(),
            "7001",
            "succeeded",
            "2026-11-03T10:00:00.315384Z",
            "2026-11-03T10:20:00.315384Z"
        ]]
    );
    assert_eq!(
        place.query("select count(*) from event where source = 'record' and category = 'evidence'").rows,
        [["3"]]
    );
}
