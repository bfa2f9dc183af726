//! Which regions a source asks: those that it names, or all that are enabled.
//!
//! The list of names only serves to suggest. A name that is built as region names are is accepted without being on it, so
//! that a region which opens tomorrow needs no new version. The surprising fact: services without a region (IAM,
//! `CloudFront`, most sign-ins) are recorded in one region of each partition, whichever of the others are used.

use crate::ConfigError;
use crate::catalog::nearest;
use crate::params::Params;

const KNOWN: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

const DIRECTIONS: &[&str] =
    &["central", "east", "north", "northeast", "northwest", "south", "southeast", "southwest", "west"];

/// The regions that a source reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Regions {
    /// These, and no other.
    Named(Vec<String>),
    /// Those that each account has enabled, asked for at every run.
    All,
}

impl Regions {
    /// An emulator may name its regions as it likes.
    pub(super) fn configure(params: &Params<'_>, is_emulator: bool) -> Result<Self, ConfigError> {
        let names = params.strings("regions")?;
        if names.is_empty() {
            return Err(params.missing_one_of(&["path", "bucket", "regions"]));
        }
        if names == ["all"] {
            return Ok(Self::All);
        }
        for name in &names {
            if name == "all" {
                return Err(params.bad("regions", "`all` cannot be given together with other regions"));
            }
            if !is_emulator && !is_plausible(name) {
                let meant = meant(name).map(|meant| format!(", did you mean `{meant}`?"));
                return Err(params.bad("regions", format!("`{name}` is no region{}", meant.unwrap_or_default())));
            }
        }
        Ok(Self::Named(names))
    }
}

/// Where services without a region are recorded, in the partition of a region.
pub(super) fn home_of(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "cn-north-1"
    } else if region.starts_with("us-gov-") {
        "us-gov-west-1"
    } else if region.starts_with("eusc-") {
        "eusc-de-east-1"
    } else {
        "us-east-1"
    }
}

/// Whether this may be a region: `xx-direction-n`, perhaps with a part of a country or partition between.
fn is_plausible(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let [area, .., direction, number] = parts.as_slice() else { return false };
    KNOWN.contains(&name)
        || (parts.len() <= 4
            && (2..=4).contains(&area.len())
            && area.bytes().all(|byte| byte.is_ascii_lowercase())
            && parts.len() >= 3
            && DIRECTIONS.contains(direction)
            && number.parse::<u8>().is_ok())
}

/// The region that was probably meant; `None` if the name is known.
pub(super) fn meant(name: &str) -> Option<&'static str> {
    if KNOWN.contains(&name) { None } else { nearest(name, KNOWN.iter().copied()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_and_new_regions_are_plausible_and_misspelt_ones_are_not() {
        for name in KNOWN.iter().chain(&["eu-west-9", "us-iso-east-1"]) {
            assert!(is_plausible(name), "{name}");
        }
        for name in ["", "eu", "eu-wset-2", "eu-west", "EU-west-2", "eu-west-two", "london", "-west-2"] {
            assert!(!is_plausible(name), "{name}");
        }
    }

    #[test]
    fn services_without_a_region_are_recorded_in_one_of_each_partition() {
        for (region, home) in [
            ("eu-west-2", "us-east-1"),
            ("us-gov-east-1", "us-gov-west-1"),
            ("cn-northwest-1", "cn-north-1"),
            ("us-west-1", "us-east-1"),
        ] {
            assert_eq!(home_of(region), home);
            assert!(KNOWN.contains(&home));
        }
    }

    #[test]
    fn the_nearest_known_region_is_suggested() {
        assert_eq!(meant("eu-wset-2"), Some("eu-west-2"));
        assert_eq!(meant("eu-west-2"), None);
        assert_eq!(meant("somewhere else"), None);
    }
}
