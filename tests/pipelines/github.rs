//! GitHub: deployments, the runs behind them, and runs that are run again.

use changetrail::contract::Asked;
use serde_json::json;

use super::{Audited, GITHUB, VERDICT, answer, change, released_by};

#[test]
fn github_explains_a_change_by_the_run_id_of_the_sign_in() {
    let audited =
        Audited::new(&GITHUB, &released_by("example/register/release.yml"), change("GitHubActions", Some("7001")));
    assert_eq!(
        audited.says(VERDICT),
        [["released", "released-exact", "exact", "github:example/register:7001:production:1"]]
    );
    audited.polls_again();
}

/// A change in live in a session that the pipeline's environment signed in, of that run where it says so.
fn change_of(run: Option<&str>, time: &str) -> serde_json::Value {
    let mut issued = json!({"id": "s", "time": time, "action": "sts:AssumeRoleWithWebIdentity", "who": "oidc:repo:example/register:environment:production",
        "role": "register-deploy", "session": "GitHubActions", "issues": "ASIA1"});
    if let Some(run) = run {
        issued["run"] = json!(run);
    }
    json!([issued, {"id": "c", "time": time, "action": "s3:PutBucketPolicy", "who": "role:register-deploy/GitHubActions", "key": "ASIA1"}])
}

/// A change at that time of 5 November, by the run that had three attempts.
fn change_at(time: &str) -> serde_json::Value {
    change_of(Some("7005"), &format!("5 {time}"))
}

const APPROVED: &str = "select a.decided_at::varchar, a.valid from approval a join change c using (deployment_id) where c.record_id = 'c' and a.phase = 'pre'";

#[test]
fn a_change_of_the_second_of_three_attempts_finds_that_one_and_its_approval() {
    let config = released_by("example/register/release.yml");
    for (time, attempt, requester, decided) in
        [("10:10", 1, "alice", "2026-11-05 09:50:00"), ("12:10", 2, "bob", "2026-11-05 11:50:00")]
    {
        let audited = Audited::new(&GITHUB, &config, change_at(time));
        let id = format!("github:example/register:7005:production:{attempt}");
        assert_eq!(audited.says(VERDICT), [["released", "released-exact", "exact", id.as_str()]]);
        assert_eq!(
            audited.says(&format!("select requested_by from deployment where deployment_id = '{id}'")),
            [[requester]]
        );
        assert_eq!(audited.says(APPROVED), [[decided, "true"]]);
    }
}

#[test]
fn an_approval_of_another_attempt_signs_nothing_off() {
    // Nothing tells that the third attempt was approved: the log has the approvals of the first two only.
    let audited = Audited::new(&GITHUB, &released_by("example/register/release.yml"), change_at("14:10"));
    assert_eq!(audited.says(VERDICT)[0][2..], ["exact", "github:example/register:7005:production:3"]);
    assert_eq!(audited.says(VERDICT)[0][0], "unapproved");
    assert_eq!(audited.says(APPROVED), [["", "false"]]);
}

#[test]
fn an_approval_that_was_read_before_the_run_was_run_again_stays_that_of_its_attempt() {
    // At first the run had one attempt, and no audit log was read.
    let early = |stream: &str, text: String| match stream {
        "audit" => "[]".to_owned(),
        "runs" => {
            let mut page: serde_json::Value = serde_json::from_str(&text).expect("a page");
            for run in page["workflow_runs"].as_array_mut().expect("runs") {
                if run["id"] == 7005 {
                    run["run_attempt"] = json!(1);
                    run["run_started_at"] = json!("2026-11-05T09:00:00Z");
                    run["updated_at"] = json!("2026-11-05T10:20:00Z");
                }
            }
            page.to_string()
        }
        "decisions" => text.replace("second", "first").replace("third", "first"),
        _ => text,
    };
    let audited = Audited::edited(&GITHUB, &released_by("example/register/release.yml"), change_at("10:10"), early);
    let first = [["released", "released-exact", "exact", "github:example/register:7005:production:1"]];
    assert_eq!(audited.says(VERDICT), first);
    let url = audited.server.url();
    audited.server.answer_by(move |asked| {
        super::answer(&GITHUB, 1, &url, asked, &|stream, text| if stream == "audit" { "[]".to_owned() } else { text })
    });
    audited.audit(Some("2026-11-01T00:00:00Z"));
    assert_eq!(audited.says("select count(*) from deployment where deployment_id like 'github:example/register:7005:%' and started_at is not null"), [["3"]]);
    assert_eq!(audited.says(VERDICT), first);
}

