//! AWS `CodePipeline`, as a system on the loopback tells it: signed requests, tokens of pages, refusals with status 400, and
//! a process that dies in the middle.

use std::collections::HashSet;
use std::process::Stdio;
use std::sync::{Arc, Condvar, Mutex};

use changetrail::contract::{Answer, Asked, Server};
use serde_json::{Value as Json, json};

use super::{change, released_by, with_a_role_of_its_own};
use crate::support::place::with_credentials;
use crate::support::shorthand::{events, with_accounts};
use crate::support::{Output, Place, Table, checkout};

/// The execution that the fixtures approve twice, and the build that its live stage ran.
const EXECUTION: &str = "00000001-0000-4000-8000-000000000001";
const BUILD: &str = "bbbbbbbb-0000-4000-8000-000001000003";
const PREFIX: &str = "CodePipeline_20150709.";

struct CodePipeline {
    server: Server,
}

impl CodePipeline {
    fn start() -> Self {
        Self { server: Server::start(|asked| answer(asked, 1)).expect("a port") }
    }

    /// The world of the cases with this as a release log, and a trail.
    fn place(&self, trail: &Json) -> Place {
        let world = std::fs::read_to_string(checkout("tests/cases/world.toml")).expect("the world");
        let place = Place::new(&format!(
            "{}\n[[source]]\nname = 'codepipeline'\nconnector = 'aws-codepipeline'\nregion = 'eu-west-2'\nbase_url = '{}'\n{}",
            with_accounts(&world),
            self.server.url(),
            with_accounts(&with_a_role_of_its_own(&released_by("register"))),
        ));
        let trail: Json = with_a_role_of_its_own(&trail.to_string()).parse().expect("JSON");
        place.write("trail/1.json", json!({ "Records": events::records(trail) }).to_string());
        std::fs::create_dir_all(place.path("releases")).expect("a folder");
        place
    }
}

