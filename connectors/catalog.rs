//! The connectors that are built in: one slice, from which everything else is derived.

use crate::{ConfigError, Connector, aws_cloudtrail, azure_activity_log, release_log};

const ALL: &[&'static dyn Connector] =
    &[&aws_cloudtrail::AwsCloudTrail, &azure_activity_log::AzureActivityLog, &release_log::ReleaseLog];

/// Every built-in connector, in the order in which people are shown them.
#[must_use]
pub fn all() -> &'static [&'static dyn Connector] {
    ALL
}

/// The connector of that name.
///
/// # Errors
/// There is none; the error names the one that looks most like it.
pub fn find(name: &str) -> Result<&'static dyn Connector, ConfigError> {
    if let Some(found) = ALL.iter().find(|connector| connector.spec().name == name) {
        return Ok(*found);
    }
    let known: Vec<String> = ALL.iter().map(|connector| connector.spec().name.clone()).collect();
    let nearest = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
    Err(ConfigError::UnknownConnector { name: name.to_owned(), nearest, known })
}

/// The candidate that `word` was probably meant to be: at most one letter in three differs.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1.max(candidate.chars().count() / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for connector in all() {
            let name = &connector.spec().name;
            assert_eq!(&find(name).expect("a known name").spec().name, name);
            assert_eq!(all().iter().filter(|other| other.spec().name == *name).count(), 1);
        }
    }

    #[test]
    fn a_misspelt_name_is_answered_with_the_nearest() {
        let error = find("aws-cloudtrial").err().expect("an unknown name");
        assert_eq!(error.hint().as_deref(), Some("did you mean `aws-cloudtrail`?"));
        assert_eq!(nearest("regoins", ["region_list", "regions", "path"]), Some("regions"));
        assert_eq!(nearest("zzz", ["regions", "path"]), None);
    }

    #[test]
    fn every_emitted_relation_has_a_statement() {
        for connector in all() {
            assert!(!connector.spec().emits.is_empty(), "{}", connector.spec().name);
        }
    }
}
