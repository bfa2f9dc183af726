//! Runs a report with what the user asked for, and tells how bad the worst of its rows are.

use std::collections::HashMap;
use std::io;

use jiff::Timestamp;

use super::header::Severity;
use super::{Error, Report};
use crate::store::{Column, Db, RowSink, Value};

/// The options that a report may declare as parameters.
pub(super) const OPTIONS: [&str; 5] = ["since", "until", "environment", "service", "verdict"];

/// What the user asked for; null for what was not asked.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    /// Inclusive.
    pub since: Option<Timestamp>,
    /// Exclusive.
    pub until: Option<Timestamp>,
    pub environment: Option<String>,
    pub service: Option<String>,
    pub verdict: Option<String>,
}

impl Filters {
    fn values(&self) -> [(&'static str, Value); 5] {
        let time = |time: Option<Timestamp>| time.map_or(Value::Null, Value::Time);
        let text = |text: &Option<String>| text.clone().map_or(Value::Null, Value::Text);
        [
            ("since", time(self.since)),
            ("until", time(self.until)),
            ("environment", text(&self.environment)),
            ("service", text(&self.service)),
            ("verdict", text(&self.verdict)),
        ]
    }

    /// These filters without those that the report does not declare: for many reports at once.
    #[must_use]
    pub fn that_fit(&self, report: &Report) -> Self {
        let declares = |name: &str| report.header.params.iter().any(|param| param.name == name);
        Self {
            since: self.since.filter(|_| declares("since")),
            until: self.until.filter(|_| declares("until")),
            environment: self.environment.clone().filter(|_| declares("environment")),
            service: self.service.clone().filter(|_| declares("service")),
            verdict: self.verdict.clone().filter(|_| declares("verdict")),
        }
    }
}

/// Runs a report.
///
/// # Errors
/// A filter was given that the report does not declare, a needed one was not, or the query failed.
pub fn run(db: &Db, report: &Report, filters: &Filters, sink: &mut dyn RowSink) -> Result<u64, Error> {
    let params = parameters(report, filters)?;
    db.stream(&report.sql, &params, sink).map_err(|source| Error::Store { name: report.name.clone(), source })
}

fn parameters(report: &Report, filters: &Filters) -> Result<Vec<(&'static str, Value)>, Error> {
    let mut params = Vec::new();
    for (option, value) in filters.values() {
        let declared = report.header.params.iter().find(|param| param.name == option);
        match (declared, value) {
            (None, Value::Null) => {}
            (None, _) => {
                let takes = report.header.params.iter().map(|param| format!("--{}", param.name)).collect();
                return Err(Error::Option { name: report.name.clone(), option, takes });
            }
            (Some(param), Value::Null) if param.required => {
                return Err(Error::Needed { name: report.name.clone(), option: param.name.clone() });
            }
            (Some(_), value) => params.push((option, value)),
        }
    }
    Ok(params)
}

/// Passes rows on, and keeps the worst severity among them.
///
/// A row's own `severity` counts, while its `status` is open. Without such a column it is the report's, as for live:
/// one step lower where the row's environment is another. A provisional row is never high, nor is a `nonconforming` one.
pub struct Watch<'a> {
    sink: Box<dyn RowSink + 'a>,
    of_report: Option<Severity>,
    /// Where the columns are that say how bad a row is.
    places: HashMap<String, usize>,
    worst: Option<Severity>,
}

impl<'a> Watch<'a> {
    /// Watches the rows of a report on their way to `sink`.
    #[must_use]
    pub fn new(report: &Report, sink: Box<dyn RowSink + 'a>) -> Self {
        Self { sink, of_report: report.header.severity, places: HashMap::new(), worst: None }
    }

    /// Whether the rows have a severity at all, known once they have begun.
    #[must_use]
    pub fn has_severity(&self) -> bool {
        self.places.contains_key("severity") || self.of_report.is_some()
    }

