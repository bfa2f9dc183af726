use super::*;

fn parse(text: &str) -> Result<Config, Error> {
    Config::parse(Path::new("/base/changetrail.toml"), text)
}

/// The configuration is refused, and the message holds `expected`.
fn refused(text: &str, expected: &str) {
    match parse(text) {
        Ok(_) => panic!("accepted, instead of: {expected}\n{text}"),
        Err(error) => {
            let message = error.to_string();
            assert!(message.contains(expected), "{message}\ninstead of\n{expected}");
        }
    }
}

/// The configuration is accepted, with a warning that holds `expected`.
fn warned(text: &str, expected: &str) {
    let warnings = parse(text).unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.contains(expected)), "{warnings:?}\ninstead of\n{expected}");
}

const SERVICE: &str = "[[service]]\nname = \"register\"\n";

#[test]
fn an_empty_file_has_the_defaults() {
    let config = parse("").unwrap();
    assert_eq!(config.store_path(), Path::new("/base/changetrail.duckdb"));
    assert_eq!(config.standard.skew.0.as_secs(), 300);
    assert_eq!(config.standard.settle.0.as_secs(), 86_400);
    assert_eq!(config.standard.operation_window.0.as_secs(), 43_200);
}

#[test]
fn unknown_keys_name_the_nearest_and_the_line() {
    refused(
        &format!("{SERVICE}[[scope]]\nservice = \"register\"\nenvironment = \"live\"\nacounts = [\"1\"]\n"),
        "line 6: unknown key `acounts` in [[scope]]; did you mean `aws_accounts`?",
    );
    refused("[standrad]\n", "line 1: unknown key `standrad` at top level; did you mean `standard`?");
    refused("[standard]\nskw = \"5m\"\n", "line 2: unknown key `skw` in [standard]; did you mean `skew`?");
    refused(
        "[[person]]\nname = \"A\"\nroles = [{ role = \"senior\", service = [] }]\n",
        "line 3: unknown key `service` in [[person]]; did you mean `services`?",
    );
    refused("[store]\nzzz = 1\n", "unknown key `zzz` in [store]; known are path");
}

#[test]
fn wrong_values_say_what_is_known() {
    refused(
        &format!("{SERVICE}[[scope]]\nservice = \"register\"\nenvironment = \"prod\"\n"),
        "line 5: `prod` is no value of `environment` in [[scope]]; known are dev, preprod, live",
    );
    refused(
        "[[service]]\nname = \"a\"\ntype = \"lambda\"\n",
        "`lambda` is no value of `type` in [[service]]; known are deployed, static-app, third-party",
    );
    refused(
        "[[service]]\nname = \"a\"\nstages = { prod = \"production\" }\n",
        "`production` is no value of `stages.prod` in [[service]]",
    );
    refused(
        "[[person]]\nname = \"A\"\nroles = [\"boss\"]\n",
        "line 3: `boss` is no value of `roles[0]` in [[person]]; known are senior, manager",
    );
    refused("[standard]\nskew = \"soon\"\n", "line 2: `skew` in [standard]: `soon` is not a duration");
    refused("[standard]\nskew = 5\n", "`5` is not a duration");
    refused("[standard]\nmanual_means = \"x\"\n", "known are trigger, approval, both");
    refused("[standard]\nname = \"iso\"\n", "unknown standard `iso`");
    refused("[[waiver]]\nservice = \"a\"\n", "line 1: key `control` is missing in [[waiver]]");
    refused("[[service]]\nname = 5\n", "line 2: `name` in [[service]]: invalid type: integer `5`");
    refused("[[service]\n", "line 1: ");
}

#[test]
fn sources_are_open_but_need_their_names() {
    let config = parse("[[source]]\nname = \"aws\"\nconnector = \"aws-cloudtrail\"\npath = \"aws\"\n").unwrap();
    let source = &config.sources[0];
    assert!(source.is_path());
    assert_eq!(source.params.len(), 1);
    assert_eq!(source.approvals, Approvals::Evidence);
    refused(
        "[[source]]\nname = \"aws\"\nconector = \"x\"\n",
        "line 1: key `connector` is missing in [[source]] (is it `conector`?)",
    );
    refused("[[source]]\nname = \"a\"\nconnector = 5\n", "`connector` in [[source]] must be text");
    refused("[[source]]\nname = \"a\"\nconnector = \"x\"\napprovals = \"yes\"\n", "known are evidence, claimed");
    refused("[[source]]\nname = \"record\"\nconnector = \"x\"\n", "this name is kept");
}

