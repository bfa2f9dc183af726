//! Answers of several queries, one section each: for people with headings, for machines as one JSON object.
//!
//! The queries of a folder, in the order of their names; `03_sessions.sql` is the section `sessions`.

use std::io::Write;

use anyhow::Context as _;
use include_dir::{Dir, File};

use crate::output::{Format, TableOptions, inert, sink};
use crate::report::header;
use crate::store::{Column, Db, Value};

use super::context::Context;

/// How sections are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Layout {
    // For people.
    Table,
    // One object, with an array of rows for each section.
    Json,
}

/// The answer of one query.
pub(super) struct Section {
    key: String,
    title: String,
    columns: Vec<Column>,
    rows: Vec<Vec<Value>>,
}

/// Asks the queries of a folder.
pub(super) fn ask(db: &Db, folder: &Dir) -> anyhow::Result<Vec<Section>> {
    files(folder).into_iter().map(|file| section(db, file, &[])).collect()
}

/// Asks the queries of a folder about an id; `None` where the first of them knows nothing of it.
pub(super) fn ask_of(db: &Db, folder: &Dir, param: &str, id: &str) -> anyhow::Result<Option<Vec<Section>>> {
    let params = [(param, Value::Text(id.to_owned()))];
    let mut sections = Vec::new();
    for file in files(folder) {
        let section = section(db, file, &params)?;
        if sections.is_empty() && section.rows.is_empty() {
            return Ok(None);
        }
        sections.push(section);
    }
    Ok(Some(sections))
}

fn files<'d>(folder: &'d Dir) -> Vec<&'d File<'d>> {
    let mut files: Vec<_> = folder.files().filter(|file| name(file).is_some()).collect();
    files.sort_by_key(|file| file.path());
    files
}

fn section(db: &Db, file: &File, params: &[(&str, Value)]) -> anyhow::Result<Section> {
    let sql = file.contents_utf8().unwrap_or_default();
    let header = header::parse(sql).with_context(|| format!("reading the header of {}", file.path().display()))?;
    let (columns, rows) =
        db.rows(sql, params).with_context(|| format!("asking for {}", header.title.to_lowercase()))?;
    Ok(Section { key: name(file).unwrap_or_default().to_owned(), title: header.title, columns, rows })
}

/// The name of a section's file without its number; `None` for a file that is no section.
fn name<'f>(file: &'f File<'_>) -> Option<&'f str> {
    let (number, name) = file.path().file_stem()?.to_str()?.split_once('_')?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then_some(name)
}

pub(super) fn print(sections: &[Section], layout: Layout, context: &Context) -> anyhow::Result<()> {
    let mut out = context.printer.stdout();
    match layout {
        Layout::Json => write_json(&mut out, sections)?,
        Layout::Table => {
            for (index, section) in sections.iter().enumerate() {
                if index > 0 {
                    writeln!(out)?;
                }
                writeln!(out, "{}", context.printer.heading(&section.title))?;
                write_section(&mut out, section, context.printer.table_options())?;
            }
        }
    }
    out.flush()?;
    Ok(())
}

fn write_json(out: &mut impl Write, sections: &[Section]) -> anyhow::Result<()> {
    for (index, section) in sections.iter().enumerate() {
        write!(out, "{}{}: ", if index == 0 { "{" } else { "," }, serde_json::Value::from(section.key.as_str()))?;
        let mut rows = sink(Format::Json, &mut *out, TableOptions::default());
        rows.begin(&section.columns)?;
        for row in &section.rows {
            rows.row(row)?;
        }
        rows.end()?;
    }
    writeln!(out, "}}")?;
    Ok(())
}

/// One row as lines, several as a table, none as a word.
fn write_section(out: &mut impl Write, section: &Section, options: TableOptions) -> anyhow::Result<()> {
    let Section { columns, rows, .. } = section;
    match rows.as_slice() {
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

    fn section(rows: &[Vec<Value>]) -> Section {
        let column = |name: &str| Column { name: name.to_owned(), kind: Kind::Text };
        let columns = vec![column("actor"), column("n")];
        Section { key: "who".to_owned(), title: "Who".to_owned(), columns, rows: rows.to_vec() }
    }

    #[test]
    fn for_people() {
        let row = vec![Value::Text("al\u{1b}ice".to_owned()), Value::Int(1)];
        let check = |rows: &[Vec<Value>], expected: &str| {
            let mut out = Vec::new();
            write_section(&mut out, &section(rows), TableOptions::default()).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(&[], "  none\n");
        check(std::slice::from_ref(&row), "  actor  al\\u{1b}ice\n  n      1\n");
        check(&[row.clone(), row], "actor        n\n────────────────\nal\\u{1b}ice  1\nal\\u{1b}ice  1\n");
    }

    #[test]
    fn for_machines() {
        let row = vec![Value::Text("al\"ice".to_owned()), Value::Int(1)];
        let mut out = Vec::new();
        write_json(&mut out, &[section(&[row]), section(&[])]).unwrap();
        let said: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(said["who"], serde_json::json!([]), "the last of equal keys");
        assert!(String::from_utf8(out).unwrap().starts_with("{\"who\": [\n{\"actor\":\"al\\\"ice\",\"n\":1}\n]"));
    }
}