/// What AWS would say to a signed request, out of the folder's fixtures.
fn answer(asked: &Asked, poll: u32) -> Answer {
    let signed = asked.header("authorization").unwrap_or_default();
    if !(signed.starts_with("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/")
        && signed.contains("/eu-west-2/codepipeline/aws4_request"))
    {
        return Answer::status(400, r#"{"__type":"MissingAuthenticationTokenException","message":"no signature"}"#);
    }
    let body: Json = serde_json::from_str(&asked.body).unwrap_or_default();
    let text = |pointer: &str| body.pointer(pointer).and_then(Json::as_str).unwrap_or_default();
    let folder = match asked.header("x-amz-target").and_then(|target| target.strip_prefix(PREFIX)) {
        Some("ListPipelines") => "pipelines".to_owned(),
        Some("ListPipelineExecutions") => format!("executions/{}", text("/pipelineName")),
        Some("GetPipeline") => format!("definitions/{}", text("/name")),
        Some("ListActionExecutions") if ["register", "site", "stack"].contains(&text("/pipelineName")) => {
            format!("actions/{}", text("/filter/pipelineExecutionId"))
        }
        _ => return Answer::status(400, r#"{"__type":"ValidationException","message":"no such call"}"#),
    };
    let page = if text("/nextToken").is_empty() { 1 } else { 2 };
    let file = checkout("connectors/aws-codepipeline/fixtures").join(format!("{poll}/{folder}/{page}.json"));
    match std::fs::read_to_string(&file) {
        Ok(text) => Answer::ok(text),
        Err(_) => Answer::status(400, r#"{"__type":"PipelineNotFoundException","message":"gone"}"#),
    }
}

fn ran(place: &Place, args: &[&str]) -> Output {
    Output::of(with_credentials(&mut place.command(args)))
}

fn audited(place: &Place) {
    let output = ran(place, &["collect", "--since", "2026-11-01"]);
    assert_eq!(output.code, Some(0), "{output}");
    place.ran(0, &["reconcile"]);
}

fn records(place: &Place) -> Table {
    place.query("select record_id, hash from raw_record where source = 'codepipeline' order by all")
}

const VERDICT: &str = "select verdict, reason, link_tier, deployment_id from change where record_id = 'c'";

#[test]
fn a_change_by_a_build_is_explained_by_the_execution_that_ran_it() {
    let system = CodePipeline::start();
    // The beginning and a second page are refused once, as AWS does it: with status 400.
    let mut refused = HashSet::new();
    system.server.answer_by(move |asked| {
        let kind = (asked.header("x-amz-target").map(str::to_owned), asked.body.contains("nextToken"));
        if refused.len() < 2 && kind.1 == (refused.len() == 1) && refused.insert(kind) {
            return Answer::status(400, r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#);
        }
        answer(asked, 1)
    });
    let place = system.place(&change(&format!("AWSCodeBuild-{BUILD}"), None));
    audited(&place);
    let deployment = format!("codepipeline:register:{EXECUTION}:Prod:1");
    assert_eq!(place.query(VERDICT).rows, [["released", "released-exact", "exact", deployment.as_str()]]);
    // Signed off in a stage of its own, by somebody else, before it began.
    let signed = place.query(&format!(
        "select approver_actor, approver_role, decided_at, gated, valid from approval where deployment_id = '{deployment}'"
    ));
    assert_eq!(signed.rows, [["dana@example.org", "manager", "2026-11-03T09:50:00Z", "true", "true"]]);
    // What the build was given in the clear stands nowhere.
    let secret = place.query("select count(*) from raw_record where record::varchar like '%hunter2%'");
    assert_eq!(secret.rows, [["0"]]);
    place.checks_hold();

    let before = records(&place);
    audited(&place);
    assert_eq!(records(&place), before, "collected twice");
}

#[test]
fn a_name_that_the_approver_chose_signs_nothing_off() {
    let system = CodePipeline::start();
    system.server.answer_by(|asked| {
        let mut answer = answer(asked, 1);
        answer.body = answer.body.replace("AWSReservedSSO_Release_0a1b2c3d4e5f6071/dana", "Admin/dana");
        answer
    });
    let place = system.place(&change(&format!("AWSCodeBuild-{BUILD}"), None));
    audited(&place);
    let verdict = place.query(VERDICT);
    assert_eq!(verdict.rows[0][..3], ["unapproved", "approver-without-role", "exact"], "{verdict:?}");
}

#[test]
fn by_the_pipelines_role_alone_a_change_is_linked_by_role_and_time() {
    let system = CodePipeline::start();
    // CodePipeline's own sessions are named by a number.
    let place = system.place(&change("1793700000000", None));
    audited(&place);
    assert_eq!(place.query(VERDICT).rows[0][..3], ["released", "released-identity", "identity"]);
}

#[test]
fn killed_at_any_request_it_loses_nothing() {
    let whole = CodePipeline::start();
    let place = whole.place(&json!([]));
    audited(&place);
    let undisturbed = records(&place);
    let requests = whole.server.asked().len();
    assert!(requests > 12, "{requests} requests");

    for at in (0..requests).step_by(5) {
        let system = CodePipeline::start();
        let place = system.place(&json!([]));
        // From this request on nobody answers until the process is dead.
        let (reached, dead) =
            (Arc::new((Mutex::new(false), Condvar::new())), Arc::new((Mutex::new(false), Condvar::new())));
        let (tell, wait) = (Arc::clone(&reached), Arc::clone(&dead));
        let mut count = 0;
        system.server.answer_by(move |asked| {
            if count == at {
                *tell.0.lock().expect("no panic") = true;
                tell.1.notify_all();
                drop(wait.1.wait_while(wait.0.lock().expect("no panic"), |dead| !*dead));
            }
            count += 1;
            answer(asked, 1)
        });
        let mut child = with_credentials(&mut place.command(&["-q", "collect", "--since", "2026-11-01"]))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        drop(reached.1.wait_while(reached.0.lock().expect("no panic"), |reached| !*reached));
        child.kill().expect("it can be killed");
        child.wait().expect("it ended");
        *dead.0.lock().expect("no panic") = true;
        dead.1.notify_all();
        audited(&place);
        assert_eq!(records(&place), undisturbed, "killed at request {at}");
    }
}

#[test]
fn what_is_missing_is_told_in_the_words_of_aws() {
    let system = CodePipeline::start();
    let place = system.place(&json!([]));
    system.server.answer_by(|_| {
        let said =
            "User: arn:aws:iam::111122223333:user/audit is not authorized to perform: codepipeline:ListPipelines";
        Answer::status(400, json!({"__type": "AccessDeniedException", "message": said}).to_string())
    });
    let output = ran(&place, &["collect", "--since", "2026-11-01"]);
    assert_eq!(output.code, Some(2), "{output}");
    output.says(&["is not authorized to perform: codepipeline:ListPipelines"]);
    let output = place.run(&["collect", "--since", "2026-11-01"]);
    assert_eq!(output.code, Some(2), "{output}");
    output.says(&["AWS_ACCESS_KEY_ID"]);
}
