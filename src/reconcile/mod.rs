//! Reconciling: runs the SQL in its order. Nothing is decided here.
//!
//! Mappings turn raw records into events, sessions and deployments; `queries/reconcile/` follows identities, links and
//! judges; `queries/controls/` holds each deployment, change and pipeline against the standard. All of it is one
//! transaction: whoever reads sees the judgement of one run, never half of two.

mod approved;
mod controls;
mod mapping;
mod raw;
mod relation;
mod rules;
mod sandbox;
mod trial;
mod unmappable;
mod what_if;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use changetrail_connectors::{Catalog, Connector};
use jiff::Timestamp;
use thiserror::Error;

pub use approved::{Baseline, add_baseline, exemption_refused};
pub use controls::try_over;
pub use trial::{map_alone, try_mapping};
pub use what_if::{Proposal, Trial, what_if};

use crate::config::Config;
use crate::error::{Hint as _, with_causes};
use crate::progress::{Progress, Silent};
use crate::record;
use crate::standard;
use crate::store::{self, Db, Value, Visits, sql};
use rules::{CHANGES, FINDINGS, FIRST, RELEASES, Rules, Step, When, before_verdicts};

/// How to reconcile.
#[derive(Debug, Clone)]
pub struct Options {
    pub now: Timestamp,
    /// Map everything again, whatever was mapped before.
    pub rebuild: bool,
    /// How long to wait for a store that others read.
    pub wait: Duration,
    /// A folder whose files stand in for rules of the same name: to try them out.
    pub instead: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Open findings that the last complete audit did not know: (severity, number).
    pub new_findings: Vec<(String, u64)>,
    /// All open findings: (severity, number).
    pub open_findings: Vec<(String, u64)>,
    /// Findings that a baseline accepts: how many are left, of how many.
    pub baseline: Option<(u64, u64)>,
    pub warnings: Vec<String>,
    /// Sources whose connector is not known, or whose connector or mapping cannot be used: nothing new of them was judged.
    pub unmapped: Vec<Unmapped>,
}

/// A source whose records were not mapped, and why.
#[derive(Debug, Clone)]
pub struct Unmapped {
    pub source: String,
    pub error: String,
    pub hint: Option<String>,
}

#[derive(Debug, Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("the mapping of connector `{connector}` is unusable: {problem}")]
    Mapping { connector: String, problem: String },
    #[error("the data table `{table}` is unusable")]
    Table {
        table: String,
        #[source]
        source: csv::Error,
    },
    #[error("the control {file} is unusable")]
    Control {
        file: String,
        #[source]
        source: Box<store::Error>,
    },
    #[error(transparent)]
    Standard(#[from] standard::Error),
    #[error("reading the rules in {}", folder.display())]
    Rules {
        folder: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the rule {file} does not say which of its statements is kept")]
    Keeps { file: String, relation: String },
    #[error("{} stands in for no rule", path.display())]
    NoRule { path: PathBuf },
    #[error("copying the store {}", path.display())]
    Copy {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the control {file} is unusable: {problem}")]
    Select { file: String, problem: String },
}

impl Error {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Standard(error) => error.hint(),
            Self::NoRule { .. } => Some(
                "a file has to lie and be named like the one in queries/ that it replaces: reconcile/07_links.sql"
                    .to_owned(),
            ),
            Self::Copy { .. } => {
                Some("there has to be room for a copy in the temporary folder; TMPDIR names another".to_owned())
            }
            Self::Control { .. } | Self::Select { .. } => Some(
                "a control is one SELECT of subject_kind, subject_id, service, environment, result and reason, of the \
                 kinds of subject that its `severity` names; queries/README.md says more"
                    .to_owned(),
            ),
            Self::Keeps { relation, .. } => Some(format!(
                "before its last SELECT it needs the line `-- keeps: {relation}`, as the file has that it replaces"
            )),
            Self::Rules { .. } | Self::Mapping { .. } | Self::Table { .. } => None,
        }
    }
}

/// Maps what is new, judges everything, and brings the findings up to date.
///
/// # Errors
/// The store cannot be written, or a statement fails; the judgement of the run before stays then.
pub fn run(config: &Config, store: &Visits, options: &Options, progress: &dyn Progress) -> Result<Outcome, Error> {
    over(&store.last(options.wait)?, config, options, progress)
}

