//! `explain`: everything that is known about one change, section by section.
//!
//! Each section is a query of `queries/explain/`, in the order of their names. The first one tells the change itself:
//! without a row there, the id is unknown.

use std::io::Write;

use anyhow::Context as _;
use include_dir::{Dir, include_dir};

use crate::error::ExitStatus;
use crate::output::{Format, TableOptions, inert, sink};
use crate::report::header;
use crate::store::{Column, Db, Value};

use super::context::{Context, Usage};

static SECTIONS: Dir = include_dir!("$CARGO_MANIFEST_DIR/queries/explain");

const EXAMPLES: &str = "\
Examples:
  changetrail explain 5c1f0a9e3b7d2468                      by change_id
  changetrail explain 3a7c5e12-90ab-4cde-8f01-23456789abcd  by the provider's event id";

/// Explain one change: the evidence, who was behind it, which releases were considered, which rule decided
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A `change_id` or `record_id`, as the reports have them
    #[arg(value_name = "CHANGE_ID")]
    id: String,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitStatus> {
    let (db, _) = context.open()?;
    db.sandbox()?;
    let mut files: Vec<_> =
        SECTIONS.files().filter(|file| file.path().extension().is_some_and(|e| e == "sql")).collect();
    files.sort_by_key(|file| file.path());
    let mut out = context.printer.stdout();
    for (index, file) in files.iter().enumerate() {
        let sql = file.contents_utf8().unwrap_or_default();
        let header = header::parse(sql).with_context(|| format!("reading the header of {}", file.path().display()))?;
        let (columns, rows) = section(&db, sql, &args.id)
            .with_context(|| format!("explaining the change: {}", header.title.to_lowercase()))?;
        if index == 0 && rows.is_empty() {
            return Err(Usage::error(
                format!("there is no change `{}`", args.id),
                "take a change_id or record_id from `changetrail report changes -o csv`; \
                 attempts and reads are not changes, `changetrail report attempts` has the former",
            ));
        }
        if index > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{}", context.printer.heading(&header.title))?;
        write_section(&mut out, &columns, &rows, context.printer.table_options())?;
    }
    out.flush()?;
    Ok(ExitStatus::Clean)
}

fn section(db: &Db, sql: &str, id: &str) -> anyhow::Result<(Vec<Column>, Vec<Vec<Value>>)> {
    Ok(db.rows(sql, &[("change_id", Value::Text(id.to_owned()))])?)
}

/// One row as lines, several as a table, none as a word.
fn write_section(
    out: &mut impl Write,
    columns: &[Column],
    rows: &[Vec<Value>],
    options: TableOptions,
) -> anyhow::Result<()> {
    match rows {
        [] => writeln!(out, "  none")?,
        [row] => {
            let width = columns.iter().map(|column| column.name.chars().count()).max().unwrap_or(0);
            for (column, cell) in columns.iter().zip(row) {
                let name = inert(&column.name);
                for (index, line) in lines(cell).enumerate() {
                    let name = if index == 0 { &*name } else { "" };
                    writeln!(out, "{}", format!("  {name:width$}  {}", inert(&line)).trim_end())?;
                }
            }
        }
        rows => {
            let mut table = sink(Format::Table, out, options);
            table.begin(columns)?;
            for row in rows {
                table.row(row)?;
            }
            table.end()?;
        }
    }
    Ok(())
}

/// A cell as lines: JSON is laid out, everything else is one line.
fn lines(cell: &Value) -> impl Iterator<Item = String> {
    let text = match cell {
        Value::Null => String::new(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Time(value) => value.to_string(),
        Value::Text(text) => text.clone(),
    };
    let json = text.starts_with(['{', '[']).then(|| serde_json::from_str::<serde_json::Value>(&text).ok()).flatten();
    let lines = match json.and_then(|json| serde_json::to_string_pretty(&json).ok()) {
        Some(pretty) if text.len() > 100 => pretty.lines().map(str::to_owned).collect(),
        _ => vec![text],
    };
    lines.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Kind;

    #[test]
    fn every_section_has_a_header_that_takes_a_change() {
        for file in SECTIONS.files() {
            let header = header::parse(file.contents_utf8().unwrap()).unwrap();
            assert_eq!(header.params.len(), 1, "{}", file.path().display());
            assert_eq!(header.params[0].name, "change_id");
        }
    }

    #[test]
    fn sections() {
        let column = |name: &str| Column { name: name.to_owned(), kind: Kind::Text };
        let columns = [column("actor"), column("n")];
        let row = vec![Value::Text("al\u{1b}ice".to_owned()), Value::Int(1)];
        let check = |rows: &[Vec<Value>], expected: &str| {
            let mut out = Vec::new();
            write_section(&mut out, &columns, rows, TableOptions::default()).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(&[], "  none\n");
        check(std::slice::from_ref(&row), "  actor  al\\u{1b}ice\n  n      1\n");
        check(&[row.clone(), row], "actor        n\n────────────────\nal\\u{1b}ice  1\nal\\u{1b}ice  1\n");
    }
}
