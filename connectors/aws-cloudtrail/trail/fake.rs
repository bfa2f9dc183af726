//! A bucket on the loopback: lists with prefix, delimiter, start and pages, and objects with ranges, as S3 gives them;
//! and a queue, as SQS gives it.
//!
//! It knows everything that it was asked, and refuses what a test wants refused.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Status, further headers, body.
pub(in super::super) type Answer = (u16, String, Vec<u8>);

type Refuse = dyn Fn(&str) -> Option<Answer> + Send + Sync;

#[derive(Clone)]
pub(in super::super) struct Fake {
    pub(in super::super) url: String,
    objects: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    /// Messages by receipt; one that was taken stays until it is deleted, and is not given again.
    messages: Arc<Mutex<BTreeMap<String, (bool, String)>>>,
    /// Path and query of every request.
    asked: Arc<Mutex<Vec<String>>>,
    refuse: Arc<Refuse>,
    page: usize,
}

impl Fake {
    /// Lists have pages of three; `refuse` gets the path and query of each request.
    pub(in super::super) async fn start(refuse: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (objects, asked, messages) = Default::default();
        let fake = Self { url, objects, messages, asked, refuse: Arc::new(refuse), page: 3 };
        let served = fake.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(served.clone().serve(stream));
            }
        });
        fake
    }

    pub(in super::super) async fn open() -> Self {
        Self::start(|_| None).await
    }

    pub(in super::super) fn put(&self, key: &str, bytes: impl Into<Vec<u8>>) {
        self.objects.lock().expect("no panic").insert(key.to_owned(), bytes.into());
    }

    pub(in super::super) fn send(&self, body: &str) {
        let mut messages = self.messages.lock().expect("no panic");
        let receipt = format!("receipt-{}", messages.len());
        messages.insert(receipt, (false, body.to_owned()));
    }

    /// Bodies of the messages that were not deleted.
    pub(in super::super) fn queue(&self) -> Vec<String> {
        self.messages.lock().expect("no panic").values().map(|(_, body)| body.clone()).collect()
    }

    pub(in super::super) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }

    async fn serve(self, mut stream: TcpStream) {
        let mut received = Vec::new();
        while let Some((head, body)) = request(&mut stream, &mut received).await {
            let target = head.split(' ').nth(1).expect("a target").to_owned();
            self.asked.lock().expect("no panic").push(target.clone());
            let answer =
                || if head.starts_with("POST") { self.of_queue(&head, &body) } else { self.answer(&target, &head) };
            let (status, headers, body) = (self.refuse)(&target).unwrap_or_else(answer);
            let answer = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n", body.len());
            let body = if head.starts_with("HEAD") { Vec::new() } else { body };
            if stream.write_all(answer.as_bytes()).await.is_err() || stream.write_all(&body).await.is_err() {
                return;
            }
        }
    }

    fn of_queue(&self, head: &str, body: &str) -> Answer {
        let asked: Value = serde_json::from_str(body).expect("a JSON body");
        let mut messages = self.messages.lock().expect("no panic");
        let answer = if head.contains("AmazonSQS.ReceiveMessage") {
            let free = messages.iter_mut().filter(|(_, (taken, _))| !taken).take(10);
            let given: Vec<Value> = free
                .map(|(receipt, (taken, body))| {
                    *taken = true;
                    json!({"MessageId": receipt, "ReceiptHandle": receipt, "Body": body})
                })
                .collect();
            json!({ "Messages": given })
        } else {
            assert!(head.contains("AmazonSQS.DeleteMessageBatch"), "{head}");
            for entry in asked["Entries"].as_array().expect("entries") {
                messages.remove(entry["ReceiptHandle"].as_str().expect("a receipt"));
            }
            json!({"Successful": [], "Failed": []})
        };
        (200, "content-type: application/x-amz-json-1.0\r\n".into(), answer.to_string().into_bytes())
    }

    fn answer(&self, target: &str, head: &str) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = decoded(path);
        let key = path.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key);
        let objects = self.objects.lock().expect("no panic");
        if key.is_empty() {
            return (200, String::new(), self.list(&objects, query).into_bytes());
        }
        let Some(bytes) = objects.get(key) else { return refusal(404, "NoSuchKey", "gone") };
        let etag = format!("etag: \"{}\"\r\n", etag(bytes));
        let range =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
        match range {
            Some(range) => {
                let (from, to) = range.split_once('-').expect("both ends");
                let (from, to): (usize, usize) = (from.parse().expect("a number"), to.parse().expect("a number"));
                (206, etag, bytes[from..=to].to_vec())
            }
            None => (200, etag, bytes.clone()),
        }
    }

    fn list(&self, objects: &BTreeMap<String, Vec<u8>>, query: &str) -> String {
        let asked: BTreeMap<String, String> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), decoded(value)))
            .collect();
        let of = |name: &str| asked.get(name).map_or("", String::as_str);
        let after = of("start-after").max(of("continuation-token"));
        let (mut folders, mut found, mut last) = (BTreeSet::new(), String::new(), None);
        let mut count = 0;
        for (key, bytes) in objects.iter().filter(|(key, _)| key.starts_with(of("prefix")) && key.as_str() > after) {
            let rest = &key[of("prefix").len()..];
            if let Some((folder, _)) = rest.split_once('/').filter(|_| of("delimiter") == "/") {
                folders.insert(format!("{}{folder}/", of("prefix")));
                continue;
            }
            if count == self.page {
                last = Some(last.expect("an earlier key"));
                break;
            }
            count += 1;
            let _ = write!(
                found,
                "<Contents><Key>{key}</Key><ETag>&quot;{}&quot;</ETag><Size>{}</Size></Contents>",
                etag(bytes),
                bytes.len()
            );
            if count <= self.page {
                last = Some(key.clone());
            }
        }
        let is_truncated = count == self.page
            && last.as_ref().is_some_and(|last| objects.keys().any(|key| key.starts_with(of("prefix")) && key > last));
        for folder in &folders {
            let _ = write!(found, "<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>");
        }
        let token =
            last.filter(|_| is_truncated).map(|last| format!("<NextContinuationToken>{last}</NextContinuationToken>"));
        format!(
            "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><IsTruncated>{is_truncated}</IsTruncated>{}{found}</ListBucketResult>",
            token.unwrap_or_default()
        )
    }
}

fn etag(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    crate::hex(&Sha256::digest(bytes)[..8])
}

pub(in super::super) fn refusal(status: u16, code: &str, message: &str) -> Answer {
    let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    (status, String::new(), body.into_bytes())
}

/// Head and body of the next request of a connection.
async fn request(stream: &mut TcpStream, received: &mut Vec<u8>) -> Option<(String, String)> {
    loop {
        if let Some(end) = memchr::memmem::find(received, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&received[..end]).into_owned();
            let lower = head.to_ascii_lowercase();
            let length =
                lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
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

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, others @ ..] = rest {
        (bytes, rest) = match (first, others) {
            (b'%', [high, low, others @ ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).expect("two digits");
                bytes.push(u8::from_str_radix(digits, 16).expect("two digits"));
                (bytes, others)
            }
            (other, others) => {
                bytes.push(*other);
                (bytes, others)
            }
        };
    }
    String::from_utf8(bytes).expect("UTF-8")
}
