//! What goes over the wire to Azure Resource Manager, on behalf of the client of `azure_mgmt_monitor`.
//!
//! The client builds the requests and follows the pages; this transport carries them. It keeps every record as the bytes
//! that came, and hands the client pages without records: its types would refuse a whole page for a null in one record.
//! It asks for the next page only where the first one was, never twice for the same, and says what the system said when
//! it refuses. The surprising fact: the token is put in here, behind the check of the address, and the client never has
//! it. The old `azure_core` writes requests to its log with the `Authorization` header in clear and all others hidden.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use azure_core_legacy::auth::{AccessToken, TokenCredential};
use azure_core_legacy::error::ErrorKind;
use azure_core_legacy::headers::Headers;
use azure_core_legacy::{BytesStream, HttpClient, Request, Response, StatusCode, Url};
use reqwest::header::{ACCEPT, DATE, HeaderMap, RETRY_AFTER};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::token::Tokens;
use crate::Error;

/// Bytes of one page; 200 records of a few KB each are usual.
const MAX_PAGE: usize = 128 * 1024 * 1024;
/// Bytes of an error's text that are shown.
const MAX_SAID: usize = 500;
/// What is needed to read the log.
const PERMISSION: &str = "Microsoft.Insights/eventtypes/values/read (in the role Monitoring Reader or Reader)";

/// How long to insist.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// After a first refusal or failure, where the system does not say; doubles with each further one.
    pub(super) pause: Duration,
    /// The longest wait that a system may ask for.
    pub(super) longest: Duration,
    /// Refusals in a row after which the stream is given up.
    pub(super) refusals: u32,
    /// Failures in a row after which the stream is given up.
    pub(super) failures: u32,
}

impl Default for Patience {
    fn default() -> Self {
        let (pause, longest) = (Duration::from_secs(1), Duration::from_mins(5));
        Self { pause, longest, refusals: 8, failures: 4 }
    }
}

/// The connection that all streams of a source share.
#[derive(Debug, Clone)]
pub(super) struct Arm {
    pub(super) http: reqwest::Client,
    pub(super) endpoint: Url,
    pub(super) tokens: Arc<dyn Tokens>,
    pub(super) patience: Patience,
}

impl Arm {
    pub(super) fn new(endpoint: Url, tokens: Arc<dyn Tokens>, patience: Patience) -> Result<Self, Error> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("changetrail/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(20))
            .read_timeout(Duration::from_secs(100))
            .build()
            .map_err(|source| Error::Unreachable {
                target: endpoint.to_string(),
                help: String::new(),
                source: source.into(),
            })?;
        Ok(Self { http, endpoint, tokens, patience })
    }
}

/// One page: its records as they came.
#[derive(Debug, Deserialize)]
struct Page {
    value: Vec<Box<RawValue>>,
    #[serde(rename = "nextLink", default)]
    next_link: Option<String>,
}

/// Carries the requests of one window of one stream.
#[derive(Debug)]
pub(super) struct Carrier {
    arm: Arm,
    /// Whose log is read, for messages.
    target: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    asked: HashSet<String>,
    records: Vec<Box<RawValue>>,
    failure: Option<Error>,
}

impl Carrier {
    pub(super) fn new(arm: Arm, target: String) -> Self {
        Self { arm, target, state: Mutex::default() }
    }

    /// The records of the page that came last.
    pub(super) fn take_records(&self) -> Vec<Box<RawValue>> {
        std::mem::take(&mut self.state().records)
    }

