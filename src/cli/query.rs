//! `query`: SQL of the user's own, read only.

mod statements;

use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;

use anyhow::Context as _;

use crate::error::ExitStatus;
use crate::output::{Format, Heading, TableOptions, sink};

use super::context::{Context, Usage};

const EXAMPLES: &str = "\
Examples:
  changetrail query \"select verdict, count(*) from change group by all\"
  changetrail query -f mine.sql -o csv > mine.csv
  echo 'from finding' | changetrail query -";

/// Ask the store in SQL
///
/// Reads only: no file, no network, no extension can be reached from the query. Works while a collection runs.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The query, or - for stdin
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    sql: Option<String>,

    /// A file with the query
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// How the result is written
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    output: Format,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitStatus> {
    let sql = match (&args.file, args.sql.as_deref()) {
        (Some(file), _) => fs::read_to_string(file).map_err(|error| {
            let hint = "-f reads the query from a file; a query itself is given without it".to_owned();
            Usage::error(format!("reading {}: {error}", file.display()), hint)
        })?,
        (None, None | Some("-")) => {
            let mut sql = String::new();
            io::stdin().read_to_string(&mut sql).context("reading the query from stdin")?;
            sql
        }
        (None, Some(sql)) => sql.to_owned(),
    };
    one_result(&sql)?;
    let (db, _) = context.open()?;
    db.sandbox()?;
    let heading = Heading { title: "changetrail: a query".to_owned(), description: sql.clone() };
    let options = TableOptions { heading, ..context.printer.table_options() };
    let mut sink = sink(args.output, context.printer.stdout(), options);
    db.stream(&sql, &[], sink.as_mut())?;
    Ok(ExitStatus::Clean)
}

/// Whoever asks two things would see the answer to the last alone.
fn one_result(sql: &str) -> anyhow::Result<()> {
    let statements = statements::split(sql);
    let Some((_, before)) = statements.split_last() else {
        let hint = "give SQL, for example `changetrail query \"from finding\"`";
        return Err(Usage::error("the query has no statement", hint));
    };
    if before.iter().any(|statement| statements::asks(statement)) {
        let message =
            format!("the query has {} statements, and only the last one's result would be shown", statements.len());
        return Err(Usage::error(message, "ask one after the other, or put them together with `union all`"));
    }
    Ok(())
}
