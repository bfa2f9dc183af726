//! What a description takes out of records by its place, whatever its name.
//!
//! The surprising fact: what is no record may hold a record anywhere, in an error that repeats it or in a list under
//! another name; there each place is looked for in every value.

use std::borrow::Cow;

use serde_json::Value;

/// Takes out what stands at a pointer, in which `*` goes through every member; says whether there was anything.
pub(crate) fn remove(value: &mut Value, pointer: &str) -> bool {
    let steps: Vec<String> =
        pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
    remove_at(value, &steps)
}

fn remove_at(value: &mut Value, steps: &[String]) -> bool {
    let Some((step, rest)) = steps.split_first() else { return false };
    if rest.is_empty() {
        return match value {
            Value::Object(members) if step == "*" => !std::mem::take(members).is_empty(),
            Value::Array(items) if step == "*" => !std::mem::take(items).is_empty(),
            Value::Object(members) => members.remove(step).is_some(),
            // The places of the others stay.
            Value::Array(items) => member(items, step).is_some_and(|place| std::mem::take(place) != Value::Null),
            _ => false,
        };
    }
    let all = |values: &mut dyn Iterator<Item = &mut Value>| {
        values.map(|value| remove_at(value, rest)).filter(|removed| *removed).count() > 0
    };
    match value {
        Value::Object(members) if step == "*" => all(&mut members.values_mut()),
        Value::Array(items) if step == "*" => all(&mut items.iter_mut()),
        Value::Object(members) => all(&mut members.get_mut(step).into_iter()),
        Value::Array(items) => all(&mut member(items, step).into_iter()),
        _ => false,
    }
}

fn member<'a>(items: &'a mut [Value], step: &str) -> Option<&'a mut Value> {
    items.get_mut(step.parse::<usize>().ok()?)
}

/// What may be shown of a text that is no record. Where no place can be looked for, that is its length.
pub(crate) fn shown<'a>(text: &'a str, pointers: &[String]) -> Cow<'a, str> {
    if pointers.is_empty() {
        return text.into();
    }
    match serde_json::from_str(text) {
        Ok(mut value @ (Value::Object(_) | Value::Array(_))) => {
            remove_everywhere(&mut value, pointers);
            value.to_string().into()
        }
        read => {
            let kind = if read.is_ok() { "a single value" } else { "no JSON" };
            format!("{} bytes, {kind}: not shown, for what `redact` takes out cannot be found in it", text.len()).into()
        }
    }
}

fn remove_everywhere(value: &mut Value, pointers: &[String]) {
    for pointer in pointers {
        remove(value, pointer);
    }
    match value {
        Value::Object(members) => members.values_mut().for_each(|member| remove_everywhere(member, pointers)),
        Value::Array(items) => items.iter_mut().for_each(|item| remove_everywhere(item, pointers)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_place_is_taken_out_of_every_member_too() {
        let whole =
            json!({"a": {"b": 1, "c/d": 2}, "l": [{"x": 1, "y": 1}, {"x": 2}, 7], "m": {"p": {"x": 3}, "q": 4}});
        for (pointer, expected) in [
            ("/a/b", json!({"c/d": 2})),
            ("/a/c~1d", json!({"b": 1})),
            ("/l/*/x", json!([{"y": 1}, {}, 7])),
            ("/l/1", json!([{"x": 1, "y": 1}, null, 7])),
            ("/m/*/x", json!({"p": {}, "q": 4})),
            ("/m/*", json!({})),
        ] {
            let mut value = whole.clone();
            assert!(remove(&mut value, pointer), "{pointer}");
            assert_eq!(value[&pointer[1..2]], expected, "{pointer}");
        }
        let mut value = whole.clone();
        for nothing in ["/n", "/a/b/c", "/l/9", "/l/*/z", "/a/b/*", ""] {
            assert!(!remove(&mut value, nothing), "{nothing}");
        }
        assert_eq!(value, whole);
    }

    #[test]
    fn of_what_is_no_record_nothing_is_shown_that_a_record_would_lose() {
        let pointers = ["/body/pw".to_owned()];
        let echo = r#"{"message":"bad","record":{"id":1,"body":{"pw":"HUSH","x":1}},"all":[{"body":{"pw":"HUSH"}}]}"#;
        let left = shown(echo, &pointers);
        assert!(!left.contains("HUSH") && left.contains("\"x\":1"), "{left}");
        for text in ["\"pw=HUSH\"", "{\"body\":{\"pw\":\"HUSH\"", "<html>HUSH", "{\"body\":{\"pw\":\"HUSH\"}}\n{}"] {
            let left = shown(text, &pointers);
            assert!(!left.contains("HUSH") && left.starts_with(&format!("{} bytes", text.len())), "{left}");
            assert_eq!(shown(text, &[]), text);
        }
    }
}
