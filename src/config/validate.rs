//! What the parts of a configuration say of each other: names used twice, services that do not exist, times that end
//! before they begin.
//!
//! An error is what makes the data useless or dangerous (an exemption for everybody); the rest is a warning.

use std::collections::{HashMap, HashSet};

use super::Config;
use super::error::Problem;
use super::tables::Scope;
use super::values::Moment;
use changetrail_connectors::nearest;

/// Lines on which each table starts, in the order of the entries.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) source: Vec<usize>,
    pub(super) service: Vec<usize>,
    pub(super) scope: Vec<usize>,
    pub(super) pipeline_identity: Vec<usize>,
    pub(super) waiver: Vec<usize>,
    pub(super) automation: Vec<usize>,
    pub(super) person: Vec<usize>,
    pub(super) group: Vec<usize>,
    pub(super) exemption: Vec<usize>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
}

impl Findings {
    fn problem(&mut self, line: Option<&usize>, text: impl Into<String>) {
        self.problems.push(Problem { line: line.copied(), text: text.into() });
    }

    fn warning(&mut self, line: Option<&usize>, text: impl Into<String>) {
        self.warnings.push(Problem { line: line.copied(), text: text.into() }.to_string());
    }
}

/// Checks a configuration whose parts were each read without error.
pub(super) fn validate(config: &Config, lines: &Lines) -> Findings {
    let mut found = Findings::default();
    sources(config, lines, &mut found);
    let names = config.services.iter().map(|service| service.name.as_str());
    unique(names, &lines.service, "service", &mut found);
    scopes(config, lines, &mut found);
    pipeline_identities(config, lines, &mut found);
    waivers(config, lines, &mut found);
    automations(config, lines, &mut found);
    people(config, lines, &mut found);
    groups(config, lines, &mut found);
    exemptions(config, lines, &mut found);
    found
}

fn unique<'a>(names: impl Iterator<Item = &'a str>, lines: &[usize], table: &str, found: &mut Findings) {
    let mut first: HashMap<&str, Option<usize>> = HashMap::new();
    for (index, name) in names.enumerate() {
        let line = lines.get(index);
        if name.trim().is_empty() {
            found.problem(line, format!("a [[{table}]] without a name"));
        } else if let Some(earlier) = first.get(name) {
            // What comes from another file, or the command line, has no line here.
            let place = earlier.map(|earlier| format!(", first on line {earlier}")).unwrap_or_default();
            let text = format!("[[{table}]] `{name}` is there twice{place}");
            found.problem(line, text);
        } else {
            first.insert(name, line.copied());
        }
    }
}

fn sources(config: &Config, lines: &Lines, found: &mut Findings) {
    let names = config.sources.iter().map(|source| source.name.as_str());
    unique(names, &lines.source, "source", found);
    for (source, line) in config.sources.iter().zip(&lines.source) {
        if source.name == "record" {
            let text = "[[source]] `record`: this name is kept for what `changetrail record` appends";
            found.problem(Some(line), text);
        }
    }
    if config.sources.is_empty() {
        found.warning(None, "there is no [[source]]: nothing will be collected");
    }
}

/// What is said of a service that the catalogue does not have.
fn unknown_service(config: &Config, service: &str, table: &str) -> Option<String> {
    let mut names = config.services.iter().map(|service| service.name.as_str());
    if names.any(|name| name == service) {
        return None;
    }
    let names = config.services.iter().map(|service| service.name.as_str());
    let meant = match nearest(service, names) {
        Some(name) => format!("did you mean `{name}`?"),
        None => "add a [[service]] with this name".to_owned(),
    };
    Some(format!("[[{table}]] names the service `{service}`, which does not exist; {meant}"))
}

fn scopes(config: &Config, lines: &Lines, found: &mut Findings) {
    for (index, scope) in config.scopes.iter().enumerate() {
        let line = lines.scope.get(index);
        if let Some(text) = unknown_service(config, &scope.service, "scope") {
            found.problem(line, text);
        }
        scope_keys(config, scope, line, found);
    }
}

fn scope_keys(config: &Config, scope: &Scope, line: Option<&usize>, found: &mut Findings) {
    let service = &scope.service;
    if scope.keys().iter().all(|(_, values)| values.is_none()) {
        let text = format!("[[scope]] of `{service}` has no key that narrows it: it matches every change");
        found.warning(line, text);
    }
    for (key, values) in scope.keys() {
        if values.is_some_and(Vec::is_empty) {
            found.warning(line, format!("[[scope]] of `{service}`: `{key}` is empty, so it matches nothing"));
        }
    }
    for account in scope.aws_accounts.iter().flatten() {
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            let text = format!("[[scope]] of `{service}`: `{account}` is no AWS account id (12 digits)");
            found.warning(line, text);
        }
    }
    for source in scope.sources.iter().flatten() {
        if source != "record" && !config.sources.iter().any(|known| known.name == *source) {
            let text = format!("[[scope]] of `{service}` names the source `{source}`, which does not exist");
            found.warning(line, text);
        }
    }
}

