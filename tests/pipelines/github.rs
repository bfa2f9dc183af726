//! GitHub: deployments, the runs behind them, and runs that are run again.

use serde_json::json;

use super::{Audited, GITHUB, VERDICT, change, released_by};

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

/// A change in live at that time of 5 November, by the run that had three attempts.
fn change_at(time: &str) -> serde_json::Value {
    json!([
        {"id": "s", "time": format!("5 {time}"), "action": "sts:AssumeRoleWithWebIdentity", "who": "oidc:repo:example/register:environment:production",
         "role": "register-deploy", "session": "GitHubActions", "issues": "ASIA1", "run": "7005"},
        {"id": "c", "time": format!("5 {time}"), "action": "s3:PutBucketPolicy", "who": "role:register-deploy/GitHubActions", "key": "ASIA1"}
    ])
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
