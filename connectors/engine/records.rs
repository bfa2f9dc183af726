//! Finds the records of an answer, names them, and keeps their text as it came.
//!
//! The surprising fact: only what lies on the way of a pointer is parsed, and a record stays the text that was received,
//! because what a parser makes of a number or a repeated key is not what the system said.

mod find;

use jiff::Timestamp;
use serde_json::Value;
use serde_json::value::RawValue;

use super::stream::{ITEM, Identity, Stream};
use crate::log::Outcome;
use crate::redact::exact::Exact;
use crate::redact::places::{remove, shown};
use crate::secret::Secrets;
use crate::{Record, Redactor, canonical};

pub(super) use find::{at, find};

/// Stands for bytes that are no UTF-8, for no text has it; only the record in which it stands is set aside.
pub(super) const NO_TEXT: char = '\u{ffff}';

/// A record that is none: what there is of it, and why it is none.
pub(super) type Damaged = (String, &'static str);

/// Why a line is no record.
pub(super) const NO_JSON: &str = "a line that is no JSON";

/// An answer as text.
pub(super) fn text_of(body: Vec<u8>) -> String {
    String::from_utf8(body).unwrap_or_else(|error| {
        let mut text = String::new();
        for chunk in error.as_bytes().utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend((!chunk.invalid().is_empty()).then_some(NO_TEXT));
        }
        text
    })
}

/// The records that are text throughout, and the others.
pub(super) fn whole(records: Vec<Box<RawValue>>) -> (Vec<Box<RawValue>>, Vec<Damaged>) {
    let (damaged, whole): (Vec<_>, Vec<_>) = records.into_iter().partition(|record| record.get().contains(NO_TEXT));
    let told = |record: Box<RawValue>| (record.get().replace(NO_TEXT, "\u{fffd}"), "the record is no UTF-8");
    (whole, damaged.into_iter().map(told).collect())
}

/// The records of an NDJSON text, and the lines that are none. A last line that is none and has no end was cut short.
pub(super) fn lines(text: &str) -> Result<(Vec<Box<RawValue>>, Vec<Damaged>), String> {
    let (mut records, mut damaged) = (Vec::new(), Vec::new());
    for line in text.split_inclusive('\n').filter(|line| !line.trim().is_empty()) {
        match serde_json::from_str(line.trim()) {
            Ok(record) => records.push(record),
            Err(_) if !line.ends_with('\n') => return Err("its last line is cut short".into()),
            Err(_) => damaged.push((line.trim().replace(NO_TEXT, "\u{fffd}"), NO_JSON)),
        }
    }
    let (records, broken) = whole(records);
    damaged.extend(broken);
    Ok((records, damaged))
}

/// Makes raw records of a stream's texts.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    pub(super) stream: &'a Stream,
    /// What record ids begin with, where a folder has several streams.
    pub(super) prefix: &'a str,
    /// What the stream is read for.
    pub(super) item: Option<&'a str>,
    /// Where a record names what others are read for.
    pub(super) wanted: Option<&'a str>,
    pub(super) redact: &'a [String],
    pub(super) redactor: &'a Redactor,
    pub(super) secrets: &'a Secrets,
}

/// What a record of an object says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    /// With the stream's prefix.
    pub(super) object: String,
    pub(super) version: String,
}

