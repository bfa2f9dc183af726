//! Tokens that are fetched: kept until they run out, fetched anew when one was refused.

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Clock;
use super::jwt::{Claims, RsaKey};
use crate::Error;
use crate::engine::ask;
use crate::engine::stream::Request;
use crate::engine::template::Values;
use crate::http::{self, Ask, Authorise, Connection, Reply, bad_response};

/// Fetched anew so long before a token runs out.
const MARGIN: Duration = Duration::from_mins(1);
/// How long a token holds whose system does not say.
const USUAL: u64 = 3_600;

/// Who hands out tokens.
#[async_trait]
pub(super) trait Issue: Send + Sync {
    /// A token, and for how many seconds it holds.
    async fn issue(&self) -> Result<(String, u64), Error>;
}

/// Keeps a token.
pub(super) struct Cached<T> {
    issuer: T,
    token: Mutex<Option<(String, Instant)>>,
    header: (HeaderName, String),
}

impl<T> std::fmt::Debug for Cached<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Cached")
    }
}

impl<T: Issue> Cached<T> {
    pub(super) fn new(issuer: T, header: (HeaderName, String)) -> Self {
        Self { issuer, token: Mutex::new(None), header }
    }
}

#[async_trait]
impl<T: Issue> Authorise for Cached<T> {
    async fn authorise(&self, request: &mut reqwest::Request, fresh: bool) -> Result<(), Error> {
        let mut kept = self.token.lock().await;
        if fresh || kept.as_ref().is_none_or(|(_, until)| *until <= Instant::now()) {
            let (token, seconds) = self.issuer.issue().await?;
            let until = Instant::now() + Duration::from_secs(seconds.min(86_400)).saturating_sub(MARGIN);
            *kept = Some((token, until));
        }
        let token = kept.as_ref().map(|(token, _)| token.as_str()).unwrap_or_default();
        let (name, prefix) = &self.header;
        http::header(request, name.clone(), &format!("{prefix}{token}"))
    }
}

/// OAuth 2.0, client credentials (RFC 6749, 4.4).
pub(super) struct ClientCredentials {
    pub(super) connection: Connection,
    pub(super) token_url: Url,
    pub(super) client: (String, String),
    pub(super) form: Vec<(String, String)>,
}

#[async_trait]
impl Issue for ClientCredentials {
    async fn issue(&self) -> Result<(String, u64), Error> {
        let (id, secret) = &self.client;
        let mut form = self.form.clone();
        form.extend([("client_id".into(), id.clone()), ("client_secret".into(), secret.clone())]);
        let refused = match fetch(&self.connection, &self.token_url, &form, None).await {
            Err(refused @ (Error::Auth { .. } | Error::Status { .. } | Error::BadResponse { .. })) => refused,
            other => return other,
        };
        // Most systems want the client's name and secret in the form, some in a header (RFC 6749, 2.3.1).
        let pair = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
        fetch(&self.connection, &self.token_url, &self.form, Some(&pair)).await.map_err(|_| refused)
    }
}

/// OAuth 2.0 with a signed assertion (RFC 7523).
pub(super) struct JwtBearer {
    pub(super) connection: Connection,
    pub(super) token_url: Url,
    pub(super) key: RsaKey,
    pub(super) claims: Claims,
    pub(super) clock: Clock,
}

#[async_trait]
impl Issue for JwtBearer {
    async fn issue(&self) -> Result<(String, u64), Error> {
        let assertion = self.key.assert(&self.claims, self.clock)?;
        let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned();
        let form = [("grant_type".to_owned(), grant), ("assertion".to_owned(), assertion)];
        fetch(&self.connection, &self.token_url, &form, None).await
    }
}

async fn fetch(
    connection: &Connection,
    url: &Url,
    form: &[(String, String)],
    client: Option<&str>,
) -> Result<(String, u64), Error> {
    // A form is written as a query is.
    let mut encoded = Url::parse("form:").map_err(|error| bad_response("the place of tokens", error.to_string()))?;
    encoded.query_pairs_mut().extend_pairs(form);
    let body = encoded.query().unwrap_or_default().as_bytes().to_vec();
    let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, form_type)]);
    if let Some(mut client) = client.and_then(|client| HeaderValue::from_str(client).ok()) {
        client.set_sensitive(true);
        headers.insert(AUTHORIZATION, client);
    }
    let ask = Ask {
        target: "the place of tokens",
        method: Method::POST,
        url: url.clone(),
        headers,
        body: Some(body),
        is_secret: true,
    };
    let answer = connection.ask(&ask, |_, _, body| token_of(&body, "/access_token")).await?;
    given(answer)
}

/// A token that a sign-in answers with.
pub(super) struct Session {
    pub(super) connection: Connection,
    pub(super) login: Request,
    pub(super) pointer: String,
    pub(super) values: Values,
}

#[async_trait]
impl Issue for Session {
    async fn issue(&self) -> Result<(String, u64), Error> {
        let ask = ask::first(&self.connection.place, &self.login, &self.values, "the sign-in")?;
        let ask = Ask { is_secret: true, ..ask };
        given(self.connection.ask(&ask, |_, _, body| token_of(&body, &self.pointer)).await?)
    }
}

fn given(reply: Reply<(String, u64)>) -> Result<(String, u64), Error> {
    match reply {
        Reply::Answer(token) => Ok(token),
        Reply::Skip | Reply::Stop => Err(bad_response("the place of tokens", "it gives no token".into())),
    }
}

fn token_of(body: &[u8], pointer: &str) -> Result<(String, u64), String> {
    // What is wrong with it must not be said: it holds a token.
    let answer: Value = serde_json::from_slice(body).map_err(|_| "it is no JSON".to_owned())?;
    let token = answer.pointer(pointer).and_then(Value::as_str).filter(|token| !token.is_empty());
    let seconds = answer.get("expires_in").and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()));
    token
        .map(|token| (token.to_owned(), seconds.unwrap_or(USUAL)))
        .ok_or_else(|| format!("it has no token at {pointer}"))
}
