//! `report`: one report, all reports, or which reports there are.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::ValueEnum as _;
use clap::builder::PossibleValuesParser;

use changetrail_connectors::nearest;

use crate::error::{ExitStatus, told};
use crate::output::{Format, Heading, TableOptions, index, sink};
use crate::report::{self, Catalog, Filters, Report};
use crate::store::{Column, Db, Kind, RowSink, Value, sql};
use crate::time::parse_moment;

use super::audit::FailOn;
use super::context::{Context, Usage, unwritable};
use super::manifest::{self, Manifest};
use super::verify::tell_head;

const EXAMPLES: &str = "\
Examples:
  changetrail report                                          which reports there are
  changetrail report manual-changes --since 7d                last week, as a table
  changetrail report changes --environment live -o csv --out changes.csv
  changetrail report --out reports/                           all of them, as CSV
  changetrail report --out reports/ -o html                   all of them, as web pages: open index.html";

/// The page that leads to the others.
const INDEX: &str = "index.html";

/// Print a report, or list the reports
///
/// Without --since a report covers everything stored. A table shows the most important columns of a report; every
/// other format has them all.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Which report; without it the reports are listed, or with --out DIR all written
    name: Option<String>,

    /// How it is written [default: table; for a file by its ending, csv for a folder]
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    output: Option<Format>,

    /// Write to this file, or each report to a file in this folder
    #[arg(long, value_name = "FILE|DIR")]
    out: Option<PathBuf>,

    /// From this time on: 7d or 24h (ago), 2026-11-01, 2026-11-01T09:30:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,

    /// Before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,

    /// Only this kind of environment
    #[arg(long, value_parser = PossibleValuesParser::new(["dev", "preprod", "live"]))]
    environment: Option<String>,

    /// Only this service
    #[arg(long)]
    service: Option<String>,

    /// Only changes with this verdict
    #[arg(long, value_parser = PossibleValuesParser::new([
        "platform", "released", "exempted", "unapproved", "nonconforming", "manual", "unrecorded", "unattributed",
    ]))]
    verdict: Option<String>,

    /// From which severity on rows make the exit code 1
    #[arg(long, value_enum, value_name = "SEVERITY", default_value_t = FailOn::Never)]
    fail_on: FailOn,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitStatus> {
    let moment = |text: &Option<String>| text.as_deref().map(|text| parse_moment(text, context.now)).transpose();
    let filters = Filters {
        since: moment(&args.since)?,
        until: moment(&args.until)?,
        environment: args.environment.clone(),
        service: args.service.clone(),
        verdict: args.verdict.clone(),
    };
    if let (Some(since), Some(until)) = (filters.since, filters.until)
        && since >= until
    {
        let message = format!("--since {since} is not before --until {until}");
        return Err(Usage::error(message, "nothing lies between them"));
    }
    let Some(name) = &args.name else {
        return match &args.out {
            Some(folder) => all(folder, args.output.unwrap_or(Format::Csv), &filters, args.fail_on, context),
            None => list(args, &filters, context),
        };
    };
    let (db, config) = context.open()?;
    let catalog = Catalog::load(&config.map(|config| config.extend_queries).unwrap_or_default())?;
    let report = catalog.get(name)?;
    let format = format_for(args)?;
    if let Some(out) = &args.out {
        keeps_manifest(&file_for(out, report, format))?;
    }
    db.sandbox()?;
    known_service(&db, &filters)?;
    match &args.out {
        Some(out) => {
            to_file(&db, report, &filters, format, &file_for(out, report, format))?;
        }
        None => told(to_stdout(&db, report, &filters, format, context))?,
    }
    tell_head(&db, context)?;
    status(&db, report, &filters, args.fail_on)
}

/// How a report is written: as it is asked for, else as the file is called.
fn format_for(args: &Args) -> anyhow::Result<Format> {
    let Some(out) = args.out.as_ref().filter(|_| args.output.is_none()) else {
        return Ok(args.output.unwrap_or(Format::Table));
    };
    if is_folder(out) {
        return Ok(Format::Csv);
    }
    // A pipe or a device has no ending.
    if out.exists() && !out.is_file() {
        return Ok(Format::Table);
    }
    Format::of_file(out).ok_or_else(|| {
        let endings: Vec<String> =
            Format::value_variants().iter().map(|format| format!(".{}", format.extension())).collect();
        Usage::error(
            format!("the ending of `{}` is that of no format", out.display()),
            format!("known are {}; -o says the format of a file of any name", endings.join(", ")),
        )
    })
}

