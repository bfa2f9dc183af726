//! HCP Terraform: runs, and who confirmed them.

use serde_json::json;

use super::{Audited, HCP_TERRAFORM, VERDICT, answer, change, released_by};

#[test]
fn hcp_terraform_explains_a_change_by_the_runs_id() {
    let audited = Audited::new(&HCP_TERRAFORM, &released_by("register"), change("run-2", None));
    assert_eq!(audited.says(VERDICT), [["released", "released-exact", "exact", "hcp-terraform:register-prod:run-2"]]);
    audited.polls_again();
}

#[test]
fn a_run_that_waits_is_read_again_though_its_workspace_stays_as_it_is() {
    let trail = json!([
        {"id": "s", "time": "4 12:10", "action": "sts:AssumeRoleWithWebIdentity", "who": "oidc:organization:example:workspace:register-prod:run_phase:apply",
         "role": "register-deploy", "session": "run-6", "issues": "ASIA1"},
        {"id": "c", "time": "4 12:10", "action": "s3:PutBucketPolicy", "who": "role:register-deploy/run-6", "key": "ASIA1"}
    ]);
    let audited = Audited::new(&HCP_TERRAFORM, &released_by("register"), trail);
    // It was planned, and nobody had confirmed it.
    assert_eq!(
        audited.says("select outcome, ran from deployment where deployment_id = 'hcp-terraform:register-prod:run-6'"),
        [["running", "false"]]
    );
    assert_eq!(audited.says(VERDICT)[0][0], "unrecorded");
    audited.polls_again();
    assert_eq!(audited.says(VERDICT), [["released", "released-exact", "exact", "hcp-terraform:register-prod:run-6"]]);
}

#[test]
fn a_message_that_quotes_an_older_commit_proves_nothing_of_what_ran() {
    // The run has a configuration of its own, which was uploaded and never in pre-production.
    let trail = json!([
        {"id": "s", "time": "5 10:01", "action": "sts:AssumeRoleWithWebIdentity", "who": "oidc:organization:example:workspace:register-prod:run_phase:apply",
         "role": "register-deploy", "session": "run-7", "issues": "ASIA1"},
        {"id": "c", "time": "5 10:05", "action": "s3:PutBucketPolicy", "who": "role:register-deploy/run-7", "key": "ASIA1"}
    ]);
    let audited = Audited::new(&HCP_TERRAFORM, &released_by("register"), trail);
    let link = ["nonconforming", "not-in-preprod", "exact", "hcp-terraform:register-prod:run-7"];
    assert_eq!(audited.says(VERDICT), [link]);
    let release =
        "select release_id, commit_sha from deployment where deployment_id = 'hcp-terraform:register-prod:run-7'";
    assert_eq!(audited.says(release), [["cv-3", ""]]);
    audited.polls_again();
    assert_eq!(audited.says(VERDICT), [link]);
}

#[test]
fn another_name_of_a_workspace_changes_nothing_of_the_past() {
    let audited = Audited::new(&HCP_TERRAFORM, &released_by("register"), change("run-2", None));
    let releases =
        "select deployment_id, pipeline, stage, environment, release_id, ran from deployment order by deployment_id";
    let (before, verdict) = (audited.says(releases), audited.says(VERDICT));
    assert_eq!(verdict, [["released", "released-exact", "exact", "hcp-terraform:register-prod:run-2"]]);
    let mut names = vec!["register-prod"];
    // To a name that is no stage, and back.
    for (name, changed_at) in [("register-legacy", "2026-11-09T12:00:00Z"), ("register-prod", "2026-11-09T13:00:00Z")] {
        let url = audited.server.url();
        audited.server.answer_by(move |asked| {
            answer(&HCP_TERRAFORM, 1, &url, asked, &|stream, text| match stream {
                "workspaces" => text.replace("register-prod", name).replace("2026-09-01T00:00:00Z", changed_at),
                _ => text,
            })
        });
        audited.audit(None);
        names.push(name);
        let told = "select count(distinct record_id) from store.raw_record where record_id like 'workspaces/ws-2@%'";
        assert_eq!(audited.says(told), [[names.len().to_string()]]);
        assert_eq!(audited.says(releases), before, "{names:?}");
        assert_eq!(audited.says(VERDICT), verdict, "{names:?}");
    }
}