/// Runs everything that judges over no evidence at all: what of it cannot be run is found before the night.
///
/// # Errors
/// A rule or a control cannot be run.
pub fn try_rules(config: &Config, now: Timestamp) -> Result<(), Error> {
    let options = Options { now, rebuild: false, wait: Duration::ZERO, instead: None };
    over(&Db::scratch()?, config, &options, &Silent).map(drop)
}

fn over(db: &Db, config: &Config, options: &Options, progress: &dyn Progress) -> Result<Outcome, Error> {
    db.sandbox()?;
    let task = "reconciling";
    let steps = FIRST.len() + RELEASES.len() + CHANGES.len() + FINDINGS.len() + config.requirements.controls.len() + 1;
    let mut left_out = Vec::new();
    if options.rebuild {
        // Once: what fails again is noted again, and everything begun anew without it.
        db.batch("forget what could not be mapped", "delete from unmappable")?;
    }
    loop {
        db.batch("begin", "begin transaction")?;
        progress.begin(task, Some(steps as u64));
        let result = judge(db, config, options, &left_out, &|step| progress.advance(task, 1, step));
        progress.end(task);
        match result {
            Ok(outcome) => {
                db.batch("commit", "commit")?;
                return Ok(outcome);
            }
            Err(stopped) => {
                // The first error is the one to tell.
                let _ = db.batch("rollback", "rollback");
                match stopped {
                    Stopped::Error(error) => return Err(error),
                    // From the beginning, for what was half done is undone: without the records on which it fails, else all
                    // else without the source.
                    Stopped::Source(failed) => {
                        let Failed { source, settings, connector, error } = *failed;
                        let noted = unmappable::note(db, &source, &settings, &*connector, options, error)?;
                        let Some(error) = noted else { continue };
                        if !mapping::can_wait(&*connector) {
                            return Err(error);
                        }
                        left_out.push(Unmapped { source, hint: error.hint(), error: with_causes(&error) });
                    }
                }
            }
        }
    }
}

/// Why judging ended before its end.
enum Stopped {
    Error(Error),
    /// The mapping of one source fails.
    Source(Box<Failed>),
}

