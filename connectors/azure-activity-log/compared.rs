//! Asks Resource Graph what resources were before and after they were changed: evidence beside the log.
//!
//! One stream for each subscription, window by window as the log is read; both say which operation it was. The surprising
//! fact: an answer can be cut without a word of where it goes on. That is an error here, and never an end.
//!
//! <https://learn.microsoft.com/en-us/azure/governance/resource-graph/changes/get-resource-changes>

use std::collections::HashSet;

use async_trait::async_trait;
use azure_core_legacy::Url;
use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::classify::classify;
use crate::http::{Ask, Connection, Reply};
use crate::log::Hours;
use crate::log::streams::Stream;
use crate::log::windows::{CLOUD, DAY, Reach};
use crate::{Error, Run, Sink};

/// Pages of one window; more are a system that never ends.
const MAX_PAGES: usize = 10_000;
/// What is kept is less than of the log.
pub(super) const REACH: Reach = Reach { kept: Some(14 * DAY), ..CLOUD };

/// What was compared in one subscription.
#[derive(Debug)]
pub(super) struct Compared {
    subscription: String,
    name: String,
    arm: Connection,
}

/// One page.
#[derive(Debug, Deserialize)]
struct Page {
    data: Vec<Box<RawValue>>,
    #[serde(rename = "$skipToken")]
    skip_token: Option<String>,
    /// `"true"` or `"false"`, as text.
    #[serde(rename = "resultTruncated", default)]
    truncated: Value,
}

impl Compared {
    pub(super) fn new(subscription: &str, arm: Connection) -> Self {
        Self { subscription: subscription.to_owned(), name: Self::stream(subscription), arm }
    }

    /// Name of a subscription's stream.
    pub(super) fn stream(subscription: &str) -> String {
        format!("subscriptions/{subscription}/before-after")
    }

    async fn page(&self, start: Timestamp, end: Timestamp, token: Option<&str>) -> Result<Page, Error> {
        let time = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%S.%7fZ").to_string();
        let query = include_str!("compared.kql").replace("{start}", &time(start)).replace("{end}", &time(end));
        let mut options = json!({ "$top": 1000, "resultFormat": "objectArray" });
        if let Some(token) = token {
            options["$skipToken"] = token.into();
        }
        let body = json!({ "subscriptions": [self.subscription], "query": query, "options": options });
        let mut url: Url = self.arm.place.clone();
        url.set_path("/providers/Microsoft.ResourceGraph/resources");
        url.set_query(Some("api-version=2022-10-01"));
        let json = HeaderValue::from_static("application/json");
        let headers = HeaderMap::from_iter([(ACCEPT, json.clone()), (CONTENT_TYPE, json)]);
        let target = self.target();
        let ask = Ask {
            target: &target,
            method: Method::POST,
            url,
            headers,
            body: Some(body.to_string().into_bytes()),
            is_secret: false,
        };
        let understand = |_: &_, _: &_, body: Vec<u8>| {
            serde_json::from_slice(&body).map_err(|error| format!("{} bytes that are no page: {error}", body.len()))
        };
        match self.arm.ask(&ask, understand).await? {
            Reply::Answer(page) => Ok(page),
            Reply::Skip | Reply::Stop => Err(self.bad("there is nothing")),
        }
    }

    fn bad(&self, problem: &str) -> Error {
        Error::BadResponse { target: self.target(), problem: problem.into(), source: None }
    }
}

#[async_trait]
impl Stream for Compared {
    fn name(&self) -> &str {
        &self.name
    }

    fn place(&self) -> &str {
        &self.name
    }

    fn target(&self) -> String {
        format!("the Resource Graph of subscriptions/{}", self.subscription)
    }

    fn reach(&self) -> Reach {
        REACH
    }

    async fn window(&self, start: Timestamp, end: Timestamp, run: &Run, sink: &Sink) -> Result<Hours, Error> {
        let mut hours = Hours::new(&self.name, start, end);
        let (mut token, mut tokens) = (None, HashSet::new());
        for _ in 0..MAX_PAGES {
            let page = self.page(start, end, token.as_deref()).await?;
            for record in page.data {
                let text = record.get().as_bytes();
                hours.put(classify(text, 0, &run.redactor), text, start, "record of a page", &run.redactor);
            }
            for unit in hours.overflow() {
                sink.send(unit).await?;
            }
            let is_cut = page.truncated.as_str() == Some("true") || page.truncated == true;
            match page.skip_token.filter(|token| !token.is_empty()) {
                None if is_cut => return Err(self.bad("the answer is cut, and does not say where it goes on")),
                None => return Ok(hours),
                Some(next) if !tokens.insert(next.clone()) => {
                    return Err(self.bad("the same next page was named twice"));
                }
                next => token = next,
            }
        }
        Err(self.bad(&format!("a window with more than {MAX_PAGES} pages")))
    }
}
