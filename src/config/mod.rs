//! The configuration: what to poll, what belongs to whom, who may approve, what is excused.
//!
//! One TOML file. Unknown keys are errors that name the nearest known one, because a misspelt key that is ignored
//! would silently change judgements. `[[source]]` alone is open: what is not ours belongs to its connector, which
//! checks it. Rust only reads and checks; what the entries mean is SQL, which gets them from [`Config::to_json`].

mod discover;
mod error;
mod exemptions;
mod extend;
mod people;
mod tables;
#[cfg(test)]
mod tests;
mod validate;
mod values;

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;
use toml::Spanned;

use crate::standard::{self, Shelves};
use changetrail_connectors::nearest;
pub use error::{Error, Problem};
pub use tables::{Automation, Exemption, Group, Person, PipelineIdentity, Scope, Service, Standard, Waiver};
pub use values::{Approvals, Environment, ManualMeans, Moment, Period, Role, RoleName, ServiceType, Verdict};

use error::line_of;
use validate::Lines;

/// A configuration that has been read and checked.
#[derive(Debug, Clone)]
pub struct Config {
    path: PathBuf,
    base: PathBuf,
    store: PathBuf,
    pub standard: Standard,
    /// What that standard says.
    pub requirements: standard::Standard,
    /// Folders with the user's own connectors.
    pub extend_connectors: Vec<PathBuf>,
    /// Folders with the user's own queries.
    pub extend_queries: Vec<PathBuf>,
    pub sources: Vec<Source>,
    pub services: Vec<Service>,
    pub scopes: Vec<Scope>,
    pub pipeline_identities: Vec<PipelineIdentity>,
    pub waivers: Vec<Waiver>,
    pub automations: Vec<Automation>,
    /// Those of `[[person]]`, then those of the `people` file.
    pub people: Vec<Person>,
    /// Groups whose members have a role.
    pub groups: Vec<Group>,
    /// Those of `[[exemption]]`, then those of the `exemptions` file.
    pub exemptions: Vec<Exemption>,
    /// The file that `changetrail exempt` adds to.
    pub exemptions_file: PathBuf,
    /// What is odd, but can be worked with.
    pub warnings: Vec<String>,
}

/// `[[source]]`: one configured connector instance.
#[derive(Debug, Clone)]
pub struct Source {
    pub name: String,
    /// As written; whether there is such a connector is for the collection to say, so that the others go on.
    pub connector: String,
    pub approvals: Approvals,
    /// Every other key: the connector's own.
    pub params: toml::Table,
}

impl Source {
    /// Whether the source reads a local folder or file.
    #[must_use]
    pub fn is_path(&self) -> bool {
        self.params.contains_key("path")
    }

    /// What the connector gets to see; relative paths start at `base`.
    #[must_use]
    pub fn for_connector(&self, base: &Path) -> changetrail_connectors::Source {
        changetrail_connectors::Source { name: self.name.clone(), params: self.params.clone(), base: base.to_owned() }
    }
}