    /// The worst of all rows; `None` without rows.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.worst
    }

    fn severity_of(&self, cells: &[Value]) -> Option<Severity> {
        let text = |name: &str| match self.places.get(name).and_then(|place| cells.get(*place)) {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        if self.places.contains_key("severity") {
            let is_open = text("status").is_none_or(|status| status == "open");
            return text("severity").filter(|_| is_open).and_then(Severity::parse);
        }
        let live = matches!(text("environment"), None | Some("" | "live"));
        let never_high = text("state") == Some("provisional") || text("verdict") == Some("nonconforming");
        Some(match self.of_report? {
            Severity::High if live && !never_high => Severity::High,
            Severity::High => Severity::Medium,
            Severity::Medium if live => Severity::Medium,
            Severity::Medium | Severity::Low => Severity::Low,
        })
    }
}

impl RowSink for Watch<'_> {
    fn begin(&mut self, columns: &[Column]) -> io::Result<()> {
        self.places = columns.iter().enumerate().map(|(place, column)| (column.name.clone(), place)).collect();
        self.sink.begin(columns)
    }

    fn row(&mut self, cells: &[Value]) -> io::Result<()> {
        self.worst = self.worst.max(self.severity_of(cells));
        self.sink.row(cells)
    }

    fn end(&mut self) -> io::Result<()> {
        self.sink.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Hint;
    use crate::output::{Format, TableOptions, sink};
    use crate::report::header;
    use crate::store::Kind;

    fn report(sql: &str) -> Report {
        Report { name: "r".to_owned(), header: header::parse(sql).unwrap(), sql: sql.to_owned() }
    }

    #[test]
    fn only_declared_parameters_are_bound() {
        let report = report("-- title: x\n-- param: since timestamp optional\n-- param: service text required\n");
        let none = Filters::default();
        assert!(matches!(parameters(&report, &none), Err(Error::Needed { .. })));
        let service = Filters { service: Some("s".to_owned()), ..Filters::default() };
        let bound = parameters(&report, &service).unwrap();
        assert_eq!(bound, [("since", Value::Null), ("service", Value::Text("s".to_owned()))]);
        let verdict = Filters { verdict: Some("manual".to_owned()), ..service };
        let error = parameters(&report, &verdict).unwrap_err();
        assert_eq!(error.to_string(), "report `r` does not take --verdict");
        assert_eq!(error.hint().unwrap(), "it takes --since, --service");
        assert!(parameters(&report, &verdict.that_fit(&report)).is_ok());
    }

    /// The worst severity of one row.
    fn check(header: &str, cells: &[(&str, &str)], expected: Option<Severity>) {
        let report = report(header);
        let mut written = Vec::new();
        let mut rows = Watch::new(&report, sink(Format::Csv, &mut written, TableOptions::default()));
        let columns: Vec<Column> =
            cells.iter().map(|(name, _)| Column { name: (*name).to_owned(), kind: Kind::Text }).collect();
        let row: Vec<Value> = cells.iter().map(|(_, text)| Value::Text((*text).to_owned())).collect();
        rows.begin(&columns).unwrap();
        assert_eq!(rows.worst(), None);
        rows.row(&row).unwrap();
        assert_eq!(rows.worst(), expected, "{cells:?}");
    }

    #[test]
    fn how_bad_rows_are() {
        let high = "-- title: x\n-- severity: high\n";
        check(high, &[("a", "b")], Some(Severity::High));
        check(high, &[("environment", "live"), ("state", "final")], Some(Severity::High));
        check(high, &[("environment", ""), ("state", "provisional")], Some(Severity::Medium));
        check(high, &[("environment", "dev")], Some(Severity::Medium));
        check(high, &[("verdict", "nonconforming")], Some(Severity::Medium));
        check(high, &[("severity", "low")], Some(Severity::Low));
        check("-- title: x\n", &[("severity", "medium")], Some(Severity::Medium));
        check("-- title: x\n", &[("severity", "high"), ("status", "resolved")], None);
        check("-- title: x\n", &[("a", "b")], None);
    }
}
