//! The command line: one file per command, each with its `Args` and its `run`.
//!
//! Doc comments on the arguments are the help. Results go to stdout, everything else to stderr. A command returns how
//! it went ([`ExitStatus`]); an error always means that the job, or a part of it, could not be done.

mod audit;
mod baseline;
mod check;
mod collect;
mod completions;
mod connectors;
mod context;
mod demo;
mod exempt;
mod explain;
mod import;
mod init;
mod manifest;
mod plan;
mod query;
mod reconcile;
mod record;
mod report;
mod sections;
mod verify;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::error::{ExitStatus, Lines, is_broken_pipe};
use crate::printer::{Color, LogFormat, Printer};
use crate::time::parse_duration;
use context::{Context, hint_of};

const HELP: &str = "\
Exit codes:
  0  done, nothing to flag
  1  done, and there are findings at or above --fail-on
  2  could not do the whole job: bad usage or configuration, a source that failed, a partial collection

Start with `changetrail demo`: it needs no configuration, no network and no credentials.";

/// What changed in live, who did it, and which approved release explains it
#[derive(Debug, Parser)]
#[command(name = "changetrail", version, after_help = HELP, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The configuration [default: changetrail.toml, then the user's, then /etc/changetrail]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// The store [default: what the configuration says]
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) store: Option<PathBuf>,

    /// Say only warnings and errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,

    /// Say more; twice for everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// How messages on stderr are written
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value_t)]
    pub(crate) log_format: LogFormat,

    /// When to use colour; auto heeds `NO_COLOR`
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t)]
    pub(crate) color: Color,

    /// How long to wait while another process has the store [default: 30s to read, 10m to write]
    #[arg(long, global = true, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) wait: Option<Duration>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Init(init::Args),
    Check(check::Args),
    Collect(collect::Args),
    Reconcile(reconcile::Args),
    Audit(audit::Args),
    Report(report::Args),
    Query(query::Args),
    Explain(explain::Args),
    Record(record::Args),
    Exempt(exempt::Args),
    Baseline(baseline::Args),
    Connectors(connectors::Args),
    Import(import::Args),
    Verify(verify::Args),
    Completions(completions::Args),
}

/// Runs the program with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; nothing is left to do if they cannot be printed.
            if !error.use_stderr() {
                let _ = error.print();
                return ExitStatus::Clean.into();
            }
            if asks_for_json(std::env::args_os()) {
                // Its colours are for people.
                let said = error.render().to_string();
                Printer::new(true, LogFormat::Json, Color::Never).error(&Lines(usage(&said)), None);
            } else {
                let _ = error.print();
            }
            return ExitStatus::Incomplete.into();
        }
    };
    let printer = Printer::new(cli.global.quiet, cli.global.log_format, cli.global.color);
    start_log(&cli.global, &printer);
    let context = Context::new(cli.global, printer);
    let status = match run(cli.command, &context) {
        Ok(status) => status,
        Err(error) if is_broken_pipe(error.as_ref()) => ExitStatus::Clean,
        Err(error) => {
            context.printer.error(error.as_ref(), hint_of(&error).as_deref());
            ExitStatus::Incomplete
        }
    };
    status.into()
}

/// Whether messages are to be JSON, asked before the arguments could be understood.
fn asks_for_json(args: impl Iterator<Item = OsString>) -> bool {
    let args: Vec<_> = args.skip(1).take_while(|arg| arg != "--").collect();
    args.iter().any(|arg| arg == "--log-format=json")
        || args.windows(2).any(|two| two[0] == "--log-format" && two[1] == "json")
}

/// What is wrong with the arguments, without the word that the level says already.
fn usage(said: &str) -> String {
    said.trim().trim_start_matches("error: ").to_owned()
}

fn run(command: Command, context: &Context) -> anyhow::Result<ExitStatus> {
    match command {
        Command::Demo(_) => demo::run(context),
        Command::Init(_) => init::run(context),
        Command::Check(args) => check::run(&args, context),
        Command::Collect(args) => collect::run(args, context),
        Command::Reconcile(args) => reconcile::run(&args, context),
        Command::Audit(args) => audit::run(&args, context),
        Command::Report(args) => report::run(&args, context),
        Command::Query(args) => query::run(&args, context),
        Command::Explain(args) => explain::run(&args, context),
        Command::Record(args) => record::run(&args, context),
        Command::Exempt(args) => exempt::run(&args, context),
        Command::Baseline(args) => baseline::run(&args, context),
        Command::Connectors(args) => connectors::run(&args, context),
        Command::Import(args) => import::run(args, context),
        Command::Verify(args) => verify::run(&args, context),
        Command::Completions(args) => completions::run(&args, context),
    }
}

/// Log lines are for whoever looks into a problem; what a user has to know is said by the printer.
fn start_log(global: &Global, printer: &Printer) {
    let level = match global.verbose {
        0 => "error",
        1 => "changetrail=info,changetrail_connectors=info,warn",
        _ => "changetrail=debug,changetrail_connectors=debug,info",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let writer = printer.log_writer();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(printer.colors_log())
        .with_writer(move || writer.clone());
    match global.log_format {
        LogFormat::Text => log.without_time().init(),
        LogFormat::Json => log.json().init(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
