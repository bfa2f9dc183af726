//! `collect`: asks the sources for what is new.

use std::path::Path;

use crate::collect::{self, Options, Outcome, SourceOutcome};
use crate::config::Config;
use crate::error::ExitStatus;
use crate::store::{Access, Visits};
use crate::time::parse_moment;

use super::context::Context;

const EXAMPLES: &str = "\
Examples:
  changetrail collect                          everything new from every source
  changetrail collect --source aws --since 7d  read the last week of one source again
  changetrail collect --dry-run                say what would be asked, and ask nothing";

/// Collect what is new from every source
///
/// Records are stored as the systems sent them, before anything is made of them. One failing source never stops the
/// others; the exit code is 2 then. Collecting twice changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Only this source; may be given more than once
    #[arg(long, value_name = "NAME")]
    source: Vec<String>,

    /// Read again from here: 7d or 24h (ago), 2026-11-01, 2026-11-01T09:30:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,

    /// Also hold log files against the digests that the system made of them (CloudTrail)
    #[arg(long)]
    validate: bool,

    /// Say what would be asked, and ask nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: Args, context: &Context) -> anyhow::Result<ExitStatus> {
    let config = context.config()?;
    let since = args.since.as_deref().map(|text| parse_moment(text, context.now)).transpose()?;
    let everything = Options::new(context.now, context.writer_wait());
    let options = Options { sources: args.source, since, validate: args.validate, ..everything };
    let store = context.store(&config);
    if args.dry_run {
        return plan(&config, &options, context);
    }
    let outcome = collect::run(&config, &Visits::new(&store), &options, &context.printer)?;
    tell(&outcome, context);
    tell_set_aside(&outcome, context);
    note_told(&outcome, &store, context)?;
    Ok(if outcome.complete() { ExitStatus::Clean } else { ExitStatus::Incomplete })
}

fn plan(config: &Config, options: &Options, context: &Context) -> anyhow::Result<ExitStatus> {
    use std::io::Write;
    let mut out = context.printer.stdout();
    let mut status = ExitStatus::Clean;
    for plan in collect::plan(config, &context.store(config), options, false)? {
        writeln!(out, "{}", context.printer.heading(&plan.source))?;
        let lines = plan.lines.unwrap_or_else(|error| {
            status = ExitStatus::Incomplete;
            vec![format!("cannot be read: {error}")]
        });
        for line in lines {
            writeln!(out, "  {}", crate::output::inert(&line))?;
        }
    }
    out.flush()?;
    Ok(status)
}

/// Says how each source went.
pub(super) fn tell(outcome: &Outcome, context: &Context) {
    for source in &outcome.sources {
        context.printer.note(&summary(source));
        for unit in &source.incomplete {
            context.printer.warning(&format!("{}: a part could not be read to its end: {unit}", source.source));
        }
        if let Some(error) = &source.error {
            let failure = Failure { name: source.source.clone(), error: error.clone() };
            context.printer.error(&failure, source.hint.as_deref());
        }
    }
}

/// Notes that what could not be read has been told: from now on it is reported, not failed.
pub(super) fn note_told(outcome: &Outcome, store: &Path, context: &Context) -> anyhow::Result<()> {
    let told = |source: &&SourceOutcome| !source.incomplete.is_empty();
    if outcome.sources.iter().any(|source| told(&source)) {
        Visits::new(store).visit(Access::Write, context.writer_wait(), |db| {
            outcome.sources.iter().filter(told).try_for_each(|source| db.set_told(&source.source))
        })?;
    }
    Ok(())
}

/// Says where something could not be read.
pub(super) fn tell_set_aside(outcome: &Outcome, context: &Context) {
    for source in outcome.sources.iter().filter(|source| source.quarantined > 0) {
        context.printer.warning(&format!(
            "{}: {} records could not be read and were set aside; `changetrail report coverage` counts them",
            source.source, source.quarantined
        ));
    }
}

#[derive(Debug, thiserror::Error)]
#[error("source `{name}` failed: {error}")]
struct Failure {
    name: String,
    error: String,
}

fn summary(source: &SourceOutcome) -> String {
    let SourceOutcome { source, units, seen, stored, duplicates, quarantined, .. } = source;
    format!(
        "{source}: {units} units, {seen} records seen, {stored} stored, {duplicates} duplicates, {quarantined} set aside"
    )
}
