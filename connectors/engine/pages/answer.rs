//! What one answer says: its records, and whether it is an answer at all.
//!
//! The surprising fact: many systems tell errors with a good status, where the records should be or beside them. What is
//! neither a record nor a list of records is taken for one.

use reqwest::{StatusCode, Url};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::said::Said;
use crate::engine::records::{self, Damaged};
use crate::engine::stream::{ITEM, Identity, Items, Stream};
use crate::engine::tables::{Each, RecordFormat};
use crate::http::Head;
use crate::spec::Kind;

/// Members in which systems tell of errors.
const ERRORS: [&str; 3] = ["error", "errors", "message"];

/// What an answer says, before its next page is known.
pub(super) struct Answer {
    pub(super) records: Vec<Box<RawValue>>,
    pub(super) damaged: Vec<Damaged>,
    pub(super) said: Said,
    /// The system says that there is nothing, and says nothing else.
    pub(super) is_nothing: bool,
    pub(super) url: Url,
    pub(super) hash: [u8; 32],
}

impl Answer {
    pub(super) fn read(stream: &Stream, is_first: bool, head: &Head, url: &Url, body: Vec<u8>) -> Result<Self, String> {
        let text = records::text_of(body);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let hash = Sha256::digest(text.as_bytes()).into();
        let is_nothing = head.status == StatusCode::NO_CONTENT || (is_first && is_empty_log(stream, text));
        let said = |whole, records: &[_]| Said::read(&stream.pages, &head.headers, whole, records);
        let ((records, damaged), said) = match stream.records.format {
            _ if is_nothing => (Default::default(), said(None, &[])),
            RecordFormat::Ndjson if !head.has_end => {
                return Err(
                    "its end is not told (no Content-Length, no chunks), so that it may have been cut short".into()
                );
            }
            RecordFormat::Ndjson => {
                let (records, damaged) = records::lines(text)?;
                are_lines(stream, &records, &damaged)?;
                let said = said(None, &records);
                ((records, damaged), said)
            }
            RecordFormat::Json if text.trim().is_empty() => {
                return Err("it is empty: only the status 204 says that there is nothing".into());
            }
            RecordFormat::Json => {
                let whole: &RawValue = serde_json::from_str(text)
                    .map_err(|error| format!("{} bytes that are no JSON: {error}", text.len()))?;
                let found = records::find(whole, &stream.records, |one| is_record(stream, one))?;
                is_answer(stream, whole, found.is_empty())?;
                let said = said(Some(whole), &found);
                (records::whole(found), said)
            }
        };
        Ok(Self { records, damaged, said, is_nothing, url: url.clone(), hash })
    }
}

/// A log may answer with nothing at all. A list of objects that did would say that all are gone, what is read for a
/// record would count as read, and on a later page the rest would be lost.
fn is_empty_log(stream: &Stream, text: &str) -> bool {
    let is_log = stream.kind == Kind::Events && (stream.mode.is_some() || !matches!(stream.items, Items::From { .. }));
    stream.records.format == RecordFormat::Json && is_log && text.trim() == "{}"
}

/// Whether an object is a record where there might have been a list of them: many systems tell errors so.
fn is_record(stream: &Stream, one: &RawValue) -> Result<(), String> {
    if stream.records.each != Each::One && matches!(stream.items, Items::Whole) {
        return Err(
            "it is one object, where a list of records should be (if that is a record: each = \"one\" in [records])"
                .into(),
        );
    }
    let names = names(stream);
    if is_named(&names, one) {
        return Ok(());
    }
    Err(format!("it is an object that has nothing of what names a record: {}", names.join(", ")))
}

/// Whether any line is a record. A system that says in one line what is wrong, or that wants somebody to sign in, would
/// seem to have told everything. A line that begins as a record does is a damaged one.
fn are_lines(stream: &Stream, records: &[Box<RawValue>], damaged: &[Damaged]) -> Result<(), String> {
    let is_text = |(line, why): &Damaged| *why == records::NO_JSON && !line.trim_start().starts_with('{');
    if records.is_empty() && !damaged.is_empty() && damaged.iter().all(is_text) {
        return Err("none of its lines is JSON".into());
    }
    let names = names(stream);
    if records.is_empty() || records.iter().any(|line| is_named(&names, line)) {
        return Ok(());
    }
    Err(format!("none of its lines has anything of what names a record: {}", names.join(", ")))
}

/// Whether an answer tells of errors instead of records, or beside them, as GraphQL does.
fn is_answer(stream: &Stream, whole: &RawValue, is_empty: bool) -> Result<(), String> {
    let has = |name: &str| {
        let said = records::at(whole, &format!("/{name}"))?.get();
        let says = !matches!(said.trim(), "\"\"" | "false" | "0") && said.chars().any(char::is_alphanumeric);
        says.then_some(())
    };
    let is_asked_for = |name: &str| stream.records.steps.first().is_some_and(|step| step == name);
    let place = stream.records.steps.first().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1")));
    let lacks = is_empty && place.is_some_and(|place| records::at(whole, &place).is_none());
    let told = ERRORS.iter().find(|name| lacks && !is_asked_for(name) && has(name).is_some());
    if let Some(name) = told {
        return Err(format!("it has no records, and `{name}`"));
    }
    let is_list = records::at(whole, "/errors").is_some_and(|errors| errors.get().starts_with('['));
    if is_list && !is_asked_for("errors") && has("errors").is_some() {
        return Err("it has `errors` beside what was asked for".into());
    }
    Ok(())
}

/// Pointers of which a record has one at least.
fn names(stream: &Stream) -> Vec<&str> {
    let Some(Identity::Event(names) | Identity::Object { object: names, .. }) = &stream.identity else {
        return Vec::new();
    };
    names.iter().map(String::as_str).filter(|name| !name.is_empty() && *name != ITEM).collect()
}

fn is_named(names: &[&str], one: &RawValue) -> bool {
    let is_object = !matches!(one.get().trim(), "{}");
    (names.is_empty() && is_object) || names.iter().any(|name| records::at(one, name).is_some())
}
