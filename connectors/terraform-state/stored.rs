//! States that Terraform keeps in a bucket of S3 or a container of a storage account.
//!
//! A state is held in memory while it is read, and nothing but what [`super::state`] makes of it goes on.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::objects::{Objects, Parse};
use crate::{Collector, Error, Redactor, Run, Sink, Unit};

/// Bytes of one state: it is fetched as a whole.
pub(super) const MAX_STATE: u64 = 128 * 1024 * 1024;

/// A source with `bucket` or `container`.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) objects: Objects,
}

#[async_trait]
impl Collector for Stored {
    async fn collect(&self, run: &Run, sink: &Sink) -> Result<(), Error> {
        self.objects.collect(Arc::new(States), run, sink).await
    }

    fn plan(&self, _run: &Run) -> Vec<String> {
        vec![format!("every *.tfstate under {} that is new or has changed", self.objects.target())]
    }

    fn is_path(&self) -> bool {
        false
    }
}

struct States;

impl Parse for States {
    fn is_wanted(&self, key: &str) -> bool {
        // The workspaces of azurerm's backend end in `env:NAME`.
        key.rsplit('/').next().is_some_and(|name| name.ends_with(".tfstate") || name.contains(".tfstateenv:"))
    }

    fn limit(&self) -> u64 {
        MAX_STATE
    }

    fn parse(&self, mut unit: Unit, mut bytes: &[u8], written: Option<Timestamp>, _: &Redactor) -> Vec<Unit> {
        super::take(&mut unit, &mut bytes, written);
        vec![unit]
    }
}