/// A file that a manifest vouches for is written together with the manifest, or the two do not fit.
fn keeps_manifest(path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if !manifest::vouches(folder, &name)? {
        return Ok(());
    }
    Err(Usage::error(
        format!("`{}` is one of the files in {}, which would not fit any more", path.display(), manifest::NAME),
        format!(
            "write it elsewhere, or all of them anew with `changetrail report --out {}`",
            folder.join("").display()
        ),
    ))
}

/// A service that nobody knows would give empty reports: nothing to see, it seems.
fn known_service(db: &Db, filters: &Filters) -> anyhow::Result<()> {
    let Some(service) = &filters.service else {
        return Ok(());
    };
    // A store that was never judged knows no service; the report itself says what to do then.
    let Ok((_, rows)) = db.rows(sql!("audit/services.sql"), &[]) else {
        return Ok(());
    };
    let known: Vec<&str> =
        rows.iter().filter_map(|row| if let [Value::Text(name)] = &row[..] { Some(&**name) } else { None }).collect();
    if known.contains(&service.as_str()) {
        return Ok(());
    }
    let hint = match nearest(service, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known are {}", known.join(", ")),
    };
    Err(Usage::error(format!("there is no service `{service}`"), hint))
}

/// Whether a row is as bad as asked for.
fn status(db: &Db, report: &Report, filters: &Filters, fail_on: FailOn) -> anyhow::Result<ExitStatus> {
    if fail_on == FailOn::Never {
        return Ok(ExitStatus::Clean);
    }
    Ok(match report::worst(db, report, filters)? {
        Some(severity) if fail_on.counts(severity) => ExitStatus::Findings,
        _ => ExitStatus::Clean,
    })
}

/// Whether `--out` names a folder: one that exists, or a path that ends in a slash.
fn is_folder(out: &Path) -> bool {
    out.is_dir() || out.as_os_str().to_string_lossy().ends_with(['/', std::path::MAIN_SEPARATOR])
}

fn file_for(out: &Path, report: &Report, format: Format) -> PathBuf {
    if is_folder(out) { out.join(format!("{}.{}", report.name, format.extension())) } else { out.to_owned() }
}

fn to_stdout(db: &Db, report: &Report, filters: &Filters, format: Format, context: &Context) -> anyhow::Result<()> {
    if format == Format::Parquet && io::stdout().is_terminal() {
        return Err(Usage::error("Parquet is not for a terminal", "write it to a file with --out FILE"));
    }
    let columns = report.header.table.clone();
    let selected = format == Format::Table && !columns.is_empty();
    let options = TableOptions { columns, heading: heading(report), ..context.printer.table_options() };
    let mut rows = sink(format, context.printer.stdout(), options);
    report::run(db, report, filters, &mut *rows)?;
    if selected {
        context.printer.note("a table shows the most important columns; `-o csv` has them all");
    }
    Ok(())
}

fn heading(report: &Report) -> Heading {
    Heading { title: report.header.title.clone(), description: report.header.description.clone() }
}

/// Writes a report to a file, whole or not at all. Returns the number of its rows.
fn to_file(db: &Db, report: &Report, filters: &Filters, format: Format, path: &Path) -> anyhow::Result<u64> {
    let mut count = 0;
    write_whole(path, |file| {
        let out = BufWriter::new(file);
        let mut rows = sink(format, out, TableOptions { heading: heading(report), ..TableOptions::default() });
        count = report::run(db, report, filters, &mut *rows)?;
        Ok(())
    })?;
    Ok(count)
}

