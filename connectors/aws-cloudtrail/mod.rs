//! AWS CloudTrail: what happened in AWS accounts.
//!
//! Two ways to the same records, equal by `eventID`: a local copy of a trail bucket (`path`), and the event history
//! of each account and region (`regions`, by `LookupEvents`). Permission, retention, lag and limits stand in the
//! folder's README. The surprising fact: reads are counted and dropped here, because four of five records are reads;
//! what is dropped says of itself that it changes nothing.
//!
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference.html>

mod classify;
mod client;
mod hours;
mod limiter;
mod lookup;
mod path;
pub(crate) mod reader;
mod regions;
mod scan;
pub(crate) mod windows;

pub(crate) use classify::{Outcome, time_of};
pub(crate) use hours::Hours;
pub(crate) use path::PathCollector;
pub(crate) use reader::Format;

use std::sync::LazyLock;

use crate::params::Params;
use crate::{Collector, ConfigError, Connector, Source, Spec};

static SPEC: LazyLock<Spec> =
    LazyLock::new(|| Spec::parse(include_str!("connector.toml")).expect("connector.toml is tested"));

/// The connector `aws-cloudtrail`.
#[derive(Debug)]
pub struct AwsCloudTrail;

impl Connector for AwsCloudTrail {
    fn spec(&self) -> &Spec {
        &SPEC
    }

    fn mapping(&self) -> &'static str {
        include_str!("map.sql")
    }

    fn tables(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("action_class", include_str!("action_class.csv")),
            ("access_level", include_str!("access_level.csv")),
            ("target", include_str!("target.csv")),
        ]
    }

    fn configure(&self, source: &Source) -> Result<Box<dyn Collector>, ConfigError> {
        let params = Params::new(source, &SPEC)?;
        let Some(path) = params.string("path")? else {
            return Ok(Box::new(lookup::LookupCollector::configure(&params)?));
        };
        if let Some(key) = LOOKUP_KEYS.iter().find(|key| params.has(key)) {
            return Err(params.bad(key, "it cannot be given together with `path`"));
        }
        Ok(Box::new(PathCollector { root: source.base.join(path), format: &LOG }))
    }
}

/// What belongs to `LookupEvents`.
const LOOKUP_KEYS: &[&str] = &["regions", "role_arn", "profile", "endpoint_url", "share", "concurrency"];

/// Log files; digests and insights lie beside them.
static LOG: Format = Format {
    is_wanted: |name| [".json", ".jsonl", ".ndjson", ".gz"].iter().any(|ending| name.ends_with(ending)),
    is_log: |key| {
        !key.split('/').any(|part| matches!(part, "CloudTrail-Digest" | "CloudTrail-Insight" | "CloudTrail-Aggregated"))
    },
    classify: classify::classify,
};
