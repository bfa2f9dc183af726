//! `record`: appends release records to the release log.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;

use anyhow::Context as _;

use crate::error::ExitStatus;
use crate::record;

use super::context::{Context, operator};

const EXAMPLES: &str = "\
Examples:
  changetrail record deployment.jsonl
  echo '{\"schema\":\"changetrail.deployment/1\", …}' | changetrail record -";

/// Append release records to the release log
///
/// One JSON object per line. They are kept like all evidence, with who appended them and when. Lines that are no
/// release record are refused and named; the others are kept, and the exit code is 2.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A file of JSON Lines, or - for stdin
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitStatus> {
    let config = context.config()?;
    let mut input: Box<dyn BufRead> = if args.file.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(&args.file).with_context(|| format!("reading {}", args.file.display()))?;
        Box::new(BufReader::new(file))
    };
    let store = context.store(&config);
    let outcome = record::append(&store, input.as_mut(), &operator()?, context.now, context.writer_wait())?;
    for rejected in &outcome.rejected {
        context.printer.warning(&format!("refused: {rejected}"));
    }
    let record::Outcome { accepted, duplicates, rejected } = &outcome;
    context.printer.note(&format!("{accepted} accepted, {duplicates} known already, {} refused", rejected.len()));
    Ok(if rejected.is_empty() { ExitStatus::Clean } else { ExitStatus::Incomplete })
}
