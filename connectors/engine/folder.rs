//! A connector folder: built in, or read from where the configuration says.

use std::collections::BTreeMap;
use std::path::Path;

use super::auth::Auth;
use super::check;
use super::files;
use super::source::Reading;
use super::stream::Stream;
use super::together;
use crate::params::Params;
use crate::spec::{Relation, Transport};
use crate::{Collector, ConfigError, Connector, Source, Spec};

/// Bytes of one file of a folder: a description or a data table, not a log.
const MAX_FILE: u64 = 8 * 1024 * 1024;

/// Everything that is wrong with a connector folder.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", problems.join("; "))]
pub struct FolderError {
    /// Name of the folder.
    pub name: String,
    /// `file: line: what`.
    pub problems: Vec<String>,
}

impl FolderError {
    pub(crate) fn taken(name: &str) -> Self {
        Self { name: name.to_owned(), problems: vec!["there is another connector of this name".into()] }
    }
}

/// A connector that is described, not programmed.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    spec: Spec,
    mapping: String,
    tables: Vec<(String, String)>,
    streams: Vec<Stream>,
    auth: Auth,
    built_in: bool,
}

impl Folder {
    /// A folder that comes with the program.
    ///
    /// # Errors
    /// What it says makes no sense.
    pub(crate) fn built_in(name: &str, files: BTreeMap<String, String>) -> Result<Self, FolderError> {
        Ok(Self { built_in: true, ..Self::parse(name, files)? })
    }

    /// Reads the folder at `path`.
    ///
    /// # Errors
    /// A file cannot be read, or says what makes no sense; all that is wrong is told.
    pub(crate) fn load(path: &Path) -> Result<Self, FolderError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let failed = |problem: String| FolderError { name: name.clone(), problems: vec![problem] };
        let mut files = BTreeMap::new();
        let entries = std::fs::read_dir(path).map_err(|error| failed(format!("{}: {error}", path.display())))?;
        for entry in entries {
            let file = entry.map_err(|error| failed(format!("{}: {error}", path.display())))?.path();
            let wanted = file.extension().is_some_and(|kind| kind == "toml" || kind == "sql" || kind == "csv");
            if !wanted || !file.is_file() {
                continue;
            }
            let told = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let size = file.metadata().map_or(0, |metadata| metadata.len());
            if size > MAX_FILE {
                return Err(failed(format!("{told}: {size} bytes are more than a file of a folder can have")));
            }
            let text = std::fs::read_to_string(&file).map_err(|error| failed(format!("{told}: {error}")))?;
            files.insert(told, text);
        }
        Self::parse(&name, files)
    }

    /// The folders at `path`: itself, or those in it; with their names.
    pub(crate) fn find(path: &Path) -> Vec<(String, Result<Self, FolderError>)> {
        let one = |path: &Path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, Self::load(path))
        };
        if path.join("connector.toml").is_file() {
            return vec![one(path)];
        }
        match std::fs::read_dir(path) {
            Ok(entries) => {
                let mut folders: Vec<_> = entries
                    .flatten()
                    .map(|entry| entry.path())
                    .filter(|path| path.join("connector.toml").is_file())
                    .collect();
                folders.sort_unstable();
                folders.iter().map(|path| one(path)).collect()
            }
            Err(_) => vec![one(path)],
        }
    }

    /// Makes sense of the files of a folder: names and texts.
    ///
    /// # Errors
    /// As [`Folder::load`].
    pub(crate) fn parse(name: &str, mut files: BTreeMap<String, String>) -> Result<Self, FolderError> {
        let failed = |problems: Vec<String>| FolderError { name: name.to_owned(), problems };
        let text = files.remove("connector.toml").ok_or_else(|| failed(vec!["connector.toml is missing".into()]))?;
        let spec = Spec::parse(&text).map_err(|problem| failed(vec![format!("connector.toml: {problem}")]))?;
        let mut problems = Vec::new();
        if spec.name != name {
            problems.push(format!("connector.toml: name is `{}`, but the folder is `{name}`", spec.name));
        }
        let streams = check::streams(&spec).unwrap_or_else(|found| {
            problems.extend(found.into_iter().map(|problem| format!("connector.toml: {problem}")));
            Vec::new()
        });
        let auth = Auth::check(&spec).unwrap_or_else(|problem| {
            problems.push(format!("connector.toml: [auth] {problem}"));
            Auth::None
        });
        problems.extend(check::auth(&spec, &auth).into_iter().map(|problem| format!("connector.toml: {problem}")));
        if problems.is_empty() {
            let unused = together::unused(&spec, &streams, &auth);
            problems.extend(unused.into_iter().map(|problem| format!("connector.toml: {problem}")));
        }
        let mapping = files.remove("map.sql").unwrap_or_else(|| {
            problems.push("map.sql is missing".into());
            String::new()
        });
        problems.extend(emitted(&spec, &mapping).into_iter().map(|problem| format!("map.sql: {problem}")));
        let mut tables = Vec::new();
        for (file, text) in files {
            let Some(table) = file.strip_suffix(".csv") else { continue };
            let is_name = table.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
            if !is_name || table.is_empty() || table == "raw" {
                problems.push(format!(
                    "{file}: a data table's name has lower-case letters, digits and _ only, and is not `raw`"
                ));
            }
            tables.push((table.to_owned(), text));
        }
        if problems.is_empty() {
            Ok(Self { spec, mapping, tables, streams, auth, built_in: false })
        } else {
            Err(failed(problems))
        }
    }

    pub(super) fn streams(&self) -> &[Stream] {
        &self.streams
    }

    pub(super) fn auth(&self) -> &Auth {
        &self.auth
    }
}

/// The relations that the description promises, and those that the mapping emits, must be the same.
fn emitted(spec: &Spec, mapping: &str) -> Vec<String> {
    let known = |relation: &Relation| relation.name();
    let told: Vec<&str> = mapping.lines().filter_map(|line| line.strip_prefix("-- emits: ")).map(str::trim).collect();
    let mut problems = Vec::new();
    for relation in spec.emits.iter().map(known).filter(|relation| !told.contains(relation)) {
        // The approvals of a deployment come with it.
        if relation != "approval" {
            problems
                .push(format!("no line `-- emits: {relation}`, though connector.toml says emits = [\"{relation}\"]"));
        }
    }
    for relation in told.iter().filter(|relation| !spec.emits.iter().any(|known| known.name() == **relation)) {
        problems.push(format!("it emits `{relation}`, which connector.toml does not have in `emits`"));
    }
    problems
}

impl Connector for Folder {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn mapping(&self) -> &str {
        &self.mapping
    }

    fn tables(&self) -> Vec<(&str, &str)> {
        self.tables.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
    }

    fn is_built_in(&self) -> bool {
        self.built_in
    }

    fn configure(&self, source: &Source) -> Result<Box<dyn Collector>, ConfigError> {
        let params = Params::new(source, &self.spec)?;
        if self.spec.transport.contains(&Transport::Files)
            && let Some(path) = params.string("path")?
        {
            return files::collector(self, &source.base.join(path), &params);
        }
        if !self.spec.transport.contains(&Transport::Http) {
            return Err(params.missing("path"));
        }
        Ok(Box::new(Reading::configure(self, source, &params)?))
    }
}
