//! The manifest of a set of reports: what each file is, so that it can be shown later that none was altered.
//!
//! One CSV, `manifest.csv`, beside the reports. It says nothing of when it was made: the same judgement gives the same
//! bytes.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use anyhow::Context as _;
use changetrail_connectors::hex;
use sha2::{Digest, Sha256};

use crate::output::{Format, TableOptions, sink};
use crate::report::Filters;
use crate::store::{Column, Db, Kind, Value, sql};

use super::context::unwritable;

pub(super) const NAME: &str = "manifest.csv";

/// The files written so far.
pub(super) struct Manifest {
    head: Value,
    rows: Vec<Vec<Value>>,
}

/// The hash of the newest batch of evidence, which all batches before it are chained to; `None` without evidence.
pub(super) fn evidence_head(db: &Db) -> anyhow::Result<Option<String>> {
    let (_, rows) = db.rows(sql!("store/last_batch.sql"), &[])?;
    Ok(rows.into_iter().next().and_then(|row| match row.into_iter().nth(1) {
        Some(Value::Text(hash)) => Some(hash),
        _ => None,
    }))
}

impl Manifest {
    pub(super) fn new(db: &Db) -> anyhow::Result<Self> {
        Ok(Self { head: evidence_head(db)?.map_or(Value::Null, Value::Text), rows: Vec::new() })
    }

    /// Notes a file that was written with these filters.
    pub(super) fn add(&mut self, path: &Path, rows: u64, filters: &Filters) -> anyhow::Result<()> {
        let reading = || format!("reading {}", path.display());
        let hash = sha256(path).with_context(reading)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = |text: &Option<String>| text.clone().map_or(Value::Null, Value::Text);
        let time = |time: Option<jiff::Timestamp>| time.map_or(Value::Null, Value::Time);
        self.rows.push(vec![
            Value::Text(name),
            Value::Int(i64::try_from(rows).unwrap_or(i64::MAX)),
            Value::Text(hash),
            self.head.clone(),
            Value::Text(env!("CARGO_PKG_VERSION").to_owned()),
            time(filters.since),
            time(filters.until),
            text(&filters.environment),
            text(&filters.service),
            text(&filters.verdict),
        ]);
        Ok(())
    }

    /// Puts the files, and then the manifest that was written beside them, in their place. The old manifest goes first:
    /// whoever is killed in between leaves none, rather than one that does not fit.
    pub(super) fn put(&self, aside: &Path, folder: &Path) -> anyhow::Result<()> {
        let old = folder.join(NAME);
        if old.exists() {
            fs::remove_file(&old).with_context(|| format!("removing {}", old.display()))?;
        }
        let names = self
            .rows
            .iter()
            .filter_map(|row| if let Some(Value::Text(name)) = row.first() { Some(&**name) } else { None });
        for name in names.chain([NAME]) {
            let place = folder.join(name);
            fs::rename(aside.join(name), &place).map_err(|error| unwritable(&place, &error))?;
        }
        Ok(())
    }

    pub(super) fn write(&self, file: &mut File) -> anyhow::Result<()> {
        let column = |(name, kind): (&str, Kind)| Column { name: name.to_owned(), kind };
        let columns = [
            ("file", Kind::Text),
            ("rows", Kind::Integer),
            ("sha256", Kind::Text),
            ("evidence_head", Kind::Text),
            ("version", Kind::Text),
            ("since", Kind::Time),
            ("until", Kind::Time),
            ("environment", Kind::Text),
            ("service", Kind::Text),
            ("verdict", Kind::Text),
        ];
        let mut csv = sink(Format::Csv, file, TableOptions::default());
        csv.begin(&columns.map(column))?;
        for row in &self.rows {
            csv.row(row)?;
        }
        csv.end()?;
        Ok(())
    }
}

/// Whether a manifest in the folder has a hash of the file of this name.
pub(super) fn vouches(folder: &Path, name: &str) -> anyhow::Result<bool> {
    let path = folder.join(NAME);
    let reading = || format!("reading {}", path.display());
    if !path.is_file() {
        return Ok(false);
    }
    let mut manifest = csv::Reader::from_path(&path).with_context(reading)?;
    for row in manifest.records() {
        if row.with_context(reading)?.get(0) == Some(name) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The hash of a file of any size.
fn sha256(path: &Path) -> io::Result<String> {
    let mut file = BufReader::new(File::open(path)?);
    let mut hash = Sha256::new();
    loop {
        let bytes = file.fill_buf()?;
        if bytes.is_empty() {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(bytes);
        let count = bytes.len();
        file.consume(count);
    }
}
