//! Runs a report with what the user asked for, and asks how bad the worst of its rows is.

use jiff::Timestamp;

use super::header::Severity;
use super::{Error, Report};
use crate::store::{Db, RowSink, Value, sql};

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

/// The worst severity among the rows of a report; `None` without rows that count.
///
/// # Errors
/// The report has no severity, or as [`run`].
pub fn worst(db: &Db, report: &Report, filters: &Filters) -> Result<Option<Severity>, Error> {
    let Some(severity) = report.header.severity else {
        return Err(Error::NoSeverity { name: report.name.clone() });
    };
    let mut params = parameters(report, filters)?;
    params.push(("of_report", Value::Text(severity.as_str().to_owned())));
    let sql = sql!("audit/worst.sql").replace("{report}", report.sql.trim_end().trim_end_matches(';'));
    let (_, rows) = db.rows(&sql, &params).map_err(|source| Error::Store { name: report.name.clone(), source })?;
    Ok(match rows.first().and_then(|row| row.first()) {
        Some(Value::Text(text)) => Severity::parse(text),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Hint;
    use crate::report::header;

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
}
