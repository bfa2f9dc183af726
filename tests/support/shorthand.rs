//! The short form in which cases are written, made into what the systems really send.
//!
//! `tests/cases/README.md` explains the form. A key that is not known fails the case: a misspelt key would test
//! something else than what it says.

pub(crate) mod events;
pub(crate) mod releases;

use serde_json::{Map, Value};

/// The accounts of the cases' world, by the names that cases use: text `{live}` stands for the number.
pub(crate) const ACCOUNTS: &[(&str, &str)] = &[
    ("live", "111122223333"),
    ("preprod", "444455556666"),
    ("dev", "777788889999"),
    ("hub", "123412341234"),
    ("site", "222233334444"),
    ("other", "999900001111"),
];

/// The account that a name stands for; a number stands for itself.
pub(crate) fn account(name: &str) -> &str {
    ACCOUNTS.iter().find(|(known, _)| *known == name).map_or_else(
        || {
            assert!(name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_digit()), "no account `{name}`");
            name
        },
        |(_, account)| account,
    )
}

/// Text with the names of accounts replaced.
pub(crate) fn with_accounts(text: &str) -> String {
    ACCOUNTS.iter().fold(text.to_owned(), |text, (name, account)| text.replace(&format!("{{{name}}}"), account))
}

/// `10:05`, `10:05:30`: on 3 November 2026; `4 10:05`: on the 4th; anything with a `T` stands as it is.
pub(crate) fn time(text: &str) -> String {
    if text.contains('T') {
        return text.to_owned();
    }
    let (day, clock) = text.split_once(' ').unwrap_or(("3", text));
    let day: u8 = day.parse().unwrap_or_else(|_| panic!("no time: `{text}`"));
    let seconds = match clock.matches(':').count() {
        1 => ":00",
        2 => "",
        _ => panic!("no time: `{text}`"),
    };
    format!("2026-11-{day:02}T{clock}{seconds}Z")
}

/// The log of the made-up content system, as the lines of a file: only times have a short form.
pub(crate) fn content_log(mut log: Value) -> String {
    let entries = log.as_array_mut().expect("content.json must hold an array");
    for entry in &mut *entries {
        entry["time"] = Value::String(time(entry["time"].as_str().expect("a time")));
    }
    releases::lines(entries)
}

/// A time, some minutes later.
pub(crate) fn later(time: &str, minutes: i64) -> String {
    let time: jiff::Timestamp = time.parse().unwrap_or_else(|error| panic!("`{time}`: {error}"));
    let later = time.checked_add(jiff::SignedDuration::from_mins(minutes)).expect("a time");
    later.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The entries of an object, each to be taken once.
pub(crate) struct Fields {
    entry: Map<String, Value>,
}

impl Fields {
    pub(crate) fn new(value: Value) -> Self {
        match value {
            Value::Object(entry) => Self { entry },
            other => panic!("an object is needed, not {other}"),
        }
    }

    pub(crate) fn take(&mut self, key: &str) -> Option<Value> {
        self.entry.remove(key)
    }

    /// Text; numbers and yes or no are text too.
    pub(crate) fn text(&mut self, key: &str) -> Option<String> {
        self.take(key).map(|value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        })
    }

    pub(crate) fn needed(&mut self, key: &str) -> String {
        self.text(key).unwrap_or_else(|| panic!("`{key}` is missing in {:?}", self.entry))
    }

    /// An object, or an empty one.
    pub(crate) fn object(&mut self, key: &str) -> Map<String, Value> {
        match self.take(key) {
            None => Map::new(),
            Some(Value::Object(object)) => object,
            Some(other) => panic!("`{key}` must be an object, not {other}"),
        }
    }

    /// Fails where something is left.
    pub(crate) fn done(self) {
        let left: Vec<&String> = self.entry.keys().collect();
        assert!(left.is_empty(), "unknown keys {left:?}");
    }
}

/// Lays `over` over `value`: objects key by key, null takes a key away.
pub(crate) fn merge(value: &mut Value, over: Value) {
    match (value, over) {
        (Value::Object(value), Value::Object(over)) => {
            for (key, new) in over {
                if new.is_null() {
                    value.remove(&key);
                } else if let Some(old) = value.get_mut(&key) {
                    merge(old, new);
                } else {
                    value.insert(key, new);
                }
            }
        }
        (value, over) => *value = over,
    }
}
