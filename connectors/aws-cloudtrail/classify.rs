//! Decides what becomes of one element of a log: kept, counted as a read, passed over, or rejected.
//!
//! Only a few fields are looked at, borrowed from the text, and nothing is judged: what is dropped says of itself that
//! it only reads, and is no evidence of who is behind a session. The surprising fact: `readOnly` may be missing, or be
//! text in any case; only what clearly says true is dropped.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::log::{Outcome, time_of};
use crate::{Record, Redactor, canonical};

/// The fields that decide. Anything of another type counts as absent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Projection<'a> {
    #[serde(borrow, rename = "eventID")]
    event_id: Text<'a>,
    #[serde(borrow, rename = "eventTime")]
    event_time: Text<'a>,
    #[serde(borrow, rename = "eventSource")]
    event_source: Text<'a>,
    #[serde(borrow, rename = "eventName")]
    event_name: Text<'a>,
    #[serde(borrow, rename = "eventType")]
    event_type: Text<'a>,
    #[serde(borrow, rename = "eventCategory")]
    event_category: Text<'a>,
    #[serde(rename = "readOnly")]
    read_only: Flag,
    /// An answer of `LookupEvents` carries the record as a text.
    #[serde(borrow, rename = "CloudTrailEvent")]
    inner: Text<'a>,
    /// `EventBridge` hands the record on in an envelope.
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
    #[serde(borrow, rename = "digestS3Object")]
    digest: Text<'a>,
}

/// Decides about one element. `position` is its place in the unit.
pub(crate) fn classify(element: &[u8], position: u64, redactor: &Redactor) -> Outcome {
    decide(element, position, redactor, false)
}

/// As [`classify`], for the element that a text begins with, and its length: read once instead of twice. `None` where it
/// is not whole, or no record.
pub(crate) fn classify_start(text: &str, position: u64, redactor: &Redactor) -> Option<(Outcome, usize)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Projection<'_>>();
    let projection = values.next()?.ok()?;
    let length = values.byte_offset();
    match projection.decide(&text[..length], position, redactor, false) {
        Outcome::Rejected(_) => None,
        outcome => Some((outcome, length)),
    }
}

/// `inside`: the element was found in what is around a record. A record inside a record inside a record is none.
fn decide(element: &[u8], position: u64, redactor: &Redactor, inside: bool) -> Outcome {
    if element.first() != Some(&b'{') {
        return Outcome::Rejected("a record must be an object".into());
    }
    let Ok(text) = std::str::from_utf8(element) else {
        return Outcome::Rejected("the record is not UTF-8".into());
    };
    match serde_json::from_str::<Projection<'_>>(text) {
        Ok(projection) => projection.decide(text, position, redactor, inside),
        Err(error) => Outcome::Rejected(format!("not readable as JSON: {error}")),
    }
}

impl Projection<'_> {
    /// See [`decide`].
    fn decide(&self, text: &str, position: u64, redactor: &Redactor, inside: bool) -> Outcome {
        if let (Some(inner), false) = (self.wrapped(), inside) {
            return decide(inner.as_bytes(), position, redactor, true);
        }
        if self.is_no_event() {
            return Outcome::Skipped;
        }
        if self.is_only_read() {
            return Outcome::Read(self.event_time.0.as_deref().and_then(day_of));
        }
        self.keep(text, position, redactor)
    }

    /// The record, where this is only what is around it.
    fn wrapped(&self) -> Option<&str> {
        if self.event_id.0.is_some() || self.event_name.0.is_some() {
            return None;
        }
        self.inner.0.as_deref().or_else(|| self.detail.map(RawValue::get))
    }

    fn is_no_event(&self) -> bool {
        let category = self.event_category.as_str();
        self.digest.0.is_some()
            || matches!(category, "Insight" | "Aggregated")
            || matches!(self.event_type.as_str(), "AwsCloudTrailInsight" | "AwsAggregatedEvent")
    }

    fn is_only_read(&self) -> bool {
        let source = self.event_source.as_str();
        self.read_only.0 == Some(true)
            && !matches!(source, "sts.amazonaws.com" | "signin.amazonaws.com")
            && self.event_type.as_str() != "AwsConsoleSignIn"
            && !is_on_keep_list(source, self.event_name.as_str())
    }

    fn keep(&self, text: &str, position: u64, redactor: &Redactor) -> Outcome {
        let (body, received_hmac) = redactor.apply(text);
        let record_id = match &self.event_id.0 {
            Some(id) if !id.trim().is_empty() => id.clone().into_owned(),
            _ if self.event_time.0.is_none() || self.event_name.0.is_none() => {
                return Outcome::Rejected("the record has neither an eventID nor an eventTime and an eventName".into());
            }
            // Of what is stored, not of what was received: a plain hash of a short secret gives the secret away.
            _ => match serde_json::from_str(&body) {
                Ok(value) => canonical::hash(&value),
                Err(error) => return Outcome::Rejected(format!("not readable as JSON: {error}")),
            },
        };
        let occurred_at = self.event_time.0.as_deref().and_then(time_of);
        Outcome::Keep(Record { record_id, occurred_at, body: body.into_owned(), received_hmac, position })
    }
}