    /// Why the last request failed: the client's own error cannot say it.
    pub(super) fn take_failure(&self, error: &azure_core_legacy::Error) -> Error {
        let unknown = || Error::BadResponse { target: self.target.clone(), problem: error.to_string(), source: None };
        self.state().failure.take().unwrap_or_else(unknown)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bad(&self, problem: impl Into<String>) -> Error {
        Error::BadResponse { target: self.target.clone(), problem: problem.into(), source: None }
    }

    /// Asks for one page, however often it takes. Gives the link to the next one.
    async fn page(&self, url: &Url) -> Result<Option<String>, Error> {
        self.check(url)?;
        if !self.state().asked.insert(url.to_string()) {
            return Err(self.bad("the same next page was named twice"));
        }
        let patience = self.arm.patience;
        let (mut refusals, mut failures, mut fresh) = (0, 0, false);
        loop {
            let (error, wait, count) = match self.attempt(url, fresh).await {
                Ok(page) => {
                    let next = page.next_link.filter(|link| !link.trim().is_empty());
                    self.state().records = page.value;
                    return Ok(next);
                }
                Err(Failure::Lasting(error)) => return Err(error),
                Err(Failure::Expired(error)) if fresh => return Err(error),
                Err(Failure::Expired(_)) => {
                    fresh = true;
                    continue;
                }
                Err(Failure::Refused(error, wait)) => {
                    refusals += 1;
                    if refusals > patience.refusals || wait.is_some_and(|wait| wait > patience.longest) {
                        return Err(counted(error, refusals));
                    }
                    (error, wait, refusals)
                }
                Err(Failure::Passing(error, wait)) => {
                    failures += 1;
                    if failures > patience.failures {
                        return Err(error);
                    }
                    (error, wait, failures)
                }
            };
            fresh = false;
            let wait = wait.unwrap_or(patience.pause * 2u32.pow(count.saturating_sub(1).min(6)));
            tracing::warn!(target_ = %self.target, %error, ?wait, "request failed, will retry");
            tokio::time::sleep(wait.min(patience.longest)).await;
        }
    }

    /// Only where the first page was: the token opens more than the log.
    fn check(&self, url: &Url) -> Result<(), Error> {
        let place =
            |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port_or_known_default());
        if place(url) == place(&self.arm.endpoint) && url.username().is_empty() && url.password().is_none() {
            return Ok(());
        }
        let (host, own) = (url.host_str().unwrap_or_default(), self.arm.endpoint.host_str().unwrap_or_default());
        Err(self.bad(format!("the next page is at {}://{host}, not at {own}: no token is sent there", url.scheme())))
    }

    async fn attempt(&self, url: &Url, fresh: bool) -> Result<Page, Failure> {
        let token = self.arm.tokens.token(fresh).await.map_err(Failure::Lasting)?;
        let request = self.arm.http.get(url.clone()).bearer_auth(token.secret()).header(ACCEPT, "application/json");
        let mut response = request.send().await.map_err(|error| self.silence(error))?;
        let (status, wait) = (response.status(), wait(response.headers()));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.silence(error))? {
            if body.len() + chunk.len() > MAX_PAGE {
                return Err(Failure::Lasting(self.bad("a page is longer than a page can be")));
            }
            body.extend_from_slice(&chunk);
        }
        if status.as_u16() != 200 {
            return Err(self.refusal(status.as_u16(), wait, &body));
        }
        serde_json::from_slice(&body).map_err(|error| {
            let problem = format!("a page of {} bytes that is no page: {error}", body.len());
            Failure::Passing(
                Error::BadResponse { target: self.target.clone(), problem, source: Some(said(&body).into()) },
                None,
            )
        })
    }

    /// The system answered with an error.
    fn refusal(&self, status: u16, wait: Option<Duration>, body: &[u8]) -> Failure {
        let (target, source) = (self.target.clone(), said(body).into());
        match status {
            429 => Failure::Refused(Error::RateLimited { target, attempts: 0, source }, wait),
            401 => Failure::Expired(Error::Auth {
                target,
                help: "the token was refused: check the tenant and the endpoint".into(),
                source,
            }),
            403 => Failure::Lasting(Error::Forbidden { target, permission: PERMISSION.into(), source }),
            _ => {
                let error = Error::BadResponse { target, problem: format!("status {status}"), source: Some(source) };
                if status == 408 || status >= 500 { Failure::Passing(error, wait) } else { Failure::Lasting(error) }
            }
        }
    }

    /// There was no answer, or not all of it.
    fn silence(&self, error: reqwest::Error) -> Failure {
        let help = "check the network, a proxy, and `endpoint` if the source has one".into();
        // The address has been told, and a page's address is long.
        Failure::Passing(
            Error::Unreachable { target: self.target.clone(), help, source: error.without_url().into() },
            None,
        )
    }
}

/// What a failed request means for the next one, and how long the system wants to be left alone.
enum Failure {
    /// Too many requests.
    Refused(Error, Option<Duration>),
    /// May go away by itself.
    Passing(Error, Option<Duration>),
    /// The token is not accepted (any more).
    Expired(Error),
    /// Stays until somebody does something.
    Lasting(Error),
}

