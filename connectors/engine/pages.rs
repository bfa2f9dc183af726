//! Follows the pages of one request, to the last and no further.
//!
//! No description can switch off what ends a walk in a circle: an address or token that comes again, a page that is the
//! same as the one before, and a number of pages that no system has, are errors. The surprising fact: a page that is
//! empty need not be the last, and some systems name a next page for ever; what counts is what the description says.

use std::collections::HashSet;

use reqwest::Url;
use reqwest::header::{HeaderMap, LINK};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::ask;
use super::records::{self, Damaged};
use super::stream::Stream;
use super::tables::{PageType, RecordFormat, Stop};
use super::template::Values;
use crate::Error;
use crate::http::{Ask, Connection, Reply, bad_response};
use crate::spec::Kind;

/// Pages of one request, unless the description allows fewer.
pub(super) const MAX_PAGES: usize = 10_000;

/// One page.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) records: Vec<Box<RawValue>>,
    /// Records that are none, and why.
    pub(super) damaged: Vec<Damaged>,
    /// What names the place after this page, where that is kept.
    pub(super) checkpoint: Option<String>,
}

/// A walk through the pages of a request.
pub(super) struct Walk<'a> {
    connection: &'a Connection,
    stream: &'a Stream,
    next: Option<Ask<'a>>,
    asked: HashSet<[u8; 32]>,
    before: Option<[u8; 32]>,
    pages: usize,
    max_pages: usize,
    /// Records so far.
    read: u64,
    /// Empty pages since the last that was not.
    empty: usize,
}