#[test]
fn who_may_deploy_borrows_no_run_that_was_approved() {
    // On the 6th a person made a deployment of that commit to production, and named the run of the 3rd in its statuses.
    let config = released_by("example/register/release.yml");
    let audited = Audited::new(&GITHUB, &config, change_of(None, "6 10:05"));
    assert_eq!(audited.says(VERDICT), [["unrecorded", "pipeline-identity-no-run", "", ""]]);
    let made = "select deployment_id, requested_by, len(run_ids), approvals is null from deployment where started_at = '2026-11-06 10:00:00'";
    assert_eq!(audited.says(made), [["github:example/register:deployment-920:production", "erin", "0", "true"]]);
    // The run's own deployment is what it was, whoever else made one while it waited, or named another environment.
    let own = "select stage, started_at::varchar, finished_at::varchar from deployment where list_contains(run_ids, '7001') order by stage";
    assert_eq!(
        audited.says(own),
        [
            ["preprod", "2026-11-03 09:01:00", "2026-11-03 09:20:00"],
            ["production", "2026-11-03 10:00:00", "2026-11-03 10:20:00"]
        ]
    );
    let renamed =
        "select stage, outcome from deployment where release_id = 'example/register@a11a00000000' order by stage";
    assert_eq!(audited.says(renamed), [["preprod", "succeeded"], ["production", "succeeded"]]);

    // Where the service takes what anybody deploys there for its release, nobody approved it.
    let anybody = config.replace("pipelines = ['", "pipelines = ['example/register', '");
    let audited = Audited::new(&GITHUB, &anybody, change_of(None, "6 10:05"));
    assert_ne!(audited.says(VERDICT)[0][0], "released");
}

#[test]
fn what_is_told_later_moves_no_deployment_to_another_run() {
    // A person said of the first attempt's deployment that it was the approved run's, and went well.
    let audited = Audited::new(&GITHUB, &released_by("example/register/release.yml"), change_at("10:10"));
    let first =
        "select run_ids[1], outcome, finished_at::varchar from deployment where started_at = '2026-11-05 10:00:00'";
    assert_eq!(audited.says(first), [["7005", "failed", "2026-11-05 10:20:00"]]);
}

#[test]
fn jobs_of_one_environment_are_one_deployment() {
    // The second job waited for an approval of its own, after the first had ended.
    let config = released_by("example/register/release.yml");
    for (run, time, reason) in [
        (Some("7011"), "7 10:05", "released-exact"),
        (Some("7011"), "7 10:40", "released-exact"),
        (None, "7 10:40", "released-identity"),
    ] {
        let audited = Audited::new(&GITHUB, &config, change_of(run, time));
        let verdict = &audited.says(VERDICT)[0];
        assert_eq!(verdict[..2], ["released", reason], "{time}");
        assert_eq!(verdict[3], "github:example/register:7011:production:1");
        assert_eq!(audited.says(APPROVED), [["2026-11-07 09:50:00", "true"]]);
    }
    // Half of a matrix in pre-production proves nothing.
    let audited = Audited::new(&GITHUB, &config, change_of(Some("7012"), "8 10:05"));
    assert_eq!(audited.says(VERDICT)[0][..2], ["nonconforming", "preprod-failed"]);
}

#[test]
fn a_job_that_waits_holds_nothing_open() {
    let waits = |stream: &str, text: String| {
        let mut page: serde_json::Value = serde_json::from_str(&text).expect("a page");
        match stream {
            "statuses" => {
                page.as_array_mut().expect("statuses").retain(|status| status["id"] != 9120 && status["id"] != 9121);
            }
            "runs" => {
                let runs = page["workflow_runs"].as_array_mut().expect("runs");
                runs.iter_mut().filter(|run| run["id"] == 7011).for_each(goes_on);
            }
            "attempts" if page["id"] == 7011 => goes_on(&mut page),
            _ => {}
        }
        page.to_string()
    };
    let config = released_by("example/register/release.yml");
    let audited = Audited::edited(&GITHUB, &config, change_of(None, "7 12:00"), waits);
    let deployment = "select outcome, finished_at::varchar from deployment where deployment_id = 'github:example/register:7011:production:1'";
    assert_eq!(audited.says(deployment), [["running", "2026-11-07 10:10:00"]]);
    assert_eq!(audited.says(VERDICT)[0][0], "unrecorded");
}

