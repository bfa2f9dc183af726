//! What `connector.toml` says of a connector.
//!
//! The same keys are what `changetrail connectors NAME` prints, so that the description that is read and the one that
//! is obeyed cannot differ. A key that is not known is an error, here too: a misspelt one would silently do nothing.

use std::collections::BTreeMap;

use serde::Deserialize;

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
    /// How it is read.
    #[serde(default = "over_http")]
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
}

fn over_http() -> Vec<Transport> {
    vec![Transport::Http]
}

impl Spec {
    /// Reads the text of a `connector.toml`.
    ///
    /// # Errors
    /// Unknown or missing keys, with their place.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// Names of everything that a source may say, besides what every source may.
    pub fn known_keys(&self) -> impl Iterator<Item = &str> {
        self.params.keys().chain(&self.secrets).map(String::as_str)
    }
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
        assert!(error.to_string().contains("retentoin"), "{error}");
    }
}
