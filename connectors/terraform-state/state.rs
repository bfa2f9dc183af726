//! A state file of version 4, without its values.

use std::io::Read;

use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct State {
    version: u64,
    #[serde(default)]
    terraform_version: String,
    #[serde(default)]
    serial: u64,
    #[serde(default)]
    lineage: String,
    #[serde(default)]
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    module: Option<String>,
    #[serde(default)]
    mode: String,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    #[serde(default)]
    provider: String,
    #[serde(default)]
    instances: Vec<Instance>,
}

#[derive(Deserialize)]
struct Instance {
    index_key: Option<Value>,
    #[serde(default)]
    attributes: Option<Attributes>,
}

/// Every other attribute is passed over.
#[derive(Deserialize)]
struct Attributes {
    id: Option<Value>,
    arn: Option<Value>,
}

/// Providers whose ids name what an audit trail names; the id of another one may be the secret itself.
const IDENTIFIED: &[&str] = &["/aws\"]", "/azurerm\"]", "/azapi\"]"];

/// What the state manages, as a record.
pub(super) fn parse(input: &mut impl Read, name: &str) -> Result<Value, String> {
    // The error's own text may quote a value.
    let state: State = serde_json::from_reader(input)
        .map_err(|error| format!("not readable as a Terraform state, at line {}", error.line()))?;
    if state.version != 4 {
        return Err(format!("a state of version {}; version 4 is read", state.version));
    }
    let mut resources = Vec::new();
    for resource in state.resources.iter().filter(|resource| resource.mode == "managed") {
        for instance in &resource.instances {
            resources.push(entry(resource, instance));
        }
    }
    Ok(json!({
        "state": name, "serial": state.serial, "lineage": state.lineage, "terraform_version": state.terraform_version,
        "resources": resources,
    }))
}

fn entry(resource: &Resource, instance: &Instance) -> Value {
    let mut address = format!("{}.{}", resource.kind, resource.name);
    if let Some(module) = &resource.module {
        address = format!("{module}.{address}");
    }
    if let Some(key) = instance.index_key.as_ref().filter(|key| key.is_string() || key.is_number()) {
        address = format!("{address}[{key}]");
    }
    let provider = resource.provider.split("].").next().unwrap_or_default().trim_end_matches(']');
    let known = IDENTIFIED.iter().any(|end| provider.ends_with(end.trim_end_matches(']')));
    let text = |value: &Option<Value>| value.as_ref().and_then(Value::as_str).map(str::to_owned);
    let attributes = instance.attributes.as_ref().filter(|_| known);
    json!({
        "address": address, "type": resource.kind,
        "id": attributes.and_then(|attributes| text(&attributes.id)),
        "arn": attributes.and_then(|attributes| text(&attributes.arn)),
    })
}