fn pipeline_identities(config: &Config, lines: &Lines, found: &mut Findings) {
    for (index, identity) in config.pipeline_identities.iter().enumerate() {
        let line = lines.pipeline_identity.get(index);
        let pipeline = &identity.pipeline;
        let keys = [
            &identity.aws_roles,
            &identity.aws_users,
            &identity.azure_app_ids,
            &identity.oidc_subjects,
            &identity.actors,
        ];
        if keys.iter().all(|values| values.is_empty()) {
            let text = format!("[[pipeline_identity]] of `{pipeline}` declares no identity, so it matches nothing");
            found.warning(line, text);
        }
        let folded = |name: &str| name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let mut listed = config.services.iter().flat_map(|service| &service.pipelines);
        if !listed.any(|name| folded(name) == folded(pipeline)) {
            let text = format!("[[pipeline_identity]]: no [[service]] lists the pipeline `{pipeline}`");
            found.warning(line, text);
        }
        let what = format!("[[pipeline_identity]] of `{pipeline}`");
        arns(&what, &identity.aws_roles, &identity.aws_users, line, found);
        for user in &identity.aws_users {
            let name = user.rsplit('/').next().unwrap_or_default().trim().to_lowercase();
            let is_name = |identity: &String| identity.trim().to_lowercase() == name;
            if let Some(person) = config.people.iter().find(|person| person.identities.iter().any(is_name)) {
                let text = format!(
                    "{what}: the user `{user}` is an identity of the person `{}` too, so what it does is that person's",
                    person.name
                );
                found.warning(line, text);
            }
        }
    }
}

/// Roles and users are compared whole: what is no ARN of one, or a pattern, would silently match nothing.
fn arns(what: &str, roles: &[String], users: &[String], line: Option<&usize>, found: &mut Findings) {
    for (kind, values, parts) in [("role", roles, &[":role/", ":assumed-role/"][..]), ("user", users, &[":user/"])] {
        for value in values {
            let is_arn = value.trim().starts_with("arn:") && parts.iter().any(|part| value.contains(part));
            if !is_arn || value.contains(['*', '?']) {
                let text = format!("{what}: `{value}` is not the ARN of one {kind}, so it matches nothing");
                found.warning(line, text);
            }
        }
    }
}

fn known_control(config: &Config, control: &str, table: &str, line: Option<&usize>, found: &mut Findings) {
    let known: Vec<&str> = config.requirements.controls.iter().map(|control| control.id.as_str()).collect();
    if !known.contains(&control) {
        let meant = match nearest(control, known.iter().copied()) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("known are {}", known.join(", ")),
        };
        let text = format!("[[{table}]] names the control `{control}`, which the standard does not have; {meant}");
        found.warning(line, text);
    }
}

fn in_order(from: Option<Moment>, to: Option<Moment>, what: &str, line: Option<&usize>, found: &mut Findings) {
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        let text = format!("{what} ends ({}) before it begins ({})", to.0, from.0);
        found.problem(line, text);
    }
}

fn waivers(config: &Config, lines: &Lines, found: &mut Findings) {
    for (index, waiver) in config.waivers.iter().enumerate() {
        let line = lines.waiver.get(index);
        if let Some(text) = unknown_service(config, &waiver.service, "waiver") {
            found.warning(line, text);
        }
        known_control(config, &waiver.control, "waiver", line, found);
        if waiver.reason.trim().is_empty() {
            found.problem(line, "[[waiver]] without a reason");
        }
        if waiver.approved_by.is_none() {
            found.warning(line, "[[waiver]] without `approved_by`: nobody approved it, so it is not valid");
        }
        in_order(waiver.from, waiver.to, "[[waiver]]", line, found);
    }
}