/// With the number of attempts, where that counts.
fn counted(error: Error, attempts: u32) -> Error {
    match error {
        Error::RateLimited { target, source, .. } => Error::RateLimited { target, attempts, source },
        other => other,
    }
}

/// `Retry-After`: seconds, or a time, which is measured against the answer's own clock.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let time = |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|time| time.timestamp());
    let (until, now) = (time(text)?, time(headers.get(DATE)?.to_str().ok()?)?);
    Some(Duration::try_from(until.duration_since(now)).unwrap_or_default())
}

/// Code and message of an error, whatever the case of their keys; else the beginning of the text.
fn said(body: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let member = |value: &serde_json::Value, name: &str| {
        let found = value.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone())
    };
    let error = member(&value, "error").unwrap_or_else(|| value.clone());
    let text = |name: &str| member(&error, name).and_then(|value| value.as_str().map(str::to_owned));
    let words: Vec<String> = [text("code"), text("message")].into_iter().flatten().collect();
    let words = if words.is_empty() { String::from_utf8_lossy(body).into_owned() } else { words.join(": ") };
    let words = if words.trim().is_empty() { "no explanation".to_owned() } else { words };
    words.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(MAX_SAID).collect()
}

#[async_trait]
impl HttpClient for Carrier {
    async fn execute_request(&self, request: &Request) -> azure_core_legacy::Result<Response> {
        match self.page(request.url()).await {
            Ok(next) => {
                let page = serde_json::json!({ "value": [], "nextLink": next }).to_string();
                Ok(Response::new(StatusCode::Ok, Headers::new(), Box::pin(BytesStream::new(page))))
            }
            Err(error) => {
                let told = azure_core_legacy::Error::message(ErrorKind::Other, error.to_string());
                self.state().failure = Some(error);
                Err(told)
            }
        }
    }
}

/// Satisfies the client, which wants a token before it makes a request; [`Carrier`] puts in the real one.
#[derive(Debug)]
pub(super) struct Placeholder;

#[async_trait]
impl TokenCredential for Placeholder {
    async fn get_token(&self, _scopes: &[&str]) -> azure_core_legacy::Result<AccessToken> {
        Ok(AccessToken::new("put in by the transport", time::OffsetDateTime::UNIX_EPOCH))
    }

    async fn clear_cache(&self) -> azure_core_legacy::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_in_the_words_of_the_system() {
        let arm = br#"{"error":{"code":"AuthorizationFailed","message":"may not"}}"#;
        assert_eq!(said(arm), "AuthorizationFailed: may not");
        let old = br#"{"Code":"BadRequest","Message":"The start time cannot be more than 90 days in the past."}"#;
        assert!(said(old).starts_with("BadRequest: The start time"));
        assert_eq!(said(b"<html>\n\x1b[2J"), "<html>  [2J");
        assert_eq!(said(b" "), "no explanation");
        assert_eq!(said("é".repeat(9_000).as_bytes()).chars().count(), MAX_SAID);
        assert_eq!(said(b"[[1]]"), "[[1]]");
    }

    #[test]
    fn waiting_times_are_seconds_or_a_time() {
        let headers = |pairs: &[(reqwest::header::HeaderName, &'static str)]| {
            pairs.iter().map(|(name, value)| (name.clone(), (*value).parse().expect("a header"))).collect::<HeaderMap>()
        };
        assert_eq!(wait(&headers(&[(RETRY_AFTER, "17")])), Some(Duration::from_secs(17)));
        let at = |text| headers(&[(RETRY_AFTER, text), (DATE, "Wed, 21 Oct 2026 07:28:00 GMT")]);
        assert_eq!(wait(&at("Wed, 21 Oct 2026 07:28:05 GMT")), Some(Duration::from_secs(5)));
        assert_eq!(wait(&at("Wed, 21 Oct 2026 07:27:00 GMT")), Some(Duration::ZERO));
        assert_eq!(wait(&headers(&[(RETRY_AFTER, "Wed, 21 Oct 2026 07:28:05 GMT")])), None);
        for odd in ["", "-1", "soon", "99999999999999999999"] {
            assert_eq!(wait(&at(odd)), None, "{odd}");
        }
        assert_eq!(wait(&headers(&[])), None);
    }
}