/// A source whose mapping fails.
struct Failed {
    source: String,
    settings: Vec<(String, String)>,
    connector: Arc<dyn Connector>,
    error: Error,
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<store::Error> for Stopped {
    fn from(error: store::Error) -> Self {
        Self::Error(error.into())
    }
}

fn judge(
    db: &Db,
    config: &Config,
    options: &Options,
    left_out: &[Unmapped],
    step: &dyn Fn(&str),
) -> Result<Outcome, Stopped> {
    let rules = Rules::load(options.instead.as_deref(), config)?;
    let when = begin(db, config, &rules, options)?;
    scripts(db, FIRST, &rules, when, step)?;
    for table in rules::TABLES {
        mapping::load_table(db, table.name, &rules.text(table))?;
    }
    step("mapping");
    let catalog = config.connectors();
    let mut sources = Sources::of(config, &catalog);
    sources.unmapped.extend_from_slice(left_out);
    for (source, connector) in sources.mapped {
        if left_out.iter().any(|known| known.source == source) {
            continue;
        }
        let of_source = config.sources.iter().find(|known| known.name == source);
        let settings = of_source.map(|source| mapping::settings(&source.params)).unwrap_or_default();
        if let Err(error) = mapping::run(db, &source, &settings, &*connector, options) {
            return Err(Stopped::Source(Box::new(Failed { source, settings, connector, error })));
        }
    }
    mapping::load_relations(db, &catalog, &config.sources)?;
    let (of_releases, of_changes): (Vec<_>, Vec<_>) =
        config.requirements.controls.iter().partition(|control| before_verdicts(control));
    scripts(db, RELEASES, &rules, when, step)?;
    controls::ask(db, &of_releases, step)?;
    scripts(db, CHANGES, &rules, when, step)?;
    if when == When::Again {
        let (_, rows) = db.rows("select count(*) from change_again", &[])?;
        if let Some(Value::Int(changes)) = rows.first().and_then(|row| row.first()) {
            tracing::info!(changes, "judged again");
        }
    }
    controls::ask(db, &of_changes, step)?;
    scripts(db, FINDINGS, &rules, when, step)?;
    Ok(Outcome {
        new_findings: counts(db, sql!("reconcile/new_findings.sql"))?,
        open_findings: counts(db, sql!("reconcile/open_findings.sql"))?,
        baseline: approved::left(db)?,
        warnings: warnings(db)?,
        unmapped: sources.unmapped,
    })
}

/// Notes that an audit went to its end: what is opened later is new. Said only when somebody was told what is new, or it would
/// never be told.
///
/// # Errors
/// The store cannot be written.
pub fn audited(db: &Db, now: Timestamp) -> Result<(), Error> {
    db.run("audit", sql!("reconcile/audited.sql"), &[("now", Value::Time(now))])?;
    Ok(())
}

/// Tells the rules what this run knows; they say whether everything has to be judged.
fn begin(db: &Db, config: &Config, rules: &Rules, options: &Options) -> Result<When, Error> {
    let known = [
        ("now", Value::Time(options.now)),
        ("rebuild", Value::Bool(options.rebuild)),
        ("configuration", Value::Text(config.to_json())),
        ("rules_hash", Value::Text(rules.hash(config))),
        ("program", Value::Text(env!("CARGO_PKG_VERSION").to_owned())),
    ];
    db.run("run", sql!("reconcile/00_run.sql"), &known)?;
    Ok(if is_everything(db)? { When::Everything } else { When::Again })
}

/// Whether everything is judged.
fn is_everything(db: &Db) -> Result<bool, Error> {
    let (_, rows) = db.rows("select everything from run", &[])?;
    Ok(rows.first().map(Vec::as_slice) == Some(&[Value::Bool(true)]))
}

/// Some columns of what a connector's mapping makes of all that is stored of a source, in order.
///
/// # Errors
/// The mapping emits no such relation or column, or fails.
pub fn rows(
    db: &Db,
    source: &str,
    connector: &dyn Connector,
    relation: &str,
    columns: &[String],
) -> Result<Vec<Vec<Value>>, Error> {
    mapping::rows(db, source, connector, relation, columns)
}

/// The sources that are mapped: those configured, and the pushed records.
#[derive(Default)]
struct Sources {
    mapped: Vec<(String, Arc<dyn Connector>)>,
    unmapped: Vec<Unmapped>,
}

impl Sources {
    fn of(config: &Config, catalog: &Catalog) -> Self {
        let configured = config.sources.iter().map(|source| (source.name.clone(), source.connector.as_str()));
        let pushed = std::iter::once((record::SOURCE.to_owned(), "release-log"));
        let mut sources = Self::default();
        for (name, connector) in configured.chain(pushed) {
            match catalog.find(connector) {
                Ok(found) => sources.mapped.push((name, found)),
                Err(error) => {
                    sources.unmapped.push(Unmapped { source: name, error: error.to_string(), hint: error.hint() });
                }
            }
        }
        sources
    }
}

fn scripts(db: &Db, steps: &[Step], rules: &Rules, when: When, tell: &dyn Fn(&str)) -> Result<(), Error> {
    for step in steps.iter().filter(|step| step.when == When::Always || step.when == when) {
        tell(step.name);
        let started = std::time::Instant::now();
        db.batch(step.name, &rules.statements(step, when)?)?;
        tracing::debug!(step = step.name, elapsed = ?started.elapsed(), "reconciled");
    }
    Ok(())
}

fn counts(db: &Db, sql: &str) -> Result<Vec<(String, u64)>, Error> {
    let (_, rows) = db.rows(sql, &[])?;
    Ok(rows
        .into_iter()
        .filter_map(|row| match <[Value; 2]>::try_from(row) {
            Ok([Value::Text(severity), Value::Int(count)]) => Some((severity, count.unsigned_abs())),
            _ => None,
        })
        .collect())
}

fn warnings(db: &Db) -> Result<Vec<String>, Error> {
    let (_, rows) = db.rows(sql!("reconcile/warnings.sql"), &[])?;
    Ok(rows
        .into_iter()
        .filter_map(|row| match row.into_iter().next() {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        })
        .collect())
}
