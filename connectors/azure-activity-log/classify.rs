//! Decides what becomes of one element: kept, or rejected because it cannot be told what it is.
//!
//! Only a few fields are looked at, and nothing is judged. The surprising fact: exported records have no id of their
//! own, so they are named by the hash of their content; two exports of one record then count as one. What Resource Graph
//! compares is named by the id of the comparison, whose letters' case changes.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::log::{Outcome, time_of};
use crate::{Record, Redactor, canonical};

/// The fields that name and time a record. Anything of another type counts as absent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Projection {
    #[serde(rename = "eventDataId")]
    event_data_id: Value,
    #[serde(rename = "eventTimestamp")]
    event_timestamp: Value,
    time: Value,
    #[serde(rename = "operationName")]
    operation_name: Value,
    id: Value,
}

/// Decides about one element. `position` is its place in the unit.
pub(super) fn classify(element: &[u8], position: u64, redactor: &Redactor) -> Outcome {
    if element.first() != Some(&b'{') {
        return Outcome::Rejected("a record must be an object".into());
    }
    let Ok(text) = std::str::from_utf8(element) else {
        return Outcome::Rejected("the record is not UTF-8".into());
    };
    let projection: Projection = match serde_json::from_str(text) {
        Ok(projection) => projection,
        Err(error) => return Outcome::Rejected(format!("not readable as JSON: {error}")),
    };
    let time = text_of(&projection.event_timestamp).or_else(|| text_of(&projection.time));
    let (body, received_hmac) = redactor.apply(text);
    if let (None, Some(id)) = (time, text_of(&projection.id))
        && let Some(time) = time_of_comparison(text)
    {
        let (record_id, body) = (id.to_lowercase(), body.into_owned());
        return Outcome::Keep(Record { record_id, occurred_at: Some(time), body, received_hmac, position });
    }
    let record_id = match text_of(&projection.event_data_id) {
        Some(id) => id.to_owned(),
        None if time.is_none() || projection.operation_name.is_null() => {
            return Outcome::Rejected("the record has neither an eventDataId nor a time and an operationName".into());
        }
        // Of what is stored, not of what was received: a plain hash of a short secret gives the secret away.
        None => match serde_json::from_str(&body) {
            Ok(value) => canonical::hash(&value),
            Err(error) => return Outcome::Rejected(format!("not readable as JSON: {error}")),
        },
    };
    let occurred_at = time.and_then(time_of);
    Outcome::Keep(Record { record_id, occurred_at, body: body.into_owned(), received_hmac, position })
}

/// When the change was made that Resource Graph compares; `None` if it is no such record.
fn time_of_comparison(text: &str) -> Option<Timestamp> {
    let value: Value = serde_json::from_str(text).ok()?;
    value.pointer("/properties/changeAttributes/timestamp").and_then(text_of).and_then(time_of)
}

fn text_of(value: &Value) -> Option<&str> {
    value.as_str().map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = r#"{"eventDataId":"e1","eventTimestamp":"2026-10-01T12:00:00.1234567Z","operationName":{"value":"Microsoft.Web/sites/write"}}"#;
    const EXPORTED: &str =
        r#"{"time":"2026-10-01T12:00:00.1234567Z","operationName":"MICROSOFT.WEB/SITES/WRITE","resultType":"Start"}"#;

    fn outcome(record: &str) -> Outcome {
        classify(record.as_bytes(), 3, &Redactor::new([0; 32]))
    }

    fn kept(record: &str) -> Record {
        match outcome(record) {
            Outcome::Keep(record) => record,
            other => panic!("{record} gives {other:?}"),
        }
    }

    #[test]
    fn a_record_is_kept_as_it_was_received() {
        let record = kept(REST);
        assert_eq!((record.record_id.as_str(), record.body.as_str(), record.position), ("e1", REST, 3));
        assert_eq!(record.occurred_at, "2026-10-01T12:00:00.1234567Z".parse().ok());
        let record = kept(r#"{"eventDataId":"e2","eventTimestamp":7,"operationName":null}"#);
        assert_eq!((record.record_id.as_str(), record.occurred_at), ("e2", None));
    }

    #[test]
    fn an_exported_record_is_named_by_its_content() {
        let one = kept(EXPORTED);
        let same = kept(
            r#"{"resultType":"Start", "operationName":"MICROSOFT.WEB/SITES/WRITE","time":"2026-10-01T12:00:00.1234567Z"}"#,
        );
        assert_eq!(one.record_id, same.record_id);
        assert_ne!(one.record_id, kept(&EXPORTED.replace("Start", "Success")).record_id);
        assert_eq!(one.occurred_at, "2026-10-01T12:00:00.1234567Z".parse().ok());
    }

    #[test]
    fn a_comparison_is_named_by_its_own_id() {
        let text = r#"{"id":"/subscriptions/S/providers/Microsoft.Resources/changes/C1","name":"C1","properties":{"changeAttributes":{"timestamp":"2026-10-01T12:00:00.5Z"}}}"#;
        let record = kept(text);
        assert_eq!(record.record_id, "/subscriptions/s/providers/microsoft.resources/changes/c1");
        assert_eq!((record.occurred_at, record.body.as_str()), ("2026-10-01T12:00:00.5Z".parse().ok(), text));
        let no_time = text.replace("2026-10-01T12:00:00.5Z", "soon");
        assert!(matches!(outcome(&no_time), Outcome::Rejected(_)));
    }

    #[test]
    fn what_is_no_record_is_rejected() {
        let answers = [r#"{"error":{"code":"AuthorizationFailed"}}"#, r#"{"Code":"BadRequest","Message":"…"}"#];
        let others = [
            "\"x\"",
            "5",
            "[1]",
            "{}",
            "{\"a\":}",
            "{\"eventDataId\":\" \"}",
            "{\"time\":\"2026-10-01T12:00:00Z\"}",
            "{",
            "",
        ];
        for record in answers.into_iter().chain(others) {
            assert!(matches!(outcome(record), Outcome::Rejected(_)), "{record}");
        }
        let bad = b"{\"eventDataId\":\"i\",\"x\":\"\xff\"}";
        assert!(matches!(classify(bad, 0, &Redactor::new([0; 32])), Outcome::Rejected(_)));
    }
}
