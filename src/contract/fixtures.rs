//! What lies in a folder's `fixtures/`: pages as the system sends them, and the rows that they must become.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::server::decoded;

/// Pages of one collection: stream, item (empty for none), texts in order.
pub(super) type Poll = BTreeMap<(String, String), Vec<String>>;

/// All fixtures of a folder.
#[derive(Debug, Default)]
pub(super) struct Fixtures {
    /// What a source says, without secrets.
    pub(super) source: toml::Table,
    pub(super) polls: Vec<Poll>,
    /// Relation, and its file.
    pub(super) expected: Vec<(String, PathBuf)>,
}

impl Fixtures {
    /// Reads them; what is wrong is told.
    pub(super) fn read(folder: &Path) -> Result<Self, String> {
        let root = folder.join("fixtures");
        let mut fixtures = Self::default();
        let source = root.join("source.toml");
        if source.exists() {
            fixtures.source = text(&source)?.parse().map_err(|error| format!("fixtures/source.toml: {error}"))?;
        }
        for number in 1.. {
            let poll = root.join(number.to_string());
            if !poll.is_dir() {
                break;
            }
            fixtures.polls.push(read_poll(&poll)?);
        }
        if fixtures.polls.is_empty() {
            return Err("fixtures/1 is missing: pages of the first collection".into());
        }
        for file in entries(&root.join("expect")).unwrap_or_default() {
            let name = name(&file);
            let relation = name.strip_suffix(".csv").ok_or_else(|| format!("fixtures/expect/{name} is no CSV"))?;
            fixtures.expected.push((relation.to_owned(), file));
        }
        if fixtures.expected.is_empty() {
            return Err("fixtures/expect is missing: the rows that the pages must become".into());
        }
        Ok(fixtures)
    }
}

fn read_poll(folder: &Path) -> Result<Poll, String> {
    let mut poll = Poll::new();
    for stream in entries(folder)? {
        if stream.is_file() {
            return Err(format!("{} lies outside of a stream's folder", stream.display()));
        }
        for entry in entries(&stream)? {
            if entry.is_dir() {
                let pages = entries(&entry)?.iter().map(|page| text(page)).collect::<Result<_, _>>()?;
                poll.insert((name(&stream), decoded(&name(&entry).replace('+', "%2B"))), pages);
            } else {
                poll.entry((name(&stream), String::new())).or_default().push(text(&entry)?);
            }
        }
    }
    Ok(poll)
}

/// The entries of a folder; those whose names are numbers in their order.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    let number = |path: &PathBuf| path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
    paths.sort_by_key(|path| (number(path).unwrap_or(u64::MAX), name(path)));
    Ok(paths)
}

fn text(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
