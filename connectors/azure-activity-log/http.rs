//! Requests to Azure: a token behind a check of the address, patience with refusals, and the system's own words.
//!
//! A request goes to the one place that the source names and to no other, whatever a page or a redirection says: a token
//! for Azure opens more than a log. The surprising fact: an answer counts as good only when it has been read to its end
//! and makes sense, so that one cut short is asked for again like one that never came.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::{StatusCode, Url};

use super::token::Tokens;
use crate::Error;

/// Bytes of one answer; a page of 200 records has some hundred KB.
const MAX_ANSWER: usize = 128 * 1024 * 1024;
/// Bytes of an error's text that are shown.
const MAX_SAID: usize = 500;

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

/// A place that is asked.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) http: reqwest::Client,
    /// Scheme, host and port of every request.
    pub(super) place: Url,
    /// `None`: an emulator that wants no token.
    pub(super) tokens: Option<Arc<dyn Tokens>>,
    pub(super) patience: Patience,
    /// What the collector must be allowed to do.
    pub(super) permission: &'static str,
}

impl Connection {
    pub(super) fn new(
        place: Url,
        tokens: Option<Arc<dyn Tokens>>,
        patience: Patience,
        permission: &'static str,
    ) -> Result<Self, Error> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("changetrail/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(20))
            .read_timeout(Duration::from_secs(100))
            .build();
        let failed = |source: reqwest::Error| Error::Unreachable {
            target: place.to_string(),
            help: String::new(),
            source: source.into(),
        };
        let http = http.map_err(failed)?;
        Ok(Self { http, place, tokens, patience, permission })
    }

    /// Asks until there is an answer that `understand` makes sense of, or no hope. `target` is for messages.
    pub(super) async fn get<T>(
        &self,
        target: &str,
        url: &Url,
        headers: &[(HeaderName, String)],
        understand: impl Fn(&HeaderMap, Vec<u8>) -> Result<T, String> + Send + Sync,
    ) -> Result<T, Error> {
        self.check(target, url)?;
        let (mut refusals, mut failures, mut fresh) = (0, 0, false);
        loop {
            let (error, wait, count) = match self.attempt(target, url, headers, fresh, &understand).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::Lasting(error)) => return Err(error),
                Err(Failure::Expired(error)) if fresh => return Err(error),
                Err(Failure::Expired(_)) => {
                    fresh = true;
                    continue;
                }
                Err(Failure::Refused(error, wait)) => {
                    refusals += 1;
                    if refusals > self.patience.refusals || wait.is_some_and(|wait| wait > self.patience.longest) {
                        return Err(counted(error, refusals));
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
            fresh = false;
            let wait = wait.unwrap_or(self.patience.pause * 2u32.pow(count.saturating_sub(1).min(6)));
            tracing::warn!(asked = %target, %error, ?wait, "request failed, will retry");
            tokio::time::sleep(wait.min(self.patience.longest)).await;
        }
    }

    /// Only the place that the source names: the token opens more than the log.
    fn check(&self, target: &str, url: &Url) -> Result<(), Error> {
        let place =
            |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port_or_known_default());
        if place(url) == place(&self.place) && url.username().is_empty() && url.password().is_none() {
            return Ok(());
        }
        let (host, own) = (url.host_str().unwrap_or_default(), self.place.host_str().unwrap_or_default());
        let problem = format!("it leads to {}://{host}, not to {own}: no token is sent there", url.scheme());
        Err(Error::BadResponse { target: target.to_owned(), problem, source: None })
    }

    async fn attempt<T>(
        &self,
        target: &str,
        url: &Url,
        headers: &[(HeaderName, String)],
        fresh: bool,
        understand: &(impl Fn(&HeaderMap, Vec<u8>) -> Result<T, String> + Send + Sync),
    ) -> Result<T, Failure> {
        let mut request = self.http.get(url.clone());
        if let Some(tokens) = &self.tokens {
            request = request.bearer_auth(tokens.token(fresh).await.map_err(Failure::Lasting)?.secret());
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let silence = |error: reqwest::Error| {
            let help = "check the network, a proxy, and the address in the source if there is one".into();
            // The address has been told, and a page's address is long.
            let source = error.without_url().into();
            Failure::Passing(Error::Unreachable { target: target.to_owned(), help, source }, None)
        };
        let mut response = request.send().await.map_err(silence)?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(silence)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                let problem = "an answer is longer than an answer can be".into();
                return Err(Failure::Lasting(Error::BadResponse { target: target.to_owned(), problem, source: None }));
            }
            body.extend_from_slice(&chunk);
        }
        if !matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
            return Err(self.refusal(target, status.as_u16(), wait(&headers), &body));
        }
        let beginning = said(&body[..body.len().min(4 * MAX_SAID)]);
        understand(&headers, body).map_err(|problem| {
            let (target, source) = (target.to_owned(), Some(beginning.into()));
            Failure::Passing(Error::BadResponse { target, problem, source }, None)
        })
    }

    /// The system answered with an error.
    fn refusal(&self, target: &str, status: u16, wait: Option<Duration>, body: &[u8]) -> Failure {
        let (target, source) = (target.to_owned(), said(body).into());
        match status {
            429 => Failure::Refused(Error::RateLimited { target, attempts: 0, source }, wait),
            401 => {
                let help = "the token was refused: check the tenant and the address".into();
                Failure::Expired(Error::Auth { target, help, source })
            }
            403 => Failure::Lasting(Error::Forbidden { target, permission: self.permission.into(), source }),
            _ => {
                let error = Error::BadResponse { target, problem: format!("status {status}"), source: Some(source) };
                if status == 408 || status >= 500 { Failure::Passing(error, wait) } else { Failure::Lasting(error) }
            }
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
