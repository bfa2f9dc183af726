//! What lies in the folders of `[extend] queries`: a file that nothing reads would be passed over in silence, and with it
//! the rule that somebody wrote.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::Error;
use changetrail_connectors::nearest;

/// What a folder may have in it; anything else in it is its owner's own.
const SHELVES: [&str; 3] = ["controls", "reports", "standards"];

/// # Errors
/// A folder is not there, or has queries where nobody looks for them.
pub(super) fn folders(folders: &[PathBuf]) -> Result<(), Error> {
    for folder in folders {
        for path in entries(folder)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !SHELVES.contains(&name.as_str()) && !name.starts_with('.') && has_rules(&path)? {
                    let hint = nearest(&name, SHELVES).map_or_else(known, |near| format!("did you mean `{near}`?"));
                    return Err(wrong(&path, "nothing reads what is in this folder", hint));
                }
            } else if is_rule(&path) {
                return Err(wrong(&path, "nothing reads this file", known()));
            }
        }
    }
    Ok(())
}

/// # Errors
/// A control is there that no standard in the folders names.
pub(super) fn controls(folders: &[PathBuf]) -> Result<(), Error> {
    let mut named = BTreeSet::new();
    for path in shelf(folders, "standards", "toml")? {
        // One that cannot be read is told when it is asked for.
        let text = fs::read_to_string(&path).unwrap_or_default();
        let standard: toml::Table = text.parse().unwrap_or_default();
        let controls = standard.get("control").and_then(toml::Value::as_array);
        let ids = controls.into_iter().flatten().filter_map(|control| control.get("id")?.as_str());
        named.extend(ids.map(str::to_owned));
    }
    for path in shelf(folders, "controls", "sql")? {
        let id = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !named.contains(&id) {
            let hint = format!("a [[control]] with the id `{id}` in a standards/NAME.toml of these folders asks it");
            return Err(wrong(&path, "no standard has a [[control]] of this name, so nothing asks it", hint));
        }
    }
    Ok(())
}

/// The files with an ending in one shelf of all folders.
fn shelf(folders: &[PathBuf], name: &str, ending: &str) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for folder in folders.iter().map(|folder| folder.join(name)).filter(|folder| folder.is_dir()) {
        let is_wanted = |path: &PathBuf| path.extension().is_some_and(|extension| extension == ending);
        found.extend(entries(&folder)?.into_iter().filter(is_wanted));
    }
    Ok(found)
}

fn has_rules(folder: &Path) -> Result<bool, Error> {
    Ok(entries(folder)?.iter().any(|path| is_rule(path)))
}

fn is_rule(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "sql")
}

/// What lies in a folder, in order.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |error: std::io::Error| {
        let hint = "relative paths start at the folder of the configuration; without queries of your own, leave it out";
        wrong(folder, &error.to_string(), hint.to_owned())
    };
    let listed: std::io::Result<Vec<PathBuf>> =
        fs::read_dir(folder).map_err(failed)?.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = listed.map_err(failed)?;
    paths.sort();
    Ok(paths)
}

fn known() -> String {
    format!("queries lie in {} of such a folder", SHELVES.map(|name| format!("{name}/")).join(", "))
}

fn wrong(path: &Path, problem: &str, hint: String) -> Error {
    Error::Extend { path: path.to_owned(), problem: problem.to_owned(), hint }
}
