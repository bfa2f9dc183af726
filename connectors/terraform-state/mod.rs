//! What Terraform manages, out of its states: files, objects of a bucket or container, or workspaces of HCP Terraform.
//!
//! A state holds every value of every resource, secrets among them. The surprising fact: none of them is ever held here.
//! A state is read into types that know addresses and ids only, and the rest is passed over while it is read; ids are kept
//! of providers whose ids name what a cloud's audit trail names too.

mod state;
mod stored;
mod workspaces;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::files::{self, Content, Found, Walk, is_failure};
use crate::log::unreadable;
use crate::objects::Objects;
use crate::params::Params;
use crate::{Collector, ConfigError, Connector, Error, Record, Rejected, Run, Sink, Source, Spec, Unit, canonical};

/// Bytes that a state may have; one of ten thousand resources has some thirty million.
const MAX_STATE: u64 = 512 * 1024 * 1024;

static SPEC: LazyLock<Spec> =
    LazyLock::new(|| Spec::parse(include_str!("connector.toml")).expect("connector.toml is tested"));

/// The connector `terraform-state`.
#[derive(Debug)]
pub struct TerraformState;

impl Connector for TerraformState {
    fn spec(&self) -> &Spec {
        &SPEC
    }

    fn mapping(&self) -> &'static str {
        include_str!("map.sql")
    }

    fn tables(&self) -> Vec<(&str, &str)> {
        Vec::new()
    }

    fn is_built_in(&self) -> bool {
        true
    }

    fn configure(&self, source: &Source) -> Result<Box<dyn Collector>, ConfigError> {
        let params = Params::new(source, &SPEC)?;
        if let Some(objects) = Objects::configure(&params)? {
            params.alone(if params.has("bucket") { "bucket" } else { "container" }, workspaces::KEYS)?;
            return Ok(Box::new(stored::Stored { objects }));
        }
        if params.has("organization") {
            params.alone("organization", &["path"])?;
            return Ok(Box::new(workspaces::Workspaces::configure(source, &params)?));
        }
        params.needed_for("organization", workspaces::KEYS)?;
        let places = ["path", "bucket", "container", "organization"];
        let path = params.string("path")?.ok_or_else(|| params.missing_one_of(&places))?;
        Ok(Box::new(StateFiles { root: source.base.join(path) }))
    }
}

/// A source with `path`.
#[derive(Debug)]
struct StateFiles {
    root: PathBuf,
}

#[async_trait]
impl Collector for StateFiles {
    async fn collect(&self, run: &Run, sink: &Sink) -> Result<(), Error> {
        let (root, run, sink) = (self.root.clone(), run.clone(), sink.clone());
        let task = tokio::task::spawn_blocking(move || collect(&root, &run, &sink));
        task.await.map_err(|source| Error::Worker { source: source.into() })?
    }

    fn plan(&self, _run: &Run) -> Vec<String> {
        vec![format!("every *.tfstate file under {} that is new or has changed", self.root.display())]
    }

    fn is_path(&self) -> bool {
        true
    }

    fn unreadable(&self) -> Result<Vec<String>, Error> {
        Ok(files::unreadable(Walk::new(&self.root, is_wanted)?))
    }
}

fn is_wanted(name: &str) -> bool {
    name.ends_with(".tfstate")
}

fn collect(root: &Path, run: &Run, sink: &Sink) -> Result<(), Error> {
    for found in Walk::new(root, is_wanted)? {
        let seen = run.seen.etags(std::slice::from_ref(&found.key))?;
        if found.problem.is_some() || run.since.is_some() || seen.first() != Some(&Some(found.etag.clone())) {
            sink.send_blocking(read(found))?;
        }
    }
    Ok(())
}

/// One state as one unit with one record.
fn read(found: Found) -> Unit {
    let mut unit = Unit { key: found.key, etag: found.etag, day: found.modified, last: true, ..Unit::default() };
    let opened = match found.problem {
        Some(problem) => Err(problem),
        None => File::open(&found.path)
            .and_then(|file| Ok((file.metadata()?.modified()?, Content::new(file, MAX_STATE)?)))
            .map_err(|error| format!("cannot read the file: {error}")),
    };
    let (modified, content) = match opened {
        Ok(opened) => opened,
        Err(problem) => return unreadable(unit, problem),
    };
    let mut input = BufReader::new(content);
    take(&mut unit, &mut input, Timestamp::try_from(modified).ok());
    let stored = input.into_inner().into_stored();
    let failed = stored.failed();
    let (size, sha256, rest) = stored.finish();
    if failed || rest.as_ref().is_some_and(is_failure) {
        unit.etag.clear();
    }
    let incomplete = rest.map(|error| format!("cannot read the file to its end: {error}"));
    Unit { size, sha256, incomplete, ..unit }
}

/// Puts what a state manages into its unit; the unit's key names the state.
fn take(unit: &mut Unit, input: &mut impl Read, applied_at: Option<Timestamp>) {
    match state::parse(input, &unit.key) {
        Ok(inventory) => unit.records.push(Record {
            record_id: format!("{}@{}", unit.key, &canonical::hash(&inventory)[..16]),
            occurred_at: applied_at,
            body: inventory.to_string(),
            received_hmac: None,
            position: 0,
        }),
        // What cannot be read may hold secrets anywhere: only the reason is kept.
        Err(error) => {
            unit.rejected.push(Rejected { position: "state".to_owned(), error, body: String::new(), day: unit.day });
        }
    }
}

#[cfg(test)]
mod tests;
