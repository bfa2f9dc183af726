//! Events in short form, as CloudTrail records.

use serde_json::{Map, Value, json};

use super::{Fields, account, merge, time};

/// The records of `events.json`.
pub(crate) fn records(events: Value) -> Vec<Value> {
    let Value::Array(events) = events else {
        panic!("events.json must hold an array");
    };
    events.into_iter().map(record).collect()
}

fn record(event: Value) -> Value {
    let mut fields = Fields::new(event);
    let place = account(&fields.text("in").unwrap_or_else(|| "live".to_owned())).to_owned();
    let region = fields.text("region").unwrap_or_else(|| "eu-west-2".to_owned());
    let action = fields.needed("action");
    let (service, name) = action.split_once(':').unwrap_or_else(|| panic!("an action is service:Name, not `{action}`"));
    let who = Who {
        account: fields.text("of").map_or_else(|| place.clone(), |of| account(&of).to_owned()),
        key: fields.text("key"),
        since: fields.text("since").map(|text| time(&text)),
        source_identity: fields.text("identity"),
        invoked_by: fields.text("by"),
    };
    let name_of_who = fields.take("who").unwrap_or_else(|| panic!("`who` is missing"));
    let mut call = Call::default();
    if service == "sts" {
        call = who.sign_in(name, &name_of_who, &place, &mut fields);
    } else if let Some(stack) = fields.text("stack") {
        call = of_stack(service, &stack, &place, &region, fields.text("role"));
    }
    merge(&mut call.request, Value::Object(fields.object("with")));
    merge(&mut call.response, Value::Object(fields.object("gives")));
    let nothing_if_empty = |value: Value| {
        if value == json!({}) { Value::Null } else { value }
    };
    let mut record = json!({
        "eventVersion": "1.11",
        "userIdentity": who.identity(&name_of_who),
        "eventTime": time(&fields.needed("time")),
        "eventSource": format!("{service}.amazonaws.com"),
        "eventName": name,
        "awsRegion": region,
        "sourceIPAddress": "198.51.100.7",
        "userAgent": fields.text("agent").or(call.agent).unwrap_or_else(|| "Boto3/1.40.2".to_owned()),
        "requestParameters": nothing_if_empty(call.request),
        "responseElements": nothing_if_empty(call.response),
        "requestID": "req",
        "eventID": fields.needed("id"),
        "readOnly": fields.take("read").unwrap_or_else(|| json!(reads(name))),
        "eventType": if service == "signin" { "AwsConsoleSignIn" } else { "AwsApiCall" },
        "managementEvent": true,
        "recipientAccountId": place,
        "eventCategory": "Management",
    });
    if let Some(resource) = fields.text("resource") {
        let owner = resource.split(':').nth(4).filter(|owner| !owner.is_empty()).unwrap_or(&place);
        record["resources"] = json!([{"ARN": resource, "accountId": owner}]);
    }
    if let Some(error) = fields.text("error") {
        record["errorCode"] = json!(error);
        record["responseElements"] = Value::Null;
    }
    if let Some(shared) = fields.text("shared") {
        record["sharedEventID"] = json!(shared);
    }
    if fields.take("console") == Some(json!(true)) {
        record["sessionCredentialFromConsole"] = json!("true");
    }
    merge(&mut record, Value::Object(fields.object("raw")));
    fields.done();
    record
}

fn reads(name: &str) -> bool {
    ["Get", "List", "Describe", "Head", "Assume"].iter().any(|word| name.starts_with(word))
}

/// What a call asked and what came back.
struct Call {
    request: Value,
    response: Value,
    agent: Option<String>,
}

impl Default for Call {
    fn default() -> Self {
        Self { request: json!({}), response: json!({}), agent: None }
    }
}

/// `stack`: of a call to `CloudFormation`, the stack that it begins to change; of another, the tag that names it.
fn of_stack(service: &str, stack: &str, place: &str, region: &str, role: Option<String>) -> Call {
    if service != "cloudformation" {
        let tag = json!({"tags": [{"key": "aws:cloudformation:stack-name", "value": stack}]});
        return Call { request: tag, ..Call::default() };
    }
    let id = format!("arn:aws:cloudformation:{region}:{place}:stack/{stack}/00000000");
    let mut request = json!({"stackName": stack});
    if let Some(role) = role {
        request["roleARN"] = json!(role_arn(&role, place));
    }
    Call { request, response: json!({"stackId": id}), agent: None }
}

/// `name`, `path/name`, `place:name` or an ARN.
fn role_arn(role: &str, place: &str) -> String {
    if role.starts_with("arn:") {
        return role.to_owned();
    }
    match role.split_once(':') {
        Some((place, name)) => format!("arn:aws:iam::{}:role/{name}", account(place)),
        None => format!("arn:aws:iam::{place}:role/{role}"),
    }
}

fn session_arn(role: &str, session: &str) -> String {
    let account = role.split(':').nth(4).unwrap_or_default();
    let name = role.rsplit('/').next().unwrap_or_default();
    format!("arn:aws:sts::{account}:assumed-role/{name}/{session}")
}

struct Who {
    account: String,
    key: Option<String>,
    since: Option<String>,
    source_identity: Option<String>,
    invoked_by: Option<String>,
}

