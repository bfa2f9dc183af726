//! Lines of release records.
//!
//! A line is checked for what names it, nothing more: what it means is for `map.sql` to say. The surprising fact: the
//! same deployment is told several times as it goes on, and every version is kept, so a record's id names the version.

use std::io::{self, BufRead};

use jiff::Timestamp;
use serde_json::Value;

use crate::{Record, Redactor, Rejected, canonical};

/// Bytes of one line; a release record has a few thousand.
const MAX_LINE: usize = 16 * 1024 * 1024;
/// Bytes of a rejected line that are kept.
const REJECTED_BYTES: usize = 64 * 1024;

/// The records of JSON Lines text, one after the other.
pub struct Lines<'a, R> {
    input: R,
    redactor: &'a Redactor,
    line: Vec<u8>,
    number: u64,
    failure: Option<io::Error>,
}

/// Reads release records, one a line. Blank lines are passed over, but count for [`Record::position`].
pub fn parse_lines<R: BufRead>(input: R, redactor: &Redactor) -> Lines<'_, R> {
    Lines { input, redactor, line: Vec::new(), number: 0, failure: None }
}

impl<R: BufRead> Lines<'_, R> {
    /// Why the input could not be read to its end, if so. Asked when there are no more lines.
    pub fn failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    pub(crate) fn into_input(self) -> R {
        self.input
    }

    /// Reads a line; of a line that is too long, its beginning. False at the end.
    fn read_line(&mut self) -> io::Result<bool> {
        self.line.clear();
        let mut any = false;
        loop {
            let available = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if available.is_empty() {
                return Ok(any);
            }
            any = true;
            let end = memchr::memchr(b'\n', available);
            let piece = &available[..end.unwrap_or(available.len())];
            let room = (MAX_LINE + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            let used = end.map_or(available.len(), |end| end + 1);
            self.input.consume(used);
            if end.is_some() {
                return Ok(true);
            }
        }
    }

    fn reject(&self, error: String) -> Rejected {
        let body = self.redactor.scrub(&self.line[..self.line.len().min(REJECTED_BYTES)]);
        Rejected { position: format!("line {}", self.number), error, body, day: None }
    }

    fn record(&self) -> Result<Record, String> {
        if self.line.len() > MAX_LINE {
            return Err("the line is longer than a release record can be".into());
        }
        let text = std::str::from_utf8(&self.line).map_err(|_| "the line is not UTF-8".to_owned())?;
        let text = text.trim().trim_start_matches('\u{feff}');
        let (body, received_hmac) = self.redactor.apply(text);
        let value = canonical::read(&body).map_err(|error| format!("not readable as JSON: {error}"))?;
        let name = name(&value)?;
        let hash = canonical::hash(&value);
        Ok(Record {
            // Half of the hash is enough to tell versions apart, even for who wants to confuse them.
            record_id: format!("{name}#{}", &hash[..32]),
            occurred_at: time(&value),
            body: body.into_owned(),
            received_hmac,
            position: self.number,
        })
    }
}

impl<R: BufRead> Iterator for Lines<'_, R> {
    type Item = Result<Record, Rejected>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.failure.is_none() {
            match self.read_line() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.failure = Some(error);
                    return None;
                }
            }
            self.number += 1;
            if self.line.iter().any(|byte| !byte.is_ascii_whitespace()) {
                return Some(self.record().map_err(|error| self.reject(error)));
            }
        }
        None
    }
}

/// What the record is about: the deployment's id, or the pipeline.
pub(super) fn name(value: &Value) -> Result<String, String> {
    let Value::Object(object) = value else {
        return Err("a release record must be an object".into());
    };
    let Some(schema) = object.get("schema").and_then(Value::as_str) else {
        return event_name(value).unwrap_or_else(|| {
            Err("`schema` is missing: changetrail.deployment/1, changetrail.pipeline/1 or changetrail.approval/1"
                .into())
        });
    };
    let text = |key: &str| match object.get(key) {
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(text.clone()),
        Some(_) => Err(format!("`{key}` must be a text that is not empty")),
        None => Err(format!("`{key}` is missing")),
    };
    match schema {
        "changetrail.deployment/1" => {
            text("pipeline")?;
            text("id")
        }
        "changetrail.pipeline/1" => Ok(format!("pipeline:{}", text("pipeline")?)),
        "changetrail.approval/1" => {
            let about =
                ["deployment", "run_id", "release_id", "ticket"].into_iter().find(|key| object.contains_key(*key));
            let about = about.ok_or("an approval names a `deployment`, `run_id`, `release_id` or `ticket`")?;
            Ok(format!("approval:{}", text(about)?))
        }
        other => {
            let known = ["changetrail.deployment/1", "changetrail.pipeline/1", "changetrail.approval/1"];
            let hint = crate::nearest(other, known).map_or_else(|| known.join(", "), str::to_owned);
            Err(format!("unknown schema `{other}`: {hint} is read"))
        }
    }
}

/// Of a `CDEvent`, as it stands or in the envelope of a `CloudEvent`: source and id, which are unique together.
fn event_name(value: &Value) -> Option<Result<String, String>> {
    let event = value.get("data").filter(|_| value.get("specversion").is_some()).unwrap_or(value);
    let context = event.get("context")?;
    let text = |key: &str| context.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let name = match (text("source"), text("id"), text("type")) {
        (Some(source), Some(id), Some(_)) => Ok(format!("cdevents:{source}:{id}")),
        _ => Err("a CDEvent needs `source`, `id` and `type` in its `context`".to_owned()),
    };
    Some(name)
}