#[test]
fn the_parts_are_checked_against_each_other() {
    refused(&format!("{SERVICE}{SERVICE}"), "line 3: [[service]] `register` is there twice, first on line 1");
    refused(
        &format!("{SERVICE}[[scope]]\nservice = \"registre\"\nenvironment = \"live\"\n"),
        "line 3: [[scope]] names the service `registre`, which does not exist; did you mean `register`?",
    );
    refused("[[automation]]\naws_roles = [\"a\"]\nreason = \"\"\n", "[[automation]] without a reason");
    refused("[[automation]]\nreason = \"r\"\n", "[[automation]] declares no identity");
    refused(
        "[[automation]]\naws_roles = [\"a\"]\nactions = []\nreason = \"r\"\n",
        "[[automation]] with no `actions` in its list",
    );
    let exemption = "[[exemption]]\nid = \"E\"\nreason = \"r\"\napproved_by = \"A\"\nrequested_by = \"B\"\n";
    refused(
        &format!("{exemption}from = \"2026-01-01\"\nto = \"2026-01-02\"\n"),
        "[[exemption]] `E` would excuse everybody",
    );
    refused(
        &format!("{exemption}from = \"2026-01-02\"\nto = \"2026-01-01\"\nactors = [\"a\"]\n"),
        "ends (2026-01-01T00:00:00Z) before it begins",
    );
    refused(
        &format!("{exemption}from = \"2026-01-02\"\nto = \"2026-01-03\"\nverdicts = [\"manul\"]\n"),
        "`manul` is no value of `verdicts[0]` in [[exemption]]; known are platform, released",
    );
    refused(&format!("{exemption}from = \"tomorrow\"\n"), "`tomorrow` is not a time");
    refused(
        "[[group]]\nname = 'managers'\nsource = 'entra'\nrole = 'manager'\n",
        "[[group]] `managers`: there is no source `entra` that could tell who is in it",
    );
    refused("people = \"none.csv\"\n", "line 1: `people`: reading /base/none.csv");
}

#[test]
fn everything_wrong_is_told_at_once() {
    refused(
        "[[automation]]\naws_roles = [\"a\"]\nreason = \"\"\n[[source]]\nname = \"a\"\n",
        "2 problems\n  line 1: [[automation]] without a reason: say why it may change things without a release\n  line 4: key",
    );
}

#[test]
fn what_can_be_worked_with_is_a_warning() {
    warned("", "there is no [[source]]");
    warned(
        &format!(
            "{SERVICE}[[waiver]]\nservice = \"register\"\ncontrol = \"dev_auto\"\nreason = \"r\"\napproved_by = \"D\"\n"
        ),
        "did you mean `dev-auto`?",
    );
    warned("[[pipeline_identity]]\npipeline = \"p\"\n", "declares no identity");
    for role in ["deploy", "arn:aws:iam::*:role/deploy", "arn:aws:iam::111122223333:user/deploy"] {
        let declared = format!("[[pipeline_identity]]\npipeline = \"p\"\naws_roles = [\"{role}\"]\n");
        warned(&declared, &format!("`{role}` is not the ARN of one role, so it matches nothing"));
    }
    warned("[[automation]]\nreason = \"r\"\naws_users = [\"backup\"]\n", "`backup` is not the ARN of one user");
    let person = "[[person]]\nname = \"A\"\nidentities = [\"agreen\", \"Ci \"]\n";
    warned(
        &format!(
            "{person}[[pipeline_identity]]\npipeline = \"p\"\naws_users = [\"arn:aws:iam::111122223333:user/x/ci\"]\n"
        ),
        "is an identity of the person `A` too",
    );
    warned(&format!("{person}[[person]]\nname = \"B\"\nidentities = [\" AGreen\"]\n"), "belongs to `A` and to `B`");
    warned("[[pipeline_identity]]\npipeline = \"p\"\nactors = [\"a\"]\n", "no [[service]] lists the pipeline `p`");
    let listed = "[[service]]\nname = \"s\"\ntype = \"deployed\"\npipelines = [\"A  p\"]\n";
    let config = parse(&format!("{listed}[[pipeline_identity]]\npipeline = \"a P\"\nactors = [\"a\"]\n")).unwrap();
    assert!(config.warnings.iter().all(|warning| !warning.contains("lists the pipeline")), "{:?}", config.warnings);
    warned(
        "[[person]]\nname = \"A\"\nidentities = [\"x\"]\n[[person]]\nname = \"B\"\nidentities = [\"X\"]\n",
        "the identity `X` belongs to `A` and to `B`",
    );
}

