//! The rules: which files there are, in which order they run, and which version of them a judgement went by.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use changetrail_connectors::hex;
use sha2::{Digest, Sha256};

use super::{Error, Sources, mapping};
use crate::config::Config;
use crate::standard::{Control, Subject};
use crate::store::sql;

/// A file of rules.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) file: &'static str,
    built_in: &'static str,
    pub(super) when: When,
    /// What the file says of all that is judged, in the SELECT after its line `-- keeps: RELATION`, is kept in a table of
    /// that name.
    pub(super) keeps: Option<Kept>,
}

/// A table of what the rules say of each change, of each case, of each deployment, or of each way in which an actor shows
/// itself.
#[derive(Clone, Copy)]
pub(super) struct Kept {
    relation: &'static str,
    of: &'static str,
}

/// In which runs a file has its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Always,
    /// Everything is judged.
    Everything,
    /// Only what may come out otherwise than the last time is judged again.
    Again,
}

macro_rules! steps {
    ($($name:literal: $file:literal $(if $when:ident)? $(keeps $relation:literal of $of:literal)?,)*) => {
        &[$(Step {
            name: $name,
            file: $file,
            built_in: sql!($file),
            when: steps!(@when $($when)?),
            keeps: steps!(@keeps $($relation of $of)?),
        }),*]
    };
    (@when) => { When::Always };
    (@when $when:ident) => { When::$when };
    (@keeps) => { None };
    (@keeps $relation:literal of $of:literal) => { Some(Kept { relation: $relation, of: $of }) };
}

/// Before anything is mapped.
pub(super) const FIRST: &[Step] = steps! {
    "what is touched": "reconcile/00_touched.sql",
    "what is put away": "reconcile/00_everything.sql" if Everything,
    "what was known": "reconcile/00_before.sql" if Again,
};

/// The rules, in order. Deployments are judged before changes, because the verdict on a change rests on its release:
/// after these come the controls on releases and pipelines.
pub(super) const RELEASES: &[Step] = steps! {
    "configuration": "reconcile/01_configuration.sql",
    "pipelines' names": "reconcile/01_pipelines.sql",
    "people": "reconcile/01_people.sql",
    "which deployments": "reconcile/02_which_deployments.sql",
    "keys of deployments": "reconcile/02_deployment_keys.sql" if Again,
    "which deployments again": "reconcile/02_deployments_again.sql" if Again,
    "deployments": "reconcile/02_deployments.sql" keeps "deployment" of "deployment",
    "keys of all deployments": "reconcile/02_deployment_keys.sql" if Everything,
    "approvals": "reconcile/02_approvals.sql" keeps "approval" of "deployment",
    "changed authorisations": "reconcile/02_authorisation_changes.sql" keeps "authorisation_change" of "deployment",
    "pipelines": "reconcile/02_pipelines.sql",
    "changes": "reconcile/03_changes.sql",
    "sessions": "reconcile/03_sessions.sql",
    "appearances": "reconcile/04_appearances.sql",
    "whom to make out again": "reconcile/04_appearances_again.sql" if Again,
    "actors' pipelines": "reconcile/04_pipelines.sql" keeps "appearance_pipeline" of "appearance",
    "actors": "reconcile/04_actors.sql" keeps "actor" of "appearance",
    "operations": "reconcile/05_operations.sql",
    "what is settled": "reconcile/05_settled.sql",
    "what to judge": "reconcile/06_everything.sql" if Everything,
    "what to judge again": "reconcile/06_again.sql" if Again,
    "scopes": "reconcile/06_scopes.sql" keeps "attributed" of "change",
    "content": "reconcile/07_content.sql",
    "candidates": "reconcile/07_candidates.sql" keeps "candidate" of "change",
    "links": "reconcile/07_links.sql" keeps "link" of "change",
    "controls": "reconcile/08_controls.sql",
    "what to control again": "reconcile/08_controls_again.sql" if Again,
};

/// After these come the controls on changes and services.
pub(super) const CHANGES: &[Step] = steps! {
    "exemptions": "reconcile/09_exemptions.sql",
    "standing of releases": "reconcile/10_standing.sql",
    "what else to judge again": "reconcile/10_standing_again.sql" if Again,
    "verdicts": "reconcile/10_verdicts.sql" keeps "change" of "change",
    "acts": "reconcile/10_acts.sql",
    "attempts": "reconcile/10_attempts.sql" keeps "attempt" of "change",
};

pub(super) const FINDINGS: &[Step] = steps! {
    "integrity of logs": "reconcile/10_integrity.sql",
    "all cases": "reconcile/11_cases_everything.sql" if Everything,
    "cases to put together again": "reconcile/11_cases_again.sql" if Again,
    "unlinked cases": "reconcile/11_unlinked_cases.sql" keeps "unlinked_case" of "case",
    "failures that were told": "reconcile/11_told_failures.sql",
    "findings": "reconcile/11_findings.sql",
    "history": "reconcile/12_history.sql",
    "managed resources": "reconcile/13_managed.sql",
};

/// Data that the rules look up.
pub(super) const TABLES: &[Step] = steps! {
    "stage_names": "reconcile/stage_names.csv",
    "subject_issuers": "reconcile/subject_issuers.csv",
    "reason_text": "reconcile/reasons.csv",
};

