//! One form for equal JSON: keys sorted, no space between. Its hash names records that have no id of their own.

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

#[cfg(test)]
mod tests {
    use super::*;

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
