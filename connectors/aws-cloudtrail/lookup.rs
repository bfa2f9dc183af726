//! Reads the event history of accounts and regions by `LookupEvents`.
//!
//! Each account, region and filter is a stream of its own with its own cursor; all run at once, those of a region
//! share its limit. A stream reads windows of at most a day, oldest first, and its cursor moves only with the last unit
//! of a window that was read whole. The surprising fact: some emulators of the API never page. A full page without a
//! token is therefore not believed, but asked for again in halves.
//!
//! <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html>

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_cloudtrail::types::Event;
use jiff::Timestamp;

use super::classify::classify;
use super::client::{Access, Account, Caller, Filter, PAGE, Role};
use super::regions;
use crate::limiter::{Limiter, Pace};
use crate::log::streams::{self, Stream};
use crate::log::{Hours, Outcome, windows};
use crate::params::Params;
use crate::{Collector, ConfigError, Error, Redactor, Run, Sink};

/// A source with `regions`.
#[derive(Debug)]
pub(super) struct LookupCollector {
    regions: Vec<String>,
    roles: Vec<Role>,
    access: Access,
    pace: Pace,
    streams_at_once: usize,
}

impl LookupCollector {
    pub(super) fn configure(params: &Params<'_>) -> Result<Self, ConfigError> {
        let access = Access::configure(params)?;
        let regions = params.strings("regions")?;
        if regions.is_empty() {
            return Err(params.missing_one_of(&["path", "bucket", "regions"]));
        }
        for region in &regions {
            // An emulator may name its regions as it likes.
            if access.endpoint_url.is_none() && !regions::is_plausible(region) {
                let meant = regions::meant(region).map(|meant| format!(", did you mean `{meant}`?"));
                return Err(params.bad("regions", format!("`{region}` is no region{}", meant.unwrap_or_default())));
            }
        }
        let roles = roles(params)?;
        let share = params.number("share")?.unwrap_or(0.75);
        if !(share > 0.0 && share <= 1.0) {
            return Err(params.bad("share", format!("{share} is not more than 0 and at most 1")));
        }
        let streams_at_once = match params.integer("concurrency")?.unwrap_or(32) {
            number @ 1..=256 => usize::try_from(number).unwrap_or(1),
            number => return Err(params.bad("concurrency", format!("{number} is not between 1 and 256"))),
        };
        Ok(Self { regions, roles, access, pace: Pace::of_share(share), streams_at_once })
    }

    /// As [`Collector::collect`], with credentials and address as given.
    async fn collect_with(&self, base: &SdkConfig, run: &Run, sink: &Sink) -> Result<(), Error> {
        let mut accounts = Vec::new();
        if self.roles.is_empty() {
            accounts.push(Account::own(base, &self.regions).await?);
        }
        for role in &self.roles {
            accounts.push(Account::of_role(base, role));
        }
        let mut streams: Vec<Box<dyn Stream>> = Vec::new();
        for account in &accounts {
            for region in &self.regions {
                let caller = Arc::new(account.caller(region, Arc::new(Limiter::new(self.pace))).await);
                let place = format!("{}/{region}", account.id);
                for filter in Filter::ALL {
                    let name = format!("{place}/{}", filter.name());
                    let (place, caller) = (place.clone(), Arc::clone(&caller));
                    streams.push(Box::new(Lookup { name, place, filter, caller }));
                }
            }
        }
        streams::read_all(streams, self.streams_at_once, run, sink).await
    }

    /// The part of a stream's name that is known without asking, and what follows from its cursors.
    fn spans(&self, run: &Run) -> Vec<(String, windows::Span)> {
        let accounts: Vec<Option<&str>> = match self.roles.as_slice() {
            [] => vec![None],
            roles => roles.iter().map(|role| Some(role.account.as_str())).collect(),
        };
        let mut spans = Vec::new();
        for account in accounts {
            for region in &self.regions {
                let oldest = |ending: &str| {
                    let matches = |stream: &str| {
                        let mut parts = stream.split('/');
                        let is_account = parts.next().is_some_and(|part| account.is_none_or(|account| account == part));
                        is_account && parts.next() == Some(region) && parts.next() == Some(ending)
                    };
                    let cursors = run.cursors.iter().filter(|(stream, _)| matches(stream));
                    cursors.filter_map(|(_, value)| value.parse::<Timestamp>().ok()).min()
                };
                let name = account.map_or_else(|| region.clone(), |account| format!("{account}/{region}"));
                spans.push((name, windows::span(oldest("writes"), oldest("writes#sweep"), run.since, run.now)));
            }
        }
        spans
    }
}

