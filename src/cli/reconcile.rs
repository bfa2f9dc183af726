//! `reconcile`: judges what has been collected.

use std::path::PathBuf;

use include_dir::{Dir, include_dir};

use crate::config::Config;
use crate::error::{ExitStatus, Lines};
use crate::reconcile::{self, Options, Outcome, Proposal};
use crate::store::Visits;

use super::context::Context;
use super::sections::{self, Layout};

static WHAT_IF: Dir = include_dir!("$CARGO_MANIFEST_DIR/queries/what-if");

const EXAMPLES: &str = "\
Examples:
  changetrail reconcile            judge what is new, or what new evidence concerns
  changetrail reconcile --rebuild  make everything again from the evidence
  changetrail reconcile --what-if new.toml     what another configuration would judge otherwise
  changetrail reconcile --what-if my-queries/  … or other rules, such as my-queries/controls/prod-approval.sql";

/// Map, reconcile and control what has been collected
///
/// Asks no system. Doing it twice changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Make everything again from the evidence; the life of findings stays
    #[arg(long)]
    rebuild: bool,

    /// Show which verdicts and findings would be others with this configuration, or with the files of this folder in
    /// place of those of the same name in queries/; nothing is written to the store
    #[arg(long, value_name = "FILE|DIR", conflicts_with = "rebuild")]
    what_if: Option<PathBuf>,

    /// How what would change is written
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Layout::Table, requires = "what_if")]
    output: Layout,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitStatus> {
    let config = context.config()?;
    let wait = context.writer_wait();
    let options = Options { now: context.now, rebuild: args.rebuild, wait, instead: None };
    if let Some(proposed) = &args.what_if {
        let proposal = if proposed.is_dir() {
            Proposal::Queries(proposed.clone())
        } else {
            Proposal::Configuration(Box::new(Config::load(Some(proposed))?))
        };
        let trial = reconcile::what_if(&config, &proposal, &context.store(&config), &options, &context.printer)?;
        sections::print(&sections::ask(trial.db(), &WHAT_IF)?, args.output, context)?;
        return Ok(ExitStatus::Clean);
    }
    let outcome = reconcile::run(&config, &Visits::new(&context.store(&config)), &options, &context.printer)?;
    tell(&outcome, context);
    Ok(if outcome.unmapped.is_empty() { ExitStatus::Clean } else { ExitStatus::Incomplete })
}

#[derive(Debug, thiserror::Error)]
#[error("what is new of source `{name}` could not be judged")]
struct Failure {
    name: String,
    #[source]
    error: Lines,
}

/// Says what came out.
pub(super) fn tell(outcome: &Outcome, context: &Context) {
    for unmapped in &outcome.unmapped {
        let failure = Failure { name: unmapped.source.clone(), error: Lines(unmapped.error.clone()) };
        context.printer.error(&failure, unmapped.hint.as_deref());
    }
    for warning in &outcome.warnings {
        context.printer.warning(warning);
    }
    let new = list(&outcome.new_findings);
    let open = list(&outcome.open_findings);
    context.printer.note(&format!("findings: {open} open, of which new: {new}"));
    if let Some((left, accepted)) = outcome.baseline {
        context.printer.note(&format!("baseline: {left} of {accepted} findings left"));
    }
}

fn list(counts: &[(String, u64)]) -> String {
    let parts: Vec<String> =
        counts.iter().filter(|(_, count)| *count > 0).map(|(severity, count)| format!("{count} {severity}")).collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}
