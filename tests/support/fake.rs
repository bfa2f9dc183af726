//! An AWS on the loopback that is as slow as a test wants: `LookupEvents` page by page, and who is calling.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

/// The events that it has, and how it gives them.
pub(crate) struct Fake {
    pub(crate) url: String,
    /// How many pages it was asked for.
    pub(crate) pages: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct History {
    /// Newest first, as the API gives them.
    events: Arc<Vec<(Timestamp, Value)>>,
    page: usize,
    delay: Duration,
    pages: Arc<AtomicUsize>,
}

impl Fake {
    /// `count` changes, one a second up to a minute ago; `page` of them in an answer that takes `delay`.
    pub(crate) fn start(count: i64, page: usize, delay: Duration) -> Self {
        let last = Timestamp::now().as_second() - 60;
        let events = (0..count).map(|n| event(n, last - n)).collect();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let pages = Arc::new(AtomicUsize::new(0));
        let history = History { events: Arc::new(events), page, delay, pages: Arc::clone(&pages) };
        // Ends with the process: every test has a fake of its own.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let history = history.clone();
                thread::spawn(move || serve(stream, &history));
            }
        });
        Self { url, pages }
    }

    /// A configuration that asks it.
    pub(crate) fn config(&self) -> String {
        format!(
            "[[source]]\nname = \"aws\"\nconnector = \"aws-cloudtrail\"\nregions = [\"eu-west-2\"]\nendpoint_url = \"{}\"\nshare = 1.0\n",
            self.url
        )
    }
}

fn event(number: i64, second: i64) -> (Timestamp, Value) {
    let time = Timestamp::from_second(second).expect("a time");
    let id = format!("event-{number}");
    let record = json!({
        "eventVersion": "1.11", "eventID": id, "eventTime": time.to_string(), "eventSource": "ec2.amazonaws.com",
        "eventName": "RunInstances", "awsRegion": "eu-west-2", "readOnly": false, "recipientAccountId": "111122223333",
        "userIdentity": {"type": "Root", "accountId": "111122223333", "arn": "arn:aws:iam::111122223333:root"},
    });
    let event = json!({"EventId": id, "EventTime": second, "CloudTrailEvent": record.to_string()});
    (time, event)
}

fn serve(stream: TcpStream, history: &History) {
    let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
    let mut stream = stream;
    while let Some(body) = request(&mut reader) {
        let (kind, answer) = if body.contains("Action=GetCallerIdentity") {
            ("text/xml", IDENTITY.to_owned())
        } else {
            ("application/x-amz-json-1.1", history.answer(&body))
        };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", answer.len());
        if stream.write_all(format!("{head}{answer}").as_bytes()).is_err() {
            return;
        }
    }
}

const IDENTITY: &str = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
    <Arn>arn:aws:iam::111122223333:user/audit</Arn><UserId>AIDA</UserId><Account>111122223333</Account>\
    </GetCallerIdentityResult></GetCallerIdentityResponse>";

/// The body of the next request of a connection.
fn request(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(text) = line.strip_prefix("content-length:") {
            length = text.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    String::from_utf8(body).ok()
}

impl History {
    fn answer(&self, body: &str) -> String {
        let ask: Value = serde_json::from_str(body).expect("a JSON body");
        if ask["LookupAttributes"][0]["AttributeKey"] != "ReadOnly" {
            return json!({"Events": []}).to_string();
        }
        self.pages.fetch_add(1, Ordering::SeqCst);
        thread::sleep(self.delay);
        let bound = |key: &str| ask[key].as_f64().expect("a time");
        let (start, end) = (bound("StartTime"), bound("EndTime"));
        let inside: Vec<&Value> = self
            .events
            .iter()
            .filter(|(time, _)| {
                let second = time.as_duration().as_secs_f64();
                start <= second && second <= end
            })
            .map(|(_, event)| event)
            .collect();
        let from: usize = ask["NextToken"].as_str().map_or(0, |token| token.parse().expect("our own token"));
        let to = inside.len().min(from + self.page);
        let mut answer = json!({"Events": inside[from..to]});
        if to < inside.len() {
            answer["NextToken"] = json!(to.to_string());
        }
        answer.to_string()
    }
}
