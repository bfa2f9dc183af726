//! Follows the pages of one request, to the last and no further.
//!
//! No description can switch off what ends a walk in a circle: an address or token that comes again, a page that is the
//! same as the one before, and a number of pages that no system has, are errors. The surprising fact: a page that is
//! empty need not be the last, and some systems name a next page for ever; what counts is what the description says.

mod answer;
mod said;

use std::collections::HashSet;

use jiff::Timestamp;
use reqwest::Url;
use reqwest::header::{ACCEPT_ENCODING, HeaderValue};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::ask;
use super::records::Damaged;
use super::stream::{Items, Stream};
use super::tables::{Each, Mode, PageType, RecordFormat, Stop};
use super::template::Values;
use crate::Error;
use crate::http::{Ask, Connection, Head, Reply, bad_response};

use answer::Answer;
pub(super) use said::Token;

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
    /// The last page had no records.
    is_empty: bool,
    /// The last page said that there is more.
    is_promised: bool,
    /// How many records or pages there are, as it was last told.
    total: Option<u64>,
    /// Where the window begins that is asked for.
    start: Option<Timestamp>,
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
            ask::put(&mut first, param, &(*size).into()).map_err(unusable)?;
        }
        if matches!(stream.pages.kind, PageType::Page | PageType::Offset) {
            ask::put(&mut first, &stream.pages.param, &stream.pages.start.into()).map_err(unusable)?;
        }
        // Where the request does not say where the checkpoint goes, it goes where the next page's token would.
        if matches!(stream.pages.kind, PageType::Token | PageType::LastRecord)
            && let Some(place) = &values.checkpoint
            && !stream.request.templates().iter().any(|text| text.needs_checkpoint())
        {
            ask::put(&mut first, &stream.pages.param, &Token::Text(place.clone())).map_err(unusable)?;
        }
        // Lines say nothing of their end, and what unpacks them hides whether the answer told its length.
        if stream.records.format == RecordFormat::Ndjson && !first.headers.contains_key(ACCEPT_ENCODING) {
            first.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        Ok(Self {
            connection,
            stream,
            next: Some(first),
            asked: HashSet::new(),
            before: None,
            pages: 0,
            max_pages,
            read: 0,
            is_empty: false,
            is_promised: false,
            total: None,
            start: values.window.map(|(start, _)| start),
        })
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
            let empty = if self.is_empty {
                ", the last of them empty: of a system that names a next page for ever say `more`, or stop = \"short_page\""
            } else {
                ""
            };
            return Err(bad(format!("there are more than {} pages{empty}", self.max_pages)));
        }
        self.pages += 1;
        let (stream, is_first) = (self.stream, self.pages == 1);
        let understand = |head: &Head, url: &Url, body| Answer::read(stream, is_first, head, url, body);
        let answer = match self.connection.ask(&ask, understand).await? {
            Reply::Answer(answer) => answer,
            Reply::Skip | Reply::Stop if is_first => return Ok(None),
            // What follows was named, or counted: it is missing, and no rule makes an end of that.
            Reply::Skip | Reply::Stop => {
                return Err(bad(format!(
                    "page {} is answered with what [errors] takes for nothing: that holds for the first page only",
                    self.pages
                )));
            }
        };
        if answer.is_nothing && self.is_promised {
            return Err(bad(format!("page {} is empty, and the one before it says that there is more", self.pages)));
        }
        let is_walk = self.stream.pages.kind != PageType::None;
        if is_walk && !answer.records.is_empty() && self.before == Some(answer.hash) {
            return Err(bad("the next page is the same as the one before".into()));
        }
        self.before = Some(answer.hash);
        let count = answer.records.len() + answer.damaged.len();
        // What has nothing to say of itself would count as read. Of what is read for nobody the snapshot tells.
        let is_one = stream.records.each == Each::One && !stream.records.may_lack;
        if is_first && count == 0 && is_one && matches!(stream.items, Items::From { .. }) {
            return Err(bad("it is empty, where one record should be".into()));
        }
        self.read += count as u64;
        self.is_empty = count == 0;
        self.total = answer.said.total.or(self.total);
        let place = self.stream.pages.persist.then(|| answer.said.token().ok().flatten()).flatten();
        let checkpoint = match self.stream.pages.kind {
            PageType::LinkHeader | PageType::NextUrl => place.and_then(|link| {
                let mut address = answer.url.join(link.text()).ok()?;
                // It is kept, and a key in it must not be.
                self.connection.clean(&mut address);
                Some(address.into())
            }),
            _ => place.map(|place| place.text().to_owned()),
        };
        self.next = self.after(ask, &answer).map_err(bad)?;
        // Some name the same place for as long as there is nothing in it; it is where the next collection begins.
        let pages = &self.stream.pages;
        let is_at_end = count == 0 && (pages.persist || pages.stop == Some(Stop::Empty));
        self.next.take_if(|next| is_at_end && self.asked.contains(&fingerprint(next)));
        // Where a next page is named whatever there is, nothing is promised by that.
        let names_it = is_named(pages.kind) && pages.stop != Some(Stop::Empty) && !pages.persist;
        self.is_promised = self.next.is_some() && (names_it || matches!(answer.said.more, Some(Ok(true))));
        Ok(Some(Page { records: answer.records, damaged: answer.damaged, checkpoint }))
    }

    /// Whether the system says that there is more, or that there is not, where the description asks.
    fn more(&self, answer: &Answer) -> Result<Option<bool>, String> {
        let Some(pointer) = &self.stream.pages.more else { return Ok(None) };
        // Where nothing is said of what is empty, nothing is said of what is false either.
        let silence = answer.is_nothing || self.stream.records.may_lack;
        let more = match answer.said.more {
            Some(Ok(more)) => Some(more),
            Some(Err(_)) => None,
            None => silence.then_some(false),
        };
        more.map(Some).ok_or_else(|| format!("it does not say whether there is more: no flag at {pointer}"))
    }

    /// Whether it is the last page, as far as records and pages are counted.
    fn is_last(&self, answer: &Answer, count: u64) -> Result<bool, String> {
        let pages = &self.stream.pages;
        let total = || answer.said.total.or(self.total.filter(|_| answer.is_nothing));
        if pages.page_count.is_some() {
            let total = total().or(answer.is_nothing.then_some(0)).ok_or("it does not say how many pages there are")?;
            return Ok(self.pages as u64 >= total);
        }
        Ok(match pages.stop {
            Some(Stop::ShortPage) => pages.full.is_some_and(|full| count < full),
            // What is named may lie past empty pages: the end is where nothing is named, or what was asked before.
            Some(Stop::Empty) => count == 0 && !is_named(pages.kind),
            Some(Stop::Total) => {
                let total =
                    total().or(answer.is_nothing.then_some(0)).ok_or("it does not say how many records there are")?;
                // What is missing would pass for read, or for deleted.
                if count == 0 && self.read < total {
                    return Err(self.short_of(total));
                }
                self.read >= total
            }
            // A counted walk without a rule ends where there is nothing, or at the end of a page that is not full.
            None => is_counted(pages.kind) && count == 0,
        } || (is_counted(pages.kind) && count == 0))
    }

    fn short_of(&self, total: u64) -> String {
        format!("it says that there are {total} records, and gave {}", self.read)
    }

    /// A system that gives no more than so many records at once, and does not say that there are more.
    fn check_full(&self, answer: &Answer, count: u64) -> Result<(), String> {
        let pages = &self.stream.pages;
        let Some(full) = pages.full.filter(|full| pages.kind == PageType::None && count >= *full) else {
            return Ok(());
        };
        // Of a feed only what is new is wanted.
        let is_old = |record: &RawValue| {
            let value = serde_json::from_str(record.get()).ok()?;
            let mut times = self.stream.time.fields.iter();
            let time =
                times.find_map(|pointer| self.stream.time.format.read(serde_json::Value::pointer(&value, pointer)?));
            Some(time? < self.start?)
        };
        if self.stream.mode == Some(Mode::Feed) && answer.records.iter().any(|record| is_old(record) == Some(true)) {
            return Ok(());
        }
        Err(format!(
            "it gave {count} records, as many as it gives at once ({full}): there may be more; ask for less time at once (max_window), or more often"
        ))
    }

    /// The request after this one.
    fn after(&self, ask: Ask<'a>, answer: &Answer) -> Result<Option<Ask<'a>>, String> {
        let pages = &self.stream.pages;
        let count = (answer.records.len() + answer.damaged.len()) as u64;
        self.check_full(answer, count)?;
        let more = self.more(answer)?;
        // Where the system says so itself, nothing is concluded.
        if !more.map_or_else(|| self.is_last(answer, count).map(|last| !last), Ok)? {
            return Ok(None);
        }
        let mut next = ask;
        match pages.kind {
            PageType::Page => ask::put(&mut next, &pages.param, &(pages.start + self.pages as u64).into())?,
            PageType::Offset => ask::put(&mut next, &pages.param, &(pages.start + self.read).into())?,
            _ => {
                let Some(token) = answer.said.token()? else { return self.without_token(answer, more).map(|()| None) };
                match pages.kind {
                    PageType::LinkHeader | PageType::NextUrl => {
                        let join = |error| format!("the next page `{}` is no address: {error}", token.text());
                        next.url = answer.url.join(token.text()).map_err(join)?;
                    }
                    _ => ask::put(&mut next, &pages.param, &token)?,
                }
            }
        }
        Ok(Some(next))
    }

    /// No next page is named: an error where there is one.
    fn without_token(&self, answer: &Answer, more: Option<bool>) -> Result<(), String> {
        let pages = &self.stream.pages;
        if more == Some(true) {
            return Err("it says that there is more, and names no next page".into());
        }
        match (pages.kind, self.total) {
            (PageType::LastRecord, _) => Err(format!(
                "none of its records has what the next page begins with: {}",
                pages.pointer.as_deref().unwrap_or_default()
            )),
            (_, Some(total)) if pages.stop == Some(Stop::Total) && self.read < total => Err(self.short_of(total)),
            (_, Some(total)) if pages.page_count.is_some() && (self.pages as u64) < total && !answer.is_nothing => {
                Err(format!("it says that there are {total} pages, and names none after number {}", self.pages))
            }
            _ => Ok(()),
        }
    }
}

/// Whether each page names the next one.
fn is_named(kind: PageType) -> bool {
    matches!(kind, PageType::Token | PageType::LinkHeader | PageType::NextUrl)
}

/// Whether pages go on by themselves, until there is nothing.
fn is_counted(kind: PageType) -> bool {
    matches!(kind, PageType::Page | PageType::Offset | PageType::LastRecord)
}

fn fingerprint(ask: &Ask<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(ask.url.as_str());
    hash.update([0]);
    hash.update(ask.body.as_deref().unwrap_or_default());
    hash.finalize().into()
}