fn automations(config: &Config, lines: &Lines, found: &mut Findings) {
    for (index, automation) in config.automations.iter().enumerate() {
        let line = lines.automation.get(index);
        let keys = [&automation.aws_roles, &automation.aws_users, &automation.azure_app_ids, &automation.actors];
        if keys.iter().all(|values| values.is_empty()) {
            let text =
                "[[automation]] declares no identity; it needs one of aws_roles, aws_users, azure_app_ids, actors";
            found.problem(line, text);
        }
        if automation.actions.as_ref().is_some_and(Vec::is_empty) {
            found.problem(line, "[[automation]] with no `actions` in its list: name them, or leave the key out where it may do everything");
        }
        if automation.reason.trim().is_empty() {
            found.problem(line, "[[automation]] without a reason: say why it may change things without a release");
        }
        arns("[[automation]]", &automation.aws_roles, &automation.aws_users, line, found);
        for identity in &config.pipeline_identities {
            let declared = || {
                identity
                    .aws_roles
                    .iter()
                    .chain(&identity.aws_users)
                    .chain(&identity.azure_app_ids)
                    .chain(&identity.actors)
            };
            let own = automation
                .aws_roles
                .iter()
                .chain(&automation.aws_users)
                .chain(&automation.azure_app_ids)
                .chain(&automation.actors);
            for name in own.filter(|name| declared().any(|other| other.eq_ignore_ascii_case(name))) {
                let text = format!(
                    "[[automation]] `{name}` is declared for the pipeline `{}` too: there it is the pipeline",
                    identity.pipeline
                );
                found.warning(line, text);
            }
        }
        in_order(automation.from, automation.to, "[[automation]]", line, found);
    }
}

fn people(config: &Config, lines: &Lines, found: &mut Findings) {
    let mut names = HashSet::new();
    let mut owners: HashMap<String, &str> = HashMap::new();
    for (index, person) in config.people.iter().enumerate() {
        // People from the file come after those of the configuration, and have no line in it.
        let line = lines.person.get(index);
        let name = person.name.as_str();
        if name.trim().is_empty() {
            found.problem(line, "a [[person]] without a name");
        }
        if !names.insert(name.to_lowercase()) {
            let text = format!("two people are named `{name}`: it is not clear which of them `approved_by` means");
            found.warning(line, text);
        }
        for identity in &person.identities {
            let owner = owners.insert(identity.trim().to_lowercase(), name);
            if let Some(owner) = owner.filter(|owner| *owner != name) {
                let text = format!(
                    "the identity `{identity}` belongs to `{owner}` and to `{name}`: it stands for neither of them"
                );
                found.warning(line, text);
            }
        }
        for role in &person.roles {
            in_order(role.from, role.to, &format!("a role of [[person]] `{name}`"), line, found);
            for service in &role.services {
                if let Some(text) = unknown_service(config, service, "person") {
                    found.warning(line, text);
                }
            }
        }
    }
}

fn groups(config: &Config, lines: &Lines, found: &mut Findings) {
    for (index, group) in config.groups.iter().enumerate() {
        let line = lines.group.get(index);
        if group.name.trim().is_empty() {
            found.problem(line, "a [[group]] without a name");
        }
        if !config.sources.iter().any(|source| source.name == group.source) {
            let text = format!(
                "[[group]] `{}`: there is no source `{}` that could tell who is in it",
                group.name, group.source
            );
            found.problem(line, text);
        }
        for service in &group.services {
            if let Some(text) = unknown_service(config, service, "group") {
                found.warning(line, text);
            }
        }
    }
}

fn exemptions(config: &Config, lines: &Lines, found: &mut Findings) {
    let ids = config.exemptions.iter().map(|exemption| exemption.id.as_str());
    unique(ids, &lines.exemption, "exemption", found);
    for (index, exemption) in config.exemptions.iter().enumerate() {
        // Those of the file come after those of the configuration, and have no line in it.
        let line = lines.exemption.get(index);
        let what = format!("[[exemption]] `{}`", exemption.id);
        if exemption.service.is_none() && exemption.environment.is_none() && exemption.actors.is_empty() {
            let text = format!("{what} would excuse everybody; it needs one of service, environment, actors");
            found.problem(line, text);
        }
        if exemption.actors.iter().any(|actor| actor.trim().is_empty()) {
            let text = format!("{what} names an actor without a name, which is nobody");
            found.problem(line, text);
        }
        if exemption.reason.trim().is_empty() {
            found.problem(line, format!("{what} without a reason"));
        }
        for (key, value) in [("approved_by", &exemption.approved_by), ("requested_by", &exemption.requested_by)] {
            if value.is_none() {
                found.warning(line, format!("{what} without `{key}` is not valid"));
            }
        }
        if let Some(service) = &exemption.service
            && let Some(text) = unknown_service(config, service, "exemption")
        {
            found.warning(line, text);
        }
        for control in &exemption.controls {
            known_control(config, control, "exemption", line, found);
        }
        in_order(Some(exemption.from), Some(exemption.to), &what, line, found);
    }
}
