//! `connectors`: what can be polled, and whether a folder of one's own is good.

use std::io::Write;
use std::path::{Path, PathBuf};

use changetrail_connectors::{Catalog, Connector, spec};

use crate::contract;
use crate::error::ExitStatus;
use crate::output::inert;

use super::context::{Context, Usage};

const EXAMPLES: &str = "\
Examples:
  changetrail connectors                          what can be polled
  changetrail connectors github-audit             what it needs, and what it does not tell
  changetrail connectors test my-connectors/tides hold a folder of your own against its fixtures";

/// Show what can be polled, or test a connector folder
///
/// Without a name, one line for each connector; with one, the permission that it needs, how long the system keeps its
/// log, how late that is, what a source may say, and what is not covered. `test DIR` runs a folder over its fixtures
/// and says what is wrong, line by line; it exits 2 then.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    /// The connector to show
    #[arg(value_name = "NAME")]
    name: Option<String>,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Hold a connector folder against its fixtures
    Test {
        /// The folder with connector.toml, map.sql, fixtures/ and README.md
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitStatus> {
    if let Some(Command::Test { folder }) = &args.command {
        return test(folder, context);
    }
    // The user's folders are shown too, where there is a configuration.
    let catalog = match context.config() {
        Ok(config) => config.connectors(),
        Err(crate::config::Error::NotFound { .. }) => Catalog::new(&[]),
        Err(error) => return Err(error.into()),
    };
    match &args.name {
        Some(name) => {
            let connector = catalog.find(name).map_err(|error| {
                let hint = error.hint().unwrap_or_default();
                Usage::error(error.to_string(), hint)
            })?;
            show(&*connector, context)?;
        }
        None => list(&catalog, context)?,
    }
    Ok(ExitStatus::Clean)
}

fn list(catalog: &Catalog, context: &Context) -> std::io::Result<()> {
    let mut out = context.printer.stdout();
    let width = catalog.all().map(|connector| connector.spec().name.len()).max().unwrap_or_default();
    for connector in catalog.all() {
        let spec = connector.spec();
        let emits: Vec<&str> = spec.emits.iter().map(|relation| relation.name()).collect();
        writeln!(out, "{:width$}  {} ({})", inert(&spec.name), inert(&spec.vendor), emits.join(", "))?;
    }
    for folder in catalog.broken() {
        context.printer.warning(&format!("connector `{}` cannot be used: {folder}", folder.name));
    }
    out.flush()
}

fn show(connector: &dyn Connector, context: &Context) -> std::io::Result<()> {
    let spec = connector.spec();
    let mut out = context.printer.stdout();
    writeln!(out, "{}", context.printer.heading(&format!("{}: {}", spec.name, spec.vendor)))?;
    let kind = match spec.kind {
        spec::Kind::Events => "a log",
        spec::Kind::State => "lists of objects, compared with the last time",
    };
    let facts = [
        ("read", kind),
        ("permission", &spec.permission),
        ("retention", &spec.retention),
        ("lag", &spec.lag),
        ("docs", &spec.docs),
    ];
    for (name, fact) in facts {
        writeln!(out, "{name:12}{}", inert(fact))?;
    }
    writeln!(out, "a source may say")?;
    for (name, param) in &spec.params {
        let default = param.default.as_ref().map(|value| format!(" [default: {value}]")).unwrap_or_default();
        let needed = if param.required { " (required)" } else { "" };
        writeln!(out, "  {}{needed}: {}{}", inert(name), inert(&param.help), inert(&default))?;
    }
    for secret in &spec.secrets {
        writeln!(
            out,
            "  {secret}: a secret, as {{ env = \"NAME\" }}, {{ file = \"PATH\" }} or {{ exec = [\"COMMAND\"] }}"
        )?;
    }
    writeln!(out, "not covered")?;
    for line in &spec.not_covered {
        writeln!(out, "  {}", inert(line))?;
    }
    out.flush()
}

fn test(folder: &Path, context: &Context) -> anyhow::Result<ExitStatus> {
    if !folder.join("connector.toml").is_file() {
        let message = format!("{} is no connector folder", folder.display());
        return Err(Usage::error(
            message,
            "a connector folder has a file connector.toml; connectors/README.md says how to write one",
        ));
    }
    let report = contract::run(folder);
    let mut out = context.printer.stdout();
    for check in &report.checks {
        let level = if check.problem.is_some() { "fail" } else { "ok  " };
        writeln!(out, "{level}  {}", inert(&check.what))?;
        for line in check.problem.iter().flat_map(|problem| problem.lines()) {
            writeln!(out, "      {}", inert(line))?;
        }
    }
    out.flush()?;
    Ok(if report.problems().is_empty() { ExitStatus::Clean } else { ExitStatus::Incomplete })
}
