//! A web page of one table, in one file: nothing is loaded from anywhere, and no script runs.
//!
//! Rows are written as they come, so that a page of any length takes no memory. The surprising fact: a browser runs
//! scripts out of almost any place, so the page forbids them all by itself (its content security policy), besides that
//! no character of a cell has a meaning in it.

use std::io::{self, Write};

use super::{inert, text};
use crate::store::{Column, Kind, RowSink, Value};

const STYLE: &str = include_str!("page.css");
/// What a page may do: show itself, in its own style.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// What stands above a table.
#[derive(Debug, Clone, Default)]
pub struct Heading {
    pub title: String,
    pub description: String,
}

pub(super) struct Html<W: Write> {
    writer: W,
    heading: Heading,
    columns: Vec<Column>,
    rows: u64,
}

impl<W: Write> Html<W> {
    pub(super) fn new(writer: W, heading: Heading) -> Self {
        Self { writer, heading, columns: Vec::new(), rows: 0 }
    }
}

impl<W: Write> RowSink for Html<W> {
    fn begin(&mut self, columns: &[Column]) -> io::Result<()> {
        self.columns = columns.iter().map(|column| Column { name: column.name.clone(), kind: column.kind }).collect();
        begin(&mut self.writer, &self.heading)?;
        self.writer.write_all(b"<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr>")?;
        for column in columns {
            write!(self.writer, "<th scope=\"col\">{}</th>", escaped(&column.name))?;
        }
        self.writer.write_all(b"</tr></thead>\n<tbody>\n")
    }

    fn row(&mut self, cells: &[Value]) -> io::Result<()> {
        self.rows += 1;
        self.writer.write_all(b"<tr>")?;
        for (cell, column) in cells.iter().zip(&self.columns) {
            let shown = text(cell);
            let class = class(&column.name, column.kind, &shown);
            let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
            write!(self.writer, "<td{class}>{}</td>", escaped(&shown))?;
        }
        self.writer.write_all(b"</tr>\n")
    }

    fn end(&mut self) -> io::Result<()> {
        let rows = if self.rows == 1 { "1 row".to_owned() } else { format!("{} rows", self.rows) };
        write!(self.writer, "</tbody>\n</table></div>\n<p>{rows}</p>\n</body>\n</html>\n")?;
        self.writer.flush()
    }
}

/// The page that leads to the others: file, title, description and number of rows of each.
///
/// # Errors
/// The writer's.
pub fn index(writer: &mut impl Write, pages: &[(String, Heading, u64)]) -> io::Result<()> {
    let description = "What changed, and whether a recorded and approved release explains it.".to_owned();
    begin(writer, &Heading { title: "changetrail: reports".to_owned(), description })?;
    writer.write_all(b"<table>\n<thead><tr><th scope=\"col\">report</th><th scope=\"col\">rows</th><th scope=\"col\">what it shows</th></tr></thead>\n<tbody>\n")?;
    for (file, heading, rows) in pages {
        let (file, title, description) = (escaped(file), escaped(&heading.title), escaped(&heading.description));
        writeln!(
            writer,
            "<tr><td><a href=\"{file}\">{title}</a></td><td class=\"number\">{rows}</td><td>{description}</td></tr>"
        )?;
    }
    writer.write_all(b"</tbody>\n</table>\n</body>\n</html>\n")
}

fn begin(writer: &mut impl Write, heading: &Heading) -> io::Result<()> {
    let (title, description) = (escaped(&heading.title), escaped(&heading.description));
    write!(
        writer,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<p>{description}</p>\n"
    )
}

/// How a cell looks. What it says is said by its words; the colour only helps to find it.
fn class(column: &str, kind: Kind, shown: &str) -> &'static str {
    match (column, shown) {
        ("verdict", "manual" | "unrecorded" | "unapproved" | "unattributed")
        | ("severity", "high")
        | ("result", "fail") => "bad",
        ("verdict", "nonconforming" | "exempted") | ("severity", "medium") | ("result", "no-evidence") => "doubt",
        ("verdict", "released" | "platform") | ("result", "pass") => "good",
        _ => match kind {
            Kind::Integer | Kind::Number => "number",
            Kind::Time => "time",
            _ => "",
        },
    }
}

/// The text with nothing in it that a browser would take for anything but text, or that hides or reorders what is
/// around it.
fn escaped(text: &str) -> String {
    let mut page = String::with_capacity(text.len());
    for character in inert(text).chars() {
        match character {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            other => page.push(other),
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::super::tests::{cell, render};
    use super::super::{Format, TableOptions};
    use super::*;

    #[test]
    fn what_an_attacker_wrote_is_text() {
        let attack = "</td><script>alert(1)</script>\" onload='x' &lt; \u{202e}\u{0}javascript:";
        let heading = Heading { title: attack.to_owned(), description: attack.to_owned() };
        let options = TableOptions { heading, ..TableOptions::default() };
        let page = render(Format::Html, options, &[(attack, Kind::Text)], &[vec![cell(attack)]]);
        let told = "&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot; onload=&#39;x&#39; &amp;lt; \\u{202e}\\u{0}javascript:";
        assert_eq!(page.matches(told).count(), 5, "{page}");
        assert!(!page.contains("<script"), "{page}");

        let mut page = Vec::new();
        let heading = Heading { title: attack.to_owned(), description: attack.to_owned() };
        index(&mut page, &[(attack.to_owned(), heading, 1)]).expect("memory");
        assert_eq!(String::from_utf8(page).expect("text").matches(told).count(), 3);
    }

    #[test]
    fn a_row_is_a_row() {
        let columns = [("verdict", Kind::Text), ("n", Kind::Integer), ("t", Kind::Time), ("x", Kind::Text)];
        let time = Value::Time("2026-10-01T13:00:00Z".parse().expect("a time"));
        let page = render(
            Format::Html,
            TableOptions::default(),
            &columns,
            &[vec![cell("manual"), Value::Int(-5), time, Value::Null]],
        );
        let row = "<tr><td class=\"bad\">manual</td><td class=\"number\">-5</td><td class=\"time\">2026-10-01T13:00:00Z</td><td></td></tr>";
        assert!(page.contains(row) && page.contains("<p>1 row</p>"), "{page}");
    }
}
