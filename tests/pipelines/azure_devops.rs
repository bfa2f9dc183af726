//! Azure `DevOps`: classic releases, and runs of YAML pipelines while they go on, wait, and are run again.

use serde_json::json;

use super::{AZURE_DEVOPS, Audited, VERDICT, change, released_by};

#[test]
fn azure_devops_explains_a_change_by_the_session_name_of_the_release() {
    // The world's own service has this pipeline.
    let audited = Audited::new(&AZURE_DEVOPS, "", change("ado-rel-812-Prod", None));
    assert_eq!(audited.says(VERDICT), [["released", "released-exact", "exact", "ado:register-release:812:Prod:1"]]);
    // The gate held the stage until 09:50; it was asked for at 09:30.
    let held = audited.says("select started_at::varchar, a.gated from deployment join approval a using (deployment_id) where deployment_id = 'ado:register-release:812:Prod:1' and a.valid and a.phase = 'pre'");
    assert_eq!(held, [["2026-11-03 09:50:00", "true"]]);
    audited.polls_again();
}

#[test]
fn azure_devops_explains_a_change_in_azure_by_the_correlation_id_that_the_run_set() {
    let subscription = "aaaaaaaa-0000-4000-8000-000000000001";
    let config = format!(
        "{}[[source]]\nname = 'azure'\nconnector = 'azure-activity-log'\npath = 'azure'\n\
         [[scope]]\nservice = 'pipeline'\nenvironment = 'live'\nazure_subscriptions = ['{subscription}']\n",
        released_by("register-web")
    );
    let audited = Audited::new(&AZURE_DEVOPS, &config, json!([]));
    let site = format!("/subscriptions/{subscription}/resourceGroups/rg/providers/Microsoft.Web/sites/app");
    let named = |name: &str| json!({"value": name, "localizedValue": name});
    // What the pipeline makes of its run (README): uuid5 of azure-devops/example/register/7001.
    let record = json!({"eventDataId": "c", "correlationId": "6332bb20-07e6-517b-bd86-858e49a4791e", "operationId": "o", "operationName": named("Microsoft.Web/sites/write"),
        "category": named("Administrative"), "status": named("Succeeded"), "eventName": named("EndRequest"), "level": "Informational", "resourceId": site,
        "resourceGroupName": "rg", "subscriptionId": subscription, "eventTimestamp": "2026-11-03T12:05:00Z", "submissionTimestamp": "2026-11-03T12:06:00Z",
        "authorization": {"action": "Microsoft.Web/sites/write", "scope": site}, "caller": "dddddddd-0000-4000-8000-00000000000a",
        "claims": {"appid": "0a0a0a0a-1111-4222-8333-444444444444", "appidacr": "2", "idtyp": "app"}});
    audited.place.write("azure/page.json", json!({"value": [record]}).to_string());
    audited.audit(None);
    assert_eq!(audited.says(VERDICT), [["nonconforming", "not-in-preprod", "exact", "ado:register-web:7001:Prod:1"]]);
}

/// Who stands behind a change in live at that time of 9 November, by a session of that name.
fn change_at(time: &str, session: &str) -> serde_json::Value {
    json!([
        {"id": "s", "time": format!("2026-11-09T{time}"), "action": "sts:AssumeRoleWithWebIdentity", "who": "oidc:sc://example/register/live", "role": "register-deploy",
         "session": session, "issues": "ASIA1"},
        {"id": "c", "time": format!("2026-11-09T{time}"), "action": "s3:PutBucketPolicy", "who": format!("role:register-deploy/{session}"), "key": "ASIA1"}
    ])
}

#[test]
fn a_run_is_in_the_log_while_it_goes_on_and_is_replaced_when_it_ends() {
    let audited = Audited::new(&AZURE_DEVOPS, &released_by("register-web"), change_at("23:45:00Z", "ado-7003-Prod"));
    // With its keys and its approval; nothing is wrong but that this pipeline has no pre-production.
    let link = ["nonconforming", "not-in-preprod", "exact", "ado:register-web:7003:Prod:2"];
    assert_eq!(audited.says(VERDICT), [link]);
    let stage = "select outcome, started_at::varchar, finished_at::varchar, (select string_agg(approver_actor) from approval a where a.deployment_id = d.deployment_id and valid)
        from deployment d where deployment_id = 'ado:register-web:7003:Prod:2'";
    assert_eq!(audited.says(stage), [["running", "2026-11-09 23:40:30", "", "dana@example.org"]]);
    // What it has not come to is no deployment.
    assert_eq!(
        audited.says("select count(*) from deployment where deployment_id like 'ado:register-web:7003:After%'"),
        [["0"]]
    );
    audited.polls_again();
    assert_eq!(audited.says(stage), [["succeeded", "2026-11-09 23:40:30", "2026-11-10 01:30:00", "dana@example.org"]]);
    assert_eq!(audited.says(VERDICT), [link]);
}