impl Who {
    fn identity(&self, who: &Value) -> Value {
        let Value::String(text) = who else {
            return who.clone();
        };
        let (kind, name) = text.split_once(':').unwrap_or((text, ""));
        let account = &self.account;
        let user = |kind: &str, arn: String| json!({"type": kind, "principalId": format!("AIDA{name}"), "arn": arn, "accountId": account, "userName": name});
        let mut identity = match kind {
            "sso" => {
                let role = format!(
                    "arn:aws:iam::{account}:role/aws-reserved/sso.amazonaws.com/eu-west-2/AWSReservedSSO_Operator_0123456789abcdef"
                );
                self.session(&role, name)
            }
            "role" => {
                let (role, session) = name.rsplit_once('/').expect("role:NAME/SESSION");
                self.session(&role_arn(role, account), session)
            }
            "linked" => {
                let (service, session) = name.rsplit_once('/').expect("linked:SERVICE/SESSION");
                let role = format!("arn:aws:iam::{account}:role/aws-service-role/{service}/AWSServiceRoleForIt");
                self.session(&role, session)
            }
            "user" => {
                let mut identity = user("IAMUser", format!("arn:aws:iam::{account}:user/{name}"));
                if let Some(since) = &self.since {
                    identity["sessionContext"] = json!({"attributes": {"creationDate": since}});
                }
                identity
            }
            "federated" => user("FederatedUser", format!("arn:aws:sts::{account}:federated-user/{name}")),
            "root" => {
                json!({"type": "Root", "principalId": account, "arn": format!("arn:aws:iam::{account}:root"), "accountId": account})
            }
            "center" => {
                json!({"type": "IdentityCenterUser", "accountId": account, "onBehalfOf": {"userId": name}, "userName": name})
            }
            "saml" => {
                json!({"type": "SAMLUser", "principalId": format!("XZMUSD=:{name}"), "userName": name, "identityProvider": "XZMUSD="})
            }
            "oidc" => {
                json!({"type": "WebIdentityUser", "principalId": format!("token.actions.githubusercontent.com:sts.amazonaws.com:{name}"),
                       "userName": name, "identityProvider": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"})
            }
            "service" => json!({"type": "AWSService", "invokedBy": name}),
            "account" => {
                json!({"type": "AWSAccount", "principalId": "AROAELSEWHERE:x", "accountId": super::account(name)})
            }
            "nobody" => json!({"type": "Unknown"}),
            _ => panic!("unknown `who`: {text}"),
        };
        if let Some(key) = &self.key {
            identity["accessKeyId"] = json!(key);
        }
        if let Some(service) = &self.invoked_by {
            identity["invokedBy"] = json!(service);
        }
        identity
    }

    fn session(&self, role: &str, session: &str) -> Value {
        let name = role.rsplit('/').next().unwrap_or_default();
        let mut context = json!({
            "sessionIssuer": {"type": "Role", "principalId": format!("AROA{name}"), "arn": role, "accountId": self.account, "userName": name},
            "attributes": {"mfaAuthenticated": "false"},
        });
        if let Some(since) = &self.since {
            context["attributes"]["creationDate"] = json!(since);
        }
        if let Some(identity) = &self.source_identity {
            context["sourceIdentity"] = json!(identity);
        }
        json!({
            "type": "AssumedRole", "principalId": format!("AROA{name}:{session}"), "arn": session_arn(role, session),
            "accountId": self.account, "sessionContext": context,
        })
    }

    /// A call to STS: `role`, `session`, `issues` (the key), `run`, `tags`, `passes` (the source identity).
    fn sign_in(&self, name: &str, who: &Value, place: &str, fields: &mut Fields) -> Call {
        let mut call = Call::default();
        let session = fields.text("session");
        if let Some(role) = fields.text("role") {
            let role = role_arn(&role, place);
            call.request["roleArn"] = json!(role);
            if let Some(session) = &session {
                call.response["assumedRoleUser"] = json!({"arn": session_arn(&role, session)});
            }
        }
        match (name, session) {
            ("GetFederationToken", Some(session)) => {
                let arn = format!("arn:aws:sts::{}:federated-user/{session}", self.account);
                call.response["federatedUser"] = json!({"arn": arn});
                call.request["name"] = json!(session);
            }
            (_, Some(session)) => call.request["roleSessionName"] = json!(session),
            _ => {}
        }
        if let Some(key) = fields.text("issues") {
            call.response["credentials"] = json!({"accessKeyId": key, "expiration": "Nov 3, 2026, 11:00:00 PM"});
        }
        let tags: Map<String, Value> = fields.object("tags");
        if !tags.is_empty() {
            let tags: Vec<Value> = tags.into_iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
            call.request["tags"] = json!(tags);
        }
        if let Some(identity) = fields.text("passes") {
            call.request["sourceIdentity"] = json!(identity);
        }
        if name == "AssumeRoleWithWebIdentity" {
            let subject = who.as_str().and_then(|who| who.strip_prefix("oidc:"));
            call.response["subjectFromWebIdentityToken"] = json!(subject);
            call.response["provider"] =
                json!("arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com");
        }
        call.agent = fields.text("run").map(|run| format!("aws-sdk-js/3.901.0 ua/2.1 md/run_id#{run} api/sts#3.901.0"));
        call
    }
}
