//! The tables of a configuration file. Field names are the keys; unknown ones are errors.
//!
//! The same structs are what [`super::Config::to_json`] hands to SQL: every key present, absent ones null or empty.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::values::{Environment, ManualMeans, Moment, Period, Role, RoleName, ServiceType, Verdict};

/// A whole file, before its parts are checked against each other.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) people: Option<Spanned<String>>,
    pub(super) exemptions: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) store: Store,
    #[serde(default)]
    pub(super) standard: Standard,
    #[serde(default)]
    pub(super) extend: Extend,
    #[serde(default)]
    pub(super) source: Vec<Spanned<toml::Table>>,
    #[serde(default)]
    pub(super) service: Vec<Spanned<Service>>,
    #[serde(default)]
    pub(super) scope: Vec<Spanned<Scope>>,
    #[serde(default)]
    pub(super) pipeline_identity: Vec<Spanned<PipelineIdentity>>,
    #[serde(default)]
    pub(super) waiver: Vec<Spanned<Waiver>>,
    #[serde(default)]
    pub(super) automation: Vec<Spanned<Automation>>,
    #[serde(default)]
    pub(super) person: Vec<Spanned<Person>>,
    #[serde(default)]
    pub(super) group: Vec<Spanned<Group>>,
    #[serde(default)]
    pub(super) exemption: Vec<Spanned<Exemption>>,
}

/// `[store]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Store {
    pub(super) path: String,
}

impl Default for Store {
    fn default() -> Self {
        Self { path: "changetrail.duckdb".to_owned() }
    }
}

/// `[standard]`: which standard, and how much time it allows.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Standard {
    pub name: String,
    /// How far the clocks of a pipeline and a system may be apart.
    #[serde(rename(serialize = "skew_s"))]
    pub skew: Period,
    /// How long a judgement stays provisional.
    #[serde(rename(serialize = "settle_s"))]
    pub settle: Period,
    /// When the window of a deployment without an end closes.
    #[serde(rename(serialize = "max_running_s"))]
    pub max_running: Period,
    /// How long a stack operation may take.
    #[serde(rename(serialize = "operation_window_s"))]
    pub operation_window: Period,
    pub manual_means: ManualMeans,
}

impl Default for Standard {
    fn default() -> Self {
        Self {
            name: "ofq-00005".to_owned(),
            skew: Period::minutes(5),
            settle: Period::minutes(24 * 60),
            max_running: Period::minutes(24 * 60),
            operation_window: Period::minutes(12 * 60),
            manual_means: ManualMeans::default(),
        }
    }
}

/// `[extend]`: folders of the user's own.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Extend {
    pub(super) connectors: Vec<String>,
    pub(super) queries: Vec<String>,
}

/// `[[service]]`: an entry of the service catalogue.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    pub name: String,
    #[serde(rename = "type", default)]
    pub kind: ServiceType,
    pub team: Option<String>,
    /// Names in the release log.
    #[serde(default)]
    pub pipelines: Vec<String>,
    /// Stage name to environment; defaults cover the usual names.
    #[serde(default)]
    pub stages: BTreeMap<String, Environment>,
}

/// `[[scope]]`: which slice of the world is a service in an environment. All keys given must match.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    pub service: String,
    pub environment: Environment,
    pub aws_accounts: Option<Vec<String>>,
    pub aws_regions: Option<Vec<String>>,
    /// Globs.
    pub resources: Option<Vec<String>>,
    pub azure_subscriptions: Option<Vec<String>>,
    pub azure_resource_groups: Option<Vec<String>>,
    /// Names of sources.
    pub sources: Option<Vec<String>>,
    /// Globs.
    pub objects: Option<Vec<String>>,
}

impl Scope {
    /// The keys that narrow the scope, with their values.
    pub(super) fn keys(&self) -> [(&'static str, Option<&Vec<String>>); 7] {
        [
            ("aws_accounts", self.aws_accounts.as_ref()),
            ("aws_regions", self.aws_regions.as_ref()),
            ("resources", self.resources.as_ref()),
            ("azure_subscriptions", self.azure_subscriptions.as_ref()),
            ("azure_resource_groups", self.azure_resource_groups.as_ref()),
            ("sources", self.sources.as_ref()),
            ("objects", self.objects.as_ref()),
        ]
    }
}

/// `[[pipeline_identity]]`: machine identities that a pipeline deploys with.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PipelineIdentity {
    pub pipeline: String,
    pub environment: Option<Environment>,
    #[serde(default)]
    pub aws_roles: Vec<String>,
    #[serde(default)]
    pub aws_users: Vec<String>,
    #[serde(default)]
    pub azure_app_ids: Vec<String>,
    /// Globs.
    #[serde(default)]
    pub oidc_subjects: Vec<String>,
    #[serde(default)]
    pub actors: Vec<String>,
}

/// `[[waiver]]`: a control that does not apply to a service.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    pub service: String,
    pub control: String,
    pub reason: String,
    pub approved_by: Option<String>,
    pub requested_by: Option<String>,
    /// Inclusive.
    pub from: Option<Moment>,
    /// Exclusive.
    pub to: Option<Moment>,
}

/// `[[automation]]`: machine identities that may change things without a release.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Automation {
    #[serde(default)]
    pub aws_roles: Vec<String>,
    #[serde(default)]
    pub aws_users: Vec<String>,
    #[serde(default)]
    pub azure_app_ids: Vec<String>,
    #[serde(default)]
    pub actors: Vec<String>,
    /// Globs; what else it does is unrecorded. Without them: all.
    pub actions: Option<Vec<String>>,
    pub reason: String,
    pub approved_by: Option<String>,
    /// Inclusive.
    pub from: Option<Moment>,
    /// Exclusive.
    pub to: Option<Moment>,
}

/// `[[person]]`: an entry of the roster.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    pub name: String,
    #[serde(default)]
    pub roles: Vec<Role>,
    /// UPN, mail, login, session name, IAM user; the first is how the person is shown.
    #[serde(default)]
    pub identities: Vec<String>,
}

/// `[[group]]`: whoever is in a group that a source reads has a role, while they are in it.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// As the source names it, or its id there.
    pub name: String,
    /// The source that tells who is in it: a group of that name elsewhere is another.
    pub source: String,
    pub role: RoleName,
    /// Empty: all services.
    #[serde(default)]
    pub services: Vec<String>,
}

/// `[[exemption]]`: an approved exception for changes made in its time.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Exemption {
    pub id: String,
    pub reason: String,
    pub approved_by: Option<String>,
    pub requested_by: Option<String>,
    /// Inclusive.
    pub from: Moment,
    /// Exclusive.
    pub to: Moment,
    pub service: Option<String>,
    pub environment: Option<Environment>,
    #[serde(default)]
    pub actors: Vec<String>,
    /// The verdicts that it replaces. Empty: any.
    #[serde(default)]
    pub verdicts: Vec<Verdict>,
    #[serde(default)]
    pub deployments: Vec<String>,
    #[serde(default)]
    pub controls: Vec<String>,
}
