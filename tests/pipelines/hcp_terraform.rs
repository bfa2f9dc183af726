//! HCP Terraform: runs, and who confirmed them.

use serde_json::json;

use super::{Audited, HCP_TERRAFORM, VERDICT, change, released_by};

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
