//! `record`: appends release records to the release log.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;

use anyhow::Context as _;

use crate::error::ExitStatus;
use crate::record;

use super::context::{Context, operator};

const EXAMPLES: &str = "\
Examples:
  changetrail record deployment.jsonl
  echo '{\"schema\":\"changetrail.deployment/1\", …}' | changetrail record -
  changetrail record --from-ci --stage prod --outcome running    where a job starts
  changetrail record --from-ci --stage prod                      where it is done
  changetrail record --from-ci --stage prod --print              for a runner that cannot reach the store";

/// Append release records to the release log
///
/// Release records or `CDEvents`, one JSON object per line. They are kept like all evidence, with who appended them and
/// when. Lines that are no release record, or that the audit would set aside, are refused and named; the others are kept,
/// and the exit code is 2.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A file of JSON Lines, or - for stdin
    #[arg(value_name = "FILE|-", required_unless_present = "from_ci", conflicts_with = "from_ci")]
    file: Option<PathBuf>,

    /// Build the record from the variables of a job of Azure DevOps, GitHub Actions, GitLab or Jenkins
    #[arg(long, requires = "stage")]
    from_ci: bool,

    #[command(flatten)]
    told: Told,

    /// Print the record instead of appending it
    #[arg(long, requires = "from_ci")]
    print: bool,
}

/// What the variables do not say.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "With --from-ci")]
struct Told {
    /// The stage that the job deploys
    #[arg(long, value_name = "STAGE", requires = "from_ci", conflicts_with = "file")]
    stage: Option<String>,

    /// How it went, in the system's own words; running where the job starts
    #[arg(long, value_name = "WORD", requires = "from_ci", conflicts_with = "file")]
    outcome: Option<String>,

    /// dev, preprod or live, where the stage's name does not say it
    #[arg(long, value_name = "KIND", requires = "from_ci", conflicts_with = "file")]
    environment: Option<String>,

    /// The service that is released
    #[arg(long, value_name = "NAME", requires = "from_ci", conflicts_with = "file")]
    service: Option<String>,

    /// The pipeline's name, where it is called otherwise in the configuration
    #[arg(long, value_name = "NAME", requires = "from_ci", conflicts_with = "file")]
    pipeline: Option<String>,

    /// What holds the stages of one release together, where that is not the run
    #[arg(long, value_name = "ID", requires = "from_ci", conflicts_with = "file")]
    release: Option<String>,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitStatus> {
    let mut input: Box<dyn BufRead> = match &args.file {
        None => {
            let line = format!("{}\n", from_ci(&args.told, context)?);
            if args.print {
                context.printer.stdout().write_all(line.as_bytes())?;
                return Ok(ExitStatus::Clean);
            }
            Box::new(io::Cursor::new(line))
        }
        Some(file) if file.as_os_str() == "-" => Box::new(io::stdin().lock()),
        Some(path) => {
            let file = File::open(path).with_context(|| format!("reading {}", path.display()))?;
            Box::new(BufReader::new(file))
        }
    };
    let config = context.config()?;
    let store = context.store(&config);
    let outcome = record::append(&store, input.as_mut(), &operator()?, context.now, context.writer_wait())?;
    if let Some(lost) = &outcome.lost_key {
        context.printer.warning(lost);
    }
    for rejected in &outcome.rejected {
        context.printer.warning(&format!("refused: {rejected}"));
    }
    // Whoever writes records by hand may correct one that is not there yet; a job has to say it itself.
    for id in outcome.without_start.iter().filter(|_| args.from_ci) {
        context.printer.warning(&format!(
            "`{id}` has no start, so it explains no change: record it with --outcome running where the job starts"
        ));
    }
    let record::Outcome { accepted, known, rejected, .. } = &outcome;
    let nothing =
        if accepted + known == 0 && rejected.is_empty() { ": there was no record, nothing is written" } else { "" };
    context.printer.note(&format!("{accepted} accepted, {known} known already, {} refused{nothing}", rejected.len()));
    Ok(if rejected.is_empty() { ExitStatus::Clean } else { ExitStatus::Incomplete })
}

fn from_ci(told: &Told, context: &Context) -> Result<serde_json::Value, record::CiError> {
    let told = record::Told {
        stage: told.stage.clone().unwrap_or_default(),
        outcome: told.outcome.clone(),
        environment: told.environment.clone(),
        service: told.service.clone(),
        pipeline: told.pipeline.clone(),
        release: told.release.clone(),
    };
    record::from_ci(&|name| std::env::var(name).ok(), &told, context.now)
}
