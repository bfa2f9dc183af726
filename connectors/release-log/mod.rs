//! The central release log as files: JSON Lines of release records.
//!
//! Pipelines, or people on their behalf, write a line for every deployment and every pipeline definition. A file is a
//! unit and is read again when it has changed. The surprising fact: a file may be written while it is read; a last
//! line that is not whole yet is set aside, and the next reading of the file replaces that.

mod lines;

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use async_trait::async_trait;

use crate::files::{Content, Found, Walk, day_in};
use crate::params::Params;
use crate::{Collector, ConfigError, Connector, Error, Redactor, Run, Sink, Source, Spec, Unit};

pub use lines::{Lines, parse_lines};

/// Units whose etags are asked for at once.
const CHUNK: usize = 1_000;
/// Records after which a part is handed over.
const PART_RECORDS: usize = 5_000;
/// Bytes that a compressed file may inflate to.
const MAX_INFLATED: u64 = 1024 * 1024 * 1024;

static SPEC: LazyLock<Spec> =
    LazyLock::new(|| Spec::parse(include_str!("connector.toml")).expect("connector.toml is tested"));

/// The connector `release-log`.
#[derive(Debug)]
pub struct ReleaseLog;

impl Connector for ReleaseLog {
    fn spec(&self) -> &Spec {
        &SPEC
    }

    fn mapping(&self) -> &'static str {
        include_str!("map.sql")
    }

    fn tables(&self) -> Vec<(&str, &str)> {
        Vec::new()
    }

    fn configure(&self, source: &Source) -> Result<Box<dyn Collector>, ConfigError> {
        let params = Params::new(source, &SPEC)?;
        let path = params.string("path")?.ok_or_else(|| params.missing("path"))?;
        Ok(Box::new(ReleaseFiles { root: source.base.join(path) }))
    }
}

/// A source with `path`.
#[derive(Debug)]
struct ReleaseFiles {
    root: PathBuf,
}

#[async_trait]
impl Collector for ReleaseFiles {
    async fn collect(&self, run: &Run, sink: &Sink) -> Result<(), Error> {
        let (root, run, sink) = (self.root.clone(), run.clone(), sink.clone());
        let task = tokio::task::spawn_blocking(move || collect(&root, &run, &sink));
        task.await.map_err(|source| Error::Worker { source: source.into() })?
    }

    fn plan(&self, _run: &Run) -> Vec<String> {
        vec![format!("every *.jsonl file under {} that is new or has changed", self.root.display())]
    }

    fn is_path(&self) -> bool {
        true
    }
}

fn is_wanted(name: &str) -> bool {
    [".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz"].iter().any(|ending| name.ends_with(ending))
}

fn collect(root: &Path, run: &Run, sink: &Sink) -> Result<(), Error> {
    let mut walk = Walk::new(root, is_wanted)?;
    loop {
        let chunk: Vec<Found> = walk.by_ref().take(CHUNK).collect();
        if chunk.is_empty() {
            break;
        }
        let seen = if run.since.is_some() {
            vec![None; chunk.len()]
        } else {
            let keys: Vec<String> = chunk.iter().map(|found| found.key.clone()).collect();
            run.seen.etags(&keys)?
        };
        for (found, seen) in chunk.into_iter().zip(seen) {
            if found.problem.is_some() || seen.as_ref() != Some(&found.etag) {
                read_file(found, &run.redactor, sink)?;
            }
        }
    }
    if walk.others > 0 {
        tracing::warn!(path = %root.display(), files = walk.others, "files that are no release records were left out");
    }
    Ok(())
}

fn read_file(found: Found, redactor: &Redactor, sink: &Sink) -> Result<(), Error> {
    let day = day_in(&found.key).or(found.modified);
    let mut unit = Unit { key: found.key, etag: found.etag, day, ..Unit::default() };
    let opened = match found.problem {
        Some(problem) => Err(problem),
        None => File::open(&found.path)
            .and_then(|file| Content::new(file, MAX_INFLATED))
            .map_err(|error| format!("cannot read the file: {error}")),
    };
    let content = match opened {
        Ok(content) => content,
        Err(problem) => return sink.send_blocking(Unit { last: true, incomplete: Some(problem), ..unit }),
    };
    let mut lines = parse_lines(BufReader::new(content), redactor);
    let mut bytes = 0;
    for line in lines.by_ref() {
        match line {
            Ok(record) => {
                bytes += record.body.len();
                unit.records.push(record);
            }
            Err(mut rejected) => {
                rejected.day = day;
                bytes += rejected.body.len();
                unit.rejected.push(rejected);
            }
        }
        if bytes >= 4 * 1024 * 1024 || unit.records.len() + unit.rejected.len() >= PART_RECORDS {
            bytes = 0;
            let (key, etag, part) = (unit.key.clone(), unit.etag.clone(), unit.part + 1);
            let next = Unit { key, etag, part, day, ..Unit::default() };
            sink.send_blocking(std::mem::replace(&mut unit, next))?;
        }
    }
    let failure = lines.failure();
    let (size, sha256, rest) = lines.into_input().into_inner().into_stored().finish();
    let incomplete = failure.or(rest).map(|error| format!("cannot read the file to its end: {error}"));
    sink.send_blocking(Unit { last: true, size, sha256, incomplete, ..unit })
}

#[cfg(test)]
mod tests;
