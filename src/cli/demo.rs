//! `demo`: a sample organisation, audited end to end in a folder of its own.

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use include_dir::{Dir, include_dir};

use crate::config::Config;
use crate::error::ExitStatus;
use crate::output::Format;
use crate::report::{Catalog, Filters};
use crate::store::{Access, Db};

use super::audit::{self, FailOn};
use super::context::{Context, Usage};
use super::report::write_all;

static SAMPLE: Dir = include_dir!("$CARGO_MANIFEST_DIR/src/cli/demo/sample");

const EXAMPLES: &str = "\
Examples:
  changetrail demo
  changetrail --store /tmp/sample.duckdb demo    keep the store somewhere else";

/// Audit a sample organisation, end to end
///
/// Writes the sample to a fresh temporary folder that is kept, collects and judges it, writes every report, and prints
/// the summary and where everything lies. Needs no configuration, no network and no credentials; exits 0 whatever it
/// finds. With --store the store lies there: a new one, for what is in it is invented.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {}

pub(super) fn run(context: &Context) -> anyhow::Result<ExitStatus> {
    // Evidence stays: what is invented would stand among it for good.
    if let Some(store) = context.global.store.as_ref().filter(|store| store.exists()) {
        let message = format!("the store `{}` is there already, and a sample would stay in it", store.display());
        return Err(Usage::error(message, "give --store a path where nothing is yet, or leave it out"));
    }
    let folder =
        tempfile::Builder::new().prefix("changetrail-demo-").tempdir().context("making a temporary folder")?.keep();
    SAMPLE.extract(&folder).with_context(|| format!("writing the sample to {}", folder.display()))?;
    let config_path = folder.join("changetrail.toml");
    let config = Config::load(Some(&config_path))?;
    let store = context.store(&config);
    let (complete, _) = audit::judge(&config, &store, context)?;
    audit::tell(&config, &store, complete, context)?;
    let reports = folder.join("reports");
    let catalog = Catalog::load(&config.extend_queries)?;
    let db = Db::open(&store, Access::Read, context.reader_wait())?;
    write_all(&db, &catalog, &reports, Format::Csv, &Filters::default(), FailOn::Never)?;
    say_where(&folder, &store, &reports, context)?;
    Ok(ExitStatus::Clean)
}

fn say_where(folder: &Path, store: &Path, reports: &Path, context: &Context) -> anyhow::Result<()> {
    let mut out = context.printer.stdout();
    writeln!(out, "\n{}", context.printer.heading("Where it lies"))?;
    writeln!(out, "sample   {}", folder.display())?;
    writeln!(out, "store    {}", store.display())?;
    writeln!(out, "reports  {}", reports.display())?;
    writeln!(out, "\nGo on with, for example:")?;
    let config = folder.join("changetrail.toml");
    // As it was called: it need not be on the PATH.
    let program = std::env::args_os().next().unwrap_or_else(|| "changetrail".into());
    let program = program.display();
    let elsewhere = context.global.store.as_ref().map(|store| format!(" --store {}", store.display()));
    for command in ["report manual-changes", "explain CHANGE_ID"] {
        writeln!(
            out,
            "  {program} --config {}{} {command}",
            config.display(),
            elsewhere.as_deref().unwrap_or_default()
        )?;
    }
    out.flush()?;
    Ok(())
}
