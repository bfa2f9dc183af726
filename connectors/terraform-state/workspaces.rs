//! The current states of the workspaces of HCP Terraform.
//!
//! A workspace's state version has an id, so a state that was read before is not fetched again. The surprising fact: the
//! state itself is handed out by another host than the interface, to which the interface redirects; the token goes to
//! both and to no other.
//!
//! <https://developer.hashicorp.com/terraform/cloud-docs/api-docs/state-versions>

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::tz::TimeZone;
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::Value;

use super::stored::MAX_STATE;
use crate::http::{self, Action, Ask, Authorise, Connection, Head, Hosts, Patience, Reply};
use crate::limiter::{Limiter, Pace};
use crate::params::Params;
use crate::secret::Reference;
use crate::{Collector, ConfigError, Error, Run, Sink, Source, Unit};

/// Parameters that belong to an organisation.
pub(super) const KEYS: &[&str] = &["token", "base_url", "state_url"];
/// Workspaces of one page.
const PAGE: usize = 100;
/// Pages of one organisation; more are a system that never ends.
const MAX_PAGES: usize = 1_000;
const PERMISSION: &str = "to read state versions of all workspaces (a team token)";

/// A source with `organization`.
#[derive(Debug)]
pub(super) struct Workspaces {
    organization: String,
    address: Url,
    hosts: Hosts,
    token: Reference,
    base: PathBuf,
}

/// A token of the interface.
struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token")
    }
}

#[async_trait]
impl Authorise for Token {
    async fn authorise(&self, request: &mut reqwest::Request, _fresh: bool) -> Result<(), Error> {
        http::bearer(request, &self.0)
    }
}

/// A workspace, or its current state version, as far as it is asked about.
#[derive(Deserialize)]
struct Named<T> {
    id: String,
    attributes: T,
}

#[derive(Deserialize)]
struct Workspace {
    name: String,
}

#[derive(Deserialize)]
struct Version {
    #[serde(rename = "created-at")]
    created_at: Option<String>,
    #[serde(rename = "hosted-state-download-url")]
    address: Option<String>,
}

impl Workspaces {
    pub(super) fn configure(source: &Source, params: &Params<'_>) -> Result<Self, ConfigError> {
        let mut hosts = Hosts::default();
        let mut address = |key: &str, default: &str| {
            let text = params.string(key)?.unwrap_or_else(|| default.to_owned());
            let url: Url = text.parse().map_err(|error| params.bad(key, format!("`{text}`: {error}")))?;
            hosts.allow(&url).map_err(|problem| params.bad(key, problem))?;
            Ok::<_, ConfigError>(url)
        };
        let base_url = address("base_url", "https://app.terraform.io")?;
        address("state_url", "https://archivist.terraform.io")?;
        let token = source.params.get("token").ok_or_else(|| params.missing_secret("token"))?;
        Ok(Self {
            organization: params.string("organization")?.unwrap_or_default(),
            address: base_url,
            hosts,
            token: Reference::parse(token).map_err(|problem| params.bad("token", problem))?,
            base: source.base.clone(),
        })
    }

    async fn connect(&self) -> Result<Connection, Error> {
        let (token, base) = (self.token.clone(), self.base.clone());
        let read = tokio::task::spawn_blocking(move || token.read(&base)).await;
        let token = read.map_err(|source| Error::Worker { source: source.into() })?;
        let token = token.map_err(|problem| Error::Secret { name: "token".into(), problem })?;
        let patience = Patience { longest: Duration::from_mins(15), ..Patience::default() };
        let connection = Connection::new(self.address.clone(), Some(Arc::new(Token(token))), patience, PERMISSION)?;
        // A workspace that never ran has no state.
        let rules = |status: u16, _: &[u8]| (status == 404).then_some(Action::Skip);
        Ok(connection
            .with_hosts(self.hosts.clone())
            .with_limits(usize::try_from(MAX_STATE).ok(), None)?
            .with_rules(Arc::new(rules))
            .with_limiter(Arc::new(Limiter::new(Pace::of_rate(10.0, 1)))))
    }

