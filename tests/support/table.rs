//! CSV as rows that can be asked and compared.

use std::collections::BTreeMap;
use std::fmt::Write;

/// A table of text cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn parse(text: &str) -> Self {
        let mut reader = csv::ReaderBuilder::new().flexible(false).from_reader(text.as_bytes());
        let columns = reader.headers().expect("a CSV header").iter().map(str::to_owned).collect();
        let rows = reader
            .records()
            .map(|record| {
                record.unwrap_or_else(|error| panic!("CSV: {error} in\n{text}")).iter().map(str::to_owned).collect()
            })
            .collect();
        Self { columns, rows }
    }

    pub(crate) fn to_csv(&self) -> String {
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(Vec::new());
        writer.write_record(&self.columns).expect("a header");
        for row in &self.rows {
            writer.write_record(row).expect("a row");
        }
        String::from_utf8(writer.into_inner().expect("all of it")).expect("text")
    }

    pub(crate) fn place(&self, column: &str) -> usize {
        self.columns
            .iter()
            .position(|name| name == column)
            .unwrap_or_else(|| panic!("no column `{column}` in {:?}", self.columns))
    }

    /// All cells of a column.
    pub(crate) fn column(&self, name: &str) -> Vec<&str> {
        let place = self.place(name);
        self.rows.iter().map(|row| row[place].as_str()).collect()
    }

    /// One cell of a row.
    pub(crate) fn cell<'t>(&'t self, row: &'t [String], column: &str) -> &'t str {
        &row[self.place(column)]
    }

    /// The one row whose cell in `column` is `value`.
    pub(crate) fn row(&self, column: &str, value: &str) -> &[String] {
        let place = self.place(column);
        let mut found = self.rows.iter().filter(|row| row[place] == value);
        let row = found.next().unwrap_or_else(|| panic!("no row with {column} = {value}"));
        assert!(found.next().is_none(), "several rows with {column} = {value}");
        row
    }

    /// These columns only, in this order.
    pub(crate) fn select(&self, columns: &[String]) -> Self {
        let places: Vec<usize> = columns.iter().map(|column| self.place(column)).collect();
        let pick = |row: &Vec<String>| places.iter().map(|place| row[*place].clone()).collect();
        Self { columns: columns.to_vec(), rows: self.rows.iter().map(pick).collect() }
    }

    /// Rows without their order, with how often each is there.
    fn counted(&self) -> BTreeMap<&[String], i64> {
        let mut counted = BTreeMap::new();
        for row in &self.rows {
            *counted.entry(row.as_slice()).or_insert(0) += 1;
        }
        counted
    }

    /// What has to be taken from (`-`) and added to (`+`) this table to have `other`; empty if they are equal but for
    /// the order. Of a table that is only a `part`, further rows in `other` do not count.
    pub(crate) fn differences(&self, other: &Self, part: bool) -> String {
        let (mine, theirs) = (self.counted(), other.counted());
        let mut text = String::new();
        for (row, count) in &mine {
            for _ in theirs.get(row).copied().unwrap_or(0)..*count {
                let _ = writeln!(text, "    - {}", row.join(","));
            }
        }
        for (row, count) in &theirs {
            // Of a part, only rows that may be meant by one of its own help: those with the same first cell.
            let near = mine.keys().any(|mine| mine[0] == row[0] && !theirs.contains_key(*mine));
            if !part || near {
                for _ in mine.get(row).copied().unwrap_or(0)..*count {
                    let _ = writeln!(text, "    + {}", row.join(","));
                }
            }
        }
        if part && !text.contains("    - ") {
            text.clear();
        }
        if text.is_empty() {
            return text;
        }
        format!("      {}\n{text}", self.columns.join(","))
    }
}