#[test]
fn json_has_every_key() {
    let text = r#"
[[source]]
name = "aws"
connector = "aws-cloudtrail"
path = "aws"
[[service]]
name = "register"
pipelines = ["p"]
stages = { prod = "live" }
[[scope]]
service = "register"
environment = "live"
aws_accounts = ["111122223333"]
[[pipeline_identity]]
pipeline = "p"
[[waiver]]
service = "register"
control = "recorded"
reason = "r"
[[automation]]
aws_roles = ["r"]
reason = "r"
to = 2026-11-04T01:00:00+01:00
[[person]]
name = "A"
roles = ["senior", { role = "manager", services = ["register"], from = "2026-11-03" }]
[[group]]
source = "aws"
name = "managers"
role = "manager"
[[exemption]]
id = "E"
reason = "r"
approved_by = "A"
requested_by = "B"
from = "2026-11-03T00:00:00Z"
to = 2026-11-04
actors = ["x"]
verdicts = ["manual"]
"#;
    let mut actual: serde_json::Value = serde_json::from_str(&parse(text).unwrap().to_json()).unwrap();
    let expected = json!({
        "standard": {"name": "ofq-00005", "skew_s": 300, "settle_s": 86400, "max_running_s": 86400,
            "operation_window_s": 43200, "manual_means": "approval"},
        "source": [{"name": "aws", "connector": "aws-cloudtrail", "approvals": "evidence", "path": true}],
        "service": [{"name": "register", "type": "deployed", "team": null, "pipelines": ["p"],
            "stages": {"prod": "live"}}],
        "scope": [{"position": 1, "service": "register", "environment": "live",
            "aws_accounts": ["111122223333"], "aws_regions": null, "resources": null,
            "azure_subscriptions": null, "azure_resource_groups": null, "sources": null, "objects": null}],
        "pipeline_identity": [{"position": 1, "pipeline": "p", "environment": null, "aws_roles": [],
            "aws_users": [], "azure_app_ids": [], "oidc_subjects": [], "actors": []}],
        "waiver": [{"position": 1, "service": "register", "control": "recorded", "reason": "r",
            "approved_by": null, "requested_by": null, "from": null, "to": null}],
        "automation": [{"position": 1, "aws_roles": ["r"], "aws_users": [], "azure_app_ids": [],
            "actors": [], "actions": null, "reason": "r", "approved_by": null, "from": null,
            "to": "2026-11-04T00:00:00Z"}],
        "person": [{"position": 1, "name": "A", "identities": [], "roles": [
            {"role": "senior", "services": [], "from": null, "to": null},
            {"role": "manager", "services": ["register"], "from": "2026-11-03T00:00:00Z", "to": null}]}],
        "group": [{"name": "managers", "source": "aws", "role": "manager", "services": []}],
        "exemption": [{"id": "E", "reason": "r", "approved_by": "A", "requested_by": "B",
            "from": "2026-11-03T00:00:00Z", "to": "2026-11-04T00:00:00Z", "service": null,
            "environment": null, "actors": ["x"], "verdicts": ["manual"], "deployments": [], "controls": []}],
    });
    // The standard has its own tests.
    let requirements = actual.as_object_mut().and_then(|object| object.remove("requirements")).unwrap();
    assert_eq!(requirements["control"].as_array().map(Vec::len), Some(9));
    assert_eq!(actual, expected);
}