impl Config {
    /// Reads the configuration at `path`, else the first of `./changetrail.toml`, the user's and the machine's.
    ///
    /// # Errors
    /// There is none, it cannot be read, or it is wrong: then everything that is wrong is named.
    pub fn load(path: Option<&Path>) -> Result<Self, Error> {
        let path = match path {
            Some(path) => path.to_owned(),
            None => Self::discover()?,
        };
        let text = std::fs::read_to_string(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        Self::parse(&path, &text)
    }

    fn discover() -> Result<PathBuf, Error> {
        let places = discover::places();
        match places.iter().find(|place| place.is_file()) {
            Some(place) => Ok(place.clone()),
            None => Err(Error::NotFound { looked_in: places }),
        }
    }

    /// Reads a configuration from text, as if it stood in the file `path`.
    ///
    /// # Errors
    /// It is wrong.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let invalid = |problems| Error::Invalid { path: path.to_owned(), problems };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let deserializer = toml::de::Deserializer::parse(text).map_err(|error| {
            let line = error.span().map(|span| line_of(text, span.start));
            invalid(vec![Problem { line, text: error.message().trim().replace('\n', "; ") }])
        })?;
        let file: tables::File =
            serde_path_to_error::deserialize(deserializer).map_err(|error| error::from_toml(path, text, &error))?;

        let base = path.parent().map_or_else(PathBuf::new, Path::to_owned);
        let in_base = |paths: &[String]| -> Vec<PathBuf> { paths.iter().map(|path| base.join(path)).collect() };
        let extend_queries = in_base(&file.extend.queries);
        extend::folders(&extend_queries)?;
        let requirements = Shelves { own: &extend_queries, instead: None }.standard(&file.standard.name)?;
        extend::controls(&extend_queries)?;
        let mut lines = Lines::default();
        let mut problems = Vec::new();
        let sources = read_sources(text, file.source, &mut lines.source, &mut problems);
        let mut people = unspan(text, file.person, &mut lines.person);
        if let Some(roster) = file.people {
            match people::read(&base.join(roster.get_ref())) {
                Ok(more) => people.extend(more),
                Err(error) => {
                    let line = Some(line_of(text, roster.span().start));
                    problems.push(Problem { line, text: format!("`people`: {error}") });
                }
            }
        }
        let mut exemptions = unspan(text, file.exemption, &mut lines.exemption);
        let mut exemptions_file = path.to_owned();
        if let Some(named) = file.exemptions {
            exemptions_file = base.join(named.get_ref());
            match exemptions::read(&exemptions_file) {
                Ok(more) => exemptions.extend(more),
                Err(error) => {
                    let line = Some(line_of(text, named.span().start));
                    problems.push(Problem { line, text: format!("`exemptions`: {error}") });
                }
            }
        }
        let mut config = Self {
            path: path.to_owned(),
            store: base.join(&file.store.path),
            standard: file.standard,
            requirements,
            extend_connectors: in_base(&file.extend.connectors),
            extend_queries,
            sources,
            services: unspan(text, file.service, &mut lines.service),
            scopes: unspan(text, file.scope, &mut lines.scope),
            pipeline_identities: unspan(text, file.pipeline_identity, &mut lines.pipeline_identity),
            waivers: unspan(text, file.waiver, &mut lines.waiver),
            automations: unspan(text, file.automation, &mut lines.automation),
            people,
            groups: unspan(text, file.group, &mut lines.group),
            exemptions,
            exemptions_file,
            warnings: Vec::new(),
            base,
        };
        let found = validate::validate(&config, &lines);
        problems.extend(found.problems);
        problems.sort_by_key(|problem| problem.line);
        if !problems.is_empty() {
            return Err(invalid(problems));
        }
        config.warnings = found.warnings;
        if config.exemptions_file != config.path && !config.exemptions_file.exists() {
            config.warnings.push(format!(
                "`exemptions`: {} is not there, so nothing is exempted by it; `changetrail exempt` makes it",
                config.exemptions_file.display()
            ));
        }
        Ok(config)
    }

    /// This configuration with one exemption more.
    ///
    /// # Errors
    /// It cannot stand beside the others, or is wrong by itself; what would be a warning is an error here.
    pub fn with(&self, exemption: Exemption) -> Result<Self, Error> {
        let mut config = self.clone();
        config.exemptions.push(exemption);
        let mut found = validate::validate(&config, &Lines::default());
        let known = validate::validate(self, &Lines::default());
        let new = found.warnings.into_iter().filter(|warning| !known.warnings.contains(warning));
        found.problems.extend(new.map(|text| Problem { line: None, text }));
        if found.problems.is_empty() {
            return Ok(config);
        }
        Err(Error::Invalid { path: self.exemptions_file.clone(), problems: found.problems })
    }

    /// The file that was read.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the file: relative paths start here.
    #[must_use]
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// Where the store is.
    #[must_use]
    pub fn store_path(&self) -> PathBuf {
        self.store.clone()
    }

    /// The connectors that a source may name: those built in, and the user's.
    #[must_use]
    pub fn connectors(&self) -> changetrail_connectors::Catalog {
        changetrail_connectors::Catalog::new(&self.extend_connectors)
    }

    /// Everything that SQL needs to know, as one JSON object: every key present, times in UTC, absent values null.
    #[must_use]
    pub fn to_json(&self) -> String {
        let sources: Vec<_> = self
            .sources
            .iter()
            .map(|source| {
                json!({
                    "name": source.name,
                    "connector": source.connector,
                    "approvals": source.approvals,
                    "path": source.is_path(),
                })
            })
            .collect();
        json!({
            "standard": self.standard,
            "requirements": self.requirements,
            "source": sources,
            "service": self.services,
            "scope": numbered(&self.scopes),
            "pipeline_identity": numbered(&self.pipeline_identities),
            "waiver": numbered(&self.waivers),
            "automation": numbered(&self.automations),
            "person": numbered(&self.people),
            "group": self.groups,
            "exemption": self.exemptions,
        })
        .to_string()
    }
}