fn goes_on(run: &mut serde_json::Value) {
    run["status"] = json!("waiting");
    run["conclusion"] = json!(null);
}

#[test]
fn a_run_that_is_over_ends_its_deployments() {
    // The run was cancelled at 10:10, and nobody told the end of its job.
    let config = released_by("example/register/release.yml");
    let audited = Audited::new(&GITHUB, &config, change_of(None, "8 20:00"));
    assert_eq!(audited.says(VERDICT), [["unrecorded", "pipeline-identity-no-run", "", ""]]);
    let ended = "select outcome, started_at::varchar, finished_at::varchar, ran from deployment where stage = 'production' and outcome = 'cancelled' order by deployment_id";
    assert_eq!(
        audited.says(ended),
        [
            ["cancelled", "2026-11-08 10:00:00", "2026-11-08 10:10:00", "true"],
            ["cancelled", "", "2026-11-09 12:00:00", "false"],
            ["cancelled", "", "2026-11-10 12:00:00", "false"]
        ]
    );
}

#[test]
fn what_a_reviewer_says_after_the_release_takes_nothing_away() {
    let audited =
        Audited::new(&GITHUB, &released_by("example/register/release.yml"), change("GitHubActions", Some("7001")));
    let reviews = |who: &str| {
        audited.says(&format!(
            "select decision, decided_at::varchar, in_time, valid from approval where deployment_id = 'github:example/register:7001:production:1'
               and phase = 'review' and approver = '{who}' order by decided_at"
        ))
    };
    let approved = ["approved", "2026-11-02 16:00:00", "true", "true"];
    assert_eq!(reviews("bob"), [approved, ["rejected", "2026-11-05 09:00:00", "false", "false"]]);
    let erin = [["approved", "2026-11-02 15:30:00", "true", "false"]];
    assert_eq!(reviews("erin"), erin);
    // He approves once more, and hers is dismissed.
    audited.polls_again();
    let again = ["approved", "2026-11-06 09:00:00", "false", "false"];
    assert_eq!(reviews("bob"), [approved, ["rejected", "2026-11-05 09:00:00", "false", "false"], again]);
    assert_eq!(reviews("erin"), erin);
    assert_eq!(audited.says(VERDICT)[0][0], "released");
}

#[test]
fn another_name_of_a_repository_changes_nothing_of_the_past() {
    let audited =
        Audited::new(&GITHUB, &released_by("example/register/release.yml"), change("GitHubActions", Some("7001")));
    let releases = "select deployment_id, pipeline, release_id, started_at::varchar, outcome, len(approvals) from deployment order by deployment_id";
    let approvals =
        "select deployment_id, phase, approver, decision, decided_at::varchar, valid from approval order by all";
    let (before, signed, verdict) = (audited.says(releases), audited.says(approvals), audited.says(VERDICT));
    assert_eq!(verdict[0][..2], ["released", "released-exact"]);
    // The old name leads to the new one, and all addresses have that.
    let url = audited.server.url();
    audited.server.answer_by(move |asked| {
        let path = asked.path.replace("/repos/example/register-api/", "/repos/example/register/");
        let led = Asked { path, ..asked.clone() };
        answer(&GITHUB, 1, &url, &led, &|_, text| {
            text.replace("/repos/example/register/", "/repos/example/register-api/")
        })
    });
    audited.audit(Some("2026-11-01T00:00:00Z"));
    let told = "select count(*) > 0 from store.raw_record where record_id like 'statuses/%register-api%'";
    assert_eq!(audited.says(told), [["true"]]);
    assert_eq!(audited.says(releases), before);
    assert_eq!(audited.says(approvals), signed);
    assert_eq!(audited.says(VERDICT), verdict);
    assert_eq!(audited.says("select stage, error from store.quarantine"), Vec::<Vec<String>>::new());
}
