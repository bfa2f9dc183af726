//! What Terraform manages, against the changes that nobody released.

use std::process::Stdio;

use crate::support::shorthand::{events, releases, with_accounts};
use crate::support::{Output, Place, checkout};
use serde_json::{Value, json};

/// The world of the cases with a state of two buckets and a security group, one of them touched by hand and one by the
/// release.
fn place() -> Place {
    let world = std::fs::read_to_string(checkout("tests/cases/world.toml")).expect("the world");
    let source = "[[source]]\nname = 'terraform'\nconnector = 'terraform-state'\npath = 'states'\n";
    let place = Place::new(&format!("{}\n{source}", with_accounts(&world)));
    let records = events::records(json!([
        {"id": "by-hand", "time": "11:00", "action": "s3:PutBucketPolicy", "who": "sso:carol@example.org", "resource": "arn:aws:s3:::register-a", "with": {"bucketName": "register-a"}},
        {"id": "rule", "time": "11:05", "action": "ec2:AuthorizeSecurityGroupIngress", "who": "sso:carol@example.org", "with": {"groupId": "sg-0123456789abcdef0"}},
        {"id": "released", "time": "10:05", "action": "s3:PutBucketTagging", "who": "role:register-deploy/x", "key": "ASIA1", "resource": "arn:aws:s3:::register-b", "with": {"bucketName": "register-b"}},
        {"id": "unmanaged", "time": "11:10", "action": "s3:PutBucketPolicy", "who": "sso:carol@example.org", "resource": "arn:aws:s3:::scratch", "with": {"bucketName": "scratch"}}
    ]));
    place.write("trail/1.json", json!({ "Records": records }).to_string());
    let log = releases::deployments(json!([{"release": "r1", "live": "10:00-10:20"}]));
    place.write("releases/1.jsonl", releases::lines(&log));
    place.write("states/live/terraform.tfstate", state().to_string());
    place
}

fn state() -> Value {
    let aws = r#"provider["registry.terraform.io/hashicorp/aws"]"#;
    let bucket = |name: &str| {
        json!({"mode": "managed", "type": "aws_s3_bucket", "name": name, "provider": aws, "instances": [
            {"attributes": {"id": format!("register-{name}"), "arn": format!("arn:aws:s3:::register-{name}"), "tags": {"token": "hunter2"}}}]})
    };
    json!({"version": 4, "terraform_version": "1.9.0", "serial": 12, "lineage": "l", "outputs": {"password": {"value": "hunter2"}}, "resources": [
        bucket("a"), bucket("b"), bucket("c"),
        {"module": "module.net", "mode": "managed", "type": "aws_security_group", "name": "web", "provider": aws, "instances": [
            {"index_key": 0, "attributes": {"id": "sg-0123456789abcdef0", "arn": "arn:aws:ec2:eu-west-2:111122223333:security-group/sg-0123456789abcdef0"}}]}
    ]})
}

#[test]
fn a_manual_change_of_what_terraform_manages_is_drift() {
    let place = place();
    place.ran(1, &["audit"]);
    let drift = place.report("drift");
    let rows: Vec<[&str; 4]> = drift
        .rows
        .iter()
        .map(|row| {
            ["record_id", "verdict", "terraform_address", "terraform_state"].map(|column| drift.cell(row, column))
        })
        .collect();
    assert_eq!(
        rows,
        [
            ["by-hand", "manual", "aws_s3_bucket.a", "live/terraform.tfstate"],
            ["rule", "manual", "module.net.aws_security_group.web[0]", "live/terraform.tfstate"],
        ]
    );
    let stored = place.query("select count(*) from raw_record where contains(record, 'hunter2')");
    assert_eq!(stored.rows, [["0"]]);
}

#[test]
fn a_plan_names_who_changed_each_attribute_or_says_that_nobody_was_seen() {
    let place = place();
    place.ran(1, &["audit"]);
    let drifted = |kind: &str, name: &str, actions: Value, before: Value, after: Value| json!({"address": format!("{kind}.{name}"), "type": kind, "name": name, "change": {"actions": actions, "before": before, "after": after}});
    let arn = |name: &str| format!("arn:aws:s3:::register-{name}");
    let plan = json!({"format_version": "1.2", "resource_changes": [], "resource_drift": [
        drifted("aws_s3_bucket", "a", json!(["update"]), json!({"arn": arn("a"), "id": "register-a", "policy": "hunter2", "tags": {}}), json!({"arn": arn("a"), "id": "register-a", "policy": "\u{1b}[31m", "tags": {}})),
        drifted("aws_s3_bucket", "c", json!(["update"]), json!({"arn": arn("c"), "id": "register-c", "tags": {"a": "1"}}), json!({"arn": arn("c"), "id": "register-c", "tags": {"a": "2"}})),
        drifted("aws_security_group", "web", json!(["update"]), json!({"id": "sg-0123456789abcdef0", "ingress": []}), json!({"id": "sg-0123456789abcdef0", "ingress": [{"cidr_blocks": ["0.0.0.0/0"]}]}))
    ]});
    place.write("plan.json", plan.to_string());
    let said = place.ran(0, &["explain", "--plan", "plan.json"]).stdout;
    let line =
        |start: &str| said.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {said}"));
    let policy = line("aws_s3_bucket.a ");
    assert!(policy.contains("policy") && policy.contains("carol@example.org") && policy.contains("manual"), "{policy}");
    let ingress = line("aws_security_group.web ");
    assert!(ingress.contains("ingress") && ingress.contains("AuthorizeSecurityGroupIngress"), "{ingress}");
    let tags = line("aws_s3_bucket.c ");
    assert!(tags.contains("not seen") && tags.contains("coverage ends at 20"), "{tags}");
    assert!(!said.contains("hunter2"), "values may be secrets: {said}");

    // From a pipe, and what is no plan is refused.
    let mut command = place.command(&["explain", "--plan", "-"]);
    let file = std::fs::File::open(place.path("plan.json")).expect("the plan");
    assert_eq!(Output::of(command.stdin(Stdio::from(file))).stdout, said);
    place.write("no-plan.json", "{\"a\": 1}");
    assert!(place.ran(2, &["explain", "--plan", "no-plan.json"]).stderr.contains("terraform show -json"));
}
