//! The AWS SDK: credentials, accounts, and one page of `LookupEvents`.
//!
//! The surprising fact: the SDK's own retries are off for `LookupEvents`, because they know nothing of the limit that
//! all streams of a region share.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{Region, SdkConfig};
use aws_sdk_account::types::RegionOptStatus;
use aws_sdk_cloudtrail::primitives::DateTime;
use aws_sdk_cloudtrail::types::{Event, LookupAttribute, LookupAttributeKey};
use jiff::Timestamp;

use super::explain::{Context, Failure};
use super::regions;
use crate::Error;
use crate::limiter::Limiter;
use crate::log::windows;

pub(super) use crate::http::aws::{Access, with_role};

/// Events on a full page.
pub(super) const PAGE: usize = 50;

/// A role to assume, and the account that it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) arn: String,
    pub(super) account: String,
}

impl Role {
    pub(super) fn parse(arn: &str) -> Option<Self> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let [first, _, "iam", "", account, name] = parts.as_slice() else { return None };
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let is_role = *first == "arn" && name.strip_prefix("role/").is_some_and(|name| !name.is_empty());
        (is_account && is_role).then(|| Self { arn: arn.to_owned(), account: (*account).to_owned() })
    }
}

/// An account that can be asked.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) id: String,
    role: Option<String>,
    config: SdkConfig,
}

impl Account {
    /// The account of the credentials themselves; the first region that answers tells.
    pub(super) async fn own(base: &SdkConfig, regions: &[String]) -> Result<Self, Error> {
        let config = patient(base);
        let mut unreachable = None;
        for region in regions {
            let config = config.to_builder().region(Region::new(region.clone())).build();
            let context = Context { target: format!("AWS STS in {region}"), region: region.clone(), role: None };
            match aws_sdk_sts::Client::new(&config).get_caller_identity().send().await {
                Ok(identity) => {
                    let id = identity.account.ok_or_else(|| context.bad("the caller's account is missing".into()))?;
                    return Ok(Self { id, role: None, config });
                }
                Err(error) => match context.explain("sts:GetCallerIdentity", error).into_error(1) {
                    error @ Error::Unreachable { .. } => unreachable = unreachable.or(Some(error)),
                    error => return Err(error),
                },
            }
        }
        Err(unreachable.unwrap_or_else(|| Error::BadResponse {
            target: "AWS STS".into(),
            problem: "there is no region to ask".into(),
            source: None,
        }))
    }

    /// The account of a role.
    pub(super) fn of_role(base: &SdkConfig, role: &Role) -> Self {
        Self { id: role.account.clone(), role: Some(role.arn.clone()), config: patient(base) }
    }

    /// The regions that it has enabled, and the one where services without a region are recorded.
    pub(super) async fn regions(&self) -> Result<Vec<String>, Error> {
        let region = self.config.region().map_or("us-east-1", Region::as_ref).to_owned();
        let mut config = self.config.to_builder().retry_config(RetryConfig::standard()).build();
        if let Some(role) = &self.role {
            config = with_role(config, role).await;
        }
        let target = format!("the regions of account {}", self.id);
        let context = Context { target, region: region.clone(), role: self.role.clone() };
        let mut pages = aws_sdk_account::Client::new(&config)
            .list_regions()
            .region_opt_status_contains(RegionOptStatus::Enabled)
            .region_opt_status_contains(RegionOptStatus::EnabledByDefault)
            // What was done there until now can still be read.
            .region_opt_status_contains(RegionOptStatus::Disabling)
            .into_paginator()
            .items()
            .send();
        let mut names = BTreeSet::new();
        while let Some(found) = pages.next().await {
            let found = found.map_err(|error| context.explain("account:ListRegions", error).into_error(1))?;
            names.insert(found.region_name.ok_or_else(|| context.bad("a region has no name".into()))?);
        }
        // No account is without regions: an answer without any is not believed.
        let Some(first) = names.first() else { return Err(context.bad("none was named".into())) };
        names.insert(regions::home_of(first).to_owned());
        Ok(names.into_iter().collect())
    }

    /// Asks one region of it. A role is assumed in that region, so that one that is down stops no other.
    pub(super) async fn caller(&self, region: &str, limiter: Arc<Limiter>) -> Caller {
        let mut config = self.config.to_builder().region(Region::new(region.to_owned())).build();
        if let Some(role) = &self.role {
            config = with_role(config, role).await;
        }
        let context = Context {
            target: format!("CloudTrail in {region} of account {}", self.id),
            region: region.to_owned(),
            role: self.role.clone(),
        };
        Caller { client: aws_sdk_cloudtrail::Client::new(&config), limiter, context }
    }
}

