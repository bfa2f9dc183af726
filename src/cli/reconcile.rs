//! `reconcile`: judges what has been collected.

use crate::error::ExitStatus;
use crate::reconcile::{self, Options, Outcome};

use super::context::Context;

const EXAMPLES: &str = "\
Examples:
  changetrail reconcile            judge what is new, or what new evidence concerns
  changetrail reconcile --rebuild  make everything again from the evidence";

/// Map, reconcile and control what has been collected
///
/// Asks no system. Doing it twice changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Make everything again from the evidence; the life of findings stays
    #[arg(long)]
    rebuild: bool,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitStatus> {
    let config = context.config()?;
    let options = Options { now: context.now, rebuild: args.rebuild, complete: false, wait: context.writer_wait() };
    let outcome = reconcile::run(&config, &context.store(&config), &options, &context.printer)?;
    tell(&outcome, context);
    Ok(ExitStatus::Clean)
}

/// Says what came out.
pub(super) fn tell(outcome: &Outcome, context: &Context) {
    for warning in &outcome.warnings {
        context.printer.warning(warning);
    }
    let new = list(&outcome.new_findings);
    let open = list(&outcome.open_findings);
    context.printer.note(&format!("findings: {open} open, of which new: {new}"));
}

fn list(counts: &[(String, u64)]) -> String {
    let parts: Vec<String> =
        counts.iter().filter(|(_, count)| *count > 0).map(|(severity, count)| format!("{count} {severity}")).collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}
