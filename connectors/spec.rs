//! What `connector.toml` says of a connector.
//!
//! The same keys are what `changetrail connectors NAME` prints, so that the description that is read and the one that
//! is obeyed cannot differ. A key that is not known is an error, here too: a misspelt one would silently do nothing.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::Deserialize;

use crate::engine::{self, Auth, Cursor, Errors, ForEach, Identity, Limits, Paginate, Records, Request, Stream};

/// The description of a connector.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// What `connector = "…"` says in a source.
    pub name: String,
    /// Whose system it is, for people.
    pub vendor: String,
    /// Where the vendor describes it.
    pub docs: String,
    /// What is read.
    pub kind: Kind,
    /// The relations that `map.sql` makes of it.
    pub emits: Vec<Relation>,
    /// The systems whose sessions it tells of: its own name where nothing is said.
    #[serde(default)]
    sessions_of: Vec<String>,
    /// A parameter without which it tells of none.
    pub(crate) sessions_when: Option<String>,
    /// How it is read.
    #[serde(default = "over_http", deserialize_with = "engine::some")]
    pub transport: Vec<Transport>,
    /// What a source may say.
    #[serde(default)]
    pub params: BTreeMap<String, Param>,
    /// Parameters that are secrets: references, never values.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// What the collector's identity must be allowed to do.
    pub permission: String,
    /// How long the system keeps its records.
    pub retention: String,
    /// How late a record may be.
    pub lag: String,
    /// What it does not tell.
    #[serde(default)]
    pub not_covered: Vec<String>,
    /// Addresses that may be asked besides those of the parameters.
    #[serde(default)]
    pub allowed_hosts: Vec<String>,
    /// How requests are allowed.
    #[serde(default)]
    pub(crate) auth: Auth,
    /// The only stream; several have tables of their own under `stream`.
    pub(crate) request: Option<Request>,
    pub(crate) records: Option<Records>,
    pub(crate) paginate: Option<Paginate>,
    pub(crate) cursor: Option<Cursor>,
    pub(crate) identity: Option<Identity>,
    pub(crate) for_each: Option<ForEach>,
    pub(crate) setup: Option<Request>,
    #[serde(default)]
    pub(crate) stream: BTreeMap<String, Stream>,
    #[serde(default)]
    pub(crate) limits: Limits,
    #[serde(default, deserialize_with = "engine::errors")]
    pub(crate) errors: Errors,
    /// Pointers to what is taken out of a record before it is stored.
    #[serde(default, deserialize_with = "engine::redact")]
    pub(crate) redact: Vec<String>,
}

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A log.
    Events,
    /// A list of current objects, compared with the last one.
    State,
}

/// A relation that a mapping can emit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// Mutations, attempts, reads and entries.
    Change,
    /// Evidence of who is behind a credential.
    Session,
    /// Runs of a stage of a release.
    Deployment,
    /// Decisions on deployments.
    Approval,
    /// Definitions of stages.
    PipelineStage,
    /// What Terraform manages.
    ManagedResource,
    /// Who is in which group.
    Membership,
}

impl Relation {
    /// Its name in SQL.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Session => "session",
            Self::Deployment => "deployment",
            Self::Approval => "approval",
            Self::PipelineStage => "pipeline_stage",
            Self::ManagedResource => "managed_resource",
            Self::Membership => "membership",
        }
    }
}

/// How records are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Requests to the system.
    Http,
    /// Files that someone else brings.
    Files,
}

/// One key of a source.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Param {
    /// What it is for.
    #[serde(default)]
    pub help: String,
    /// What is used where it is not given.
    pub default: Option<toml::Value>,
    /// Whether a source must give it.
    #[serde(default)]
    pub required: bool,
    /// Whether it is a list.
    #[serde(default)]
    pub list: bool,
}

fn over_http() -> Vec<Transport> {
    vec![Transport::Http]
}

impl Spec {
    /// Reads the text of a `connector.toml`.
    ///
    /// # Errors
    /// Unknown or missing keys, with their line, table and the nearest known key.
    pub fn parse(text: &str) -> Result<Self, String> {
        engine::parse(text)
    }

    /// Whether it reads lists of objects, whose records have others before them.
    #[must_use]
    pub fn has_objects(&self) -> bool {
        self.kind == Kind::State || self.stream.values().any(|stream| stream.kind == Some(Kind::State))
    }