/// Whether a control judges what verdicts rest on; one that judges changes or services sees the verdicts.
pub(super) fn before_verdicts(control: &Control) -> bool {
    control.severity.keys().all(|subject| matches!(subject, Subject::Deployment | Subject::Pipeline))
}

/// The texts of the rules: built in, but for what a folder has in their place.
#[derive(Debug, Default)]
pub(super) struct Rules {
    instead: BTreeMap<&'static str, String>,
}

impl Rules {
    /// # Errors
    /// The folder cannot be read, or has a file that stands in for nothing: whoever misplaced one would be told that it
    /// changes nothing.
    pub(super) fn load(instead: Option<&Path>, config: &Config) -> Result<Self, Error> {
        let mut rules = Self::default();
        let Some(instead) = instead else { return Ok(rules) };
        let inner = ["reconcile", "controls", "standards"].map(|name| instead.join(name));
        // A folder for the reports beside them is no slip: nothing is judged by it.
        let strange =
            |path: &PathBuf| path.is_file() || !(inner.contains(path) || path.ends_with("reports") || is_hidden(path));
        if let Some(path) = files(instead)?.into_iter().find(strange) {
            return Err(Error::NoRule { path });
        }
        if !inner.iter().any(|folder| folder.is_dir()) {
            return Err(Error::NoRule { path: instead.to_owned() });
        }
        let [folder, controls, standards] = inner;
        let asked = |path: &Path| config.requirements.controls.iter().any(|control| Path::new(&control.file) == path);
        let standard = standards.join(format!("{}.toml", config.standard.name));
        let others = [(controls, &asked as &dyn Fn(&Path) -> bool), (standards, &|path| path == standard.as_path())];
        for (folder, stands_in) in others.iter().filter(|(folder, _)| folder.is_dir()) {
            if let Some(path) = files(folder)?.into_iter().find(|path| !stands_in(path)) {
                return Err(Error::NoRule { path });
            }
        }
        for path in if folder.is_dir() { files(&folder)? } else { Vec::new() } {
            let name = path.file_name().unwrap_or_default();
            let known = every().find(|step| Path::new(step.file).file_name() == Some(name));
            let Some(step) = known else { return Err(Error::NoRule { path }) };
            let reading = |source| Error::Rules { folder: folder.clone(), source };
            rules.instead.insert(step.file, fs::read_to_string(&path).map_err(reading)?);
        }
        Ok(rules)
    }

    /// The statements of a step.
    ///
    /// # Errors
    /// It does not say what is to be kept of it.
    pub(super) fn statements(&self, step: &Step, when: When) -> Result<Cow<'static, str>, Error> {
        let text = self.text(step);
        let Some(kept) = step.keeps else { return Ok(text) };
        kept.statements(&text, when)
            .map(Cow::Owned)
            .ok_or_else(|| Error::Keeps { file: step.file.to_owned(), relation: kept.relation.to_owned() })
    }

    pub(super) fn text(&self, step: &Step) -> Cow<'static, str> {
        self.instead.get(step.file).map_or(Cow::Borrowed(step.built_in), |text| Cow::Owned(text.clone()))
    }

    /// Changes when any rule does: the files of the rules, the controls, what takes records in.
    pub(super) fn hash(&self, config: &Config) -> String {
        let mut hash = Sha256::new();
        for step in every() {
            hash.update(self.text(step).as_bytes());
        }
        for control in &config.requirements.controls {
            hash.update(&control.sql);
        }
        for (_, connector) in Sources::of(config, &config.connectors()).mapped {
            hash.update(mapping::version(&*connector));
        }
        hash.update(sql!("schema/macros.sql"));
        hash.update(sql!("reconcile/control.sql"));
        hash.update(sql!("reconcile/control_of_changes.sql"));
        hash.update(sql!("reconcile/control_of_deployments.sql"));
        hash.update(keeping(When::Everything));
        hash.update(keeping(When::Again));
        // What records mean is also a matter of what hands them to the mappings.
        hash.update(env!("CARGO_PKG_VERSION"));
        hex(&hash.finalize())
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

/// What lies in a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let reading = |source| Error::Rules { folder: folder.to_owned(), source };
    let entries = fs::read_dir(folder).map_err(reading)?;
    entries.map(|entry| Ok(entry.map_err(reading)?.path())).collect()
}

impl Kept {
    /// The statements of a file, and those that keep what it says; none if it has no line that says where that stands.
    fn statements(self, text: &str, when: When) -> Option<String> {
        let (before, select) = text.split_once(&format!("-- keeps: {}\n", self.relation))?;
        let keeping = keeping(when).replace("{relation}", self.relation).replace("{of}", self.of);
        Some(before.to_owned() + &keeping.replace("{select}", select.trim_end().trim_end_matches(';')))
    }
}

fn keeping(when: When) -> &'static str {
    match when {
        When::Again => sql!("reconcile/keep_again.sql"),
        When::Always | When::Everything => sql!("reconcile/keep_everything.sql"),
    }
}

fn every() -> impl Iterator<Item = &'static Step> {
    [FIRST, RELEASES, CHANGES, FINDINGS, TABLES].into_iter().flatten()
}