/// When the line was written, as near as it says.
pub(super) fn time(value: &Value) -> Option<Timestamp> {
    let time = |key: &str| crate::log::time_of(value.get(key)?.as_str()?);
    let own = ["recorded_at", "changed_at", "finished_at", "started_at", "decided_at"].into_iter().find_map(time);
    let event = || ["/context/timestamp", "/data/context/timestamp"].into_iter().find_map(|place| value.pointer(place));
    own.or_else(|| crate::log::time_of(event()?.as_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPLOYMENT: &str = r#"{"schema":"changetrail.deployment/1","id":"a:1","pipeline":"a","started_at":"2026-10-01T10:00:00Z","finished_at":"2026-10-01T10:05:00+01:00"}"#;
    const PIPELINE: &str = r#"{"schema":"changetrail.pipeline/1","pipeline":"a","changed_at":"2026-10-01T10:00:00Z"}"#;

    fn read(text: &str) -> Vec<Result<Record, Rejected>> {
        parse_lines(text.as_bytes(), &Redactor::new([0; 32])).collect()
    }

    fn reason(line: &str) -> String {
        let mut lines = read(line);
        lines.remove(0).expect_err("a rejected line").error
    }

    #[test]
    fn records_are_named_timed_and_numbered() {
        let lines = read(&format!("\n{DEPLOYMENT}\r\n   \n{PIPELINE}"));
        let records: Vec<Record> = lines.into_iter().collect::<Result<_, _>>().expect("records");
        assert!(records[0].record_id.starts_with("a:1#"), "{}", records[0].record_id);
        assert!(records[1].record_id.starts_with("pipeline:a#"));
        assert_eq!(records[0].occurred_at, "2026-10-01T09:05:00Z".parse().ok());
        assert_eq!((records[0].position, records[1].position), (2, 4));
        assert_eq!(records[0].body, DEPLOYMENT);
    }

    #[test]
    fn events_are_named_by_source_and_id_in_an_envelope_or_without() {
        let event = r#"{"context":{"id":"7","source":"/ci","type":"dev.cdevents.service.deployed.0.3.0","timestamp":"2026-10-01T10:00:00Z"}}"#;
        let enveloped = format!(r#"{{"specversion":"1.0","id":"x","data":{event}}}"#);
        for record in read(&format!("{event}\n{enveloped}")) {
            let record = record.expect("an event");
            assert!(record.record_id.starts_with("cdevents:/ci:7#"), "{}", record.record_id);
            assert_eq!(record.occurred_at, "2026-10-01T10:00:00Z".parse().ok());
        }
    }

    #[test]
    fn another_version_of_a_record_has_another_id_and_an_equal_one_the_same() {
        let changed = DEPLOYMENT.replace("10:05", "10:06");
        let spaced = DEPLOYMENT.replace(":\"", ": \"");
        let lines = read(&format!("{DEPLOYMENT}\n{changed}\n{spaced}\n"));
        let ids: Vec<String> = lines.into_iter().map(|line| line.expect("a record").record_id).collect();
        assert_ne!(ids[0], ids[1]);
        assert_eq!(ids[0], ids[2]);
    }

    #[test]
    fn what_is_no_release_record_is_rejected_with_line_and_reason() {
        assert!(reason("[1]").contains("object"));
        assert!(reason("{\"a\":1}").contains("`schema` is missing"));
        assert!(reason(r#"{"schema":"changetrail.deploymnet/1"}"#).contains("changetrail.deployment/1"));
        assert!(reason(r#"{"schema":"changetrail.deployment/1","pipeline":"a"}"#).contains("`id`"));
        assert!(reason(r#"{"schema":"changetrail.deployment/1","id":"a"}"#).contains("`pipeline`"));
        assert!(reason(r#"{"schema":"changetrail.pipeline/1","pipeline":7}"#).contains("`pipeline`"));
        assert!(reason(r#"{"specversion":"1.0","data":{"context":{"type":"dev.cdevents.x"}}}"#).contains("CDEvent"));
        assert!(reason(r#"{"specversion":"1.0","type":"com.example.x","data":{}}"#).contains("`schema` is missing"));
        assert!(reason("{\"schema\":").contains("JSON"));
        let lines = read(&format!("{DEPLOYMENT}\nnonsense\n{PIPELINE}\n{{\"schema\":\"chang"));
        assert_eq!(lines.iter().filter(|line| line.is_ok()).count(), 2);
        let positions: Vec<&str> =
            lines.iter().filter_map(|line| Some(line.as_ref().err()?.position.as_str())).collect();
        assert_eq!(positions, ["line 2", "line 4"]);
    }

    #[test]
    fn a_line_without_end_is_rejected_in_bounded_memory() {
        let long = io::Read::take(io::repeat(b'x'), MAX_LINE as u64 * 2);
        let redactor = Redactor::new([0; 32]);
        let mut lines = parse_lines(io::BufReader::new(long), &redactor);
        let rejected = lines.next().expect("a line").expect_err("too long");
        assert!(rejected.error.contains("longer"));
        assert_eq!(rejected.body.len(), REJECTED_BYTES);
        assert!(lines.next().is_none());
    }
}
