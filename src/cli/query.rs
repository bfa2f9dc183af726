//! `query`: SQL of the user's own, read only.

use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;

use anyhow::Context as _;

use crate::error::ExitStatus;
use crate::output::{Format, Heading, TableOptions, sink};
use crate::store::{Db, Value, sql};

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
    let (db, _) = context.open()?;
    db.sandbox()?;
    one_result(&db, &sql)?;
    let heading = Heading { title: "changetrail: a query".to_owned(), description: sql.clone() };
    let options = TableOptions { heading, ..context.printer.table_options() };
    let mut sink = sink(args.output, context.printer.stdout(), options);
    db.stream(&sql, &[], sink.as_mut())?;
    Ok(ExitStatus::Clean)
}

/// Whoever asks two things would see the answer to the last alone.
fn one_result(db: &Db, sql: &str) -> anyhow::Result<()> {
    let (_, rows) = db.rows(sql!("audit/statements.sql"), &[("sql", Value::Text(sql.to_owned()))])?;
    match rows.first().and_then(|row| row.first()) {
        Some(Value::Int(0)) => {
            let hint = "give SQL, for example `changetrail query \"from finding\"`";
            Err(Usage::error("the query has no statement", hint))
        }
        Some(Value::Int(count @ 2..)) => {
            let message = format!("the query has {count} statements, and only the last one's result would be shown");
            Err(Usage::error(message, "ask one after the other, or put them together with `union all`"))
        }
        _ => Ok(()),
    }
}
