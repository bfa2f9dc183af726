//! Reads the event history of accounts and regions by `LookupEvents`.
//!
//! Each account, region and filter is a stream of its own with its own cursor; all run at once, those of a region
//! share its limit. A stream reads windows of at most a day, oldest first, and its cursor moves only with the last unit
//! of a window that was read whole. `regions = "all"` asks each account which regions it has, at every run: one that
//! cannot be asked is not read at all, never in fewer regions. The surprising fact: some emulators of the API never page. A full page without a
//! token is therefore not believed, but asked for again in halves.
//!
//! <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html>

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_cloudtrail::types::Event;
use jiff::Timestamp;

use super::classify::classify;
use super::client::{Access, Account, Caller, Filter, PAGE, Role};
use super::regions::{self, Regions};
use crate::limiter::{Limiter, Pace};
use crate::log::streams::{self, Stream};
use crate::log::{Hours, Outcome, windows};
use crate::params::Params;
use crate::{Collector, ConfigError, Error, Redactor, Run, Sink, Unit};

/// A source with `regions`.
#[derive(Debug)]
pub(super) struct LookupCollector {
    regions: Regions,
    roles: Vec<Role>,
    access: Access,
    pace: Pace,
    streams_at_once: usize,
}

impl LookupCollector {
    pub(super) fn configure(params: &Params<'_>) -> Result<Self, ConfigError> {
        let access = Access::configure(params)?;
        let regions = Regions::configure(params, access.endpoint_url.is_some())?;
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

    /// Credentials and address.
    async fn base(&self) -> SdkConfig {
        match &self.regions {
            Regions::Named(names) => self.access.load(names.first().map_or("us-east-1", String::as_str)).await,
            Regions::All => self.access.load_anywhere().await,
        }
    }

    async fn accounts(&self, base: &SdkConfig) -> Result<Vec<Account>, Error> {
        if !self.roles.is_empty() {
            return Ok(self.roles.iter().map(|role| Account::of_role(base, role)).collect());
        }
        let any: Vec<String> = base.region().map(ToString::to_string).into_iter().collect();
        let named = if let Regions::Named(names) = &self.regions { names } else { &any };
        Ok(vec![Account::own(base, named).await?])
    }

    async fn regions(&self, account: &Account) -> Result<Vec<String>, Error> {
        match &self.regions {
            Regions::Named(names) => Ok(names.clone()),
            Regions::All => account.regions().await,
        }
    }

    /// As [`Collector::collect`], with credentials and address as given.
    async fn collect_with(&self, base: &SdkConfig, run: &Run, sink: &Sink) -> Result<(), Error> {
        let (mut streams, mut unasked): (Vec<Box<dyn Stream>>, _) = (Vec::new(), Vec::new());
        for account in &self.accounts(base).await? {
            let regions = match self.regions(account).await {
                Ok(regions) => regions,
                Err(error) => {
                    unasked.push((account.id.clone(), error));
                    continue;
                }
            };
            if self.regions == Regions::All {
                for unit in no_longer_enabled(&account.id, &regions, run) {
                    sink.send(unit).await?;
                }
            }
            for region in &regions {
                let caller = Arc::new(account.caller(region, Arc::new(Limiter::new(self.pace))).await);
                let place = format!("{}/{region}", account.id);
                for filter in Filter::ALL {
                    let name = format!("{place}/{}", filter.name());
                    let (place, caller) = (place.clone(), Arc::clone(&caller));
                    streams.push(Box::new(Lookup { name, place, filter, caller }));
                }
            }
        }
        streams::read_all(streams, unasked, self.streams_at_once, run, sink).await
    }

    /// As [`Collector::survey`], with credentials and address as given.
    async fn survey_with(&self, base: &SdkConfig, run: &Run) -> Result<Vec<String>, Error> {
        let mut places = Vec::new();
        for account in &self.accounts(base).await? {
            let regions = self.regions(account).await?;
            places.extend(regions.into_iter().map(|region| (Some(account.id.clone()), region)));
        }
        Ok(self.lines(&places, run))
    }

    /// The accounts and regions that are known without asking: those that are named, else those that were read before.
    fn places(&self, run: &Run) -> Vec<(Option<String>, String)> {
        let of_role = |role: &Role| Some(role.account.clone());
        let accounts: Vec<Option<String>> =
            if self.roles.is_empty() { vec![None] } else { self.roles.iter().map(of_role).collect() };
        match &self.regions {
            Regions::Named(names) => {
                let of_account =
                    |account: Option<String>| names.iter().map(move |name| (account.clone(), name.clone()));
                accounts.into_iter().flat_map(of_account).collect()
            }
            Regions::All => {
                let is_asked = |id: &str| accounts.iter().any(|known| known.as_deref().is_none_or(|known| known == id));
                let places = read_before(run).filter(|(account, _)| is_asked(account));
                let places: BTreeSet<_> =
                    places.map(|(account, region)| (Some(account.to_owned()), region.to_owned())).collect();
                places.into_iter().collect()
            }
        }
    }

    /// What is asked at each place, and how long that takes at least; regions have limits of their own.
    fn lines(&self, places: &[(Option<String>, String)], run: &Run) -> Vec<String> {
        let (mut lines, mut all, mut longest) = (Vec::new(), 0, 0.0f64);
        for (account, region) in places {
            let oldest = |ending: &str| {
                let matches = |stream: &str| {
                    let mut parts = stream.split('/');
                    let is_account =
                        parts.next().is_some_and(|part| account.as_deref().is_none_or(|account| account == part));
                    is_account && parts.next() == Some(region) && parts.next() == Some(ending)
                };
                let cursors = run.cursors.iter().filter(|(stream, _)| matches(stream));
                cursors.filter_map(|(_, value)| value.parse::<Timestamp>().ok()).min()
            };
            let span = windows::span(oldest("writes"), oldest("writes#sweep"), run.since, run.now);
            let windows = windows::requests(span.start, span.end).len();
            let requests = windows * Filter::ALL.len();
            let minutes =
                self.pace.spacing.as_secs_f64() * f64::from(u32::try_from(requests).unwrap_or(u32::MAX)) / 60.0;
            let name = account.as_ref().map_or_else(|| region.clone(), |account| format!("{account}/{region}"));
            lines.push(format!(
                "{name}: {:.0} to {:.0} in {windows} windows, at least {requests} requests and {minutes:.1} minutes",
                span.start, span.end
            ));
            (all, longest) = (all + requests, longest.max(minutes));
        }
        if places.len() > 1 {
            lines.push(format!(
                "{} regions at once: at least {all} requests and {longest:.1} minutes; one more request for each further 50 events",
                places.len()
            ));
        }
        lines
    }
}

/// Accounts and regions that have a cursor.
fn read_before(run: &Run) -> impl Iterator<Item = (&str, &str)> {
    run.cursors.keys().filter_map(|stream| {
        let mut parts = stream.split('/');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(account), Some(region), Some("writes"), None) => Some((account, region)),
            _ => None,
        }
    })
}

