//! The vendor's system as far as the fixtures know it: it gives the pages of one collection, in order, to whoever asks.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::copy::Shape;
use super::fixtures::Poll;
use super::server::{Answer, Asked, decoded};

/// What goes wrong on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mishap {
    Nothing,
    /// No stream has anything.
    Empty,
    /// Every page names the first one as its next.
    Loop,
    /// Every request is refused once for too many requests.
    Busy,
    /// Every second request is answered with 401, once.
    Expired,
    /// The first record of every stream is no record.
    Malformed,
    /// The last record of every stream is not there yet.
    Late,
    /// Requests are sent on to another place.
    Elsewhere,
    /// Nothing is allowed.
    Forbidden,
}

/// A status that no description makes anything of, and that nobody waits for.
const FAILS: u16 = 418;

/// One collection's worth of a system.
#[derive(Debug)]
pub(super) struct System {
    pub(super) url: String,
    pub(super) elsewhere: String,
    pub(super) poll: Poll,
    pub(super) streams: BTreeMap<String, Shape>,
    pub(super) origins: Vec<String>,
    pub(super) login_pointer: Option<String>,
    pub(super) mishap: Mishap,
    /// A stream that cannot be read.
    pub(super) failing: Option<String>,
    served: HashMap<(String, String), usize>,
    last: (String, String),
    refused: HashMap<String, usize>,
    requests: usize,
}

impl System {
    pub(super) fn new(url: &str, elsewhere: &str, copy: &super::copy::Copy, poll: &Poll, mishap: Mishap) -> Self {
        Self {
            url: url.to_owned(),
            elsewhere: elsewhere.to_owned(),
            poll: poll.clone(),
            streams: copy.streams.clone(),
            origins: copy.origins.clone(),
            login_pointer: copy.login_pointer.clone(),
            mishap,
            failing: None,
            served: HashMap::new(),
            last: Default::default(),
            refused: HashMap::new(),
            requests: 0,
        }
    }

    pub(super) fn answer(&mut self, asked: &Asked) -> Answer {
        if asked.path == "/@setup" {
            return Answer::ok("{}");
        }
        if asked.path.ends_with("/@login") || asked.body.contains("grant_type=") {
            let mut answer = json!({"access_token": "contract-token-1", "expires_in": 3600});
            if let Some(pointer) = &self.login_pointer {
                put(&mut answer, pointer, "contract-token-1".into());
            }
            return Answer::ok(answer.to_string());
        }
        self.requests += 1;
        let key = format!("{} {} {:?} {}", asked.method, asked.path, asked.query, asked.body);
        let times = self.refused.entry(key).or_default();
        *times += 1;
        match self.mishap {
            Mishap::Busy if *times == 1 => return Answer::status(429, "slow down").header("Retry-After", "0"),
            Mishap::Expired if *times == 1 && self.requests.is_multiple_of(2) => return Answer::status(401, "expired"),
            Mishap::Forbidden => return Answer::status(403, "not allowed"),
            Mishap::Elsewhere => {
                return Answer::status(302, "").header("Location", format!("{}{}", self.elsewhere, asked.path));
            }
            _ => {}
        }
        let place = self.place(asked);
        if self.failing.as_ref() == Some(&place.0) {
            return Answer::status(FAILS, "not now");
        }
        self.last.clone_from(&place);
        self.page(&place)
    }

    /// Which stream and item is asked for.
    fn place(&self, asked: &Asked) -> (String, String) {
        // The place of requests may have a path of its own.
        if let Some((_, rest)) = asked.path.split_once("/@") {
            let mut parts = rest.split('/');
            let (stream, item) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let item = if item == "-" { String::new() } else { decoded(item) };
            return (stream.to_owned(), item);
        }
        let path = decoded(&asked.path);
        let path_of =
            |item: &str| self.origins.iter().find_map(|origin| item.strip_prefix(origin.as_str())).map(str::to_owned);
        let by_item = self.poll.keys().find(|(stream, item)| {
            let behind = self.streams.get(stream).and_then(|shape| shape.behind_address.as_ref());
            behind.is_some_and(|behind| path_of(item).unwrap_or_else(|| item.clone()) + behind == path)
        });
        by_item.cloned().unwrap_or_else(|| self.last.clone())
    }

