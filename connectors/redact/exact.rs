//! JSON of which something may be taken out, and whose numbers keep their digits: a number that is longer than any that a
//! program reckons with is an id, and two of them must not become one.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::tree::{self, Node};
use crate::files::hex;

/// More digits than these a number with a floating point does not keep.
const KEPT_DIGITS: usize = 17;

/// A value; written, its keys are sorted, with no space between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Exact {
    Object(BTreeMap<String, Exact>),
    Array(Vec<Exact>),
    /// As it is written.
    Scalar(String),
}

impl Exact {
    /// The value of a text that was found to be JSON.
    pub(crate) fn of(text: &str) -> Self {
        tree::parse(text).first().map_or_else(Self::null, |node| Self::of_node(text, node))
    }

    pub(crate) fn null() -> Self {
        Self::Scalar(Value::Null.to_string())
    }

    /// SHA-256 (hex) of what is written, as [`crate::canonical::hash`] makes it where no number is too long.
    pub(crate) fn hash(&self) -> String {
        hex(&Sha256::digest(self.to_string().as_bytes()))
    }

    fn of_node(text: &str, node: &Node<'_>) -> Self {
        match node {
            Node::Object(_, members) => {
                let members = members.iter().map(|member| (member.key.to_string(), Self::of_node(text, &member.value)));
                Self::Object(members.collect())
            }
            Node::Array(_, items) => Self::Array(items.iter().map(|item| Self::of_node(text, item)).collect()),
            Node::Text(place) => {
                Self::Scalar(Value::from(tree::unescape(&text[place.clone()]).into_owned()).to_string())
            }
            Node::Scalar(place) | Node::Deep(place) => Self::Scalar(scalar(&text[place.clone()])),
        }
    }
}

fn scalar(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Number(number)) if number.is_f64() && digits(text) > KEPT_DIGITS => text.to_owned(),
        Ok(value) => value.to_string(),
        Err(_) => text.to_owned(),
    }
}

/// How many digits of a number say something.
fn digits(number: &str) -> usize {
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').len()
}

impl fmt::Display for Exact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(members) => {
                formatter.write_str("{")?;
                for (index, (key, value)) in members.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(formatter, "{comma}{}:{value}", Value::from(key.as_str()))?;
                }
                formatter.write_str("}")
            }
            Self::Array(items) => {
                formatter.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(formatter, "{comma}{item}")?;
                }
                formatter.write_str("]")
            }
            Self::Scalar(text) => formatter.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical;

    #[test]
    fn what_is_written_is_what_was_read() {
        let text = r#" {"b": [1.50, -2e3, 12345678901234567890123, 0.30000000000000004], "a": "\u00fc\n\"", "c": {"x": null, "y": true}} "#;
        let written = Exact::of(text).to_string();
        assert_eq!(
            written,
            r#"{"a":"ü\n\"","b":[1.5,-2000.0,12345678901234567890123,0.30000000000000004],"c":{"x":null,"y":true}}"#
        );
    }

    #[test]
    fn hashes_are_those_that_they_were_where_no_number_is_too_long() {
        for text in
            [r#"{"b":[1, {"y":1.0,"x":null}],"a":"ü","n":18446744073709551615}"#, "[]", "{\"a\":{}}", "[1e5,0.1]"]
        {
            let value = serde_json::from_str(text).expect("JSON");
            assert_eq!(Exact::of(text).hash(), canonical::hash(&value), "{text}");
        }
        let of = |number: &str| Exact::of(&format!("{{\"n\":{number}}}")).hash();
        assert_ne!(of("12345678901234567890123"), of("12345678901234567890124"));
        assert_ne!(of("1.00000000000000001"), of("1.00000000000000002"));
    }
}
