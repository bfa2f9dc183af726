//! What people approve that the rules then let pass: exemptions and baselines. Before one is written down, the rules are
//! asked whether it would count, in a store of its own; the answer is theirs.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::rules::Rules;
use super::{Error, Options, begin};
use crate::config::Config;
use crate::store::{self, Access, Db, Value, sql};

/// The past of an estate, accepted.
#[derive(Debug, Clone)]
pub struct Baseline {
    /// Findings about what lies before it.
    pub until: Timestamp,
    pub reason: String,
    pub requested_by: String,
    pub approved_by: String,
    /// Who runs the command.
    pub operator: String,
}

impl Baseline {
    fn params(&self, now: Timestamp) -> [(&'static str, Value); 6] {
        let text = |text: &str| Value::Text(text.to_owned());
        [
            ("until", Value::Time(self.until)),
            ("reason", text(&self.reason)),
            ("requested_by", text(&self.requested_by)),
            ("approved_by", text(&self.approved_by)),
            ("operator", text(&self.operator)),
            ("now", Value::Time(now)),
        ]
    }
}

/// Why the rules would ignore this exemption of the configuration; `None` if it counts.
///
/// # Errors
/// The rules cannot be run.
pub fn exemption_refused(config: &Config, id: &str, now: Timestamp) -> Result<Option<String>, Error> {
    let db = asked(config, now, None)?;
    first_text(&db, "select invalid from exemption where exemption_id = $id", &[("id", Value::Text(id.to_owned()))])
}

/// Adds a baseline to the store, unless the rules would ignore it: then nothing is written, and it is said why.
/// Else says how many open findings lie before it, and how many do not.
///
/// # Errors
/// The rules cannot be run, or the store cannot be written.
pub fn add_baseline(
    config: &Config,
    path: &Path,
    baseline: &Baseline,
    now: Timestamp,
    wait: Duration,
) -> Result<Result<(u64, u64), String>, Error> {
    let db = asked(config, now, Some(baseline))?;
    if let Some(problem) = first_text(&db, "select invalid from baseline_standing", &[])? {
        return Ok(Err(problem));
    }
    // There is nothing to accept in a store that is not there.
    if !path.exists() {
        return Err(store::Error::Missing { path: path.to_owned() }.into());
    }
    let db = Db::open(path, Access::Write, wait)?;
    db.run("baseline", sql!("reconcile/add_baseline.sql"), &baseline.params(now))?;
    let until = [("until", Value::Time(baseline.until))];
    Ok(Ok(two_numbers(&db, sql!("reconcile/baseline_reach.sql"), &until)?.unwrap_or_default()))
}

/// Findings that a baseline accepts: how many are left, of how many.
pub(super) fn left(db: &Db) -> Result<Option<(u64, u64)>, Error> {
    two_numbers(db, sql!("reconcile/baseline_left.sql"), &[])
}

/// The rules about what people approved, run over this configuration alone.
fn asked(config: &Config, now: Timestamp, baseline: Option<&Baseline>) -> Result<Db, Error> {
    let db = Db::scratch()?;
    db.sandbox()?;
    let options = Options { now, rebuild: false, wait: Duration::ZERO, instead: None };
    begin(&db, config, &Rules::default(), &options)?;
    if let Some(baseline) = baseline {
        db.run("baseline", sql!("reconcile/add_baseline.sql"), &baseline.params(now))?;
    }
    db.batch("configuration", sql!("reconcile/01_configuration.sql"))?;
    db.batch("people", sql!("reconcile/01_people.sql"))?;
    db.batch("exemptions", sql!("reconcile/09_exemptions.sql"))?;
    Ok(db)
}

fn first_text(db: &Db, sql: &str, params: &[(&str, Value)]) -> Result<Option<String>, Error> {
    let (_, rows) = db.rows(sql, params)?;
    Ok(match rows.into_iter().next().and_then(|row| row.into_iter().next()) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    })
}

fn two_numbers(db: &Db, sql: &str, params: &[(&str, Value)]) -> Result<Option<(u64, u64)>, Error> {
    let (_, rows) = db.rows(sql, params)?;
    Ok(rows.into_iter().next().and_then(|row| match <[Value; 2]>::try_from(row) {
        Ok([Value::Int(one), Value::Int(other)]) => Some((one.unsigned_abs(), other.unsigned_abs())),
        _ => None,
    }))
}