    /// Streams whose records may come again under the same id as something else, and rightly so: lists of objects, and
    /// events that go on.
    #[must_use]
    pub fn no_logs(&self) -> Vec<&str> {
        let grows = |identity: &Option<Identity>| identity.as_ref().is_some_and(|identity| identity.grows);
        let streams = self
            .stream
            .iter()
            .filter(|(_, stream)| stream.kind.unwrap_or(self.kind) == Kind::State || grows(&stream.identity));
        let only = (self.kind == Kind::State || grows(&self.identity)).then_some("main");
        streams.map(|(name, _)| name.as_str()).chain(only).collect()
    }

    /// The systems whose sessions a source with these parameters tells of, or will once it is read.
    #[must_use]
    pub fn sessions_of(&self, params: &toml::Table) -> Vec<&str> {
        let is_on = |name: &String| match params.get(name).or_else(|| self.params.get(name)?.default.as_ref()) {
            None => false,
            Some(toml::Value::Boolean(on)) => *on,
            Some(value) => value.as_str() != Some("false"),
        };
        if !self.emits.contains(&Relation::Session) || !self.sessions_when.as_ref().is_none_or(is_on) {
            return Vec::new();
        }
        if self.sessions_of.is_empty() {
            return vec![&self.name];
        }
        self.sessions_of.iter().map(String::as_str).collect()
    }

    /// Whether it says of sessions what it emits none of.
    pub(crate) fn tells_of_no_session(&self) -> bool {
        (!self.sessions_of.is_empty() || self.sessions_when.is_some()) && !self.emits.contains(&Relation::Session)
    }

    /// How long the system keeps its log, where that is said as a length: `90 days …`, or `7d`.
    #[must_use]
    pub fn kept(&self) -> Option<SignedDuration> {
        kept(&self.retention).ok().flatten()
    }

    /// Names of everything that a source may say, besides what every source may.
    pub fn known_keys(&self) -> impl Iterator<Item = &str> {
        self.params.keys().chain(&self.secrets).map(String::as_str)
    }
}

/// A retention as a length; `None` where it only tells people something. One that looks like a length and is none would
/// be believed, and not obeyed.
pub(crate) fn kept(retention: &str) -> Result<Option<SignedDuration>, String> {
    let stated = ["up to ", "at most ", "about "].iter().find_map(|word| retention.strip_prefix(word));
    if !stated.unwrap_or(retention).starts_with(|first: char| first.is_ascii_digit()) {
        return Ok(None);
    }
    let (number, rest) = retention.split_once(' ').unwrap_or((retention, ""));
    let is_days =
        ["day", "days"].contains(&rest.split(|letter: char| !letter.is_alphabetic()).next().unwrap_or_default());
    let length = if is_days { engine::seconds(&format!("{number}d")) } else { engine::seconds(retention) };
    length.map(|seconds| Some(SignedDuration::from_secs(seconds))).map_err(|_| {
        format!(
            "retention: `{retention}` is no length of time, and what is older would be no gap: write `90 days`, with more \
             words after it, or `7d`; words without a number first are for people only"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"
        name = "x"
        vendor = "X"
        docs = "https://example.org"
        kind = "events"
        emits = ["change"]
        permission = "read"
        retention = "90 days"
        lag = "5 minutes"
    "#;

    #[test]
    fn a_minimal_description_is_enough() {
        let spec = Spec::parse(MINIMAL).expect("a valid description");
        assert_eq!(spec.transport, [Transport::Http]);
        assert_eq!(spec.known_keys().count(), 0);
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let error = Spec::parse(&format!("{MINIMAL}\nretentoin = \"x\"")).expect_err("an unknown key");
        assert!(error.contains("line 11") && error.contains("`retentoin`") && error.contains("`retention`"), "{error}");
    }

    #[test]
    fn retention_is_known_in_days() {
        let kept = |retention: &str| {
            Spec { retention: retention.to_owned(), ..Spec::parse(MINIMAL).expect("a valid description") }.kept()
        };
        assert_eq!(kept("90 days of event history"), Some(SignedDuration::from_hours(90 * 24)));
        assert_eq!(kept("as long as the files are kept"), None);
        assert_eq!(kept("none"), None);
        assert_eq!(
            (kept("7d"), kept("1 day")),
            (Some(SignedDuration::from_hours(168)), Some(SignedDuration::from_hours(24)))
        );
        for no_length in
            ["1 week", "168 hours", "12 months", "up to 7 days", "7 daily backups", "99999999999999999 days"]
        {
            super::kept(no_length).expect_err(no_length);
        }
    }
}