/// Regions of the account that were read before and are not enabled any more: told once, as what cannot be read.
fn no_longer_enabled(account: &str, regions: &[String], run: &Run) -> Vec<Unit> {
    let gone = read_before(run).filter(|(of, region)| *of == account && !regions.iter().any(|known| known == region));
    gone.map(|(account, region)| {
        tracing::warn!(account, region, "the region is not enabled any more");
        Unit {
            key: format!("{account}/{region}/not-enabled"),
            // Met again it is the same: told once.
            etag: "not-enabled".into(),
            last: true,
            incomplete: Some("the region was read before and is not enabled any more".into()),
            ..Unit::default()
        }
    })
    .collect()
}

#[async_trait]
impl Collector for LookupCollector {
    async fn collect(&self, run: &Run, sink: &Sink) -> Result<(), Error> {
        self.collect_with(&self.base().await, run, sink).await
    }

    fn plan(&self, run: &Run) -> Vec<String> {
        let lines = self.lines(&self.places(run), run);
        match &self.regions {
            Regions::Named(names) => {
                let home = names.first().map_or("us-east-1", |name| regions::home_of(name));
                let without = format!("{home} is not named: IAM, CloudFront and most sign-ins are recorded there only");
                lines.into_iter().chain((!names.iter().any(|name| name == home)).then_some(without)).collect()
            }
            Regions::All => {
                let first = "every region that the account has enabled, asked for by account:ListRegions";
                let known = if lines.is_empty() { "" } else { "; the last time these:" };
                [vec![format!("{first}{known}")], lines].concat()
            }
        }
    }

    async fn survey(&self, run: &Run) -> Result<Vec<String>, Error> {
        self.survey_with(&self.base().await, run).await
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
