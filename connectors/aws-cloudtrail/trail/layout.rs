//! Finds the accounts and regions of a trail bucket by listing its folders, level by level.
//!
//! `[prefix/]AWSLogs/[o-…/]ACCOUNT/CloudTrail/REGION/`, in one account's trail without the organisation's id, in an
//! organisation's with it. The surprising fact: Control Tower puts the organisation's id before `AWSLogs/` as well, and
//! some old trails leave it out, so nothing is ever built from the configuration.

use futures::{StreamExt, TryStreamExt, stream};

use super::bucket::Bucket;
use crate::Error;

/// The folder of an account that holds log files.
pub(super) const LOGS: &str = "CloudTrail";
/// Folders above `AWSLogs/`, below the prefix, that are looked into.
const ABOVE: usize = 3;
/// Folders of one level above `AWSLogs/`; more are no trail's.
const WIDE: usize = 100;
/// Folders that are listed at the same time.
const AT_ONCE: usize = 16;

/// Where a folder stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Above `AWSLogs/`.
    Above,
    /// Its folders are organisations or accounts.
    Accounts,
    /// An account.
    Account,
    /// Its folders are regions.
    Regions,
    /// A region: log files lie below.
    Region,
    /// Nothing of a trail.
    Elsewhere,
}

/// The folders of all regions, each ending in `/`; `kind` is the folder of an account that counts.
pub(super) async fn folders(bucket: &Bucket, prefix: &str, kind: &str) -> Result<Vec<String>, Error> {
    let (mut level, mut found) = (vec![prefix.to_owned()], Vec::new());
    let depth = prefix.matches('/').count();
    while !level.is_empty() {
        let mut next = Vec::new();
        let mut ask = Vec::new();
        for folder in level {
            match place(&folder, kind) {
                Place::Region => found.push(folder),
                Place::Account => ask.push(format!("{folder}{kind}/")),
                Place::Above if folder.matches('/').count() > depth + ABOVE => {}
                Place::Above | Place::Accounts | Place::Regions => ask.push(folder),
                Place::Elsewhere => {}
            }
        }
        let mut answers = stream::iter(ask).map(|folder| bucket.folders(folder)).buffer_unordered(AT_ONCE);
        while let Some((folder, inside)) = answers.try_next().await? {
            next.extend(worth_a_look(place(&folder, kind), inside));
        }
        level = next;
    }
    found.sort_unstable();
    Ok(found)
}

/// Above `AWSLogs/` anything may lie; beside it only an organisation's folder is one of a trail.
fn worth_a_look(place: Place, mut inside: Vec<String>) -> Vec<String> {
    if place == Place::Above {
        if inside.iter().any(|folder| last(folder) == "AWSLogs") {
            inside.retain(|folder| last(folder) == "AWSLogs" || is_organisation(last(folder)));
        } else if inside.len() > WIDE {
            tracing::warn!(
                folders = inside.len(),
                "too many folders to look for a trail in all; `prefix` names its place"
            );
            inside.clear();
        }
    }
    inside
}

fn last(folder: &str) -> &str {
    folder.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

fn place(folder: &str, kind: &str) -> Place {
    let parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    let Some(at) = parts.iter().rposition(|part| *part == "AWSLogs") else { return Place::Above };
    let rest = match &parts[at + 1..] {
        [first, rest @ ..] if is_organisation(first) => rest,
        rest => rest,
    };
    match rest {
        [] => Place::Accounts,
        [account] if is_account(account) => Place::Account,
        [account, name] if is_account(account) && *name == kind => Place::Regions,
        [account, name, region] if is_account(account) && *name == kind && is_region(region) => Place::Region,
        _ => Place::Elsewhere,
    }
}

fn is_organisation(name: &str) -> bool {
    let letters = |rest: &str| (10..=32).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_alphanumeric());
    name.strip_prefix("o-").is_some_and(letters)
}

fn is_account(name: &str) -> bool {
    name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_digit())
}

/// As it is spelt, not one that is known: regions open all the time.
fn is_region(name: &str) -> bool {
    name.contains('-') && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_follow_from_the_path() {
        let of = |folder: &str| place(folder, LOGS);
        for folder in ["", "org-trail/", "o-abcdefghij/", "logs/cloudtrail/"] {
            assert_eq!(of(folder), Place::Above, "{folder}");
        }
        for above in ["", "org-trail/", "o-abcdefghij/"] {
            for organisation in ["", "o-abcdefghij/"] {
                let root = format!("{above}AWSLogs/{organisation}");
                assert_eq!(of(&root), Place::Accounts, "{root}");
                assert_eq!(of(&format!("{root}111122223333/")), Place::Account);
                assert_eq!(of(&format!("{root}111122223333/CloudTrail/")), Place::Regions);
                assert_eq!(of(&format!("{root}111122223333/CloudTrail/us-gov-west-1/")), Place::Region);
                assert_eq!(of(&format!("{root}111122223333/CloudTrail-Digest/eu-west-2/")), Place::Elsewhere);
                assert_eq!(of(&format!("{root}111122223333/Config/eu-west-2/")), Place::Elsewhere);
                assert_eq!(of(&format!("{root}elsewhere/")), Place::Elsewhere);
            }
        }
    }
}