/// The UTC day of a time, the short way for the usual spelling.
fn day_of(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    if bytes.len() == 20 && bytes[19] == b'Z' && bytes[4] == b'-' && bytes[7] == b'-' {
        let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i16>().ok();
        let (month, day) = (i8::try_from(number(5..7)?).ok()?, i8::try_from(number(8..10)?).ok()?);
        return Date::new(number(0..4)?, month, day).ok();
    }
    time_of(text).map(|time| time.to_zoned(TimeZone::UTC).date())
}

type KeepList = HashMap<&'static str, Vec<&'static str>>;

/// Calls that may say that they only read, but by which somebody enters a live system or gets credentials: those that
/// the mapping takes for sessions or entries, and more that it may want to look at one day.
static KEEP: LazyLock<KeepList> = LazyLock::new(|| {
    let mut list = KeepList::new();
    let classes = include_str!("action_class.csv").lines().skip(1).map(|line| line.splitn(5, ',').collect());
    let wanted = classes.filter_map(|row: Vec<&str>| match row.as_slice() {
        [source, name, "session", ..] | [source, name, _, "access", ..] => Some((*source, *name)),
        _ => None,
    });
    let others = include_str!("keep.csv").lines().skip(1).filter_map(|line| line.split_once(','));
    for (source, name) in wanted.chain(others) {
        list.entry(source).or_default().push(name);
    }
    list
});

fn is_on_keep_list(source: &str, name: &str) -> bool {
    KEEP.get(source).is_some_and(|names| {
        names.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == *pattern,
        })
    })
}

/// A text; of any other type, nothing.
#[derive(Debug, Default)]
struct Text<'a>(Option<Cow<'a, str>>);

impl Text<'_> {
    fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let scalar = deserializer.deserialize_any(ScalarVisitor)?;
        Ok(Self(match scalar {
            Scalar::Text(text) => Some(text),
            Scalar::Bool(_) | Scalar::Other => None,
        }))
    }
}

/// True or false, as such or as text in any case; of any other type, nothing.
#[derive(Debug, Default)]
struct Flag(Option<bool>);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match deserializer.deserialize_any(ScalarVisitor)? {
            Scalar::Bool(flag) => Some(flag),
            Scalar::Text(text) if text.trim().eq_ignore_ascii_case("true") => Some(true),
            Scalar::Text(text) if text.trim().eq_ignore_ascii_case("false") => Some(false),
            Scalar::Text(_) | Scalar::Other => None,
        }))
    }
}

