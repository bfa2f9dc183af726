//! Records that pipelines drop into a bucket or a container, each below a folder of its own.
//!
//! Whoever may write to a folder speaks for one pipeline: the folder is the pipeline's name, percent-encoded, and a record
//! that names another one is set aside. The surprising fact: `CDEvents` and decisions told apart are not read here. They
//! say by a chain or a ticket what they belong to, and so could speak for any run.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::lines::parse_lines;
use crate::objects::{Objects, Parse};
use crate::{Collector, Error, Record, Redactor, Rejected, Run, Sink, Unit};

/// Bytes of a file; a job drops some thousand.
const MAX_FILE: u64 = 64 * 1024 * 1024;
/// Records after which a part ends.
const PART_RECORDS: usize = 5_000;

/// A source with `bucket` or `container`.
#[derive(Debug)]
pub(super) struct Drops {
    pub(super) objects: Objects,
}

#[async_trait]
impl Collector for Drops {
    async fn collect(&self, run: &Run, sink: &Sink) -> Result<(), Error> {
        self.objects.collect(Arc::new(Dropped { prefix: self.objects.prefix().to_owned() }), run, sink).await
    }

    fn plan(&self, _run: &Run) -> Vec<String> {
        vec![format!("every *.jsonl and *.json file under {} that is new or has changed", self.objects.target())]
    }

    fn is_path(&self) -> bool {
        false
    }
}

struct Dropped {
    prefix: String,
}

impl Parse for Dropped {
    fn is_wanted(&self, key: &str) -> bool {
        [".jsonl", ".ndjson", ".json"].iter().any(|ending| key.ends_with(ending))
    }

    fn limit(&self) -> u64 {
        MAX_FILE
    }

    fn parse(&self, unit: Unit, bytes: &[u8], _written: Option<Timestamp>, redactor: &Redactor) -> Vec<Unit> {
        let pipeline = speaker(&self.prefix, &unit.key);
        let (day, mut units) = (unit.day, vec![Unit { in_order: true, ..unit }]);
        for line in parse_lines(bytes, redactor) {
            if units.last().is_some_and(|unit| unit.records.len() + unit.rejected.len() >= PART_RECORDS) {
                let part = u32::try_from(units.len()).unwrap_or(u32::MAX);
                let first = &units[0];
                units.push(Unit {
                    key: first.key.clone(),
                    etag: first.etag.clone(),
                    day,
                    part,
                    in_order: true,
                    ..Unit::default()
                });
            }
            let Some(unit) = units.last_mut() else { break };
            match line.and_then(|record| spoken(record, pipeline.as_deref())) {
                Ok(record) => unit.records.push(record),
                Err(rejected) => unit.rejected.push(Rejected { day, ..rejected }),
            }
        }
        units
    }
}

/// The pipeline whose folder a key is in: the first part below the prefix.
fn speaker(prefix: &str, key: &str) -> Option<String> {
    let (folder, _) = key.strip_prefix(prefix)?.trim_start_matches('/').split_once('/')?;
    let name = percent_decode_str(folder).decode_utf8().ok()?;
    (!name.is_empty()).then(|| name.into_owned())
}

/// A record, if it speaks for the pipeline whose folder it lies in.
fn spoken(record: Record, pipeline: Option<&str>) -> Result<Record, Rejected> {
    let value: Value = serde_json::from_str(&record.body).unwrap_or_default();
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let problem = match (text("schema"), text("pipeline"), pipeline) {
        (Some("changetrail.deployment/1" | "changetrail.pipeline/1"), Some(named), Some(own)) if named == own => {
            return Ok(record);
        }
        (_, _, None) => "it lies in no pipeline's folder: PREFIX/PIPELINE/…".to_owned(),
        (Some("changetrail.deployment/1" | "changetrail.pipeline/1"), Some(named), Some(own)) => {
            format!("it speaks for the pipeline `{named}`, but lies in the folder of `{own}`")
        }
        _ => "only deployments and pipelines may be dropped: other records say whose they are by a chain or a ticket"
            .to_owned(),
    };
    Err(Rejected { position: format!("line {}", record.position), error: problem, body: record.body, day: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_folder_below_the_prefix_is_the_pipeline() {
        for (prefix, key, pipeline) in [
            ("drops/", "drops/register-release/2026/11/x.jsonl", Some("register-release")),
            ("drops", "drops/register-release/x.jsonl", Some("register-release")),
            ("", "org%2Fapp%2Frelease.yml/x.jsonl", Some("org/app/release.yml")),
            ("drops/", "drops/x.jsonl", None),
            ("drops/", "other/a/x.jsonl", None),
            ("", "%ff/x.jsonl", None),
            ("", "/x.jsonl", None),
        ] {
            assert_eq!(speaker(prefix, key).as_deref(), pipeline, "{prefix} {key}");
        }
    }
}
