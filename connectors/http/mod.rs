//! Requests to systems: credentials behind a check of the address, patience with refusals, and the system's own words.
//!
//! A request goes to the places that the source names and to no other, whatever a page or a redirection says: a token
//! opens more than a log. The surprising fact: an answer counts as good only when it has been read to its end and makes
//! sense, so that one cut short is asked for again like one that never came.

mod answer;
pub(crate) mod aws;
pub(crate) mod azure;
mod clock;
mod heard;
mod hosts;
mod wait;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};

pub(crate) use answer::Head;
pub use heard::Heard;
pub(crate) use hosts::{Hosts, is_local};

use crate::Error;
use crate::limiter::Limiter;
use crate::redact::places;
use crate::secret::Secrets;

use answer::{credentials, redirected, said};

/// Bytes of one answer; a page of 200 records has some hundred KB.
const MAX_ANSWER: usize = 128 * 1024 * 1024;

/// How long to insist.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// After a first refusal or failure, where the system does not say; doubles with each further one.
    pub(crate) pause: Duration,
    /// The longest wait that a system may ask for.
    pub(crate) longest: Duration,
    /// Refusals in a row after which the stream is given up, unless the system says each time how long to wait: then it
    /// is obeyed until that is longer in all than `longest`.
    pub(crate) refusals: u32,
    /// Failures in a row after which the stream is given up.
    pub(crate) failures: u32,
}

impl Default for Patience {
    fn default() -> Self {
        let (pause, longest) = (Duration::from_secs(1), Duration::from_mins(5));
        Self { pause, longest, refusals: 8, failures: 4 }
    }
}

/// What makes a request allowed.
#[async_trait]
pub(crate) trait Authorise: std::fmt::Debug + Send + Sync {
    /// Puts credentials into a request; `fresh` if the last ones were refused.
    async fn authorise(&self, request: &mut reqwest::Request, fresh: bool) -> Result<(), Error>;

    /// Takes credentials out of an address that is kept.
    fn clean(&self, _address: &mut Url) {}
}

/// What an answer that is no success means, where a description says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Retry,
    Skip,
    Stop,
    Fail,
    RefreshAuth,
}

/// Says what an answer means, by status and body; `None` leaves it to the usual rules.
pub(crate) type Rules = dyn Fn(u16, &[u8]) -> Option<Action> + Send + Sync;

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Ask<'a> {
    /// What is asked, for messages: an address may hold secrets.
    pub(crate) target: &'a str,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Vec<u8>>,
    /// The answer holds a secret, and must not be repeated.
    pub(crate) is_secret: bool,
}

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Reply<T> {
    Answer(T),
    /// A rule says that there is nothing here.
    Skip,
    /// A rule says that this was the end.
    Stop,
}

/// A place that is asked.
#[derive(Clone)]
pub(crate) struct Connection {
    http: reqwest::Client,
    /// The place whose paths are asked for.
    pub(crate) place: Url,
    hosts: Hosts,
    /// `None`: nothing is wanted.
    authority: Option<Arc<dyn Authorise>>,
    patience: Patience,
    /// What the collector must be allowed to do.
    permission: String,
    limiter: Option<Arc<Limiter>>,
    rules: Option<Arc<Rules>>,
    max_answer: usize,
    /// What must not be repeated.
    secrets: Secrets,
    /// Pointers to what a description takes out of records.
    redact: Arc<[String]>,
    /// Headers, besides the usual ones, that say how long to wait.
    waits: Vec<HeaderName>,
    heard: Arc<Heard>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Connection to {}", self.place)
    }
}

impl Connection {
    pub(crate) fn new(
        place: Url,
        authority: Option<Arc<dyn Authorise>>,
        patience: Patience,
        permission: impl Into<String>,
    ) -> Result<Self, Error> {
        let mut hosts = Hosts::default();
        hosts.allow(&place).map_err(|problem| bad_response(place.as_str(), problem))?;
        let http = client(&place, Duration::from_secs(100))?;
        let (permission, max_answer) = (permission.into(), MAX_ANSWER);
        Ok(Self {
            http,
            place,
            hosts,
            authority,
            patience,
            permission,
            limiter: None,
            rules: None,
            max_answer,
            secrets: Secrets::default(),
            redact: Arc::default(),
            waits: Vec::new(),
            heard: Arc::default(),
        })
    }

