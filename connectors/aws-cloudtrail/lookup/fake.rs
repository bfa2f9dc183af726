//! An AWS on the loopback: `LookupEvents` (AWS JSON 1.1), `GetCallerIdentity` and a denied `AssumeRole` (query protocol),
//! `ListRegions` (REST).
//!
//! It filters and orders events as AWS does, newest first; whatever else a test needs, it changes in the answer.

use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::time::SystemTimeSource;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One `LookupEvents` request.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) region: String,
    pub(super) filter: String,
    pub(super) start: f64,
    pub(super) end: f64,
    pub(super) token: Option<String>,
}

/// Status and body.
pub(super) type Answer = (u16, String);

type Handler = dyn Fn(&Ask, usize) -> Answer + Send + Sync;

/// The fake; everything that it was asked.
pub(super) struct Fake {
    pub(super) asked: Arc<Mutex<Vec<Ask>>>,
    pub(super) url: String,
}

impl Fake {
    /// `answer` gets each request and how many came before.
    pub(super) async fn start(answer: impl Fn(&Ask, usize) -> Answer + Send + Sync + 'static) -> Self {
        Self::with_regions(Vec::new(), answer).await
    }

    /// As [`Fake::start`]; `regions` are the pages of `ListRegions`.
    pub(super) async fn with_regions(
        regions: Vec<Answer>,
        answer: impl Fn(&Ask, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (asked, answer): (Arc<Mutex<Vec<Ask>>>, Arc<Handler>) = (Arc::default(), Arc::new(answer));
        let (log, regions) = (Arc::clone(&asked), Arc::new(regions));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&log), Arc::clone(&regions), Arc::clone(&answer)));
            }
        });
        Self { asked, url }
    }

    /// A configuration of the SDK that asks this fake.
    pub(super) fn config(&self) -> SdkConfig {
        config(&self.url)
    }

    pub(super) fn asked(&self) -> Vec<Ask> {
        self.asked.lock().expect("no panic").clone()
    }
}

pub(in super::super) fn config(url: &str) -> SdkConfig {
    let credentials = Credentials::new("AKIAEXAMPLE", "no secret", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-west-2"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(url)
        .time_source(SystemTimeSource::new())
        .build()
}

async fn serve(mut stream: TcpStream, log: Arc<Mutex<Vec<Ask>>>, regions: Arc<Vec<Answer>>, answer: Arc<Handler>) {
    let mut received = Vec::new();
    while let Some((head, body)) = request(&mut stream, &mut received).await {
        let (status, text) = if body.contains("Action=GetCallerIdentity") {
            (200, IDENTITY.to_owned())
        } else if body.contains("Action=AssumeRole") {
            (403, DENIED.to_owned())
        } else if head.starts_with("post /listregions ") {
            let asked: Value = serde_json::from_str(&body).expect("a JSON body");
            assert_eq!(asked["RegionOptStatusContains"], json!(["ENABLED", "ENABLED_BY_DEFAULT", "DISABLING"]));
            let number: usize = asked["NextToken"].as_str().map_or(0, |token| token.parse().expect("our token"));
            regions[number].clone()
        } else {
            let ask = ask(&head, &body);
            let before = {
                let mut log = log.lock().expect("no panic");
                log.push(ask.clone());
                log.len() - 1
            };
            answer(&ask, before)
        };
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n",
            text.len()
        );
        if stream.write_all(format!("{head}{text}").as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Head and body of the next request of a connection.
async fn request(stream: &mut TcpStream, received: &mut Vec<u8>) -> Option<(String, String)> {
    loop {
        if let Some(end) = memchr::memmem::find(received, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&received[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            if received.len() >= end + 4 + length {
                let body = String::from_utf8_lossy(&received[end + 4..end + 4 + length]).into_owned();
                received.drain(..end + 4 + length);
                return Some((head, body));
            }
        }
        if stream.read_buf(received).await.ok()? == 0 {
            return None;
        }
    }
}

fn ask(head: &str, body: &str) -> Ask {
    // authorization: aws4-hmac-sha256 credential=KEY/date/REGION/cloudtrail/aws4_request
    let scope = head.split("credential=").nth(1).expect("a signed request");
    let region = scope.split('/').nth(2).expect("a region").to_owned();
    assert!(head.contains("cloudtrail_20131101.lookupevents"), "{head}");
    let body: Value = serde_json::from_str(body).expect("a JSON body");
    let attribute = &body["LookupAttributes"][0];
    let filter = format!("{}={}", text(&attribute["AttributeKey"]), text(&attribute["AttributeValue"]));
    let second = |value: &Value| value.as_f64().expect("a time");
    let (start, end) = (second(&body["StartTime"]), second(&body["EndTime"]));
    Ask { region, filter, start, end, token: body["NextToken"].as_str().map(str::to_owned) }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// An event that changes something, at a second; an emulator may give fractions.
pub(super) fn event(id: &str, second: i64) -> Value {
    let time = jiff::Timestamp::from_second(second).expect("a time").to_string();
    let record = json!({
        "eventVersion": "1.11", "eventID": id, "eventTime": time, "eventSource": "ec2.amazonaws.com",
        "eventName": "RunInstances", "readOnly": false,
    });
    json!({ "EventId": id, "EventTime": second, "CloudTrailEvent": record.to_string() })
}

/// A page.
pub(super) fn page(events: &[Value], token: Option<&str>) -> Answer {
    (200, json!({ "Events": events, "NextToken": token }).to_string())
}

/// A page of `ListRegions`; `next` is the number of the one that follows.
pub(super) fn regions(names: &[&str], next: Option<usize>) -> Answer {
    let regions: Vec<Value> =
        names.iter().map(|name| json!({ "RegionName": name, "RegionOptStatus": "ENABLED" })).collect();
    (200, json!({ "Regions": regions, "NextToken": next.map(|next| next.to_string()) }).to_string())
}

pub(super) fn refusal(code: &str) -> Answer {
    (400, json!({ "__type": code, "message": format!("{code} it is") }).to_string())
}

/// The page of 50 that AWS would give: of these events those asked for, newest first.
pub(super) fn paged(events: &[Value], ask: &Ask) -> Answer {
    let found = matching(events, ask);
    let from: usize = ask.token.as_ref().map_or(0, |token| token.parse().expect("our token"));
    let rest = found.get(from..).unwrap_or_default();
    let token = (rest.len() > 50).then(|| (from + 50).to_string());
    page(&rest[..rest.len().min(50)], token.as_deref())
}

/// The newest 50, as an emulator gives that never pages.
pub(super) fn unpaged(events: &[Value], ask: &Ask) -> Answer {
    let found = matching(events, ask);
    page(&found[..found.len().min(50)], None)
}

fn matching(events: &[Value], ask: &Ask) -> Vec<Value> {
    let second = |event: &Value| event["EventTime"].as_f64().expect("a time");
    let wanted = |event: &&Value| (ask.start..=ask.end).contains(&second(event)) && ask.filter == "ReadOnly=false";
    let mut found: Vec<Value> = events.iter().filter(wanted).cloned().collect();
    found.sort_by(|a, b| second(b).total_cmp(&second(a)));
    found
}

const DENIED: &str = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
    <Code>AccessDenied</Code><Message>not authorized to perform sts:AssumeRole</Message></Error></ErrorResponse>";

const IDENTITY: &str = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
    <GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/audit</Arn><UserId>AIDA</UserId>\
    <Account>111122223333</Account></GetCallerIdentityResult>\
    <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetCallerIdentityResponse>";
