//! The AWS SDK: credentials, accounts, one page of `LookupEvents`, and what its errors mean.
//!
//! The SDK's own retries are off, because they know nothing of the limit that all streams of a region share. The
//! surprising fact: a refusal for too many requests comes as HTTP 400, so only the error's code tells.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_cloudtrail::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cloudtrail::primitives::DateTime;
use aws_sdk_cloudtrail::types::{Event, LookupAttribute, LookupAttributeKey};
use jiff::Timestamp;

use super::regions;
use crate::Error;
use crate::limiter::Limiter;
use crate::log::windows;

/// Events on a full page.
pub(super) const PAGE: usize = 50;

const CREDENTIALS_HELP: &str = "give credentials the way the AWS tools take them: `profile` or AWS_PROFILE, \
    AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, `aws sso login`, or the machine's role; \
    `aws sts get-caller-identity` shows whether they work";

/// How to get in.
#[derive(Debug, Clone, Default)]
pub(super) struct Access {
    pub(super) profile: Option<String>,
    pub(super) endpoint_url: Option<String>,
}

impl Access {
    /// The configuration of the SDK, from its default chain.
    pub(super) async fn load(&self, region: &str) -> SdkConfig {
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).region(Region::new(region.to_owned()));
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(url) = &self.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        if let Ok(name) = AppName::new("changetrail") {
            loader = loader.app_name(name);
        }
        loader.load().await
    }
}

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

    /// Asks one region of it. A role is assumed in that region, so that one that is down stops no other.
    pub(super) async fn caller(&self, region: &str, limiter: Arc<Limiter>) -> Caller {
        let mut config = self.config.to_builder().region(Region::new(region.to_owned())).build();
        if let Some(role) = &self.role {
            let provider = AssumeRoleProvider::builder(role).session_name("changetrail").configure(&config);
            let provider = SharedCredentialsProvider::new(provider.build().await);
            config = config.into_builder().credentials_provider(provider).build();
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

/// What a failed request means for the next one.
enum Failure {
    /// Too many requests.
    Refused(Error),
    /// May go away by itself.
    Passing(Error),
    /// Stays until somebody does something.
    Lasting(Error),
}

impl Failure {
    fn into_error(self, attempts: u32) -> Error {
        match self {
            Self::Refused(Error::RateLimited { target, source, .. }) => Error::RateLimited { target, attempts, source },
            Self::Refused(error) | Self::Passing(error) | Self::Lasting(error) => error,
        }
    }
}

/// Who is asked, for messages.
#[derive(Debug, Clone)]
struct Context {
    target: String,
    region: String,
    role: Option<String>,
}

impl Context {
    fn bad(&self, problem: String) -> Error {
        Error::BadResponse { target: self.target.clone(), problem, source: None }
    }

    fn explain<E>(&self, permission: &str, error: SdkError<E>) -> Failure
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let target = self.target.clone();
        let code = error.code().map(str::to_owned);
        let status = error.raw_response().map(|response| response.status().as_u16());
        let said = said(&error, code.as_deref(), error.message());
        match (error, code) {
            (SdkError::ServiceError(_), Some(code)) => self.explain_code(permission, &code, status, said),
            (SdkError::ServiceError(_) | SdkError::ResponseError(_), _) => {
                let problem = format!("status {}", status.unwrap_or_default());
                let error = Error::BadResponse { target, problem, source: Some(said.into()) };
                if status.is_some_and(|status| status < 500) {
                    Failure::Lasting(error)
                } else {
                    Failure::Passing(error)
                }
            }
            (error, _) => self.explain_silence(&error, said),
        }
    }

    /// The service answered with an error.
    fn explain_code(&self, permission: &str, code: &str, status: Option<u16>, said: String) -> Failure {
        let (target, source) = (self.target.clone(), said.into());
        // Some protocols put the service's namespace or "Exception" around the word that counts.
        let word = code.rsplit(['#', '.']).next().unwrap_or(code).trim_end_matches("Exception");
        match word {
            "Throttling" | "ThrottledRequest" | "TooManyRequests" | "RequestLimitExceeded" | "SlowDown" => {
                Failure::Refused(Error::RateLimited { target, attempts: 0, source })
            }
            "AccessDenied" | "UnauthorizedOperation" | "OperationNotPermitted" | "NotAuthorized" => {
                Failure::Lasting(Error::Forbidden { target, permission: permission.to_owned(), source })
            }
            "UnrecognizedClient"
            | "InvalidClientTokenId"
            | "ExpiredToken"
            | "InvalidSignature"
            | "AuthFailure"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "MissingAuthenticationToken"
            | "RequestExpired"
            | "InvalidAccessKeyId"
            | "OptInRequired" => {
                let help = format!(
                    "{CREDENTIALS_HELP}; if other regions work, `{}` may not be enabled for the account",
                    self.region
                );
                Failure::Lasting(Error::Auth { target, help, source })
            }
            _ => {
                let error = Error::BadResponse { target, problem: format!("error {code}"), source: Some(source) };
                if status.is_some_and(|status| status >= 500) {
                    Failure::Passing(error)
                } else {
                    Failure::Lasting(error)
                }
            }
        }
    }

    /// There was no answer: no credentials, or nobody there.
    fn explain_silence(&self, error: &(dyn StdError + 'static), said: String) -> Failure {
        let target = self.target.clone();
        if causes(error).any(|cause| cause.downcast_ref::<CredentialsError>().is_some()) {
            return Failure::Lasting(match &self.role {
                Some(role) if said.contains("AccessDenied") => {
                    Error::Forbidden { target, permission: format!("sts:AssumeRole of {role}"), source: said.into() }
                }
                _ => Error::Auth { target, help: CREDENTIALS_HELP.into(), source: said.into() },
            });
        }
        let help = match regions::meant(&self.region) {
            Some(meant) => format!("`{}` is no known region: did you mean `{meant}`?", self.region),
            None => "check the network, and `endpoint_url` if the source has one".to_owned(),
        };
        Failure::Passing(Error::Unreachable { target, help, source: said.into() })
    }
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// Code and message of the service, else the words of all causes, each once.
fn said(error: &(dyn StdError + 'static), code: Option<&str>, message: Option<&str>) -> String {
    if let Some(code) = code {
        return message.map_or_else(|| code.to_owned(), |message| format!("{code}: {message}"));
    }
    let mut words: Vec<String> = Vec::new();
    for cause in causes(error) {
        let text = cause.to_string();
        if !words.iter().any(|word| word.contains(&text)) {
            words.push(text);
        }
    }
    words.join(": ")
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
