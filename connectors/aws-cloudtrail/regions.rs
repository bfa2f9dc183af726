//! Names of AWS regions: whether one can be right, and which one was meant.
//!
//! The list only serves to suggest. A name that is built as region names are is accepted without being on it, so that
//! a region which opens tomorrow needs no new version.

use crate::catalog::nearest;

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

/// Whether this may be a region: `xx-direction-n`, perhaps with a part of a country or partition between.
pub(super) fn is_plausible(name: &str) -> bool {
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
    fn the_nearest_known_region_is_suggested() {
        assert_eq!(meant("eu-wset-2"), Some("eu-west-2"));
        assert_eq!(meant("eu-west-2"), None);
        assert_eq!(meant("somewhere else"), None);
    }
}
