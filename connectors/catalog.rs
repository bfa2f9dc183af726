//! The connectors that there are: those with Rust, those that are folders here, and those of the user.
//!
//! A user's folder that cannot be used is kept with what is wrong with it, so that only the sources that name it fail.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use crate::engine::{Folder, FolderError};
use crate::{ConfigError, Connector, aws_cloudtrail, azure_activity_log, release_log, terraform_state};

/// Folders without Rust, with their files: found when this crate is built.
const FOLDERS: &[(&str, &[(&str, &str)])] = include!(concat!(env!("OUT_DIR"), "/folders.rs"));

/// Taken apart once: there are many, and who runs an audit asks for them several times.
static BUILT_IN: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let programmed: [Arc<dyn Connector>; 4] = [
        Arc::new(aws_cloudtrail::AwsCloudTrail),
        Arc::new(azure_activity_log::AzureActivityLog),
        Arc::new(release_log::ReleaseLog),
        Arc::new(terraform_state::TerraformState),
    ];
    let programmed =
        programmed.map(|connector| Entry { name: connector.spec().name.clone(), connector: Ok(connector) });
    let described = FOLDERS.iter().map(|(name, files)| {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        Entry::of(name, Folder::built_in(name, files))
    });
    programmed.into_iter().chain(described).collect()
});

/// All connectors that a configuration can name.
#[derive(Clone)]
pub struct Catalog {
    entries: Vec<Entry>,
}

#[derive(Clone)]
struct Entry {
    name: String,
    connector: Result<Arc<dyn Connector>, Arc<FolderError>>,
}

impl Catalog {
    /// The built-in connectors, and those in `folders`: connector folders, or folders of such.
    #[must_use]
    pub fn new(folders: &[PathBuf]) -> Self {
        let mut entries = BUILT_IN.clone();
        for (name, folder) in folders.iter().flat_map(|folder| Folder::find(folder)) {
            let taken = entries.iter().any(|entry| entry.name == name);
            let folder = if taken { Err(FolderError::taken(&name)) } else { folder };
            entries.push(Entry::of(&name, folder));
        }
        Self { entries }
    }

    /// The connectors of one folder, and no other.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        Self { entries: Folder::find(folder).into_iter().map(|(name, folder)| Entry::of(&name, folder)).collect() }
    }

    /// Every connector that can be used, in the order in which people are shown them.
    pub fn all(&self) -> impl Iterator<Item = &Arc<dyn Connector>> {
        self.entries.iter().filter_map(|entry| entry.connector.as_ref().ok())
    }

    /// Folders that cannot be used.
    pub fn broken(&self) -> impl Iterator<Item = &FolderError> {
        self.entries.iter().filter_map(|entry| entry.connector.as_ref().err().map(AsRef::as_ref))
    }

    /// The connector of that name.
    ///
    /// # Errors
    /// There is none, and the error names the one that looks most like it; or its folder cannot be used.
    pub fn find(&self, name: &str) -> Result<Arc<dyn Connector>, ConfigError> {
        // A broken folder with the name of a good one must not pass for it.
        let mut named = self.entries.iter().filter(|entry| entry.name == name).collect::<Vec<_>>();
        named.sort_by_key(|entry| entry.connector.is_ok());
        if let Some(entry) = named.first() {
            return entry.connector.clone().map_err(|error| ConfigError::Folder { name: name.to_owned(), error });
        }
        let known: Vec<String> = self.entries.iter().map(|entry| entry.name.clone()).collect();
        let nearest = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
        Err(ConfigError::UnknownConnector { name: name.to_owned(), nearest, known })
    }
}

impl Entry {
    fn of(name: &str, folder: Result<Folder, FolderError>) -> Self {
        let connector = folder.map(|folder| Arc::new(folder) as Arc<dyn Connector>).map_err(Arc::new);
        Self { name: name.to_owned(), connector }
    }
}

/// The known word that `word` was probably meant to be.
///
/// Also compares with the parts of `known` words, so that `acounts` finds `aws_accounts`.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let score = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        let whole = strsim::jaro_winkler(&word, &candidate);
        let part = candidate.split(['_', '-']).map(|part| strsim::jaro_winkler(&word, part) * 0.95).fold(0.0, f64::max);
        // Of a short word the likeness says little: one letter in three may differ.
        let differ = strsim::osa_distance(&word, &candidate);
        let few = if differ <= 1.max(candidate.chars().count() / 3) { 0.75 } else { 0.0 };
        whole.max(part).max(few)
    };
    known
        .into_iter()
        .map(|candidate| (score(candidate), candidate))
        .filter(|(score, _)| *score >= 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_folders_are_good_and_names_are_unique() {
        let catalog = Catalog::new(&[]);
        let broken: Vec<String> = catalog.broken().map(ToString::to_string).collect();
        assert!(broken.is_empty(), "{broken:#?}");
        for connector in catalog.all() {
            let name = &connector.spec().name;
            assert_eq!(&catalog.find(name).expect("a known name").spec().name, name);
            assert_eq!(catalog.all().filter(|other| other.spec().name == *name).count(), 1);
            assert!(!connector.spec().emits.is_empty(), "{name}");
        }
    }

    #[test]
    fn nearest_finds_typing_errors_and_parts() {
        let keys = ["service", "environment", "aws_accounts", "aws_regions", "resources"];
        assert_eq!(nearest("acounts", keys), Some("aws_accounts"));
        assert_eq!(nearest("enviroment", keys), Some("environment"));
        assert_eq!(nearest("resource", keys), Some("resources"));
        assert_eq!(nearest("region", keys), Some("aws_regions"));
        assert_eq!(nearest("zzz", keys), None);
    }

    #[test]
    fn a_misspelt_name_is_answered_with_the_nearest() {
        let error = Catalog::new(&[]).find("aws-cloudtrial").err().expect("an unknown name");
        assert_eq!(error.hint().as_deref(), Some("did you mean `aws-cloudtrail`?"));
        assert_eq!(nearest("regoins", ["region_list", "regions", "path"]), Some("regions"));
        assert_eq!(nearest("zzz", ["regions", "path"]), None);
    }
}
