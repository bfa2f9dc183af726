//! What a description takes out of records by its place, whatever its name.
//!
//! The surprising fact: what is no record may hold a record anywhere, in an error that repeats it or in a list under
//! another name; there each place is looked for in every value.

use std::borrow::Cow;

use serde_json::Value;

use super::exact::Exact;

/// Takes out what stands at a pointer, in which `*` goes through every member; says whether there was anything.
pub(crate) fn remove(value: &mut Exact, pointer: &str) -> bool {
    let steps: Vec<String> =
        pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
    remove_at(value, &steps)
}

fn remove_at(value: &mut Exact, steps: &[String]) -> bool {
    let Some((step, rest)) = steps.split_first() else { return false };
    if rest.is_empty() {
        return match value {
            Exact::Object(members) if step == "*" => !std::mem::take(members).is_empty(),
            Exact::Array(items) if step == "*" => !std::mem::take(items).is_empty(),
            Exact::Object(members) => members.remove(step).is_some(),
            // The places of the others stay.
            Exact::Array(items) => {
                member(items, step).is_some_and(|place| std::mem::replace(place, Exact::null()) != Exact::null())
            }
            Exact::Scalar(_) => false,
        };
    }
    let all = |values: &mut dyn Iterator<Item = &mut Exact>| {
        values.map(|value| remove_at(value, rest)).filter(|removed| *removed).count() > 0
    };
    match value {
        Exact::Object(members) if step == "*" => all(&mut members.values_mut()),
        Exact::Array(items) if step == "*" => all(&mut items.iter_mut()),
        Exact::Object(members) => all(&mut members.get_mut(step).into_iter()),
        Exact::Array(items) => all(&mut member(items, step).into_iter()),
        Exact::Scalar(_) => false,
    }
}

fn member<'a>(items: &'a mut [Exact], step: &str) -> Option<&'a mut Exact> {
    items.get_mut(step.parse::<usize>().ok()?)
}

/// What may be shown of a text that is no record. Where no place can be looked for, that is its length.
pub(crate) fn shown<'a>(text: &'a str, pointers: &[String]) -> Cow<'a, str> {
    if pointers.is_empty() {
        return text.into();
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(_) | Value::Array(_)) => {
            let mut value = Exact::of(text);
            remove_everywhere(&mut value, pointers);
            value.to_string().into()
        }
        read => {
            let kind = if read.is_ok() { "a single value" } else { "no JSON" };
            format!("{} bytes, {kind}: not shown, for what `redact` takes out cannot be found in it", text.len()).into()
        }
    }
}

fn remove_everywhere(value: &mut Exact, pointers: &[String]) {
    for pointer in pointers {
        remove(value, pointer);
    }
    match value {
        Exact::Object(members) => members.values_mut().for_each(|member| remove_everywhere(member, pointers)),
        Exact::Array(items) => items.iter_mut().for_each(|item| remove_everywhere(item, pointers)),
        Exact::Scalar(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_place_is_taken_out_of_every_member_too() {
        let whole =
            json!({"a": {"b": 1, "c/d": 2}, "l": [{"x": 1, "y": 1}, {"x": 2}, 7], "m": {"p": {"x": 3}, "q": 4}})
                .to_string();
        for (pointer, expected) in [
            ("/a/b", json!({"c/d": 2})),
            ("/a/c~1d", json!({"b": 1})),
            ("/l/*/x", json!([{"y": 1}, {}, 7])),
            ("/l/1", json!([{"x": 1, "y": 1}, null, 7])),
            ("/m/*/x", json!({"p": {}, "q": 4})),
            ("/m/*", json!({})),
        ] {
            let mut value = Exact::of(&whole);
            assert!(remove(&mut value, pointer), "{pointer}");
            let left: Value = serde_json::from_str(&value.to_string()).expect("JSON");
            assert_eq!(left[&pointer[1..2]], expected, "{pointer}");
        }
        let mut value = Exact::of(&whole);
        for nothing in ["/n", "/a/b/c", "/l/9", "/l/*/z", "/a/b/*", ""] {
            assert!(!remove(&mut value, nothing), "{nothing}");
        }
        assert_eq!(value, Exact::of(&whole));
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