enum Scalar<'a> {
    Text(Cow<'a, str>),
    Bool(bool),
    Other,
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Bool(flag))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(record: &str) -> Outcome {
        classify(record.as_bytes(), 3, &Redactor::new([0; 32]))
    }

    fn kept(record: &str) -> Record {
        match outcome(record) {
            Outcome::Keep(record) => record,
            other => panic!("{record} gives {other:?}"),
        }
    }

    fn is_read(record: &str) -> bool {
        matches!(outcome(record), Outcome::Read(_))
    }

    fn is_rejected(record: &str) -> bool {
        matches!(outcome(record), Outcome::Rejected(_))
    }

    fn call(source: &str, name: &str, read_only: &str) -> String {
        format!(
            r#"{{"eventID":"i","eventTime":"2026-10-01T12:00:00Z","eventSource":"{source}","eventName":"{name}","readOnly":{read_only}}}"#
        )
    }

    #[test]
    fn only_what_clearly_says_that_it_reads_is_dropped() {
        for read_only in ["true", "\"true\"", "\"True\"", "\"TRUE\""] {
            assert!(is_read(&call("ec2.amazonaws.com", "DescribeInstances", read_only)), "{read_only}");
        }
        for read_only in ["false", "\"false\"", "\"False\"", "null", "\"\"", "1", "{}", "[true]"] {
            kept(&call("ec2.amazonaws.com", "DescribeInstances", read_only));
        }
        kept(r#"{"eventID":"i","eventName":"DescribeInstances"}"#);
    }

    #[test]
    fn evidence_of_sessions_and_entries_is_kept_though_it_reads() {
        kept(&call("sts.amazonaws.com", "AssumeRole", "true"));
        kept(&call("signin.amazonaws.com", "ConsoleLogin", "true"));
        kept(&call("sso.amazonaws.com", "GetRoleCredentials", "true"));
        kept(&call("redshift.amazonaws.com", "GetClusterCredentialsWithIAM", "true"));
        kept(r#"{"eventID":"i","eventType":"AwsConsoleSignIn","readOnly":true}"#);
        assert!(is_read(&call("sso.amazonaws.com", "ListAccounts", "true")));
    }

    #[test]
    fn a_read_is_counted_on_its_day() {
        let Outcome::Read(day) = outcome(&call("ec2.amazonaws.com", "DescribeInstances", "true")) else {
            panic!("a read")
        };
        assert_eq!(day, Some(jiff::civil::date(2026, 10, 1)));
        assert_eq!(day_of("2026-10-01T23:30:00-01:00"), Some(jiff::civil::date(2026, 10, 2)));
        assert_eq!(day_of("2026-10-01 23:30:00"), Some(jiff::civil::date(2026, 10, 1)));
        assert_eq!(day_of("2026-13-01T23:30:00Z"), None);
        assert_eq!(day_of("yesterday"), None);
    }

    #[test]
    fn a_kept_record_is_as_it_was_received() {
        let text = call("ec2.amazonaws.com", "RunInstances", "false");
        let record = kept(&text);
        assert_eq!((record.body.as_str(), record.record_id.as_str(), record.position), (text.as_str(), "i", 3));
        assert_eq!(record.occurred_at, "2026-10-01T12:00:00Z".parse().ok());
    }

    #[test]
    fn a_record_without_an_id_is_named_by_its_hash() {
        let one = kept(r#"{"eventTime":"2013-01-01T00:00:00Z","eventName":"StopInstances","n":1}"#);
        let same = kept(r#"{"n":1, "eventName":"StopInstances", "eventTime":"2013-01-01T00:00:00Z"}"#);
        let other = kept(r#"{"n":2,"eventName":"StopInstances","eventTime":"2013-01-01T00:00:00Z","eventID":null}"#);
        assert_eq!(one.record_id, same.record_id);
        assert_ne!(one.record_id, other.record_id);
    }

    #[test]
    fn what_is_no_record_is_rejected() {
        for record in ["\"text\"", "5", "[1]", "{}", "{\"a\":}", "{\"eventName\":\"x\"}", "{\"eventID\":\"\"}", "{", ""]
        {
            assert!(is_rejected(record), "{record}");
        }
        let bad = b"{\"eventID\":\"i\",\"x\":\"\xff\"}";
        assert!(matches!(classify(bad, 0, &Redactor::new([0; 32])), Outcome::Rejected(_)));
    }

    #[test]
    fn digests_insights_and_summaries_are_passed_over() {
        for record in [
            r#"{"awsAccountId":"1","digestS3Object":"k","logFiles":[]}"#,
            r#"{"eventID":"i","eventCategory":"Insight"}"#,
            r#"{"eventId":"i","eventCategory":"Aggregated"}"#,
        ] {
            assert!(matches!(outcome(record), Outcome::Skipped), "{record}");
        }
    }

    #[test]
    fn a_looked_up_event_is_unwrapped() {
        let inner = call("ec2.amazonaws.com", "RunInstances", "false");
        let record = kept(&serde_json::json!({ "EventId": "i", "CloudTrailEvent": inner }).to_string());
        assert_eq!(record.body, inner);
    }

    #[test]
    fn an_event_of_eventbridge_is_unwrapped() {
        let inner = call("ec2.amazonaws.com", "RunInstances", "false");
        let around =
            |detail: &str| format!(r#"{{"version":"0","id":"b","time":"2026-10-01T12:00:00Z","detail":{detail}}}"#);
        assert_eq!(kept(&around(&inner)).body, inner);
        assert!(is_rejected(&around(&around(&inner))));
        assert!(is_rejected(&around("\"text\"")));
        kept(&around(&inner.replace('}', r#","requestParameters":{"detail":"x"}}"#)));
        // A record of its own, whatever is in it.
        let own = r#"{"eventID":"i","eventName":"x","detail":{"eventID":"other"}}"#;
        assert_eq!(kept(own).record_id, "i");
    }

    #[test]
    fn the_keep_list_is_well_formed() {
        assert!(KEEP.len() > 20);
        for (source, names) in KEEP.iter() {
            assert!(source.ends_with(".amazonaws.com"), "{source}");
            for name in names {
                let stem = name.strip_suffix('*').unwrap_or(name);
                assert!(!stem.contains(['*', '?', '[', ',', '"']), "{source},{name}");
            }
        }
    }
}
