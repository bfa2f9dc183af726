//! One form for equal JSON: keys sorted, no space between. Its hash names records that have no id of their own.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::files::hex;

/// SHA-256 (hex) of the canonical form; equal for records that differ in the order of keys or in space only.
pub(crate) fn hash(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    hex(&Sha256::digest(text.as_bytes()))
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => {
            // Sorted here: whether `serde_json` keeps the order of keys is up to any crate of the build.
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            text.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write(value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(item, text);
            }
            text.push(']');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

/// Reads JSON in which no object has a key twice: of two values one reader takes the first, another the last, and what is
/// checked here is read again by SQL.
///
/// # Errors
/// It is no JSON, or a key stands there twice.
pub(crate) fn read(text: &str) -> Result<Value, serde_json::Error> {
    let _: Unambiguous = serde_json::from_str(text)?;
    serde_json::from_str(text)
}

struct Unambiguous;

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Unambiguous {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self, A::Error> {
        let mut keys = HashSet::new();
        while let Some((key, Self)) = object.next_entry::<String, Self>()? {
            if let Some(key) = keys.replace(key) {
                return Err(A::Error::custom(format_args!("the key `{key}` stands there twice")));
            }
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while let Some(Self) = list.next_element()? {}
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_stands_there_twice_is_an_error_at_any_depth() {
        assert!(read(r#"{"a":[{"b":1},{"b":1.5}],"b":{"b":null},"c":[true,-1,"x"]}"#).is_ok());
        for text in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"\u0061":2}}]"#, r#"{"a":1"#] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    fn of(text: &str) -> String {
        hash(&serde_json::from_str(text).expect("valid JSON"))
    }

    #[test]
    fn order_and_space_do_not_matter_but_values_do() {
        assert_eq!(of(r#"{"b":[1, {"y":1,"x":null}],"a":"ü"}"#), of(r#" {"a":"\u00fc","b":[1,{"x":null,"y":1}]}"#));
        assert_ne!(of(r#"{"a":1}"#), of(r#"{"a":"1"}"#));
        assert_ne!(of("[1,2]"), of("[2,1]"));
    }
}
