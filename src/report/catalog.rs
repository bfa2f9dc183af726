//! Which reports there are: those built in (`queries/reports/`), and those of the user's own folders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};

use super::Error;
use super::header::{self, Header};
use super::run::OPTIONS;

static REPORTS: Dir = include_dir!("$CARGO_MANIFEST_DIR/queries/reports");

/// A query with a name and a header.
#[derive(Debug, Clone)]
pub struct Report {
    pub name: String,
    pub header: Header,
    pub sql: String,
}

/// All reports, by name.
#[derive(Debug, Clone)]
pub struct Catalog {
    reports: BTreeMap<String, Report>,
}

impl Catalog {
    /// The built-in reports, and those in the folder `reports` of each of `folders`.
    ///
    /// # Errors
    /// A folder or file cannot be read, a header is wrong, or a name is there twice.
    pub fn load(folders: &[PathBuf]) -> Result<Self, Error> {
        let mut catalog = Self { reports: BTreeMap::new() };
        for file in REPORTS.files() {
            let sql = file.contents_utf8().unwrap_or_default();
            catalog.add(file.path(), sql, file.path().display().to_string())?;
        }
        for folder in folders {
            let inner = folder.join("reports");
            // A folder may have standards and controls alone.
            if folder.is_dir() && !inner.is_dir() {
                continue;
            }
            let folder = inner;
            let read = |source| Error::Read { path: folder.clone(), source };
            let mut paths = Vec::new();
            for entry in std::fs::read_dir(&folder).map_err(read)? {
                paths.push(entry.map_err(read)?.path());
            }
            paths.sort();
            for path in paths {
                if path.extension().is_some_and(|extension| extension == "sql") {
                    let sql =
                        std::fs::read_to_string(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
                    catalog.add(&path, &sql, path.display().to_string())?;
                }
            }
        }
        Ok(catalog)
    }

    fn add(&mut self, path: &Path, sql: &str, place: String) -> Result<(), Error> {
        let Some(name) = path.file_stem().and_then(|stem| stem.to_str()) else {
            return Ok(());
        };
        if path.extension().is_none_or(|extension| extension != "sql") {
            return Ok(());
        }
        let header = header::parse(sql).map_err(|source| Error::Header { place: place.clone(), source })?;
        if let Some(param) = header.params.iter().find(|param| !OPTIONS.contains(&param.name.as_str())) {
            return Err(Error::Param { place, param: param.name.clone() });
        }
        let name = name.to_owned();
        if self.reports.contains_key(&name) {
            return Err(Error::Twice { name, place });
        }
        let report = Report { name: name.clone(), header, sql: sql.to_owned() };
        self.reports.insert(name, report);
        Ok(())
    }

    /// The report of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn get(&self, name: &str) -> Result<&Report, Error> {
        self.reports
            .get(name)
            .ok_or_else(|| Error::Unknown { name: name.to_owned(), known: self.reports.keys().cloned().collect() })
    }

    /// All reports, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Report> {
        self.reports.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Hint;

    #[test]
    fn every_built_in_report_has_a_header() {
        Catalog::load(&[]).unwrap();
    }

    #[test]
    fn folders_add_reports() {
        let folder = tempfile::tempdir().unwrap();
        let reports = folder.path().join("reports");
        std::fs::create_dir(&reports).unwrap();
        std::fs::write(reports.join("mine.sql"), "-- title: Mine\nselect 1").unwrap();
        std::fs::write(reports.join("README.md"), "no report").unwrap();
        let load = || Catalog::load(&[folder.path().to_owned()]);
        assert_eq!(load().unwrap().get("mine").unwrap().header.title, "Mine");
        let unknown = load().unwrap().get("mien").unwrap_err();
        assert!(unknown.hint().unwrap().contains("did you mean `mine`?"));
        std::fs::write(reports.join("mine.sql"), "-- title: Mine\n-- param: team text optional\nselect 1").unwrap();
        assert!(matches!(load(), Err(Error::Param { .. })));
        std::fs::write(reports.join("mine.sql"), "select 1").unwrap();
        assert!(matches!(load(), Err(Error::Header { .. })));
    }
}
