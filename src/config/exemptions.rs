//! Exemptions from a file of their own: `[[exemption]]` tables as in the configuration, and nothing else.

use std::io;
use std::path::Path;

use serde::Deserialize;

use super::tables::Exemption;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    exemption: Vec<Exemption>,
}

/// Reads the file; one that is not there yet has none. What is wrong with it is one line of text.
pub(super) fn read(path: &Path) -> Result<Vec<Exemption>, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("reading {}: {error}", path.display())),
    };
    match toml::from_str::<File>(&text) {
        Ok(file) => Ok(file.exemption),
        Err(error) => Err(format!("{}: {}", path.display(), error.to_string().trim().replace('\n', "; "))),
    }
}
