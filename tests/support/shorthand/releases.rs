//! Releases and pipelines in short form, as the lines of a release log.

use serde_json::{Map, Value, json};

use super::{Fields, later, merge, time};

const STAGES: &[(&str, &str)] = &[("dev", "dev"), ("preprod", "preprod"), ("live", "prod")];

/// Records as the lines of a file.
pub(crate) fn lines(records: &[Value]) -> String {
    let mut text = String::new();
    for record in records {
        text.push_str(&record.to_string());
        text.push('\n');
    }
    text
}

/// The deployments of `releases.json`: one for each stage of each release.
pub(crate) fn deployments(releases: Value) -> Vec<Value> {
    let Value::Array(releases) = releases else {
        panic!("releases.json must hold an array");
    };
    releases.into_iter().flat_map(stages).collect()
}

/// What a release says of all its stages.
struct Release {
    id: String,
    pipeline: String,
    service: Value,
    requested_by: Value,
    runs: Value,
    all: Value,
}

fn stages(release: Value) -> Vec<Value> {
    let mut fields = Fields::new(release);
    let id = fields.needed("release");
    let pipeline = fields.text("pipeline").unwrap_or_else(|| "register-release".to_owned());
    let runs = match fields.take("run") {
        None => json!([]),
        Some(Value::Array(runs)) => Value::Array(runs),
        Some(one) => json!([one]),
    };
    let by = fields.take("by");
    let service = fields.take("service");
    let release = Release {
        service: service.unwrap_or_else(|| json!(pipeline.trim_end_matches("-release").trim_end_matches("-build"))),
        requested_by: by.unwrap_or_else(|| json!("alice@example.org")),
        all: Value::Object(fields.object("all")),
        id,
        pipeline,
        runs,
    };
    let approvals = fields.take("approvals");
    let mut lines = Vec::new();
    for (environment, stage) in STAGES {
        let over = Value::Object(fields.object(&format!("{environment}_record")));
        let window = match fields.take(environment) {
            None if *environment == "preprod" => json!("08:00-08:30"),
            None | Some(Value::Null) => continue,
            Some(window) => window,
        };
        let window = window.as_str().unwrap_or_else(|| panic!("`{environment}` must be FROM-TO"));
        let given = match (*environment, &approvals) {
            ("live", Some(given)) => Some(given.clone()),
            _ => None,
        };
        let mut line = release.line(environment, stage, window, given);
        merge(&mut line, release.all.clone());
        merge(&mut line, over);
        lines.push(line);
    }
    fields.done();
    lines
}

impl Release {
    fn line(&self, environment: &str, stage: &str, window: &str, given: Option<Value>) -> Value {
        let (from, to) = window
            .split_once('-')
            .filter(|_| !window.contains('T'))
            .unwrap_or_else(|| panic!("`{window}` is not FROM-TO"));
        let start = time(from);
        // Good unless the case says otherwise: a manager signs the live stage, another senior person the one before.
        let given = given.unwrap_or_else(|| match environment {
            "live" => json!([{"approver": "dana@example.org", "decided_at": later(&start, -10)}]),
            "preprod" => json!([{"approver": "bob@example.org", "decided_at": later(&start, -10)}]),
            _ => json!([]),
        });
        let mut line = json!({
            "schema": "changetrail.deployment/1",
            "id": format!("{}:{environment}", self.id),
            "release_id": self.id,
            "pipeline": self.pipeline,
            "service": self.service,
            "version": "1.0",
            "artifact_digest": format!("sha256:{}", self.id),
            "steps_digest": "sha256:steps",
            "stage": stage,
            "environment": environment,
            "trigger": if environment == "dev" { "automatic" } else { "manual" },
            "requested_by": self.requested_by,
            "started_at": start,
            "finished_at": if to.is_empty() { Value::Null } else { json!(time(to)) },
            "outcome": if to.is_empty() { "running" } else { "succeeded" },
            "keys": {"run_ids": self.runs},
            "bypassed": false,
            "recorded_at": if to.is_empty() { later(&start, 1) } else { time(to) },
        });
        if let Value::Array(given) = given {
            line["approvals"] = given.into_iter().map(approval).collect();
        }
        line
    }
}

/// `NAME [TIME] [gated] [automated] [rejected]`, or the record's own form; decided before the start is all that matters.
fn approval(approval: Value) -> Value {
    let mut whole = json!({"phase": "pre", "decision": "approved", "automated": false});
    match approval {
        Value::String(text) => {
            let mut words = text.split(' ').peekable();
            whole["approver"] = json!(words.next());
            let mut clock: Vec<&str> = Vec::new();
            for word in words {
                match word {
                    "gated" => whole["gated"] = json!(true),
                    "automated" => whole["automated"] = json!(true),
                    "rejected" => whole["decision"] = json!("rejected"),
                    time => clock.push(time),
                }
            }
            if !clock.is_empty() {
                whole["decided_at"] = json!(time(&clock.join(" ")));
            }
        }
        other => merge(&mut whole, other),
    }
    whole
}

/// The definitions of `pipelines.json`, each a good one but for what it says.
pub(crate) fn pipelines(pipelines: Value) -> Vec<Value> {
    let Value::Array(pipelines) = pipelines else {
        panic!("pipelines.json must hold an array");
    };
    pipelines.into_iter().map(pipeline).collect()
}

fn pipeline(pipeline: Value) -> Value {
    let mut fields = Fields::new(pipeline);
    let mut stages = json!({
        "dev": {"environment": "dev", "order": 1, "trigger": "automatic", "approvals_required": 0, "approvers": []},
        "preprod": {"environment": "preprod", "order": 2, "trigger": "manual", "approvals_required": 1,
                    "approvers": ["bob@example.org"], "requester_can_approve": false},
        "prod": {"environment": "live", "order": 3, "trigger": "manual", "approvals_required": 1,
                 "approvers": ["dana@example.org"], "requester_can_approve": false, "can_bypass": false},
    });
    merge(&mut stages, Value::Object(fields.object("stages")));
    let Value::Object(stages) = stages else { unreachable!("it was made as an object") };
    let stages: Vec<Value> = stages
        .into_iter()
        .map(|(name, stage)| {
            let mut named = Map::from_iter([("name".to_owned(), json!(name))]);
            named.extend(stage.as_object().cloned().expect("a stage"));
            Value::Object(named)
        })
        .collect();
    let mut line = json!({
        "schema": "changetrail.pipeline/1",
        "pipeline": fields.text("pipeline").unwrap_or_else(|| "register-release".to_owned()),
        "revision": fields.text("revision").unwrap_or_else(|| "1".to_owned()),
        "changed_by": "erin@example.org",
        "changed_at": time(&fields.text("at").unwrap_or_else(|| "1 09:00".to_owned())),
        "stages": stages,
    });
    merge(&mut line, Value::Object(fields.object("raw")));
    fields.done();
    line
}