#[async_trait]
impl Collector for LookupCollector {
    async fn collect(&self, run: &Run, sink: &Sink) -> Result<(), Error> {
        let first = self.regions.first().map_or("us-east-1", String::as_str);
        let base = self.access.load(first).await;
        self.collect_with(&base, run, sink).await
    }

    fn plan(&self, run: &Run) -> Vec<String> {
        let line = |(name, span): (String, windows::Span)| {
            let windows = windows::requests(span.start, span.end).len();
            let requests = windows * Filter::ALL.len();
            let seconds = self.pace.spacing.as_secs_f64() * f64::from(u32::try_from(requests).unwrap_or(u32::MAX));
            format!(
                "{name}: {:.0} to {:.0} in {windows} windows, at least {requests} requests and {:.1} minutes",
                span.start,
                span.end,
                seconds / 60.0
            )
        };
        self.spans(run).into_iter().map(line).collect()
    }

    fn is_path(&self) -> bool {
        false
    }
}

/// One filter of one region of one account.
#[derive(Debug)]
struct Lookup {
    name: String,
    /// Account and region.
    place: String,
    filter: Filter,
    caller: Arc<Caller>,
}

#[async_trait]
impl Stream for Lookup {
    fn name(&self) -> &str {
        &self.name
    }

    fn place(&self) -> &str {
        &self.place
    }

    fn target(&self) -> String {
        format!("the event history of {}", self.name)
    }

    async fn window(&self, start: Timestamp, end: Timestamp, run: &Run, sink: &Sink) -> Result<Hours, Error> {
        let mut hours = Hours::new(&self.name, start, end);
        let mut pieces = vec![(start, end)];
        while let Some((from, to)) = pieces.pop() {
            let (mut token, mut tokens): (Option<String>, _) = (None, HashSet::new());
            loop {
                let page = self.caller.page(self.filter, (from, to), token.as_deref()).await?;
                if token.is_none() && page.token.is_none() && page.events.len() >= PAGE {
                    if let Some(halves) = windows::halves(from, to) {
                        pieces.extend(halves);
                        break;
                    }
                    let reason = "one second has a full page of events and the API gives no further page";
                    tracing::warn!(stream = %self.name, second = %from, "{reason}");
                    hours.incomplete(from, reason);
                }
                for event in &page.events {
                    add(&mut hours, event, from, &run.redactor);
                }
                for unit in hours.overflow() {
                    sink.send(unit).await?;
                }
                let Some(next) = page.token else { break };
                let mut hasher = DefaultHasher::new();
                next.hash(&mut hasher);
                if !tokens.insert(hasher.finish()) {
                    return Err(self.caller.bad("the same next page was named twice".into()));
                }
                token = Some(next);
            }
        }
        Ok(hours)
    }
}

/// The roles of `role_arn`, one for each account.
pub(super) fn roles(params: &Params<'_>) -> Result<Vec<Role>, ConfigError> {
    let mut roles: Vec<Role> = Vec::new();
    for arn in params.strings("role_arn")? {
        let Some(role) = Role::parse(&arn) else {
            return Err(params.bad("role_arn", format!("`{arn}` is not arn:aws:iam::ACCOUNT:role/NAME")));
        };
        if roles.iter().any(|other| other.account == role.account) {
            return Err(params.bad("role_arn", format!("two roles of account {}", role.account)));
        }
        roles.push(role);
    }
    Ok(roles)
}

/// Adds an event to its hour; `asked` is where it belongs if it does not say when it happened.
fn add(hours: &mut Hours, event: &Event, asked: Timestamp, redactor: &Redactor) {
    let told = event.event_time.and_then(|time| Timestamp::from_second(time.secs()).ok());
    let text = event.cloud_trail_event.as_deref().unwrap_or_default();
    // The place follows from the hour, and the hour from the record.
    let outcome = match text {
        "" => Outcome::Rejected("the event has no CloudTrailEvent".into()),
        text => classify(text.as_bytes(), 0, redactor),
    };
    let place = format!("event {}", event.event_id.as_deref().unwrap_or("without an id"));
    hours.put(outcome, text.as_bytes(), told.unwrap_or(asked), &place, redactor);
}

#[cfg(test)]
pub(super) mod fake;
#[cfg(test)]
mod tests;