    fn page(&mut self, place: &(String, String)) -> Answer {
        let shape = self.streams.get(&place.0).cloned().unwrap_or_default();
        let pages = self.poll.get(place).cloned().unwrap_or_default();
        let served = self.served.entry(place.clone()).or_default();
        let number = if self.mishap == Mishap::Loop { 0 } else { *served };
        *served += 1;
        let is_last = number + 1 >= pages.len();
        let Some(page) = pages.get(number).filter(|_| self.mishap != Mishap::Empty) else {
            return Answer::ok(self.empty(place, &shape));
        };
        let mut page = page.clone();
        if (self.mishap == Mishap::Malformed && number == 0)
            || (self.mishap == Mishap::Late && is_last && shape.parent.is_none())
        {
            page = damaged(&page, &shape, self.mishap);
        }
        // Elsewhere the vendor's address is a part of the record, and of the hash that names it.
        for origin in self.origins.iter().filter(|_| shape.has_links) {
            page = page.replace(origin.as_str(), &self.url);
        }
        let answer = Answer::ok(page);
        if is_last && (self.mishap != Mishap::Loop || pages.len() < 2) {
            return answer;
        }
        let next = if self.mishap == Mishap::Loop { 0 } else { number + 1 };
        let item = if place.1.is_empty() { "-".to_owned() } else { place.1.replace('%', "%25").replace('/', "%2F") };
        let address = format!("{}/@{}/{item}/next/{next}", self.url, place.0);
        match (shape.paging.as_str(), &shape.page_header) {
            ("link_header", _) => answer.header("Link", format!("<{address}>; rel=\"next\"")),
            ("next_url", Some(name)) => answer.header(name, address),
            ("token", Some(name)) => answer.header(name, format!("page-{next}")),
            _ => answer,
        }
    }

    /// A page of this stream without records.
    fn empty(&self, place: &(String, String), shape: &Shape) -> String {
        if shape.is_ndjson {
            return String::new();
        }
        let same = self.poll.iter().find(|((stream, _), pages)| *stream == place.0 && !pages.is_empty());
        let mut page = same.and_then(|(_, pages)| serde_json::from_str(&pages[0]).ok()).unwrap_or_else(|| json!({}));
        let pointer = shape.records.split("/*").next().unwrap_or_default();
        let none = if page.pointer(pointer).is_some_and(Value::is_object) && shape.records.contains('*') {
            json!({})
        } else {
            json!([])
        };
        put(&mut page, pointer, none);
        if shape.paging != "last_record" {
            shape.page_pointer.iter().for_each(|pointer| put(&mut page, pointer, Value::Null));
        }
        shape.more.iter().for_each(|pointer| put(&mut page, pointer, false.into()));
        shape.total.iter().for_each(|pointer| put(&mut page, pointer, 0.into()));
        page.to_string()
    }
}

/// Whether a record that is none can be put among others: what is told as one object has no others.
pub(super) fn has_lists(poll: &Poll, streams: &BTreeMap<String, Shape>) -> bool {
    let same = |page: &str| serde_json::from_str::<Value>(page).map_or(page.to_owned(), |value| value.to_string());
    poll.iter().any(|((stream, _), pages)| {
        let (Some(shape), Some(page)) = (streams.get(stream), pages.first()) else { return false };
        damaged(page, shape, Mishap::Malformed) != same(page)
    })
}

/// A page whose first record is none, or whose last one is missing.
fn damaged(page: &str, shape: &Shape, mishap: Mishap) -> String {
    if shape.is_ndjson {
        let mut lines: Vec<&str> = page.lines().collect();
        match mishap {
            Mishap::Malformed => lines.insert(0, "{\"cut"),
            _ => drop(lines.pop()),
        }
        return lines.join("\n");
    }
    let Ok(mut value) = serde_json::from_str::<Value>(page) else { return page.to_owned() };
    let mut steps = shape.records.split('/').skip(1);
    let mut place = Some(&mut value);
    for step in &mut steps {
        place = place.and_then(|value| match value {
            Value::Array(items) => items.first_mut(),
            Value::Object(members) => {
                let key = if step == "*" { members.keys().next().cloned() } else { Some(step.to_owned()) };
                members.get_mut(&key?)
            }
            _ => None,
        });
    }
    match (place, mishap) {
        (Some(Value::Array(items)), Mishap::Malformed) => items.insert(0, json!("no record")),
        (Some(Value::Array(items)), _) => {
            drop(items.pop());
            // The system does not know of it yet, and does not count it.
            if let Some(pointer) = &shape.total
                && let Some(total) = value.pointer(pointer).and_then(Value::as_u64)
            {
                put(&mut value, pointer, total.saturating_sub(1).into());
            }
        }
        _ => {}
    }
    value.to_string()
}

/// Puts a value at a pointer, making the objects on the way.
fn put(value: &mut Value, pointer: &str, new: Value) {
    let mut place = value;
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[step.as_str()];
    }
    *place = new;
}
