//! AWS CloudTrail: what happened in AWS accounts.
//!
//! Three ways to the same records, equal by `eventID`: a trail's bucket (`bucket`), a local copy of one (`path`), and the
//! event history of each account and region (`regions`, by `LookupEvents`). Permission, retention, lag and limits stand in the
//! folder's README. The surprising fact: reads are counted and dropped here, because four of five records are reads;
//! what is dropped says of itself that it changes nothing.
//!
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference.html>

mod classify;
mod client;
mod copy;
mod digest;
mod explain;
mod lookup;
mod regions;
pub(crate) mod trail;

use std::sync::LazyLock;

use crate::log::{Format, Outcome, Starts};
use crate::params::Params;
use crate::{Collector, ConfigError, Connector, Redactor, Source, Spec};

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

    fn tables(&self) -> Vec<(&str, &str)> {
        vec![
            ("action_class", include_str!("action_class.csv")),
            ("access_level", include_str!("access_level.csv")),
            ("target", include_str!("target.csv")),
            ("failed_answer", include_str!("failed_answer.csv")),
            ("ec2_id", include_str!("ec2_id.csv")),
            ("tag_path", include_str!("tag_path.csv")),
        ]
    }

    fn is_built_in(&self) -> bool {
        true
    }

    fn configure(&self, source: &Source) -> Result<Box<dyn Collector>, ConfigError> {
        let params = Params::new(source, &SPEC)?;
        if let Some(glob) = params.strings("data_events")?.iter().find(|glob| !glob.starts_with("arn:")) {
            return Err(params.bad("data_events", format!("`{glob}` is no ARN")));
        }
        let keys = params.string("public_keys")?.map(|keys| source.base.join(keys));
        let Some(path) = params.string("path")? else {
            if params.has("bucket") {
                return Ok(Box::new(trail::TrailCollector::configure(&params, keys)?));
            }
            params.needed_for("bucket", &["prefix", "queue_url", "public_keys"])?;
            return Ok(Box::new(lookup::LookupCollector::configure(&params)?));
        };
        params.alone("path", API_KEYS)?;
        Ok(Box::new(copy::CopyCollector::new(source.base.join(path), keys)))
    }
}

/// What belongs to the ways that ask AWS.
const API_KEYS: &[&str] =
    &["bucket", "prefix", "queue_url", "regions", "role_arn", "profile", "endpoint_url", "share", "concurrency"];

/// Log files; digests and insights lie beside them.
#[derive(Debug)]
pub(crate) struct Log;

impl Format for Log {
    fn is_log(&self, key: &str) -> bool {
        !key.split('/').any(|part| matches!(part, "CloudTrail-Digest" | "CloudTrail-Insight" | "CloudTrail-Aggregated"))
    }

    fn classify(&self, _key: &str, element: &[u8], place: u64, redactor: &Redactor) -> Outcome {
        classify::classify(element, place, redactor)
    }

    fn starts(&self) -> Option<Starts> {
        Some(classify::classify_start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of a data table without its header; no cell holds a comma.
    fn rows(name: &str) -> Vec<Vec<&'static str>> {
        let tables = AwsCloudTrail.tables();
        let (_, text) = tables.iter().find(|(table, _)| *table == name).expect("a table");
        let mut rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        let header = rows.remove(0);
        assert!(rows.iter().all(|row| row.len() == header.len()), "{name}: every row has the header's columns");
        rows
    }

    fn is_operation(text: &str) -> bool {
        matches!(text, "" | "create" | "update" | "delete" | "permission" | "access" | "deploy" | "other")
    }

    #[test]
    fn data_tables_are_well_formed() {
        const CATEGORIES: [&str; 6] = ["change", "non-change", "session", "business", "release-control", "evidence"];
        let mut seen = std::collections::HashSet::new();
        for row in rows("action_class") {
            assert!(
                row[0].ends_with(".amazonaws.com") && CATEGORIES.contains(&row[2]) && !row[4].is_empty(),
                "{row:?}"
            );
            assert!(is_operation(row[3]) && row[3].is_empty() != (row[2] == "change"), "{row:?}");
            assert!(seen.insert(format!("class {},{}", row[0], row[1])), "twice: {row:?}");
        }
        for row in rows("access_level") {
            assert!(
                row[0].contains(':') && matches!(row[1], "" | "read" | "change") && is_operation(row[2]),
                "{row:?}"
            );
            assert!(row[1].is_empty() != row[2].is_empty() && seen.insert(row[0].to_lowercase()), "{row:?}");
        }
        for row in rows("failed_answer") {
            assert!(row[0].ends_with(".amazonaws.com") && !row[2].is_empty(), "{row:?}");
            assert!(row[1].split(' ').all(|name| seen.insert(format!("failed {},{name}", row[0]))), "twice: {row:?}");
            // What the answer, or the event's own details, says of itself; else how many there are beside how many were done.
            let is_path = |path: &str| {
                path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".*".contains(&byte)) && !path.is_empty()
            };
            if let Some((path, state)) = row[2].split_once('=') {
                assert!(
                    path.starts_with("details.") && is_path(path) && !state.is_empty() && row[3].is_empty(),
                    "{row:?}"
                );
                continue;
            }
            let (place, member) = row[3].split_once('.').expect("a place and a member");
            assert!(matches!(place, "request" | "response") && is_path(row[2]) && is_path(member), "{row:?}");
        }
        for row in rows("target") {
            assert!(row[0].ends_with(".amazonaws.com") && is_operation(row[2]) && !row[4].is_empty(), "{row:?}");
            assert!(row[1].split(' ').all(|name| seen.insert(format!("target {},{name}", row[0]))), "twice: {row:?}");
            // A path that is none would stop the whole mapping.
            for path in [row[3], row[5]].iter().filter(|path| !matches!(**path, "" | "resources" | "caller")) {
                let (place, rest) = path.split_once('.').expect("a place and a path");
                assert!(matches!(place, "request" | "response" | "details"), "{row:?}");
                assert!(rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".[]".contains(&byte)), "{row:?}");
            }
        }
    }
}
