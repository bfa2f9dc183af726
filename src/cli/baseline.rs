//! `baseline`: accepts the past of an old estate, so that the first nights tell what is new.

use crate::error::ExitStatus;
use crate::reconcile::{self, Baseline};
use crate::time::parse_moment;

use super::context::{Context, Usage, operator};

const EXAMPLES: &str = "\
Examples:
  changetrail baseline --until 2026-10-01 --reason \"before the release log\" \\
    --requested-by \"Alice Green\" --approved-by \"Dana White\"";

/// Accept the past: findings before a time get the status baseline
///
/// They stay listed and count down as they are resolved; what happens at that time or later is never covered, a case that
/// goes on least of all. It is kept in the store, with who approved it; `reconcile --rebuild` leaves it alone.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Findings about what happened before this time, which is not in the future: 7d (ago), 2026-10-01
    #[arg(long, value_name = "TIME")]
    until: String,

    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,

    /// Who asks for it
    #[arg(long, value_name = "PERSON")]
    requested_by: String,

    /// Who approves it: another person, senior or manager of all services
    #[arg(long, value_name = "PERSON")]
    approved_by: String,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitStatus> {
    let config = context.config()?;
    let until = parse_moment(&args.until, context.now)?;
    let refused = |problem: &str, hint: &str| Err(Usage::error(format!("the baseline is refused: {problem}"), hint));
    if until > context.now {
        return refused("it reaches into the future", "a baseline accepts what is known, never what comes later");
    }
    if args.reason.trim().is_empty() {
        return refused("it has no reason", "say why the past is accepted");
    }
    let baseline = Baseline {
        until,
        reason: args.reason.clone(),
        requested_by: args.requested_by.clone(),
        approved_by: args.approved_by.clone(),
        operator: operator()?,
    };
    let store = context.store(&config);
    match reconcile::add_baseline(&config, &store, &baseline, context.now, context.writer_wait())? {
        Ok((before, after)) => {
            context.printer.note(&format!(
                "baseline until {until}: {before} open findings lie before it, {after} do not; `changetrail reconcile` applies it"
            ));
            Ok(ExitStatus::Clean)
        }
        Err(problem) => refused(
            &problem,
            "another person with the role senior or manager, as [[person]] says, has to approve it; nothing was written",
        ),
    }
}