#[test]
fn a_run_that_waits_for_days_is_there_with_its_open_approval_and_explains_nothing() {
    let audited = Audited::new(&AZURE_DEVOPS, &released_by("register-web"), change_at("12:00:00Z", "ado-7004-Prod"));
    let waits = "select outcome, ran, a.decision from deployment left join approval a using (deployment_id) where deployment_id = 'ado:register-web:7004:Prod:1' and a.phase = 'pre'";
    assert_eq!(audited.says(waits), [["running", "false", "pending"]]);
    assert_eq!(audited.says(VERDICT)[0][0], "unrecorded");
    // Its start lies before everything that is asked for by time.
    audited.polls_again();
    assert_eq!(audited.says(waits), [["running", "false", "pending"]]);
}

#[test]
fn a_change_of_an_earlier_attempt_at_a_stage_finds_that_attempt() {
    let audited = Audited::new(&AZURE_DEVOPS, &released_by("register-web"), change_at("21:05:00Z", "ado-7003-Prod"));
    assert_eq!(audited.says(VERDICT)[0][2..], ["exact", "ado:register-web:7003:Prod:1"]);
    let told = "select outcome, started_at::varchar, (select string_agg(decided_at::varchar) from approval a where a.deployment_id = d.deployment_id and valid)
        from deployment d where deployment_id = 'ado:register-web:7003:Prod:1'";
    assert_eq!(audited.says(told), [["failed", "2026-11-09 21:00:30", "2026-11-09 21:00:00"]]);
    audited.polls_again();
    assert_eq!(audited.says(VERDICT)[0][2..], ["exact", "ado:register-web:7003:Prod:1"]);
}

#[test]
fn stages_of_one_name_are_deployments_of_their_own() {
    // `prod_eu` was approved, `prod_us` had nobody to ask; both are shown as `Prod`.
    let trail = json!([
        {"id": "s", "time": "5 10:04", "action": "sts:AssumeRoleWithWebIdentity", "who": "oidc:sc://example/register/live", "role": "register-deploy",
         "session": "ado-7006", "issues": "ASIA1"},
        {"id": "c", "time": "5 10:05", "action": "s3:PutBucketPolicy", "who": "role:register-deploy/ado-7006", "key": "ASIA1"},
        {"id": "t", "time": "5 10:24", "action": "sts:AssumeRoleWithWebIdentity", "who": "oidc:sc://example/register/live", "role": "register-deploy",
         "session": "ado-7006-prod_us", "issues": "ASIA2"},
        {"id": "d", "time": "5 10:25", "action": "s3:PutBucketPolicy", "who": "role:register-deploy/ado-7006-prod_us", "key": "ASIA2"}
    ]);
    // The map of the service names what is shown.
    let config = released_by("register-web")
        .replace("pipelines = ['register-web']", "pipelines = ['register-web']\nstages = { Prod = 'live' }");
    let audited = Audited::new(&AZURE_DEVOPS, &config, trail);
    let links = "select record_id, verdict, link_tier, deployment_id from change where record_id in ('c', 'd') order by record_id";
    let expected = [
        // Nothing is wrong but that this pipeline has no pre-production.
        ["c", "nonconforming", "exact", "ado:register-web:7006:prod_eu:1"],
        ["d", "unapproved", "exact", "ado:register-web:7006:prod_us:1"],
    ];
    assert_eq!(audited.says(links), expected);
    let shown = "select stage, environment, ran from deployment where release_id = 'register-web/7006'";
    assert_eq!(audited.says(shown), [["Prod", "live", "true"], ["Prod", "live", "true"]]);
    audited.polls_again();
    assert_eq!(audited.says(links), expected);
}
