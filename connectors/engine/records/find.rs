//! Finds records, and whatever else an answer says, in JSON that is not parsed as a whole.
//!
//! Only what lies on the way of a pointer is looked at. The surprising fact: a parser refuses a page for half a letter, a
//! number that is too large, or lists in lists in one of its records; to step over a value it need not be understood.

use std::fmt::{Formatter, Result as Written};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::engine::stream::Records;
use crate::engine::tables::Each;

/// The records that the pointer leads to. `one` says whether an object is a record where a list of them was expected.
pub(in crate::engine) fn find(
    whole: &RawValue,
    records: &Records,
    one: impl Fn(&RawValue) -> Result<(), String>,
) -> Result<Vec<Box<RawValue>>, String> {
    let mut places: Vec<&RawValue> = vec![whole];
    for step in &records.steps {
        let mut inside = Vec::new();
        for place in places {
            descend(place, step, records.may_lack, &mut inside)?;
        }
        places = inside;
    }
    let is_member = records.steps.iter().any(|step| step == "*");
    let mut found = Vec::new();
    for place in places {
        match (kind(place), records.each) {
            (b'[', _) => found.extend(items(place)?.into_iter().map(ToOwned::to_owned)),
            (b'{', Each::Object) => {
                let keyed = |(key, member)| match &records.key {
                    Some(name) => with_key(member, name, key),
                    None => Ok(member.to_owned()),
                };
                found.extend(members(place)?.into_iter().map(keyed).collect::<Result<Vec<_>, String>>()?);
            }
            (b'{', Each::Item | Each::One) => {
                if !is_member {
                    one(place)?;
                }
                found.push(place.to_owned());
            }
            (b'n', _) if records.may_lack => {}
            (b'n', _) => return Err("it has null where the records should be".into()),
            _ => return Err("where the records should be is neither a list nor an object".into()),
        }
    }
    Ok(found)
}

/// Goes one step down. A member that is not there, or null, is an answer without records only where it may be lacking.
fn descend<'a>(place: &'a RawValue, step: &str, may_lack: bool, inside: &mut Vec<&'a RawValue>) -> Result<(), String> {
    match (kind(place), step) {
        (b'{', "*") => inside.extend(members(place)?.into_iter().map(|(_, member)| member)),
        (b'[', "*") => inside.extend(items(place)?),
        (b'{' | b'[', _) => match below(place, step)? {
            Some(member) => inside.push(member),
            None if may_lack && kind(place) == b'{' => {}
            None => return Err(format!("it has no `{step}` where the records should be")),
        },
        (b'n', _) if may_lack => {}
        _ => return Err(format!("it has no `{step}` where the records should be")),
    }
    Ok(())
}

/// What stands at a pointer, as it is written; nothing where there is none, or null.
pub(in crate::engine) fn at<'a>(whole: &'a RawValue, pointer: &str) -> Option<&'a RawValue> {
    let mut place = whole;
    for step in pointer.split('/').skip(1) {
        place = below(place, &step.replace("~1", "/").replace("~0", "~")).ok()??;
    }
    (kind(place) != b'n').then_some(place)
}

/// A number's own digits, however many.
pub(super) fn digits(text: &str, pointer: &str) -> Option<String> {
    at(serde_json::from_str(text).ok()?, pointer).map(|place| place.get().to_owned())
}

/// The first byte tells what a value is.
fn kind(place: &RawValue) -> u8 {
    place.get().as_bytes().first().copied().unwrap_or_default()
}

fn below<'a>(place: &'a RawValue, step: &str) -> Result<Option<&'a RawValue>, String> {
    match kind(place) {
        // Of a member that is told twice the last counts, as everywhere.
        b'{' => Ok(members(place)?.into_iter().rev().find(|(key, _)| key == step).map(|(_, member)| member)),
        b'[' => Ok(step.parse().ok().and_then(|index: usize| items(place).ok()?.get(index).copied())),
        _ => Ok(None),
    }
}

fn items(place: &RawValue) -> Result<Vec<&RawValue>, String> {
    serde_json::from_str(place.get()).map_err(|error| error.to_string())
}

/// In their order.
fn members(place: &RawValue) -> Result<Vec<(String, &RawValue)>, String> {
    let Members(members) = serde_json::from_str(place.get()).map_err(|error| error.to_string())?;
    Ok(members)
}

/// A record that does not repeat the key under which it stands, with that key.
fn with_key(record: &RawValue, name: &str, key: String) -> Result<Box<RawValue>, String> {
    let Some(rest) = record.get().strip_prefix('{').filter(|_| below(record, name).is_ok_and(|known| known.is_none()))
    else {
        return Ok(record.to_owned());
    };
    let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
    let (name, key) = (serde_json::Value::from(name), serde_json::Value::from(key));
    RawValue::from_string(format!("{{{name}:{key}{comma}{rest}")).map_err(|error| error.to_string())
}

struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut Formatter<'_>) -> Written {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Key(key), member)) = map.next_entry()? {
                    members.push((key, member));
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Each)
    }
}

