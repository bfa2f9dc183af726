//! Reconciling: runs the SQL in its order. Nothing is decided here.
//!
//! Mappings turn raw records into events, sessions and deployments; `queries/reconcile/` follows identities, links and
//! judges; `queries/controls/` holds each deployment, change and pipeline against the standard. All of it is one
//! transaction: whoever reads sees the judgement of one run, never half of two.

mod mapping;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use changetrail_connectors::{Catalog, Connector};
use jiff::Timestamp;
use thiserror::Error;

use crate::config::Config;
use crate::progress::Progress;
use crate::record;
use crate::store::{self, Access, Db, Value, sql};

/// How to reconcile.
#[derive(Debug, Clone)]
pub struct Options {
    pub now: Timestamp,
    /// Map everything again, whatever was mapped before.
    pub rebuild: bool,
    /// This run is a complete audit: what is new is measured against it next time.
    pub complete: bool,
    /// How long to wait for a store that others read.
    pub wait: Duration,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Open findings that the last complete audit did not know: (severity, number).
    pub new_findings: Vec<(String, u64)>,
    /// All open findings: (severity, number).
    pub open_findings: Vec<(String, u64)>,
    pub warnings: Vec<String>,
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
}

impl Error {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Mapping { .. } | Self::Table { .. } => None,
        }
    }
}

/// The rules, in order. Deployments are judged before changes, because the verdict on a change rests on its release.
const RELEASES: &[(&str, &str)] = &[
    ("configuration", sql!("reconcile/01_configuration.sql")),
    ("release log", sql!("reconcile/02_release_log.sql")),
    ("sessions", sql!("reconcile/03_sessions.sql")),
    ("actors", sql!("reconcile/04_actors.sql")),
    ("operations", sql!("reconcile/05_operations.sql")),
    ("scopes", sql!("reconcile/06_scopes.sql")),
    ("links", sql!("reconcile/07_links.sql")),
    ("control results", sql!("reconcile/08_control_result.sql")),
];

const RELEASE_CONTROLS: &[(&str, &str)] = &[
    ("repeatable", sql!("controls/repeatable.sql")),
    ("proven-in-preprod", sql!("controls/proven-in-preprod.sql")),
    ("two-stage-authorisation", sql!("controls/two-stage-authorisation.sql")),
    ("dev-auto", sql!("controls/dev-auto.sql")),
    ("preprod-manual", sql!("controls/preprod-manual.sql")),
    ("prod-approval", sql!("controls/prod-approval.sql")),
];

const CHANGES: &[(&str, &str)] =
    &[("exceptions", sql!("reconcile/09_exceptions.sql")), ("verdicts", sql!("reconcile/10_verdicts.sql"))];

const CHANGE_CONTROLS: &[(&str, &str)] = &[
    ("automated", sql!("controls/automated.sql")),
    ("recorded", sql!("controls/recorded.sql")),
    ("third-party", sql!("controls/third-party.sql")),
];

const FINDINGS: &[(&str, &str)] =
    &[("exceptions", sql!("reconcile/09_exceptions.sql")), ("findings", sql!("reconcile/11_findings.sql"))];

/// Maps what is new, judges everything, and brings the findings up to date.
///
/// # Errors
/// The store cannot be written, or a statement fails; the judgement of the run before stays then.
pub fn run(config: &Config, store: &Path, options: &Options, progress: &dyn Progress) -> Result<Outcome, Error> {
    let db = Db::open(store, Access::Write, options.wait)?;
    db.sandbox()?;
    db.batch("begin", "begin transaction")?;
    let task = "reconciling";
    let steps = RELEASES.len() + RELEASE_CONTROLS.len() + CHANGES.len() + CHANGE_CONTROLS.len() + FINDINGS.len() + 1;
    progress.begin(task, Some(steps as u64));
    let result = judge(&db, config, options, &|step| progress.advance(task, 1, step));
    progress.end(task);
    match result {
        Ok(outcome) => {
            db.batch("commit", "commit")?;
            Ok(outcome)
        }
        Err(error) => {
            // The first error is the one to tell.
            let _ = db.batch("rollback", "rollback");
            Err(error)
        }
    }
}

fn judge(db: &Db, config: &Config, options: &Options, step: &dyn Fn(&str)) -> Result<Outcome, Error> {
    let now = ("now", Value::Time(options.now));
    let configuration = ("configuration", Value::Text(config.to_json()));
    db.run("run", sql!("reconcile/00_run.sql"), &[now.clone(), configuration])?;
    mapping::load_table(db, "stage_names", sql!("reconcile/stage_names.csv"))?;
    mapping::load_table(db, "reason_text", sql!("reconcile/reasons.csv"))?;
    step("mapping");
    let catalog = config.connectors();
    for (source, connector) in mapped_sources(config, &catalog) {
        mapping::run(db, &source, &*connector, options)?;
    }
    mapping::load_relations(db, &catalog)?;
    scripts(db, RELEASES, step)?;
    controls(db, RELEASE_CONTROLS, step)?;
    scripts(db, CHANGES, step)?;
    controls(db, CHANGE_CONTROLS, step)?;
    scripts(db, FINDINGS, step)?;
    let outcome = Outcome {
        new_findings: counts(db, sql!("reconcile/new_findings.sql"))?,
        open_findings: counts(db, sql!("reconcile/open_findings.sql"))?,
        warnings: warnings(db)?,
    };
    if options.complete {
        db.run("audit", "insert into audit values ($now)", &[now])?;
    }
    Ok(outcome)
}

/// Configured sources whose connector is known, and the pushed records.
fn mapped_sources(config: &Config, catalog: &Catalog) -> Vec<(String, Arc<dyn Connector>)> {
    let configured = config.sources.iter().map(|source| (source.name.clone(), source.connector.as_str()));
    let pushed = std::iter::once((record::SOURCE.to_owned(), "release-log"));
    configured
        .chain(pushed)
        .filter_map(|(name, connector)| catalog.find(connector).ok().map(|found| (name, found)))
        .collect()
}

fn scripts(db: &Db, scripts: &[(&str, &str)], step: &dyn Fn(&str)) -> Result<(), Error> {
    for (name, sql) in scripts {
        step(name);
        let started = std::time::Instant::now();
        db.batch(name, sql)?;
        tracing::debug!(step = name, elapsed = ?started.elapsed(), "reconciled");
    }
    Ok(())
}

fn controls(db: &Db, controls: &[(&str, &str)], step: &dyn Fn(&str)) -> Result<(), Error> {
    for (name, sql) in controls {
        step(name);
        let query = sql.trim_end().trim_end_matches(';');
        let statement = sql!("reconcile/control.sql").replace("{control}", query);
        db.run(name, &statement, &[("control", Value::Text((*name).to_owned()))])?;
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