    /// With more places than the one.
    pub(crate) fn with_hosts(self, hosts: Hosts) -> Self {
        Self { hosts, ..self }
    }

    pub(crate) fn with_authority(self, authority: Option<Arc<dyn Authorise>>) -> Self {
        Self { authority, ..self }
    }

    /// With secrets that no message may hold.
    pub(crate) fn with_secrets(self, secrets: Secrets) -> Self {
        Self { secrets, ..self }
    }

    /// With places in records that no message may show.
    pub(crate) fn with_redact(self, redact: &[String]) -> Self {
        Self { redact: redact.into(), ..self }
    }

    /// With headers of its own in which the system says how long to wait.
    pub(crate) fn with_waits(self, waits: Vec<HeaderName>) -> Self {
        Self { waits, ..self }
    }

    /// With somebody who wants to know what comes of its requests.
    pub(crate) fn with_heard(self, heard: Arc<Heard>) -> Self {
        Self { heard, ..self }
    }

    /// With requests spaced in time.
    pub(crate) fn with_limiter(self, limiter: Arc<Limiter>) -> Self {
        Self { limiter: Some(limiter), ..self }
    }

    pub(crate) fn with_rules(self, rules: Arc<Rules>) -> Self {
        Self { rules: Some(rules), ..self }
    }

    /// With another limit for the bytes of an answer, and for how long it may be silent.
    pub(crate) fn with_limits(self, max_answer: Option<usize>, silence: Option<Duration>) -> Result<Self, Error> {
        let http = silence.map_or(Ok(self.http), |silence| client(&self.place, silence))?;
        Ok(Self { http, max_answer: max_answer.unwrap_or(MAX_ANSWER).min(MAX_ANSWER), ..self })
    }

    /// Takes credentials out of an address that is kept.
    pub(crate) fn clean(&self, address: &mut Url) {
        if let Some(authority) = &self.authority {
            authority.clean(address);
        }
    }