impl Reader<'_> {
    /// What a record is; for an object, the record's id is left to the snapshot, and its name comes along.
    pub(super) fn read(&self, text: &str) -> (Outcome, Option<Version>) {
        let value = match canonical::read(text) {
            Ok(value @ Value::Object(_)) => value,
            Ok(_) => return (Outcome::Rejected("the record is no object".into()), None),
            Err(error) => return (Outcome::Rejected(format!("not readable as JSON: {error}")), None),
        };
        let named = match &self.stream.identity {
            // What has no name of its own is named by what it says.
            Some(Identity::Event(pointers)) => {
                Ok((self.joined(text, &value, pointers).unwrap_or_else(|_| self.hashed(text, &[])), None))
            }
            Some(Identity::Hash { volatile }) => Ok((self.hashed(text, volatile), None)),
            Some(Identity::Object { object, version, volatile }) => {
                self.object(text, &value, [object, version, volatile])
            }
            // A list only: nothing of it is kept, so that nobody would miss what it does not name.
            None => {
                let mut named = self.wanted.map(|pointer| named_in(text, &value, pointer)).into_iter().flatten();
                let problem = named.find_map(Result::err);
                return (problem.map_or(Outcome::Skipped, Outcome::Rejected), None);
            }
        };
        let (record_id, version) = match named {
            Ok(named) => named,
            Err(problem) => return (Outcome::Rejected(problem), None),
        };
        let record_id = self.masked(record_id);
        let version = version
            .map(|Version { object, version }| Version { object: self.masked(object), version: self.masked(version) });
        let (body, received_hmac) = self.body(text);
        let record = Record { record_id, occurred_at: self.time(&value), body, received_hmac, position: 0 };
        (Outcome::Keep(record), version)
    }

    /// A name without any secret.
    fn masked(&self, name: String) -> String {
        self.secrets.mask(&name).unwrap_or(name)
    }

    fn joined(&self, text: &str, value: &Value, pointers: &[String]) -> Result<String, String> {
        Ok(format!("{}{}", self.prefix, joined(&self.parts(text, value, pointers)?)))
    }

    fn hashed(&self, text: &str, volatile: &[String]) -> String {
        format!("{}sha256:{}", self.prefix, hash(text, volatile))
    }

    /// The texts at pointers, and the item where that is asked for; the pointer of the whole record is its hash.
    fn parts(&self, text: &str, value: &Value, pointers: &[String]) -> Result<Vec<String>, String> {
        let part = |pointer: &String| match pointer.as_str() {
            ITEM => Ok(self.item.unwrap_or_default().to_owned()),
            "" => Ok(hash(text, &[])),
            pointer => named(text, value, pointer),
        };
        pointers.iter().map(part).collect()
    }

    fn object(
        &self,
        text: &str,
        value: &Value,
        [object, version, volatile]: [&[String]; 3],
    ) -> Result<(String, Option<Version>), String> {
        let escaped = |texts: Vec<String>| {
            let texts: Vec<String> = texts.iter().map(|text| text.replace('%', "%25").replace('@', "%40")).collect();
            without_colons(&texts, |text| text.replace(':', "%3A"))
        };
        let object = format!("{}{}", self.prefix, escaped(self.parts(text, value, object)?));
        let version =
            if version.is_empty() { hash(text, volatile) } else { escaped(self.parts(text, value, version)?) };
        Ok((format!("{object}@{version}"), Some(Version { object, version })))
    }

    /// When it happened: the first of the fields that is there and a time.
    pub(super) fn time(&self, value: &Value) -> Option<Timestamp> {
        self.stream.time.fields.iter().find_map(|pointer| self.stream.time.format.read(value.pointer(pointer)?))
    }

    /// The text to keep, and the keyed hash of what was received where that differs.
    fn body(&self, text: &str) -> (String, Option<[u8; 32]>) {
        let mut kept = None;
        if !self.redact.is_empty() {
            let mut value = Exact::of(text);
            let removed = self.redact.iter().filter(|pointer| remove(&mut value, pointer)).count();
            kept = (removed > 0).then(|| value.to_string());
        }
        let masked = self.secrets.mask(kept.as_deref().unwrap_or(text));
        let kept = masked.or(kept);
        let (body, hmac) = self.redactor.apply(kept.as_deref().unwrap_or(text));
        let hmac = hmac.is_some() || kept.is_some();
        (body.into_owned(), hmac.then(|| self.redactor.hmac(text.as_bytes())))
    }

    /// As [`Reader::read`] does with a record: what is kept of something that is none.
    pub(super) fn scrub(&self, text: &str) -> String {
        let text = shown(text, self.redact);
        let text = self.secrets.mask(&text).map_or(text, Into::into);
        self.redactor.scrub(text.as_bytes())
    }
}

/// The parts of a name as one. Where there are several, a `:` in all but the last is escaped (and what looks so), or
/// `a:b` and `c` would be `a` and `b:c`.
fn joined(parts: &[String]) -> String {
    without_colons(parts, |part| part.replace("%25", "%2525").replace("%3A", "%253A").replace(':', "%3A"))
}

fn without_colons(parts: &[String], escape: impl Fn(&str) -> String) -> String {
    let Some((last, others)) = parts.split_last() else { return String::new() };
    let mut name: String = others.iter().map(|part| escape(part) + ":").collect();
    name.push_str(last);
    name
}

/// The text at a pointer, which must be there; `value` is what `text` says.
fn named(text: &str, value: &Value, pointer: &str) -> Result<String, String> {
    name_at(text, value, pointer).ok_or_else(|| format!("the record has nothing at {pointer}, which names it"))
}