/// Writes a file beside its place first, so that nobody finds half of it; what is no regular file (a pipe, a device)
/// is written to directly.
fn write_whole(path: &Path, write: impl FnOnce(&mut File) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let doing = || format!("writing {}", path.display());
    let failed = |error: io::Error| unwritable(path, &error);
    if path.exists() && !path.is_file() {
        let mut file = File::options().write(true).open(path).map_err(failed)?;
        return write(&mut file).with_context(doing);
    }
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(failed)?;
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As readable as any new file: the umask still applies.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.prefix(".changetrail-").tempfile_in(folder).map_err(failed)?;
    write(file.as_file_mut()).with_context(doing)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Writes every report into a folder.
fn all(
    folder: &Path,
    format: Format,
    filters: &Filters,
    fail_on: FailOn,
    context: &Context,
) -> anyhow::Result<ExitStatus> {
    if folder.exists() && !folder.is_dir() {
        let message = format!("`{}` is no folder, and all reports are many files", folder.display());
        return Err(Usage::error(message, "name a report, or a folder"));
    }
    let (db, config) = context.open()?;
    let catalog = Catalog::load(&config.map(|config| config.extend_queries).unwrap_or_default())?;
    db.sandbox()?;
    known_service(&db, filters)?;
    let status = write_all(&db, &catalog, folder, format, filters, fail_on)?;
    let count = catalog.iter().count();
    context.printer.note(&format!("{count} reports in {}, with their hashes in {}", folder.display(), manifest::NAME));
    tell_head(&db, context)?;
    Ok(status)
}

/// Writes every report into a folder, each with the filters that it knows, and a manifest of them.
pub(super) fn write_all(
    db: &Db,
    catalog: &Catalog,
    folder: &Path,
    format: Format,
    filters: &Filters,
    fail_on: FailOn,
) -> anyhow::Result<ExitStatus> {
    let failed = |error: io::Error| unwritable(folder, &error);
    fs::create_dir_all(folder).map_err(failed)?;
    // Aside first: a folder never has reports of two runs, or a manifest that does not fit.
    let aside = tempfile::Builder::new().prefix(".changetrail-").tempdir_in(folder).map_err(failed)?;
    let mut worst = ExitStatus::Clean;
    let mut manifest = Manifest::new(db)?;
    let mut pages = Vec::new();
    for report in catalog.iter() {
        let path = file_for(aside.path(), report, format);
        let fitting = filters.that_fit(report);
        let rows = to_file(db, report, &fitting, format, &path)?;
        manifest.add(&path, rows, &fitting)?;
        pages.push((format!("{}.{}", report.name, format.extension()), heading(report), rows));
        if report.header.severity.is_some() && status(db, report, &fitting, fail_on)? == ExitStatus::Findings {
            worst = ExitStatus::Findings;
        }
    }
    if format == Format::Html {
        let path = aside.path().join(INDEX);
        write_whole(&path, |file| Ok(index(file, &pages)?))?;
        manifest.add(&path, pages.len() as u64, &Filters::default())?;
    }
    write_whole(&aside.path().join(manifest::NAME), |file| manifest.write(file))?;
    manifest.put(aside.path(), folder)?;
    Ok(worst)
}

/// Lists the reports.
fn list(args: &Args, filters: &Filters, context: &Context) -> anyhow::Result<ExitStatus> {
    let asked = filters.since.is_some()
        || filters.until.is_some()
        || filters.environment.is_some()
        || filters.service.is_some()
        || filters.verdict.is_some()
        || args.fail_on != FailOn::Never;
    if asked {
        return Err(Usage::error("no report is named", "name one, or add `--out DIR` to write them all"));
    }
    let extend = match context.config_if_any() {
        Ok(config) => config.map(|config| config.extend_queries).unwrap_or_default(),
        // The built-in reports can be listed anywhere.
        Err(crate::config::Error::NotFound { .. }) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let catalog = Catalog::load(&extend)?;
    let format = args.output.unwrap_or(Format::Table);
    let options = context.printer.table_options();
    write_list(&catalog, sink(format, context.printer.stdout(), options))?;
    Ok(ExitStatus::Clean)
}

fn write_list(catalog: &Catalog, mut table: Box<dyn RowSink + '_>) -> anyhow::Result<()> {
    let column = |name: &str| Column { name: name.to_owned(), kind: Kind::Text };
    table.begin(&["report", "description", "options"].map(column))?;
    for report in catalog.iter() {
        let options: Vec<String> = report.header.params.iter().map(|param| format!("--{}", param.name)).collect();
        let cells = [report.name.clone(), report.header.description.clone(), options.join(" ")];
        table.row(&cells.map(Value::Text))?;
    }
    table.end()?;
    Ok(())
}
