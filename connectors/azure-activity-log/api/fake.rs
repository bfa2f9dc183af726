//! An Azure Resource Manager on the loopback: it logs what it is asked and answers what a test says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use azure_core_legacy::Url;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) path: String,
    pub(crate) query: HashMap<String, String>,
    pub(crate) token: String,
    pub(crate) body: String,
}

/// What comes back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) body: String,
    /// Bytes of the body that are announced and never come.
    pub(crate) missing: usize,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: String::new(), body: body.into(), missing: 0 }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers = format!("{}{name}: {value}\r\n", self.headers);
        self
    }
}

type Handler = dyn Fn(&Ask, usize) -> Answer + Send + Sync;

/// The fake; everything that it was asked.
pub(crate) struct Fake {
    pub(crate) url: Url,
    asked: Arc<Mutex<Vec<Ask>>>,
}

impl Fake {
    /// `answer` gets each request and how many came before.
    pub(crate) async fn start(answer: impl Fn(&Ask, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address")).parse().expect("a URL");
        let (asked, answer): (Arc<Mutex<Vec<Ask>>>, Arc<Handler>) = (Arc::default(), Arc::new(answer));
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&log), Arc::clone(&answer)));
            }
        });
        Self { url, asked }
    }

    pub(crate) fn asked(&self) -> Vec<Ask> {
        self.asked.lock().expect("no panic").clone()
    }
}

async fn serve(mut stream: TcpStream, log: Arc<Mutex<Vec<Ask>>>, answer: Arc<Handler>) {
    let mut received = Vec::new();
    while let Some((head, body)) = request(&mut stream, &mut received).await {
        let ask = ask(&head, body);
        let before = {
            let mut log = log.lock().expect("no panic");
            log.push(ask.clone());
            log.len() - 1
        };
        let Answer { status, headers, body, missing } = answer(&ask, before);
        let length = body.len() + missing;
        let text = format!("HTTP/1.1 {status} Some\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
        if stream.write_all(text.as_bytes()).await.is_err() || missing > 0 {
            return;
        }
    }
}

/// Head and body of the next request.
async fn request(stream: &mut TcpStream, received: &mut Vec<u8>) -> Option<(String, String)> {
    loop {
        if let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(received[..end + 4].to_vec()).ok()?;
            let length: usize = header(&head, "content-length").map_or(0, |length| length.parse().expect("a number"));
            if received.len() >= end + 4 + length {
                let rest = received.split_off(end + 4 + length);
                let whole = std::mem::replace(received, rest);
                return Some((head, String::from_utf8(whole[end + 4..].to_vec()).ok()?));
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(count) if count > 0 => received.extend_from_slice(&buffer[..count]),
            _ => return None,
        }
    }
}

fn header<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    let mut pairs = head.lines().filter_map(|line| line.split_once(": "));
    pairs.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
}

fn ask(head: &str, body: String) -> Ask {
    let target = head.split(' ').nth(1).expect("a target");
    let url: Url = format!("http://x{target}").parse().expect("a URL");
    let token = header(head, "authorization").map(|value| value.trim_start_matches("Bearer ").to_owned());
    Ask {
        path: url.path().to_owned(),
        query: url.query_pairs().into_owned().collect(),
        token: token.unwrap_or_default(),
        body,
    }
}