    fn place(&self, parts: &[&str]) -> Url {
        let mut url = self.address.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["api", "v2"]).extend(parts);
        }
        url
    }

    async fn ask<T: for<'a> Deserialize<'a>>(
        connection: &Connection,
        url: Url,
        target: &str,
    ) -> Result<Option<T>, Error> {
        let understand = |_: &Head, _: &Url, body: Vec<u8>| {
            let mut value: Value = serde_json::from_slice(&body).map_err(|error| format!("no JSON: {error}"))?;
            serde_json::from_value(value["data"].take()).map_err(|error| format!("not what was asked for: {error}"))
        };
        let ask = Ask { target, method: Method::GET, url, headers: HeaderMap::new(), body: None, is_secret: false };
        Ok(match connection.ask(&ask, understand).await? {
            Reply::Answer(answer) => Some(answer),
            Reply::Skip | Reply::Stop => None,
        })
    }

    /// The current state of one workspace, if it has one that is new.
    async fn state(
        &self,
        connection: &Connection,
        workspace: Named<Workspace>,
        run: &Run,
    ) -> Result<Option<Unit>, Error> {
        let key = format!("hcp-terraform/{}/{}", self.organization, workspace.attributes.name);
        let url = self.place(&["workspaces", &workspace.id, "current-state-version"]);
        let Some(version) = Self::ask::<Named<Version>>(connection, url, &format!("the state of {key}")).await? else {
            return Ok(None);
        };
        let (seen, asked) = (Arc::clone(&run.seen), key.clone());
        let known = tokio::task::spawn_blocking(move || seen.etags(&[asked])).await;
        let known = known.map_err(|source| Error::Worker { source: source.into() })??;
        if run.since.is_none() && known.first() == Some(&Some(version.id.clone())) {
            return Ok(None);
        }
        let applied_at = version.attributes.created_at.as_deref().and_then(crate::log::time_of);
        let day = applied_at.unwrap_or(run.now).to_zoned(TimeZone::UTC).date();
        let mut unit = Unit { key, etag: version.id, day: Some(day), last: true, ..Unit::default() };
        let Some(address) = version.attributes.address else {
            unit.incomplete = Some("the state is not uploaded yet".into());
            return Ok(Some(unit));
        };
        let target = format!("the state of {}", unit.key);
        let address =
            address.parse().map_err(|_| http::bad_response(&target, "it is handed out at no address".into()))?;
        let ask = Ask {
            target: &target,
            method: Method::GET,
            url: address,
            headers: HeaderMap::new(),
            body: None,
            is_secret: true,
        };
        match connection.ask(&ask, |_, _, body| Ok(body)).await? {
            Reply::Answer(body) => super::take(&mut unit, &mut body.as_slice(), applied_at),
            Reply::Skip | Reply::Stop => unit.incomplete = Some("the state is gone".into()),
        }
        Ok(Some(unit))
    }
}

#[async_trait]
impl Collector for Workspaces {
    async fn collect(&self, run: &Run, sink: &Sink) -> Result<(), Error> {
        let connection = self.connect().await?;
        for page in 1..=MAX_PAGES {
            let mut url = self.place(&["organizations", &self.organization, "workspaces"]);
            url.query_pairs_mut()
                .append_pair("page[number]", &page.to_string())
                .append_pair("page[size]", &PAGE.to_string());
            let target = format!("the workspaces of {}", self.organization);
            let found = Self::ask::<Vec<Named<Workspace>>>(&connection, url, &target).await?;
            let found = found.ok_or_else(|| {
                http::bad_response(&target, "there is no such organisation, or it is not for this token".into())
            })?;
            let count = found.len();
            for workspace in found {
                if let Some(unit) = self.state(&connection, workspace, run).await? {
                    sink.send(unit).await?;
                }
            }
            if count < PAGE {
                let stream = format!("hcp-terraform/{}", self.organization);
                let cursor = Some((stream.clone(), run.now.to_string()));
                return sink.send(Unit { key: stream, last: true, cursor, ..Unit::default() }).await;
            }
        }
        Err(http::bad_response(&self.organization, format!("more than {MAX_PAGES} pages of workspaces")))
    }

    fn plan(&self, _run: &Run) -> Vec<String> {
        vec![format!("the current state of every workspace of {} that has a new one", self.organization)]
    }

    fn is_path(&self) -> bool {
        false
    }
}
