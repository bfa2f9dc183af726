//! A local copy of a trail bucket, of any layout: its log files, and the digests among them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use super::Log;
use super::digest::check::{self, Place};
use super::digest::keys::Keys;
use crate::files::Walk;
use crate::log::{Format as _, PathCollector};
use crate::{Collector, Error, Run, Sink};

/// A source with `path`.
#[derive(Debug)]
pub(super) struct CopyCollector {
    files: PathCollector,
    /// File with CloudTrail's public keys.
    keys: Option<PathBuf>,
}

impl CopyCollector {
    pub(super) fn new(root: PathBuf, keys: Option<PathBuf>) -> Self {
        Self { files: PathCollector { root, format: Arc::new(Log) }, keys }
    }
}

#[async_trait]
impl Collector for CopyCollector {
    async fn collect(&self, run: &Run, sink: &Sink) -> Result<(), Error> {
        self.files.collect(run, sink).await
    }

    async fn validate(&self, _run: &Run, sink: &Sink) -> Result<(), Error> {
        let (root, keys, sink) = (self.files.root.clone(), self.keys.clone(), sink.clone());
        let checking = tokio::task::spawn_blocking(move || {
            let keys = keys.map_or_else(|| Ok(Keys::default()), |keys| Keys::of_file(&keys))?;
            let found = Walk::new(&root, |name| Log.is_wanted(name))?.map(|found| found.key);
            let digests: BTreeMap<String, Vec<String>> = check::chains(found);
            if digests.is_empty() {
                return Err(Error::NoDigest { place: root.display().to_string() });
            }
            let place: Arc<dyn Place> = Arc::new(Folder(root));
            for (chain, digests) in digests {
                check::chain(&place, &chain, &keys, &digests, &sink)?;
            }
            Ok(())
        });
        checking.await.map_err(|source| Error::Worker { source: source.into() })?
    }

    fn plan(&self, run: &Run) -> Vec<String> {
        self.files.plan(run)
    }

    fn is_path(&self) -> bool {
        true
    }
}

/// A folder on this machine.
struct Folder(PathBuf);

impl Place for Folder {
    fn open(&self, key: &str) -> Result<Option<Box<dyn Read>>, Error> {
        // A digest is somebody else's file: it names nothing outside the folder.
        if !Path::new(key).components().all(|part| matches!(part, Component::Normal(_))) {
            return Ok(None);
        }
        let path = self.0.join(key);
        match File::open(&path) {
            Ok(file) => Ok(Some(Box::new(file))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Io { action: "read", path, source }),
        }
    }

    fn signature(&self, _key: &str) -> Result<Option<String>, Error> {
        // Metadata of the object, which a copy does not have.
        Ok(None)
    }
}
