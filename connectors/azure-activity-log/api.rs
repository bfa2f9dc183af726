//! Reads the Activity Log of subscriptions, and of the tenant itself, by the REST interface.
//!
//! Each subscription is a stream of its own with its own cursor; several run at once. A stream reads windows of at most a
//! day, oldest first, every page of each, and its cursor moves only with the last unit of a window that was read whole.
//! The surprising fact: pages are in order only region by region, so neither the first nor the last record of a window
//! says how far it has been read.
//!
//! <https://learn.microsoft.com/en-us/rest/api/monitor/activity-logs/list>

use std::sync::Arc;

use async_trait::async_trait;
use azure_core_legacy::{RetryOptions, TransportOptions, Url};
use azure_mgmt_monitor::package_preview_2023_09 as monitor;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use jiff::{SignedDuration, Timestamp};

use super::arm::{Carrier, PERMISSION, Placeholder};
use super::classify::classify;
use super::compared::{self, Compared};
use crate::http::azure::Chain;
use crate::http::{Connection, Patience, is_local};
use crate::log::streams::{self, Stream, sweep_of};
use crate::log::{Hours, windows};
use crate::params::Params;
use crate::{Collector, ConfigError, Error, Run, Sink};

/// Pages of one window; more are a system that never ends.
const MAX_PAGES: usize = 50_000;

/// Whose log is read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    Subscription(String),
    /// What belongs to a management group and not to its subscriptions: policies, roles, its own life.
    ManagementGroup(String),
    /// What belongs to no subscription: elevated access, for one.
    Tenant,
}

impl Scope {
    /// Name of the stream.
    fn name(&self) -> String {
        match self {
            Self::Subscription(id) => format!("subscriptions/{id}"),
            Self::ManagementGroup(id) => format!("managementGroups/{id}"),
            Self::Tenant => "tenant".into(),
        }
    }
}

/// A source with `subscriptions`.
#[derive(Debug)]
pub(super) struct ApiCollector {
    scopes: Vec<Scope>,
    endpoint: Url,
    tenant: Option<String>,
    streams_at_once: usize,
    /// Whether Resource Graph is asked too.
    before_after: bool,
}

impl ApiCollector {
    pub(super) fn configure(params: &Params<'_>) -> Result<Self, ConfigError> {
        let mut scopes = Vec::new();
        for id in params.strings("subscriptions")? {
            if !is_guid(&id) {
                return Err(params.bad("subscriptions", format!("`{id}` is no subscription id")));
            }
            let scope = Scope::Subscription(id.to_ascii_lowercase());
            if scopes.contains(&scope) {
                return Err(params.bad("subscriptions", format!("`{id}` is listed twice")));
            }
            scopes.push(scope);
        }
        for id in params.strings("management_groups")? {
            if id.len() > 90 || !id.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_().".contains(letter)) {
                return Err(params.bad("management_groups", format!("`{id}` is no id of a management group")));
            }
            scopes.push(Scope::ManagementGroup(id.to_ascii_lowercase()));
        }
        if params.flag("tenant_level")?.unwrap_or(false) {
            scopes.push(Scope::Tenant);
        }
        let tenant = params.string("tenant_id")?;
        let text = params.string("endpoint")?.unwrap_or_else(|| "https://management.azure.com".into());
        let endpoint: Url = text.parse().map_err(|error| params.bad("endpoint", format!("`{text}`: {error}")))?;
        let is_local = is_local(&endpoint);
        if endpoint.scheme() != "https" && !(endpoint.scheme() == "http" && is_local) {
            return Err(params.bad("endpoint", "it must start with https://, or a token would be sent in clear"));
        }
        if endpoint.path() != "/" || endpoint.query().is_some() || !endpoint.username().is_empty() {
            return Err(params.bad("endpoint", "only a host is needed, such as https://management.azure.com"));
        }
        let streams_at_once = match params.integer("concurrency")?.unwrap_or(8) {
            number @ 1..=64 => usize::try_from(number).unwrap_or(1),
            number => return Err(params.bad("concurrency", format!("{number} is not between 1 and 64"))),
        };
        let before_after = params.flag("before_after")?.unwrap_or(false);
        if before_after && !scopes.iter().any(|scope| matches!(scope, Scope::Subscription(_))) {
            return Err(
                params.bad("before_after", "it needs `subscriptions`: Resource Graph is asked for each of them")
            );
        }
        Ok(Self { scopes, endpoint, tenant, streams_at_once, before_after })
    }

    /// As [`Collector::collect`], with a connection as given.
    async fn collect_with(&self, arm: Connection, run: &Run, sink: &Sink) -> Result<(), Error> {
        let log = |scope: &Scope| -> Box<dyn Stream> {
            Box::new(LogStream { name: scope.name(), scope: scope.clone(), arm: arm.clone() })
        };
        let compared = |id: &str| -> Box<dyn Stream> { Box::new(Compared::new(id, arm.clone())) };
        let streams = self.scopes.iter().map(log).chain(self.compared().map(compared)).collect();
        streams::read_all(streams, Vec::new(), self.streams_at_once, run, sink).await
    }

    /// The subscriptions of which Resource Graph is asked.
    fn compared(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().filter(|_| self.before_after).filter_map(|scope| match scope {
            Scope::Subscription(id) => Some(id.as_str()),
            _ => None,
        })
    }
}

fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[async_trait]
impl Collector for ApiCollector {
    async fn collect(&self, run: &Run, sink: &Sink) -> Result<(), Error> {
        let tokens = Chain::new(self.tenant.clone(), self.endpoint.as_str());
        let arm = Connection::new(self.endpoint.clone(), Some(Arc::new(tokens)), Patience::default(), PERMISSION)?;
        self.collect_with(arm, run, sink).await
    }

    fn plan(&self, run: &Run) -> Vec<String> {
        let line = |(name, reach): (String, windows::Reach)| {
            let cursor = |name: &str| run.cursors.get(name).and_then(|value| value.parse().ok());
            let span = reach.span(cursor(&name), cursor(&sweep_of(&name)), run.since, run.now);
            let count = windows::requests(span.start, span.end).len();
            format!("{name}: {:.0} to {:.0} in {count} windows", span.start, span.end)
        };
        let logs = self.scopes.iter().map(|scope| (scope.name(), windows::CLOUD));
        let compared = self.compared().map(|id| (Compared::stream(id), compared::REACH));
        logs.chain(compared).map(line).collect()
    }

    fn is_path(&self) -> bool {
        false
    }
}

/// The log of one subscription, or of the tenant.
#[derive(Debug)]
struct LogStream {
    name: String,
    scope: Scope,
    arm: Connection,
}

#[async_trait]
impl Stream for LogStream {
    fn name(&self) -> &str {
        &self.name
    }

    fn place(&self) -> &str {
        &self.name
    }

    fn target(&self) -> String {
        format!("the Activity Log of {}", self.name)
    }

    async fn window(&self, start: Timestamp, end: Timestamp, run: &Run, sink: &Sink) -> Result<Hours, Error> {
        let mut hours = Hours::new(&self.name, start, end);
        let carrier = Arc::new(Carrier::new(self.arm.clone(), self.target()));
        let mut pages = self.pages(&carrier, start, end)?;
        let mut count = 0;
        while let Some(page) = pages.next().await {
            page?;
            for record in carrier.take_records() {
                let text = record.get().as_bytes();
                hours.put(classify(text, 0, &run.redactor), text, start, "record of a page", &run.redactor);
            }
            for unit in hours.overflow() {
                sink.send(unit).await?;
            }
            count += 1;
            if count == MAX_PAGES {
                let problem = format!("a window with more than {MAX_PAGES} pages");
                return Err(Error::BadResponse { target: self.name.clone(), problem, source: None });
            }
        }
        Ok(hours)
    }
}

impl LogStream {
    /// The pages of a window, as they are asked for; the carrier has their records.
    fn pages(
        &self,
        carrier: &Arc<Carrier>,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<BoxStream<'static, Result<(), Error>>, Error> {
        let filter = filter(start, end);
        if let Scope::ManagementGroup(id) = &self.scope {
            return Ok(self.pages_of_group(id, &filter, Arc::clone(carrier)));
        }
        // The client's own way, over our transport.
        let client = monitor::Client::builder(Arc::new(Placeholder))
            .endpoint(self.arm.place.clone())
            .retry(RetryOptions::none())
            .transport(TransportOptions::new(Arc::clone(carrier) as _))
            .build()
            .map_err(|source| Error::Decode { what: "the endpoint".into(), source: source.into() })?;
        let pages = match &self.scope {
            Scope::Subscription(id) => client.activity_logs_client().list(filter, id).into_stream(),
            Scope::ManagementGroup(_) | Scope::Tenant => {
                client.tenant_activity_logs_client().list().filter(filter).into_stream()
            }
        };
        let carrier = Arc::clone(carrier);
        Ok(pages.map(move |page| page.map(drop).map_err(|error| carrier.take_failure(&error))).boxed())
    }

    /// The client does not know management groups.
    fn pages_of_group(&self, id: &str, filter: &str, carrier: Arc<Carrier>) -> BoxStream<'static, Result<(), Error>> {
        let mut first = self.arm.place.clone();
        first.set_path(&format!(
            "/providers/Microsoft.Management/managementGroups/{id}/providers/Microsoft.Insights/eventtypes/management/values"
        ));
        first.query_pairs_mut().append_pair("api-version", "2017-03-01-preview").append_pair("$filter", filter);
        let follow = |(carrier, next): (Arc<Carrier>, Option<Url>)| async move {
            let Some(url) = next else { return Ok(None) };
            let next = carrier.page(&url).await?;
            Ok(Some(((), (carrier, next))))
        };
        stream::try_unfold((carrier, Some(first)), follow).boxed()
    }
}

/// Both ends are included, so the last tick (100 ns) before the end is named.
fn filter(start: Timestamp, end: Timestamp) -> String {
    let last = (end - SignedDuration::from_nanos(100)).max(start);
    let text = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%S.%7fZ").to_string();
    format!("eventTimestamp ge '{}' and eventTimestamp le '{}'", text(start), text(last))
}

#[cfg(test)]
pub(super) mod fake;
#[cfg(test)]
mod tests;