/// What an answer says, before its next page is known.
struct Answer {
    records: Vec<Box<RawValue>>,
    damaged: Vec<Damaged>,
    value: Value,
    link: Option<String>,
    header: Option<String>,
    url: Url,
    hash: [u8; 32],
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        stream: &'a Stream,
        values: &Values,
        max_pages: usize,
    ) -> Result<Self, Error> {
        let mut first = ask::first(&connection.place, &stream.request, values, &stream.name)?;
        let unusable = |problem: String| bad_response(&stream.name, problem);
        if let Some((param, size)) = &stream.pages.size {
            ask::put(&mut first, param, (*size).into()).map_err(unusable)?;
        }
        if matches!(stream.pages.kind, PageType::Page | PageType::Offset) {
            ask::put(&mut first, &stream.pages.param, stream.pages.start.into()).map_err(unusable)?;
        }
        // Where the request does not say where the checkpoint goes, it goes where the next page's token would.
        if matches!(stream.pages.kind, PageType::Token | PageType::LastRecord)
            && let Some(place) = &values.checkpoint
            && !stream.request.templates().iter().any(|text| text.needs_checkpoint())
        {
            ask::put(&mut first, &stream.pages.param, place.as_str().into()).map_err(unusable)?;
        }
        let (asked, before) = (HashSet::new(), None);
        Ok(Self { connection, stream, next: Some(first), asked, before, pages: 0, max_pages, read: 0, empty: 0 })
    }

    /// Begins where an earlier walk ended, at the address that named the place.
    pub(super) fn begin_at(&mut self, address: &str) -> Result<(), Error> {
        let url =
            address.parse().map_err(|_| bad_response(&self.stream.name, "the checkpoint is no address".into()))?;
        if let Some(next) = &mut self.next {
            next.url = url;
        }
        Ok(())
    }

    /// The next page; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Page>, Error> {
        let Some(ask) = self.next.take() else { return Ok(None) };
        let bad = |problem: String| bad_response(&self.stream.name, problem);
        if !self.asked.insert(fingerprint(&ask)) {
            return Err(bad("the same next page was named twice".into()));
        }
        if self.pages == self.max_pages {
            return Err(bad(format!("there are more than {} pages", self.max_pages)));
        }
        self.pages += 1;
        let answer = match self.connection.ask(&ask, |headers, url, body| self.understand(headers, url, body)).await? {
            Reply::Answer(answer) => answer,
            Reply::Skip | Reply::Stop => return Ok(None),
        };
        let is_walk = self.stream.pages.kind != PageType::None;
        if is_walk && !answer.records.is_empty() && self.before == Some(answer.hash) {
            return Err(bad("the next page is the same as the one before".into()));
        }
        self.before = Some(answer.hash);
        let count = answer.records.len() + answer.damaged.len();
        self.read += count as u64;
        self.empty = if count == 0 { self.empty + 1 } else { 0 };
        let place = self.stream.pages.persist.then(|| self.token(&answer)).flatten();
        let checkpoint = match self.stream.pages.kind {
            PageType::LinkHeader | PageType::NextUrl => place.and_then(|link| {
                let mut address = answer.url.join(link.as_str()?).ok()?;
                // It is kept, and a key in it must not be.
                self.connection.clean(&mut address);
                Some(address.into())
            }),
            _ => place.as_ref().map(plain),
        };
        self.next = self.after(ask, &answer).map_err(bad)?;
        // Some name the same place for as long as there is nothing in it.
        self.next.take_if(|next| {
            count == 0 && self.stream.pages.stop == Some(Stop::Empty) && self.asked.contains(&fingerprint(next))
        });
        Ok(Some(Page { records: answer.records, damaged: answer.damaged, checkpoint }))
    }

    fn understand(&self, headers: &HeaderMap, url: &Url, body: Vec<u8>) -> Result<Answer, String> {
        let text = records::text_of(body);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let hash = Sha256::digest(text.as_bytes()).into();
        let (records, damaged, value) = match self.stream.records.format {
            RecordFormat::Ndjson => {
                let (records, damaged) = records::lines(text)?;
                (records, damaged, Value::Null)
            }
            // 204 and the like.
            RecordFormat::Json if text.trim().is_empty() => (Vec::new(), Vec::new(), Value::Null),
            RecordFormat::Json => {
                let whole: &RawValue = serde_json::from_str(text)
                    .map_err(|error| format!("{} bytes that are no JSON: {error}", text.len()))?;
                let value = if self.needs_value() {
                    serde_json::from_str(text).map_err(|error| error.to_string())?
                } else {
                    Value::Null
                };
                // A log may answer with nothing at all; a list of objects that did would say that all are gone.
                let is_nothing = self.stream.kind == Kind::Events && text.trim() == "{}";
                let found = if is_nothing { Vec::new() } else { records::find(whole, &self.stream.records)? };
                let (records, damaged) = records::whole(found);
                (records, damaged, value)
            }
        };
        let name = self.stream.pages.header.as_deref();
        let header = name.and_then(|name| headers.get(name)).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Answer { records, damaged, value, link: link(headers), header, url: url.clone(), hash })
    }

    fn needs_value(&self) -> bool {
        let pages = &self.stream.pages;
        pages.more.is_some() || pages.total.is_some() || (pages.pointer.is_some() && pages.kind != PageType::LastRecord)
    }

    /// What the answer says of the next page: a text or a number.
    fn token(&self, answer: &Answer) -> Option<Value> {
        let pages = &self.stream.pages;
        match pages.kind {
            PageType::LinkHeader => answer.link.clone().map(Value::from),
            PageType::LastRecord => {
                let (last, pointer) = (answer.records.last()?, pages.pointer.as_deref()?);
                let value: Value = serde_json::from_str(last.get()).ok()?;
                let found = value.pointer(pointer).filter(|value| is_token(value))?.clone();
                // A number that is too large to be one here keeps its digits.
                if found.is_f64() { records::digits(last.get(), pointer).map(Value::from) } else { Some(found) }
            }
            _ if pages.header.is_some() => {
                answer.header.clone().filter(|text| !text.trim().is_empty()).map(Value::from)
            }
            _ => answer.value.pointer(pages.pointer.as_deref()?).filter(|value| is_token(value)).cloned(),
        }
    }

    /// The request after this one.
    fn after(&self, ask: Ask<'a>, answer: &Answer) -> Result<Option<Ask<'a>>, String> {
        let pages = &self.stream.pages;
        let count = (answer.records.len() + answer.damaged.len()) as u64;
        if pages.more.as_deref().is_some_and(|more| !is_true(answer.value.pointer(more))) {
            return Ok(None);
        }
        let ends = match pages.stop {
            Some(Stop::ShortPage) => pages.full.is_some_and(|full| count < full),
            // A link may lead past an empty page; that there is nothing twice over is an end.
            Some(Stop::Empty) => count == 0 && (self.empty > 1 || !is_named(pages.kind)),
            Some(Stop::Total) => {
                let total = pages.total.as_deref().and_then(|total| answer.value.pointer(total));
                let total = total.and_then(|total| total.as_u64().or_else(|| total.as_str()?.parse().ok()));
                let total = total.ok_or("it does not say how many records there are")?;
                // What is missing would pass for read, or for deleted.
                if count == 0 && self.read < total {
                    return Err(format!("it says that there are {total} records, and gave {}", self.read));
                }
                self.read >= total
            }
            // A counted walk without a rule ends where there is nothing, or at the end of a page that is not full.
            None if matches!(pages.kind, PageType::Page | PageType::Offset | PageType::LastRecord) => count == 0,
            None => false,
        };
        if ends || (count == 0 && matches!(pages.kind, PageType::Page | PageType::Offset | PageType::LastRecord)) {
            return Ok(None);
        }
        if pages.persist && count == 0 {
            // Nothing new: the place is named again, and is where the next collection begins.
            return Ok(None);
        }
        let mut next = ask;
        match pages.kind {
            PageType::None => return Ok(None),
            PageType::Page => ask::put(&mut next, &pages.param, (pages.start + self.pages as u64).into())?,
            PageType::Offset => ask::put(&mut next, &pages.param, (pages.start + self.read).into())?,
            PageType::Token | PageType::LastRecord => {
                let Some(token) = self.token(answer) else { return Ok(None) };
                ask::put(&mut next, &pages.param, token)?;
            }
            PageType::LinkHeader | PageType::NextUrl => {
                let Some(link) = self.token(answer).as_ref().map(plain) else { return Ok(None) };
                next.url =
                    answer.url.join(&link).map_err(|error| format!("the next page `{link}` is no address: {error}"))?;
            }
        }
        Ok(Some(next))
    }
}

