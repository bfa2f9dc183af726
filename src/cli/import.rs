//! `import`: loads files for a configured source.

use std::path::PathBuf;

use crate::collect::{self, Import, Options};
use crate::error::ExitStatus;
use crate::store::Visits;

use super::context::{Context, operator};

const EXAMPLES: &str = "\
Examples:
  changetrail import --source aws trail-2024/      what the event history does not keep any more
  changetrail import --source release-log old.jsonl";

/// Load files for a configured source
///
/// The files are read the way that the source's connector reads files, whatever the source itself asks. What is stored
/// already counts as a duplicate; the source's own cursors stay as they are. Who imported it is noted.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The source that the files belong to
    #[arg(long, value_name = "NAME")]
    source: String,

    /// A file or a folder
    path: PathBuf,
}

pub(super) fn run(args: Args, context: &Context) -> anyhow::Result<ExitStatus> {
    let config = context.config()?;
    let options = Options { sources: vec![args.source], ..Options::new(context.now, context.writer_wait()) };
    let import = Import { path: args.path, operator: operator()? };
    let store = context.store(&config);
    let outcome = collect::import(&config, &Visits::new(&store), &options, &import, &context.printer)?;
    super::collect::tell(&outcome, context);
    super::collect::tell_set_aside(&outcome, context);
    super::collect::note_told(&outcome, &store, context)?;
    if outcome.complete() && outcome.sources.iter().all(|source| source.units == 0) {
        // Whoever names the wrong source or folder would take it for success.
        context.printer.warning(
            "nothing was read: what lies there was read before, or this source reads no such files (-v names them)",
        );
    }
    Ok(if outcome.complete() { ExitStatus::Clean } else { ExitStatus::Incomplete })
}
