//! The central release log as files, in a folder, a bucket or a container: JSON Lines of release records or `CDEvents`, and spreadsheets saved as CSV.
//!
//! Pipelines, or people on their behalf, write a line for every deployment and every pipeline definition. A file is a
//! unit and is read again when it has changed. The surprising fact: a file may be written while it is read; a last
//! line that is not whole yet is set aside, and the next reading of the file replaces that.

mod drop;
mod lines;
mod sheet;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use async_trait::async_trait;
use jiff::tz::TimeZone;

use crate::files::{self, Content, Found, Walk, day_in, is_failure};
use crate::log::unreadable;
use crate::objects::Objects;
use crate::params::Params;
use crate::{Collector, ConfigError, Connector, Error, Record, Redactor, Rejected, Run, Sink, Source, Spec, Unit};

pub use lines::{Lines, parse_lines};
use sheet::{FIELDS, Layout, Sheet};

/// Units whose etags are asked for at once.
const CHUNK: usize = 1_000;
/// Records after which a part is handed over.
const PART_RECORDS: usize = 5_000;
/// Bytes that a compressed file may inflate to.
const MAX_INFLATED: u64 = 1024 * 1024 * 1024;
/// Bytes that a spreadsheet may have: a quote that is never closed makes all of it one cell.
const MAX_SHEET: u64 = 64 * 1024 * 1024;

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
        vec![("outcomes", include_str!("outcomes.csv"))]
    }

    fn is_built_in(&self) -> bool {
        true
    }

    fn configure(&self, source: &Source) -> Result<Box<dyn Collector>, ConfigError> {
        let params = Params::new(source, &SPEC)?;
        if let Some(objects) = Objects::configure(&params)? {
            params.alone(if params.has("bucket") { "bucket" } else { "container" }, &["columns", "time_zone"])?;
            return Ok(Box::new(drop::Drops { objects }));
        }
        let path = params.string("path")?.ok_or_else(|| params.missing_one_of(&["path", "bucket", "container"]))?;
        Ok(Box::new(ReleaseFiles { root: source.base.join(path), layout: layout(source, &params)? }))
    }
}

/// A source with `path`.
#[derive(Debug)]
struct ReleaseFiles {
    root: PathBuf,
    layout: Layout,
}

/// What the source says of its spreadsheets.
fn layout(source: &Source, params: &Params) -> Result<Layout, ConfigError> {
    let mut columns = Vec::new();
    match source.params.get("columns") {
        None => {}
        Some(toml::Value::Table(table)) => {
            for (field, header) in table {
                let header =
                    header.as_str().ok_or_else(|| params.bad("columns", format!("`{field}` needs a header")))?;
                if !FIELDS.contains(&field.as_str()) {
                    let known =
                        crate::nearest(field, FIELDS.iter().copied()).map_or_else(|| FIELDS.join(", "), str::to_owned);
                    return Err(params.bad("columns", format!("there is no field `{field}`: {known}")));
                }
                columns.push((field.clone(), header.to_owned()));
            }
        }
        Some(_) => return Err(params.bad("columns", "a table of fields and headers is needed")),
    }
    let zone = match params.string("time_zone")?.as_deref() {
        // To look one up, all that the machine knows are listed.
        None => TimeZone::UTC,
        Some(name) => TimeZone::get(name).map_err(|error| params.bad("time_zone", error.to_string()))?,
    };
    Ok(Layout { columns, zone })
}

#[async_trait]
impl Collector for ReleaseFiles {
    async fn collect(&self, run: &Run, sink: &Sink) -> Result<(), Error> {
        let (root, layout, run, sink) = (self.root.clone(), self.layout.clone(), run.clone(), sink.clone());
        let task = tokio::task::spawn_blocking(move || collect(&root, &layout, &run, &sink));
        task.await.map_err(|source| Error::Worker { source: source.into() })?
    }

    fn plan(&self, _run: &Run) -> Vec<String> {
        vec![format!("every *.jsonl or *.csv file under {} that is new or has changed", self.root.display())]
    }

    fn is_path(&self) -> bool {
        true
    }

    fn unreadable(&self) -> Result<Vec<String>, Error> {
        Ok(files::unreadable(Walk::new(&self.root, is_wanted)?))
    }
}

fn is_wanted(name: &str) -> bool {
    [".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz", ".csv"].iter().any(|ending| name.ends_with(ending))
}

fn collect(root: &Path, layout: &Layout, run: &Run, sink: &Sink) -> Result<(), Error> {
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
                read_file(found, layout, &run.redactor, sink)?;
            }
        }
    }
    if walk.others > 0 {
        tracing::warn!(path = %root.display(), files = walk.others, "files that are no release records were left out");
    }
    Ok(())
}

fn read_file(found: Found, layout: &Layout, redactor: &Redactor, sink: &Sink) -> Result<(), Error> {
    let day = day_in(&found.key).or(found.modified);
    let is_sheet = found.path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    let limit = if is_sheet { MAX_SHEET } else { MAX_INFLATED };
    let mut unit = Unit { key: found.key, etag: found.etag, day, in_order: true, ..Unit::default() };
    let opened = match found.problem {
        Some(problem) => Err(problem),
        None => File::open(&found.path)
            .and_then(|file| Content::new(file, limit))
            .map_err(|error| format!("cannot read the file: {error}")),
    };
    let content = match opened {
        Ok(content) => content,
        Err(problem) => return sink.send_blocking(unreadable(unit, problem)),
    };
    let input = BufReader::new(content);
    let mut lines = if is_sheet {
        Rows::Sheet(Sheet::new(input, layout, redactor))
    } else {
        Rows::Lines(parse_lines(input, redactor))
    };
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
            let next = Unit { key, etag, part, day, in_order: true, ..Unit::default() };
            sink.send_blocking(std::mem::replace(&mut unit, next))?;
        }
    }
    let failure = lines.failure();
    let stored = lines.into_input().into_inner().into_stored();
    let failed = stored.failed();
    let (size, sha256, rest) = stored.finish();
    if failed || rest.as_ref().is_some_and(is_failure) {
        unit.etag.clear();
    }
    let incomplete = failure.or(rest).map(|error| format!("cannot read the file to its end: {error}"));
    sink.send_blocking(Unit { last: true, size, sha256, incomplete, ..unit })
}

/// The records of a file of either form.
enum Rows<'a, R: BufRead> {
    Lines(Lines<'a, R>),
    Sheet(Sheet<'a, R>),
}

impl<R: BufRead> Rows<'_, R> {
    fn failure(&mut self) -> Option<std::io::Error> {
        match self {
            Self::Lines(lines) => lines.failure(),
            Self::Sheet(sheet) => sheet.failure(),
        }
    }

    fn into_input(self) -> R {
        match self {
            Self::Lines(lines) => lines.into_input(),
            Self::Sheet(sheet) => sheet.into_input(),
        }
    }
}

impl<R: BufRead> Iterator for Rows<'_, R> {
    type Item = Result<Record, Rejected>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Lines(lines) => lines.next(),
            Self::Sheet(sheet) => sheet.next(),
        }
    }
}

#[cfg(test)]
mod tests;
