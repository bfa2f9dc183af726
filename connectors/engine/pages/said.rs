//! What an answer says of the pages after it.
//!
//! The surprising fact: no record is parsed for it, and a number that names the next page goes back with the digits with
//! which it came.

use reqwest::header::{HeaderMap, HeaderValue, LINK};
use serde_json::value::RawValue;

use crate::engine::records::{NO_TEXT, at};
use crate::engine::stream::Pages;
use crate::engine::tables::PageType;

/// What names a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) enum Token {
    Text(String),
    /// Its digits.
    Number(String),
}

/// What an answer says of the pages after it, as far as the description asks.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// What names the next page, or why that cannot be told.
    token: Option<Result<Token, String>>,
    /// Whether there is more, or what should say so and is no flag.
    pub(super) more: Option<Result<bool, String>>,
    /// How many there are in all: records or pages.
    pub(super) total: Option<u64>,
}

impl Said {
    pub(super) fn read(
        pages: &Pages,
        headers: &HeaderMap,
        whole: Option<&RawValue>,
        records: &[Box<RawValue>],
    ) -> Self {
        let at = |pointer: &Option<String>| at(whole?, pointer.as_deref()?);
        let token = match (pages.kind, &pages.header) {
            (PageType::None | PageType::Page | PageType::Offset, _) => None,
            (PageType::LinkHeader, _) => link(headers).map(|link| link.map(Token::Text)).transpose(),
            (PageType::LastRecord, _) => last(records, pages.pointer.as_deref().unwrap_or_default()).map(Ok),
            (_, Some(name)) => headers.get(name).map(|value| text_of(value).map(|text| Token::Text(text.into()))),
            (_, None) => at(&pages.pointer).and_then(|place| token(place).transpose()),
        };
        let more = at(&pages.more)
            .filter(|place| place.get() != "null")
            .map(|place| flag(place).ok_or_else(|| place.get().to_owned()));
        let total = at(&pages.total).or_else(|| at(&pages.page_count)).and_then(number);
        Self { token: token.filter(|token| !is_blank(token)), more, total }
    }

    /// What names the next page.
    pub(super) fn token(&self) -> Result<Option<Token>, String> {
        self.token.clone().transpose()
    }
}

impl Token {
    pub(in crate::engine) fn text(&self) -> &str {
        let (Self::Text(text) | Self::Number(text)) = self;
        text
    }
}

impl From<u64> for Token {
    fn from(number: u64) -> Self {
        Self::Number(number.to_string())
    }
}

fn is_blank(token: &Result<Token, String>) -> bool {
    token.as_ref().is_ok_and(|token| token.text().trim().is_empty())
}

/// A value as what names a page: what is absent, null, empty or false does not.
fn token(place: &RawValue) -> Result<Option<Token>, String> {
    let no_token = || "what should name the next page is neither a text nor a number".to_owned();
    match place.get().as_bytes() {
        b"null" | b"false" | b"[]" | b"{}" => Ok(None),
        [b'"', ..] => serde_json::from_str(place.get()).map(|text| Some(Token::Text(text))).map_err(|_| no_token()),
        [b'-' | b'0'..=b'9', ..] => Ok(Some(Token::Number(place.get().to_owned()))),
        _ => Err(no_token()),
    }
}

/// The key of the last record that has one: the next page begins with it. One that is no record has none; what follows
/// the record before it comes again.
fn last(records: &[Box<RawValue>], pointer: &str) -> Option<Token> {
    let key = |record: &RawValue| token(at(record, pointer)?).ok().flatten();
    let is_key = |token: &Token| !token.text().contains(NO_TEXT) && !token.text().trim().is_empty();
    records.iter().rev().filter_map(|record| key(record)).find(is_key)
}

fn number(place: &RawValue) -> Option<u64> {
    serde_json::from_str(place.get()).ok().or_else(|| text(place)?.trim().parse().ok())
}

fn flag(place: &RawValue) -> Option<bool> {
    let text = text(place);
    match text.as_deref().unwrap_or(place.get()).to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" | "" => Some(false),
        _ => None,
    }
}

fn text(place: &RawValue) -> Option<String> {
    serde_json::from_str(place.get()).ok()
}

