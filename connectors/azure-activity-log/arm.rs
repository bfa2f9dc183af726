//! What goes over the wire to Azure Resource Manager, on behalf of the client of `azure_mgmt_monitor`.
//!
//! The client builds the requests and follows the pages; this transport carries them. It keeps every record as the bytes
//! that came, and hands the client pages without records: its types would refuse a whole page for a null in one record.
//! It never asks twice for the same page. The surprising fact: the token is put in behind this, and the client never has
//! it. The old `azure_core` writes requests to its log with the `Authorization` header in clear and all others hidden.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use azure_core_legacy::auth::{AccessToken, TokenCredential};
use azure_core_legacy::error::ErrorKind;
use azure_core_legacy::headers::Headers;
use azure_core_legacy::{BytesStream, HttpClient, Request, Response, StatusCode, Url};
use reqwest::header::ACCEPT;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Error;
use crate::http::Connection;

/// What is needed to read the log.
pub(super) const PERMISSION: &str =
    "Microsoft.Insights/eventtypes/values/read (in the roles Monitoring Reader and Reader)";

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
    arm: Connection,
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
    pub(super) fn new(arm: Connection, target: String) -> Self {
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for one page. Gives the link to the next one.
    pub(super) async fn page(&self, url: &Url) -> Result<Option<Url>, Error> {
        if !self.state().asked.insert(url.to_string()) {
            let (target, problem) = (self.target.clone(), "the same next page was named twice".into());
            return Err(Error::BadResponse { target, problem, source: None });
        }
        let headers = [(ACCEPT, "application/json".to_owned())];
        let understand = |_: &_, body: Vec<u8>| {
            serde_json::from_slice(&body).map_err(|error| format!("{} bytes that are no page: {error}", body.len()))
        };
        let page: Page = self.arm.get(&self.target, url, &headers, understand).await?;
        self.state().records = page.value;
        let next = page.next_link.filter(|link| !link.trim().is_empty());
        let no_address = |error| {
            let (target, problem) = (self.target.clone(), format!("the next page has no address: {error}"));
            Error::BadResponse { target, problem, source: None }
        };
        next.map(|link| link.parse()).transpose().map_err(no_address)
    }
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