/// Whether each page names the next one.
fn is_named(kind: PageType) -> bool {
    matches!(kind, PageType::Token | PageType::LinkHeader | PageType::NextUrl)
}

fn fingerprint(ask: &Ask<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(ask.url.as_str());
    hash.update([0]);
    hash.update(ask.body.as_deref().unwrap_or_default());
    hash.finalize().into()
}

/// Whether it names a next page: what is absent, empty or false does not.
fn is_token(value: &Value) -> bool {
    value.is_number() || value.as_str().is_some_and(|text| !text.trim().is_empty())
}

fn plain(token: &Value) -> String {
    token.as_str().map_or_else(|| token.to_string(), str::to_owned)
}

fn is_true(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        Some(Value::Number(number)) => number.as_f64().is_some_and(|number| number != 0.0),
        _ => false,
    }
}

/// The address with `rel="next"` of a `Link` header (RFC 8288).
fn link(headers: &HeaderMap) -> Option<String> {
    for value in headers.get_all(LINK) {
        let mut rest = value.to_str().ok()?;
        // Addresses may hold commas and semicolons: the brackets tell where one ends.
        while let Some((_, after)) = rest.split_once('<') {
            let (address, after) = after.split_once('>')?;
            let end = after.find('<').unwrap_or(after.len());
            let is_next = after[..end].split([';', ',']).any(|param| {
                let (name, value) = param.split_once('=').unwrap_or((param, ""));
                let value = value.trim().trim_matches('"');
                name.trim().eq_ignore_ascii_case("rel") && value.split(' ').any(|rel| rel.eq_ignore_ascii_case("next"))
            });
            if is_next {
                return Some(address.to_owned());
            }
            rest = &after[end..];
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_link_is_found_among_others() {
        let next = |text: &'static str| link(&HeaderMap::from_iter([(LINK, text.parse().expect("a header"))]));
        assert_eq!(
            next(r#"<https://a/?p=2,3;x>; rel="next", <https://a/?p=9>; rel="last""#).as_deref(),
            Some("https://a/?p=2,3;x")
        );
        assert_eq!(
            next(r#"<https://a/1>; rel="prev", <https://a/2>; title="x"; rel=next"#).as_deref(),
            Some("https://a/2")
        );
        assert_eq!(next(r#"<https://a/2>; rel="self next""#).as_deref(), Some("https://a/2"));
        for none in ["", "<", "<>", r#"<https://a/2>; rel="last""#, "nothing", r#"rel="next""#] {
            assert_eq!(next(none), None, "{none}");
        }
    }
}