/// Times out late (an answer may take 35 seconds), retries nothing.
fn patient(base: &SdkConfig) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(10))
        .operation_attempt_timeout(Duration::from_secs(90))
        .build();
    base.to_builder().retry_config(RetryConfig::disabled()).timeout_config(timeouts).build()
}

/// What a stream asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    /// What does not say that it only reads.
    Writes,
    /// Evidence of sessions, which says that it reads.
    Sts,
    /// Sign-ins, some of which say that they read.
    SignIn,
}

impl Filter {
    pub(super) const ALL: [Self; 3] = [Self::Writes, Self::Sts, Self::SignIn];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Writes => "writes",
            Self::Sts => "sts",
            Self::SignIn => "signin",
        }
    }

    fn attribute(self) -> (LookupAttributeKey, &'static str) {
        match self {
            Self::Writes => (LookupAttributeKey::ReadOnly, "false"),
            Self::Sts => (LookupAttributeKey::EventSource, "sts.amazonaws.com"),
            Self::SignIn => (LookupAttributeKey::EventSource, "signin.amazonaws.com"),
        }
    }
}

/// What one request gives.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) events: Vec<Event>,
    pub(super) token: Option<String>,
}

/// Asks one region of one account, at the speed that its limit allows.
#[derive(Debug)]
pub(super) struct Caller {
    client: aws_sdk_cloudtrail::Client,
    limiter: Arc<Limiter>,
    context: Context,
}

impl Caller {
    /// One page of what happened from `start` to before `end`.
    pub(super) async fn page(
        &self,
        filter: Filter,
        (start, end): (Timestamp, Timestamp),
        token: Option<&str>,
    ) -> Result<Page, Error> {
        let (key, value) = filter.attribute();
        let attribute = LookupAttribute::builder().attribute_key(key).attribute_value(value).build();
        let attribute = attribute.map_err(|error| self.context.bad(error.to_string()))?;
        let request = self
            .client
            .lookup_events()
            .lookup_attributes(attribute)
            .start_time(date_time(start))
            .end_time(date_time(windows::last_moment(end)))
            .max_results(50)
            .set_next_token(token.map(str::to_owned));
        let pace = self.limiter.pace();
        let (mut refusals, mut failures) = (0, 0);
        loop {
            self.limiter.turn().await;
            let failure = match request.clone().send().await {
                Ok(answer) => {
                    self.limiter.succeeded();
                    let token = answer.next_token.filter(|token| !token.is_empty());
                    return Ok(Page { events: answer.events.unwrap_or_default(), token });
                }
                Err(error) => self.context.explain("cloudtrail:LookupEvents", error),
            };
            match failure {
                Failure::Refused(_) if refusals < pace.refusals => {
                    refusals += 1;
                    tracing::debug!(place = %self.context.target, refusals, "too many requests, slowing down");
                    self.limiter.refused(refusals);
                }
                Failure::Passing(error) if failures < pace.failures => {
                    failures += 1;
                    tracing::warn!(place = %self.context.target, %error, "request failed, will retry");
                    tokio::time::sleep(pace.pause_after(failures)).await;
                }
                failure => return Err(failure.into_error(refusals + 1)),
            }
        }
    }

    /// An answer that makes no sense.
    pub(super) fn bad(&self, problem: String) -> Error {
        self.context.bad(problem)
    }
}

fn date_time(time: Timestamp) -> DateTime {
    DateTime::from_nanos(time.as_nanosecond()).unwrap_or_else(|_| DateTime::from_secs(time.as_second()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_named_by_their_arn() {
        let role = Role::parse("arn:aws:iam::111122223333:role/audit/changetrail").expect("a role");
        assert_eq!(role.account, "111122223333");
        for bad in [
            "",
            "changetrail",
            "arn:aws:iam::111122223333:user/x",
            "arn:aws:iam::1111:role/x",
            "arn:aws:iam::111122223333:role/",
            "arn:aws:sts::111122223333:assumed-role/x/y",
        ] {
            assert_eq!(Role::parse(bad), None, "{bad}");
        }
    }
}
