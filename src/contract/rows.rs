//! Collects the fixtures into a real store, maps them, and holds the rows against those that are expected.

use std::time::Duration;

use super::Report;
use super::scenarios::{Stage, time_of};
use super::system::Mishap;
use crate::config::Config;
use crate::error::with_causes;
use crate::output::inert;
use crate::progress::Silent;
use crate::store::{Access, Db, Value, Visits};
use crate::{collect, reconcile};

/// A store of one's own is never waited for long.
const WAIT: Duration = Duration::from_secs(10);

impl Stage<'_> {
    /// Checks the mapping.
    pub(super) fn map(&self, report: &mut Report) {
        if let Err(problem) = self.mapped(report) {
            report.bad("the records are mapped", problem);
        }
    }

    fn mapped(&self, report: &mut Report) -> Result<(), String> {
        let mut source = self.copy.source.clone();
        source.insert("name".into(), "test".into());
        source.insert("connector".into(), self.copy.name().into());
        let extend: toml::Table =
            [("connectors".to_owned(), toml::Value::from(vec!["connectors"]))].into_iter().collect();
        let whole: toml::Table =
            [("extend".to_owned(), toml::Value::from(extend)), ("source".to_owned(), vec![source].into())]
                .into_iter()
                .collect();
        let path = self.place.join("changetrail.toml");
        let config =
            Config::parse(&path, &whole.to_string()).map_err(|error| format!("fixtures/source.toml: {error}"))?;
        let store = self.place.join("store.duckdb");
        let visits = Visits::new(&store);
        for (number, poll) in self.fixtures.polls.iter().enumerate() {
            self.set(poll, Mishap::Nothing);
            let options = collect::Options::new(time_of(number), WAIT);
            let outcome = collect::run(&config, &visits, &options, &Silent).map_err(|error| with_causes(&error))?;
            let failed =
                outcome.sources.iter().filter_map(|source| source.error.clone()).collect::<Vec<_>>().join("; ");
            if !failed.is_empty() {
                return Err(format!("collection {}: {failed}", number + 1));
            }
        }
        let now = time_of(self.fixtures.polls.len());
        let options = reconcile::Options { now, rebuild: false, wait: WAIT, instead: None };
        let outcome = reconcile::run(&config, &visits, &options, &Silent).map_err(|error| with_causes(&error))?;
        if let Some(unmapped) = outcome.unmapped.into_iter().next() {
            return Err(unmapped.error);
        }
        let db = Db::open(&store, Access::Read, WAIT).map_err(|error| with_causes(&error))?;
        let (_, set_aside) = db
            .rows("select error || ': ' || left(record, 200) from quarantine order by all", &[])
            .map_err(|error| with_causes(&error))?;
        let first = set_aside.first().and_then(|row| row.first()).map(cell);
        report.check("every record can be mapped", first);
        // Two sites of one vendor may use the same ids.
        let alike = "select deployment_id from deployment_version where items[1] like $own and not starts_with(deployment_id, 'test:')";
        let own = Value::Text(format!("{}:%", self.copy.name()));
        let (_, alike) = db.rows(alike, &[("own", own)]).map_err(|error| with_causes(&error))?;
        let first = alike.first().and_then(|row| row.first()).map(cell);
        report.check("the id of a content release begins with the name of its source", first);
        let catalog = config.connectors();
        let connector = catalog.find(self.copy.name()).map_err(|error| error.to_string())?;
        for (relation, file) in &self.fixtures.expected {
            let problem = match self.compare(&db, &*connector, relation, file) {
                Ok(differences) if differences.is_empty() => None,
                Ok(differences) => Some(differences.join("\n")),
                Err(problem) => Some(problem),
            };
            report.check(&format!("fixtures/expect/{relation}.csv is what comes out"), problem);
        }
        Ok(())
    }

    /// Lines that differ: `-` expected, `+` what came out.
    fn compare(
        &self,
        db: &Db,
        connector: &dyn changetrail_connectors::Connector,
        relation: &str,
        file: &std::path::Path,
    ) -> Result<Vec<String>, String> {
        let mut reader = csv::Reader::from_path(file).map_err(|error| error.to_string())?;
        let columns: Vec<String> =
            reader.headers().map_err(|error| error.to_string())?.iter().map(str::to_owned).collect();
        if columns.first().is_none_or(|first| first != "record_id") {
            return Err("the first column must be record_id".into());
        }
        let mut expected = Vec::new();
        for record in reader.records() {
            expected.push(record.map_err(|error| error.to_string())?.iter().map(str::to_owned).collect::<Vec<_>>());
        }
        let rows = reconcile::rows(db, "test", connector, relation, &columns).map_err(|error| with_causes(&error))?;
        let url = self.server_url();
        let origin = self.copy.origins.first().map(String::as_str).unwrap_or_default();
        // An id of several parts has its colons escaped.
        let escaped = |address: &str| address.replace(':', "%3A");
        let by_origin = |text: &str| text.replace(&url, origin).replace(&escaped(&url), &escaped(origin));
        let mut said: Vec<Vec<String>> = rows
            .iter()
            .map(|row| row.iter().map(|value| inert(&by_origin(&cell(value))).to_string()).collect())
            .collect();
        expected.sort_unstable();
        said.sort_unstable();
        // As CSV: what came out can be taken over when it is right.
        let line = |row: &Vec<String>| {
            let mut writer = csv::Writer::from_writer(Vec::new());
            let written = writer.write_record(row).ok().and_then(|()| writer.into_inner().ok());
            String::from_utf8(written.unwrap_or_default()).unwrap_or_default().trim_end().to_owned()
        };
        let missing = expected.iter().filter(|row| !said.contains(row)).map(|row| format!("- {}", line(row)));
        let new = said.iter().filter(|row| !expected.contains(row)).map(|row| format!("+ {}", line(row)));
        let mut differences: Vec<String> = missing.chain(new).collect();
        if differences.is_empty() && expected.len() != said.len() {
            differences.push(format!("{} rows came out, {} are expected", said.len(), expected.len()));
        }
        differences.sort_by(|a, b| a[2..].cmp(&b[2..]).then(b.cmp(a)));
        Ok(differences)
    }

    fn server_url(&self) -> String {
        self.server.url()
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Text(text) => text.clone(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Time(time) => time.to_string(),
    }
}
