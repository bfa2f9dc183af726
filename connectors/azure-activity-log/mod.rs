//! Azure Activity Log: what was done to Azure resources, subscription by subscription.
//!
//! Four ways to the same records: by the REST interface (`subscriptions`), as files (`path`) with its pages or with
//! arrays of the command line, and what diagnostic settings export, as files or where it lies (`container`); all are
//! stored as they are. Resource Graph tells what resources were before and after (`before_after`). Permission, retention, lag and limits stand in the folder's README.
//! The surprising fact: one operation is told by up to four records, which may come in different collections, so no
//! record is dropped here, not even the one that only says that something was started.
//!
//! <https://learn.microsoft.com/en-us/azure/azure-monitor/essentials/activity-log-schema>

mod api;
mod arm;
pub(crate) mod blob;
mod classify;
mod compared;

use std::sync::{Arc, LazyLock};

use crate::log::{Format, Outcome, PathCollector};
use crate::params::Params;
use crate::{Collector, ConfigError, Connector, Redactor, Source, Spec};

static SPEC: LazyLock<Spec> =
    LazyLock::new(|| Spec::parse(include_str!("connector.toml")).expect("connector.toml is tested"));

/// The connector `azure-activity-log`.
#[derive(Debug)]
pub struct AzureActivityLog;

impl Connector for AzureActivityLog {
    fn spec(&self) -> &Spec {
        &SPEC
    }

    fn mapping(&self) -> &'static str {
        include_str!("map.sql")
    }

    fn tables(&self) -> Vec<(&str, &str)> {
        vec![
            ("action_class", include_str!("action_class.csv")),
            ("application", include_str!("application.csv")),
            ("status", include_str!("status.csv")),
        ]
    }

    fn is_built_in(&self) -> bool {
        true
    }

    fn configure(&self, source: &Source) -> Result<Box<dyn Collector>, ConfigError> {
        let params = Params::new(source, &SPEC)?;
        let Some(path) = params.string("path")? else {
            if params.has("container") {
                params.alone(
                    "container",
                    &["subscriptions", "management_groups", "tenant_level", "before_after", "endpoint", "concurrency"],
                )?;
                return Ok(Box::new(blob::BlobCollector::configure(&params)?));
            }
            if !["subscriptions", "management_groups", "tenant_level"].iter().any(|key| params.has(key)) {
                return Err(params.missing_one_of(&["path", "subscriptions", "container"]));
            }
            params.alone("subscriptions", &["prefix"])?;
            return Ok(Box::new(api::ApiCollector::configure(&params)?));
        };
        let others: Vec<&str> = SPEC.params.keys().map(String::as_str).filter(|key| *key != "path").collect();
        params.alone("path", &others)?;
        Ok(Box::new(PathCollector { root: source.base.join(path), format: Arc::new(Files) }))
    }
}

/// Pages, arrays and exports; an export's file has records on lines of their own.
#[derive(Debug)]
struct Files;

impl Format for Files {
    fn classify(&self, _key: &str, element: &[u8], place: u64, redactor: &Redactor) -> Outcome {
        classify::classify(element, place, redactor)
    }
}

#[cfg(test)]
mod tests;