/// An entry and its place in the file, from 1: where two match equally, the first wins.
#[derive(Serialize)]
struct Numbered<'a, T> {
    position: usize,
    #[serde(flatten)]
    entry: &'a T,
}

fn numbered<T>(entries: &[T]) -> Vec<Numbered<'_, T>> {
    (1..).zip(entries).map(|(position, entry)| Numbered { position, entry }).collect()
}

fn unspan<T>(text: &str, entries: Vec<Spanned<T>>, lines: &mut Vec<usize>) -> Vec<T> {
    let unspan_one = |entry: Spanned<T>| {
        lines.push(line_of(text, entry.span().start));
        entry.into_inner()
    };
    entries.into_iter().map(unspan_one).collect()
}

/// Takes our keys out of each `[[source]]`, and leaves the rest to its connector.
fn read_sources(
    text: &str,
    tables: Vec<Spanned<toml::Table>>,
    lines: &mut Vec<usize>,
    problems: &mut Vec<Problem>,
) -> Vec<Source> {
    let mut sources = Vec::new();
    let tables = unspan(text, tables, lines);
    for (mut params, line) in tables.into_iter().zip(lines.iter().copied()) {
        let line = Some(line);
        let mut problem = |text: String| problems.push(Problem { line, text });
        let mut word = |key: &str| match params.remove(key) {
            Some(toml::Value::String(word)) => Some(word),
            Some(_) => {
                problem(format!("`{key}` in [[source]] must be text"));
                Some(String::new())
            }
            None => None,
        };
        let (name, connector, approvals) = (word("name"), word("connector"), word("approvals"));
        let approvals = match approvals.as_deref() {
            // What a pipeline drops somewhere is what it says about itself.
            None if ["bucket", "container"].iter().any(|key| params.contains_key(*key))
                && connector.as_deref() == Some("release-log") =>
            {
                Approvals::Claimed
            }
            None | Some("evidence") => Approvals::Evidence,
            Some("claimed") => Approvals::Claimed,
            Some(other) => {
                problem(format!("`{other}` is no value of `approvals` in [[source]]; known are evidence, claimed"));
                Approvals::Claimed
            }
        };
        for (key, value) in [("name", &name), ("connector", &connector)] {
            if value.is_none() {
                let near = nearest(key, params.keys().map(String::as_str));
                let near = near.map(|near| format!(" (is it `{near}`?)")).unwrap_or_default();
                problem(format!("key `{key}` is missing in [[source]]{near}"));
            }
        }
        sources.push(Source {
            name: name.unwrap_or_else(|| format!("source {}", sources.len() + 1)),
            connector: connector.unwrap_or_default(),
            approvals,
            params,
        });
    }
    sources
}