fn name_at(text: &str, value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer)? {
        Value::String(name) if !name.is_empty() => Some(name.clone()),
        // A number that is too large to be one here: two of them must not become one.
        Value::Number(number) if number.is_f64() => find::digits(text, pointer),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// The texts or numbers of a record that name items; `*` in the pointer goes through every member.
pub(super) fn items(text: &str, pointer: &str) -> Vec<String> {
    let Ok(value) = serde_json::from_str::<Value>(text) else { return Vec::new() };
    named_in(text, &value, pointer).into_iter().filter_map(Result::ok).collect()
}

/// As [`items`], with what lacks a name where there should be one. A list that is null or not there has no members.
fn named_in(text: &str, value: &Value, pointer: &str) -> Vec<Result<String, String>> {
    let mut parts = pointer.split("/*");
    let mut places: Vec<String> = parts.next().map(str::to_owned).into_iter().collect();
    let mut named = Vec::new();
    for part in parts {
        let mut inside = Vec::new();
        for place in &places {
            match value.pointer(place) {
                Some(Value::Array(members)) => {
                    inside.extend((0..members.len()).map(|index| format!("{place}/{index}{part}")));
                }
                None | Some(Value::Null) => {}
                Some(_) => {
                    named.push(Err(format!("the record has no list at {place}, which names what is read for it")));
                }
            }
        }
        places = inside;
    }
    let name = |place: &String| {
        name_at(text, value, place)
            .ok_or_else(|| format!("the record has nothing at {place}, which names what is read for it"))
    };
    named.extend(places.iter().map(name));
    named
}

fn hash(text: &str, volatile: &[String]) -> String {
    let mut value = Exact::of(text);
    for pointer in volatile {
        remove(&mut value, pointer);
    }
    value.hash()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_items_are_named_by_one_record() {
        let text = r#"{"records":[{"before":[{"id":"a"},{"id":7}]},{"before":[]},{"before":null},{},{"before":[{"id":""},{}]}]}"#;
        assert_eq!(items(text, "/records/*/before/*/id"), ["a", "7"]);
        assert_eq!(items(r#"{"id":7}"#, "/id"), ["7"]);
        assert_eq!(items(r#"["x","y"]"#, "/*"), ["x", "y"]);
        assert_eq!(items(r#"{"records":{}}"#, "/records/*/id"), Vec::<String>::new());
    }

    #[test]
    fn a_list_may_be_left_out_and_a_name_may_not() {
        let lacks = |text: &str, pointer| {
            let value = serde_json::from_str(text).expect("JSON");
            named_in(text, &value, pointer).into_iter().filter_map(Result::err).collect::<Vec<_>>().join("; ")
        };
        let nothing = |place: &str| format!("the record has nothing at {place}, which names what is read for it");
        for text in ["{}", r#"{"id":null}"#, r#"{"id":""}"#, r#"{"id":{}}"#] {
            assert_eq!(lacks(text, "/id"), nothing("/id"));
        }
        for text in ["{}", r#"{"of":null}"#, r#"{"of":[]}"#, r#"{"of":[{"id":7}]}"#] {
            assert_eq!(lacks(text, "/of/*/id"), "");
        }
        assert_eq!(lacks(r#"{"of":[{"id":7},{}]}"#, "/of/*/id"), nothing("/of/1/id"));
        assert!(lacks(r#"{"of":{"id":7}}"#, "/of/*/id").contains("no list at /of"));
    }

    #[test]
    fn two_names_of_several_parts_are_never_one() {
        let name = |parts: &[&str]| joined(&parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>());
        assert_eq!((name(&["x:y", "z"]), name(&["x", "y:z"])), ("x%3Ay:z".into(), "x:y:z".into()));
        assert_eq!((name(&["x%3Ay", "z"]), name(&["x%253Ay", "z"])), ("x%253Ay:z".into(), "x%25253Ay:z".into()));
        // What needs no escape has none.
        assert_eq!((name(&["a:b%3A"]), name(&["a%2Fb", "1", "10:00"])), ("a:b%3A".into(), "a%2Fb:1:10:00".into()));
    }

    #[test]
    fn lines_that_are_no_json_are_told_apart() {
        let (records, damaged) = lines("{\"a\":1}\r\n\n{\"a\":\nx\n{}").expect("lines");
        let damaged: Vec<&str> = damaged.iter().map(|(line, _)| line.as_str()).collect();
        assert_eq!((records.len(), damaged), (2, vec!["{\"a\":", "x"]));
    }

    #[test]
    fn an_answer_of_lines_that_stops_within_one_is_not_whole() {
        lines("{\"a\":1}\n{\"a\":").expect_err("cut short");
        lines("{\"a\":1}\n{\"a\":2}").expect("the last line needs no end");
    }

    #[test]
    fn of_an_answer_that_is_no_utf_8_only_the_record_is_lost_that_is_none() {
        let text = text_of(b"[{\"a\":\"\xe9\"},{\"a\":\"\xc3\xa9\"},{\"a\":\"\xef\xbf\xbd\"}]".to_vec());
        let (records, damaged) = whole(serde_json::from_str(&text).expect("JSON"));
        let records: Vec<&str> = records.iter().map(|record| record.get()).collect();
        assert_eq!(records, ["{\"a\":\"é\"}", "{\"a\":\"\u{fffd}\"}"]);
        assert_eq!(damaged, [("{\"a\":\"\u{fffd}\"}".to_owned(), "the record is no UTF-8")]);
    }

    #[test]
    fn large_numbers_keep_their_digits() {
        let text = r#"{"a":{"b/c":[1, 123456789012345678901234567890]},"n":7,"f":1.50}"#;
        let value = serde_json::from_str(text).expect("JSON");
        let name = |pointer| named(text, &value, pointer).expect(pointer);
        assert_eq!(name("/a/b~1c/1"), "123456789012345678901234567890");
        assert_eq!((name("/n"), name("/f")), ("7".to_owned(), "1.50".to_owned()));
    }
}
