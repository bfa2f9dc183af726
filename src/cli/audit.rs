//! `audit`: the nightly job.

use std::io::Write;
use std::path::Path;

use crate::config::Config;
use crate::error::{ExitStatus, told};
use crate::output::{Format, sink};
use crate::reconcile::Outcome;
use crate::report::{Catalog, Filters, Severity};
use crate::store::{Access, Db, Visits, sql};
use crate::{collect, reconcile, report};

use super::context::Context;

const EXAMPLES: &str = "\
Examples:
  changetrail audit                        collect, judge, sum up; exit 1 if something new is high
  changetrail audit --fail-on medium       … or medium
  changetrail audit --fail-on-open -q      exit 1 as long as anything at that level is open";

const VERDICTS: &str = sql!("audit/verdicts.sql");

/// Collect, reconcile and sum up: the nightly job
///
/// Prints the summary and the changes of each verdict. Exits 1 when there are findings at or above --fail-on that are
/// new or reopened since the last complete audit, 2 when a source failed or a part could not be read.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// From which severity on findings make the exit code 1
    #[arg(long, value_enum, value_name = "SEVERITY", default_value_t = FailOn::High)]
    fail_on: FailOn,

    /// Count every open finding, not only new ones
    #[arg(long)]
    fail_on_open: bool,
}

/// The level from which on findings count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum FailOn {
    Low,
    Medium,
    High,
    Never,
}

impl FailOn {
    /// Whether a severity counts.
    pub(super) fn counts(self, severity: Severity) -> bool {
        match self {
            Self::Low => true,
            Self::Medium => severity >= Severity::Medium,
            Self::High => severity >= Severity::High,
            Self::Never => false,
        }
    }
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitStatus> {
    let config = context.config()?;
    let store = context.store(&config);
    super::check::tell_clock(&store, context);
    let (complete, outcome) = judge(&config, &store, context)?;
    told(tell(&config, &store, complete, context))?;
    context.printer.note(
        "details: `changetrail report manual-changes`, `report unapproved-changes`, `report unrecorded-changes`; \
         one change: `changetrail explain CHANGE_ID`",
    );
    if !complete {
        return Ok(ExitStatus::Incomplete);
    }
    let findings = if args.fail_on_open { &outcome.open_findings } else { &outcome.new_findings };
    Ok(if flagged(findings, args.fail_on) { ExitStatus::Findings } else { ExitStatus::Clean })
}

/// Collects and reconciles. Also says whether everything was read and judged.
pub(super) fn judge(config: &Config, store: &Path, context: &Context) -> anyhow::Result<(bool, Outcome)> {
    let wait = context.writer_wait();
    let visits = Visits::new(store);
    let options = collect::Options { judged_next: true, ..collect::Options::new(context.now, wait) };
    let collected = collect::run(config, &visits, &options, &context.printer)?;
    super::collect::tell(&collected, context);
    let complete = collected.complete();
    let options = reconcile::Options { now: context.now, rebuild: false, wait, instead: None };
    let outcome = reconcile::run(config, &visits, &options, &context.printer)?;
    super::reconcile::tell(&outcome, context);
    Ok((complete && outcome.unmapped.is_empty(), outcome))
}

/// Sums up. What has been told then is not new the next time: the findings of a complete audit, and what could not be read of an
/// incomplete one.
pub(super) fn tell(config: &Config, store: &Path, complete: bool, context: &Context) -> anyhow::Result<()> {
    let visits = Visits::new(store);
    visits.visit(Access::Read, context.reader_wait(), |db| sum_up(config, db, context))?;
    visits.visit(Access::Write, context.writer_wait(), |db| {
        if complete {
            return Ok(reconcile::audited(db, context.now)?);
        }
        config.sources.iter().try_for_each(|source| Ok(db.set_told(&source.name)?))
    })
}

/// Prints the summary and how many changes have each verdict.
fn sum_up(config: &Config, db: &Db, context: &Context) -> anyhow::Result<()> {
    let catalog = Catalog::load(&config.extend_queries)?;
    let mut out = context.printer.stdout();
    let options = context.printer.table_options();
    writeln!(out, "{}", context.printer.heading("Summary"))?;
    let mut table = sink(Format::Table, &mut out, options.clone());
    report::run(db, catalog.get("summary")?, &Filters::default(), table.as_mut())?;
    drop(table);
    writeln!(out, "\n{}", context.printer.heading("Verdicts"))?;
    let mut table = sink(Format::Table, &mut out, options);
    db.stream(VERDICTS, &[], table.as_mut())?;
    drop(table);
    out.flush()?;
    super::verify::tell_head(db, context)
}

fn flagged(findings: &[(String, u64)], fail_on: FailOn) -> bool {
    // A severity that is not known counts as the worst.
    let severity = |text: &str| Severity::parse(text).unwrap_or(Severity::High);
    findings.iter().any(|(text, count)| *count > 0 && fail_on.counts(severity(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_the_exit_code_1() {
        let findings = [("high".to_owned(), 0), ("medium".to_owned(), 2)];
        assert!(!flagged(&findings, FailOn::High));
        assert!(flagged(&findings, FailOn::Medium));
        assert!(flagged(&findings, FailOn::Low));
        assert!(!flagged(&findings, FailOn::Never));
        assert!(flagged(&[("terrible".to_owned(), 1)], FailOn::High));
    }
}