fn text_of(value: &HeaderValue) -> Result<&str, String> {
    std::str::from_utf8(value.as_bytes()).map_err(|_| "the header that names the next page is no UTF-8".to_owned())
}

/// The address with `rel="next"` of a `Link` header (RFC 8288).
fn link(headers: &HeaderMap) -> Result<Option<String>, String> {
    for value in headers.get_all(LINK) {
        let mut rest = text_of(value)?;
        // Addresses may hold commas and semicolons: the brackets tell where one ends.
        while let Some((_, after)) = rest.split_once('<') {
            let (address, after) = after.split_once('>').ok_or("a Link header without its end")?;
            let end = after.find('<').unwrap_or(after.len());
            let says = |key: &str, word: &str| {
                after[..end].split([';', ',']).any(|param| {
                    let (name, value) = param.split_once('=').unwrap_or((param, ""));
                    let mut words = value.trim().trim_matches('"').split(' ');
                    name.trim().eq_ignore_ascii_case(key) && words.any(|said| said.eq_ignore_ascii_case(word))
                })
            };
            // Sentry names a next page for ever, and says beside it when there is nothing on it.
            if says("rel", "next") && !says("results", "false") {
                return Ok(Some(address.to_owned()));
            }
            rest = &after[end..];
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_link_is_found_among_others() {
        let next = |text: &'static str| {
            link(&HeaderMap::from_iter([(LINK, text.parse().expect("a header"))])).expect("a whole header")
        };
        assert_eq!(
            next(r#"<https://a/?p=2,3;x>; rel="next", <https://a/?p=9>; rel="last""#).as_deref(),
            Some("https://a/?p=2,3;x")
        );
        assert_eq!(
            next(r#"<https://a/1>; rel="prev", <https://a/2>; title="x"; rel=next"#).as_deref(),
            Some("https://a/2")
        );
        assert_eq!(next(r#"<https://a/2>; rel="self next""#).as_deref(), Some("https://a/2"));
        let cut = HeaderMap::from_iter([(LINK, HeaderValue::from_static("<https://a/?p=2"))]);
        link(&cut).expect_err("cut");
        assert_eq!(
            next(r#"<https://a/2>; rel="next"; results="true"; cursor="0:1:0""#).as_deref(),
            Some("https://a/2")
        );
        assert_eq!(next(r#"<https://a/3>; rel="next"; results="false"; cursor="0:2:0""#), None);
        for none in ["", "<>", r#"<https://a/2>; rel="last""#, "nothing", r#"rel="next""#] {
            assert_eq!(next(none), None, "{none}");
        }
    }

    #[test]
    fn a_number_that_names_a_page_keeps_its_digits() {
        let named = |text: &str| token(serde_json::from_str(text).expect("JSON"));
        for digits in ["7", "-1", "123456789012345678901234567890", "1.50", "1e400"] {
            assert_eq!(named(digits), Ok(Some(Token::Number(digits.into()))));
        }
        assert_eq!(named("\"a\\u00e9\""), Ok(Some(Token::Text("aé".into()))));
        for none in ["null", "false", "[]", "{}"] {
            assert_eq!(named(none), Ok(None), "{none}");
        }
        for odd in ["true", "[1]", "{\"href\":\"x\"}", "\"\\ud83d\""] {
            named(odd).expect_err(odd);
        }
    }

    #[test]
    fn a_flag_is_true_false_or_none() {
        let said = |text: &str| flag(serde_json::from_str(text).expect("JSON"));
        for (text, expected) in [
            ("true", Some(true)),
            ("\"True\"", Some(true)),
            ("1", Some(true)),
            ("false", Some(false)),
            ("\"0\"", Some(false)),
            ("\"https://example.org\"", None),
            ("{}", None),
        ] {
            assert_eq!(said(text), expected, "{text}");
        }
    }

    #[test]
    fn the_next_page_begins_with_the_last_record_that_has_a_key() {
        let records: Vec<Box<RawValue>> =
            serde_json::from_str(r#"[{"id":1},{"id":20000000000000000000001,"x":"\ud83d"},{"id":""},7]"#)
                .expect("JSON");
        assert_eq!(last(&records, "/id"), Some(Token::Number("20000000000000000000001".into())));
        assert_eq!(last(&records[2..], "/id"), None);
    }
}