    /// As [`Connection::ask`], for what is simply to be had.
    pub(crate) async fn get<T>(
        &self,
        target: &str,
        url: &Url,
        headers: &[(HeaderName, String)],
        understand: impl Fn(&HeaderMap, Vec<u8>) -> Result<T, String> + Send + Sync,
    ) -> Result<T, Error> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let value = value.parse().map_err(|_| bad_response(target, format!("no value of {name}")))?;
            map.insert(name, value);
        }
        let ask = Ask { target, method: Method::GET, url: url.clone(), headers: map, body: None, is_secret: false };
        match self.ask(&ask, |head, _, body| understand(&head.headers, body)).await? {
            Reply::Answer(answer) => Ok(answer),
            Reply::Skip | Reply::Stop => Err(bad_response(target, "there is nothing".into())),
        }
    }

    /// Asks until there is an answer that `understand` makes sense of, or no hope. It gets status and headers, the address
    /// that answered, and the body.
    pub(crate) async fn ask<T>(
        &self,
        ask: &Ask<'_>,
        understand: impl Fn(&Head, &Url, Vec<u8>) -> Result<T, String> + Send + Sync,
    ) -> Result<Reply<T>, Error> {
        let (mut refusals, mut failures, mut fresh, mut told) = (0, 0, false, Duration::ZERO);
        loop {
            if let Some(limiter) = &self.limiter {
                limiter.turn().await;
            }
            self.heard.asked();
            let (error, wait, count) = match self.attempt(ask, fresh, &understand).await {
                Ok(answer) => {
                    // That there are credentials does not say that they will do.
                    if !ask.is_secret {
                        self.heard.understood();
                    }
                    if let Some(limiter) = &self.limiter {
                        limiter.succeeded();
                    }
                    return Ok(answer);
                }
                Err(Failure::Lasting(error)) => return Err(error),
                Err(Failure::Expired(error)) if fresh => return Err(error),
                Err(Failure::Expired(_)) => {
                    fresh = true;
                    continue;
                }
                Err(Failure::Refused(error, wait)) => {
                    refusals += 1;
                    told += wait.unwrap_or_default();
                    let is_too_long = wait.is_some_and(|wait| wait > self.patience.longest);
                    let is_told = wait.is_some_and(|wait| !wait.is_zero()) && told <= self.patience.longest;
                    if is_too_long || (refusals > self.patience.refusals && !is_told) {
                        return Err(counted(error, refusals));
                    }
                    if let Some(limiter) = &self.limiter {
                        limiter.refused(refusals);
                    }
                    (error, wait, refusals)
                }
                Err(Failure::Passing(error, wait)) => {
                    failures += 1;
                    if failures > self.patience.failures {
                        return Err(error);
                    }
                    (error, wait, failures)
                }
            };
            self.heard.failed(&error);
            fresh = false;
            // A system that says "now" again and again does not mean it.
            let wait = wait.filter(|wait| !wait.is_zero() || count <= 3);
            let wait = wait.unwrap_or(self.patience.pause * 2u32.pow(count.saturating_sub(1).min(6)));
            tracing::warn!(asked = %ask.target, %error, ?wait, "request failed, will retry");
            tokio::time::sleep(wait.min(self.patience.longest)).await;
        }
    }

    async fn attempt<T>(
        &self,
        ask: &Ask<'_>,
        fresh: bool,
        understand: &(impl Fn(&Head, &Url, Vec<u8>) -> Result<T, String> + Send + Sync),
    ) -> Result<Reply<T>, Failure> {
        let (mut url, mut redirects) = (ask.url.clone(), 0);
        loop {
            let Received { head, body } = self.send(ask, &url, fresh).await?;
            let said = |body: &[u8]| self.said(ask, body);
            let status = head.status;
            let waits = || wait::wait(status.as_u16(), &head.headers, &self.waits);
            if let Some(action) = self.rules.as_ref().and_then(|rules| rules(status.as_u16(), &body)) {
                return ruled(ask.target, action, status.as_u16(), waits(), said(&body));
            }
            if matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                redirects += 1;
                url = redirected(ask, &url, &head.headers, redirects).map_err(|why| {
                    let (target, source) = (ask.target.to_owned(), (!body.is_empty()).then(|| said(&body).into()));
                    let problem = format!("status {}: {why}", status.as_u16());
                    Failure::Lasting(Error::BadResponse { target, problem, source })
                })?;
                continue;
            }
            // 204 says itself that it has no body, 200 leaves it to whoever knows what was asked for.
            let may_be_empty = [StatusCode::OK, StatusCode::NO_CONTENT, StatusCode::PARTIAL_CONTENT].contains(&status);
            if !status.is_success() || (!may_be_empty && body.is_empty()) {
                return Err(self.refusal(ask.target, status.as_u16(), &head.headers, said(&body)));
            }
            // Some say with a good answer that they want to be left alone for a while.
            if let (Some(limiter), Some(wait)) = (&self.limiter, waits()) {
                limiter.rest(wait.min(self.patience.longest));
            }
            // To copy it costs less than to look for its words when nobody asks for them.
            return understand(&head, &url, body.clone()).map(Reply::Answer).map_err(|problem| {
                let (target, source) = (ask.target.to_owned(), (!body.is_empty()).then(|| said(&body).into()));
                Failure::Passing(Error::BadResponse { target, problem, source }, None)
            });
        }
    }

    /// Sends one request and reads the answer to its end.
    async fn send(&self, ask: &Ask<'_>, url: &Url, fresh: bool) -> Result<Received, Failure> {
        self.hosts.check(url).map_err(|problem| Failure::Lasting(bad_response(ask.target, problem)))?;
        let mut request = reqwest::Request::new(ask.method.clone(), url.clone());
        *request.headers_mut() = ask.headers.clone();
        *request.body_mut() = ask.body.clone().map(Into::into);
        if let Some(authority) = &self.authority {
            authority.authorise(&mut request, fresh).await.map_err(Failure::Lasting)?;
        }
        self.secrets.note_sent(&credentials(request.headers()));
        let silence = |error: reqwest::Error| {
            let help = "check the network, a proxy, and the address in the source if there is one".into();
            // The address has been told, and a page's address is long.
            let source = error.without_url().into();
            Failure::Passing(Error::Unreachable { target: ask.target.to_owned(), help, source }, None)
        };
        let mut response = self.http.execute(request).await.map_err(silence)?;
        let head = Head::of(&mut response);
        if let Some(ahead) = clock::ahead(&head.headers, Timestamp::now()) {
            self.heard.dated(ahead);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(silence)? {
            if body.len() + chunk.len() > self.max_answer {
                let problem = "an answer is longer than an answer can be".into();
                return Err(Failure::Lasting(bad_response(ask.target, problem)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Received { head, body })
    }

    /// The system's own words, without what is secret.
    fn said(&self, ask: &Ask<'_>, body: &[u8]) -> String {
        if ask.is_secret {
            return "the answer is not repeated: it may hold a secret".into();
        }
        said(&places::shown(&String::from_utf8_lossy(body), &self.redact), |text| self.secrets.mask(text))
    }

    /// The system answered with an error.
    fn refusal(&self, target: &str, status: u16, headers: &HeaderMap, said: String) -> Failure {
        let (target, source, wait) = (target.to_owned(), said.into(), wait::wait(status, headers, &self.waits));
        match status {
            429 => Failure::Refused(Error::RateLimited { target, attempts: 0, source }, wait),
            403 if wait.is_some() || wait::is_used_up(headers) => {
                Failure::Refused(Error::RateLimited { target, attempts: 0, source }, wait)
            }
            401 => {
                let help = "the credentials were refused: check them, their expiry, and the address".into();
                Failure::Expired(Error::Auth { target, help, source })
            }
            403 => Failure::Lasting(Error::Forbidden { target, permission: self.permission.clone(), source }),
            _ => {
                let error = Error::Status { target, status, source };
                if status == 408 || status >= 500 { Failure::Passing(error, wait) } else { Failure::Lasting(error) }
            }
        }
    }
}

/// An answer, read to its end.
struct Received {
    head: Head,
    body: Vec<u8>,
}

/// A description's rule applies to the answer.
fn ruled<T>(
    target: &str,
    action: Action,
    status: u16,
    wait: Option<Duration>,
    said: String,
) -> Result<Reply<T>, Failure> {
    let (target, source) = (target.to_owned(), said.into());
    let refused = |source| Error::Status { target: target.clone(), status, source };
    match action {
        Action::Skip => Ok(Reply::Skip),
        Action::Stop => Ok(Reply::Stop),
        Action::Fail => Err(Failure::Lasting(refused(source))),
        Action::RefreshAuth => Err(Failure::Expired(refused(source))),
        Action::Retry => {
            Err(Failure::Refused(Error::RateLimited { target: target.clone(), attempts: 0, source }, wait))
        }
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

fn client(place: &Url, silence: Duration) -> Result<reqwest::Client, Error> {
    let http = reqwest::Client::builder()
        .user_agent(concat!("changetrail/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(20))
        .read_timeout(silence)
        .build();
    http.map_err(|source| Error::Unreachable { target: place.to_string(), help: String::new(), source: source.into() })
}

/// Puts a token into a request.
pub(crate) fn bearer(request: &mut reqwest::Request, token: &str) -> Result<(), Error> {
    header(request, AUTHORIZATION, &format!("Bearer {token}"))
}

/// Puts a secret into a header of a request: it is left out of what is logged of it.
pub(crate) fn header(request: &mut reqwest::Request, name: HeaderName, value: &str) -> Result<(), Error> {
    let mut value = HeaderValue::from_str(value).map_err(|_| {
        // What it is must not be said.
        let (target, help) = (format!("header {name}"), "it may hold no line breaks or control characters".into());
        Error::Auth { target, help, source: "the secret is no header's value".into() }
    })?;
    value.set_sensitive(true);
    request.headers_mut().insert(name, value);
    Ok(())
}

pub(crate) fn bad_response(target: &str, problem: String) -> Error {
    Error::BadResponse { target: target.to_owned(), problem, source: None }
}

/// With the number of attempts, where that counts.
fn counted(error: Error, attempts: u32) -> Error {
    match error {
        Error::RateLimited { target, source, .. } => Error::RateLimited { target, attempts, source },
        other => other,
    }
}