/// A key, which may hold half a letter.
struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Key;

            fn expecting(&self, formatter: &mut Formatter<'_>) -> Written {
                formatter.write_str("a key")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Key, E> {
                Ok(Key(String::from_utf8_lossy(bytes).into_owned()))
            }
        }
        from.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(pointer: &str, each: Each) -> Records {
        let steps = pointer.split('/').skip(1).map(str::to_owned).collect();
        Records { steps, format: crate::engine::tables::RecordFormat::Json, each, may_lack: false, key: None }
    }

    fn found_in(text: &str, records: &Records) -> Result<Vec<String>, String> {
        let whole: &RawValue = serde_json::from_str(text).expect("valid JSON");
        let one = |_: &RawValue| if records.each == Each::One { Ok(()) } else { Err("one object".to_owned()) };
        find(whole, records, one).map(|found| found.iter().map(|record| record.get().to_owned()).collect())
    }

    fn found(text: &str, pointer: &str, each: Each) -> Result<Vec<String>, String> {
        found_in(text, &records(pointer, each))
    }

    #[test]
    fn records_are_found_and_keep_their_text() {
        let text = r#"{"items":[{"entries":[{"id": 1.0,"id":2}]},{"entries":[]}]}"#;
        assert_eq!(found(text, "/items/*/entries", Each::Item).expect("records"), [r#"{"id": 1.0,"id":2}"#]);
        assert_eq!(found("[{\"a\":1}, 2]", "", Each::Item).expect("records"), ["{\"a\":1}", "2"]);
        let members = r#"{"data":{"b":{"x":2},"a":{"x":1}}}"#;
        assert_eq!(found(members, "/data", Each::Object).expect("records"), [r#"{"x":2}"#, r#"{"x":1}"#]);
        assert_eq!(found(members, "/data/*", Each::Item).expect("records"), [r#"{"x":2}"#, r#"{"x":1}"#]);
        assert_eq!(found(r#"{"data":{"x":1}}"#, "/data", Each::One).expect("one record"), [r#"{"x":1}"#]);
    }

    #[test]
    fn an_answer_without_the_place_of_records_is_no_empty_page() {
        for (text, pointer) in [
            (r#"{"error":"no"}"#, "/items"),
            ("[]", "/items"),
            ("7", ""),
            ("null", ""),
            (r#"{"error":"no"}"#, ""),
            ("\"x\"", "/a"),
            (r#"{"a":7}"#, "/a"),
            (r#"{"a":null}"#, "/a"),
            (r#"{"a":null}"#, "/a/b"),
            (r#"{"a":[{"b":null}]}"#, "/a/*/b"),
        ] {
            found(text, pointer, Each::Item).expect_err(text);
        }
    }

    #[test]
    fn a_place_that_may_be_lacking_is_an_empty_page_where_it_is_not_there() {
        let records = Records { may_lack: true, ..records("/entries", Each::Item) };
        for nothing in [r#"{"nextPageToken":"x"}"#, r#"{"entries":null}"#, "null"] {
            assert_eq!(found_in(nothing, &records).expect(nothing), Vec::<String>::new());
        }
        assert_eq!(found_in(r#"{"entries":[1]}"#, &records).expect("one"), ["1"]);
        for text in [r#"{"entries":7}"#, "7", "[]"] {
            found_in(text, &records).expect_err(text);
        }
    }

    #[test]
    fn a_member_may_be_given_its_key() {
        let records = Records { key: Some("na\"me".into()), ..records("", Each::Object) };
        let text = r#"{"a":{"x": 1e400},"b\u00e9":{ },"c":{"na\"me":"own"},"d":7,"\ud83d":{"y":1}}"#;
        let expected = [
            r#"{"na\"me":"a","x": 1e400}"#,
            r#"{"na\"me":"bé" }"#,
            r#"{"na\"me":"own"}"#,
            "7",
            "{\"na\\\"me\":\"\u{fffd}\u{fffd}\u{fffd}\",\"y\":1}",
        ];
        assert_eq!(found_in(text, &records).expect("records"), expected);
    }

    #[test]
    fn what_cannot_be_parsed_is_stepped_over() {
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        for bad in [deep.as_str(), r#""cut \ud83d""#, "1e400"] {
            let text = format!(
                r#"{{"\ud83d":{bad},"d":[{{"id":1,"x":{bad}}}],"next":{{"a/b":[0,10000000000000000000000001]}}}}"#
            );
            let whole: &RawValue = serde_json::from_str(&text).expect("valid JSON");
            assert_eq!(found(&text, "/d", Each::Item).expect("records").len(), 1);
            let next = at(whole, "/next/a~1b/1").map(RawValue::get);
            assert_eq!(next, Some("10000000000000000000000001"));
            for nothing in ["/nothing", "/d/7", "/next/x/y"] {
                assert!(at(whole, nothing).is_none(), "{nothing}");
            }
        }
    }
}
