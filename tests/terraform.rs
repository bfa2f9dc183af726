//! What Terraform manages, against the changes that nobody released.

use std::process::Stdio;

use crate::support::shorthand::{events, releases, with_accounts};
use crate::support::{Output, Place, Table, checkout, skip};
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

/// The public scenario with a state and a drifted plan of everything that somebody touched there outside a release, and of
/// two resources that nobody did: each has its culprit, as the truth has it.
#[test]
fn every_drifted_resource_of_the_public_scenario_has_its_culprit_or_nobody_was_seen() {
    let scenario = checkout("../shared/scenarios/public-1");
    if !scenario.join("changetrail.toml").exists() {
        skip("the public scenario", &format!("{} is absent", scenario.display()));
        return;
    }
    let place = Place::empty();
    place.copy(&scenario, "");
    let config = std::fs::read_to_string(place.path("changetrail.toml")).expect("a configuration");
    place.write(
        "changetrail.toml",
        format!("{config}\n[[source]]\nname = 'terraform'\nconnector = 'terraform-state'\npath = 'states'\n"),
    );
    std::fs::create_dir_all(place.path("states")).expect("a folder");
    place.run(&["audit"]);
    let truth = Table::parse(&std::fs::read_to_string(scenario.join("truth-changes.csv")).expect("the truth"));
    let changes = place.report("changes");
    // Of each resource the latest change that the truth knows to be outside a release; the report has its time and resource.
    let mut latest: std::collections::BTreeMap<String, (String, &str, &str)> = std::collections::BTreeMap::new();
    for row in &changes.rows {
        let resource = changes.cell(row, "resource").to_owned();
        let known = truth.rows.iter().find(|known| truth.cell(known, "record_id") == changes.cell(row, "record_id"));
        let Some(known) = known.filter(|known| truth.cell(known, "deployment_id").is_empty()) else { continue };
        let arn = resource.starts_with("arn:") || resource.starts_with("/subscriptions/");
        let kinds = ["create", "update", "permission"];
        if !arn || !kinds.contains(&changes.cell(row, "operation")) {
            continue;
        }
        let time = changes.cell(row, "occurred_at").to_owned();
        let told = (time, truth.cell(known, "actor"), truth.cell(known, "verdict"));
        if latest.get(&resource).is_none_or(|(before, ..)| *before <= told.0) {
            latest.insert(resource, told);
        }
    }
    assert!(latest.len() >= 10, "{} resources", latest.len());
    let aws = r#"provider["registry.terraform.io/hashicorp/aws"]"#;
    let untouched = ["arn:aws:s3:::nobody-was-here", "arn:aws:s3:::nor-here"];
    let resources: Vec<&str> = latest.keys().map(String::as_str).chain(untouched).collect();
    let kind = |arn: &str| if arn.starts_with('/') { "azurerm_resource_group" } else { "aws_s3_bucket" };
    let managed = |(number, arn): (usize, &&str)| {
        json!({"mode": "managed", "type": kind(arn), "name": format!("r{number}"), "provider": aws.replace("aws", if arn.starts_with('/') { "azurerm" } else { "aws" }),
            "instances": [{"attributes": {"id": arn, "arn": arn, "secret": "hunter2"}}]})
    };
    let drifted = |(number, arn): (usize, &&str)| {
        json!({"address": format!("{}.r{number}", kind(arn)), "type": kind(arn), "name": format!("r{number}"),
            "change": {"actions": ["update"], "before": {"id": arn, "arn": arn, "zzz": "hunter2"}, "after": {"id": arn, "arn": arn, "zzz": "other"}}})
    };
    let state: Vec<Value> = resources.iter().enumerate().map(managed).collect();
    let plan: Vec<Value> = resources.iter().enumerate().map(drifted).collect();
    place.write("states/live.tfstate", json!({"version": 4, "terraform_version": "1.9.0", "serial": 1, "lineage": "l", "outputs": {}, "resources": state}).to_string());
    place.write(
        "plan.json",
        json!({"format_version": "1.2", "resource_changes": [], "resource_drift": plan}).to_string(),
    );
    place.run(&["audit"]);

    let said = place.ran(0, &["explain", "--plan", "plan.json"]).stdout;
    let drift = place.report("drift");
    for (number, arn) in resources.iter().enumerate() {
        let address = format!("{}.r{number} ", kind(arn));
        let line = said.lines().find(|line| line.starts_with(&address)).unwrap_or_else(|| panic!("{address}: {said}"));
        let Some((_, actors, verdicts)) = latest.get(*arn) else {
            assert!(line.contains("not seen") && line.contains("coverage ends at 20"), "{line}");
            continue;
        };
        let is_told = |cell: &str| cell.split(';').any(|word| word == "*" || line.to_lowercase().contains(word));
        assert!(is_told(actors) && is_told(verdicts), "{arn}: {actors} {verdicts}: {line}");
        let listed = drift.rows.iter().any(|row| drift.cell(row, "terraform_address") == address.trim());
        assert!(
            listed || verdicts.contains("platform") || verdicts.contains("exempted"),
            "{address} is not in the report"
        );
    }
    assert!(!said.contains("hunter2"), "values may be secrets");
}
