//! Holds log files against the digests that vouch for them, chain by chain.
//!
//! Works on a thread that may wait, the same for a bucket and for a copy of one. The surprising fact: one folder may hold
//! several chains, because each trail that delivers to a bucket has its own, and digests that CloudTrail made later, for
//! files that had missed theirs (`_backfill`), are one more.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use super::keys::Keys;
use super::{Digest, hash_of};
use crate::{Error, Proof, Sink, Unit, Vouched};

/// Where digests and log files lie.
pub(in super::super) trait Place: Send + Sync {
    /// The content of a file; `None` if it is not there.
    fn open(&self, key: &str) -> Result<Option<Box<dyn Read>>, Error>;

    /// The signature of a digest, where it is kept beside it.
    fn signature(&self, key: &str) -> Result<Option<String>, Error>;
}

/// A digest that waits for the next one, which has its signature.
struct Waiting {
    key: String,
    digest: Digest,
    proof: Proof,
}

/// The digests among these files by chain, each oldest first.
pub(in super::super) fn chains(keys: impl IntoIterator<Item = String>) -> BTreeMap<String, Vec<String>> {
    let mut chains: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for key in keys {
        if let Some(chain) = chain_of(&key) {
            chains.entry(chain).or_default().push(key);
        }
    }
    for digests in chains.values_mut() {
        // By the time in the name; the folders before it are those of its day.
        digests.sort_unstable();
    }
    chains
}

/// `…/CloudTrail-Digest/REGION/yyyy/mm/dd/ACCOUNT_CloudTrail-Digest_REGION_TRAIL_HOME_yyyymmddThhmmssZ[_backfill].json.gz`
/// without what differs from hour to hour.
fn chain_of(key: &str) -> Option<String> {
    let (folder, name) = key.rsplit_once('/').unwrap_or(("", key));
    let above = match folder.split_once("CloudTrail-Digest/") {
        Some((above, _)) => above,
        None if name.contains("_CloudTrail-Digest_") => folder,
        None => return None,
    };
    let stem = name.split_once(".json").map_or(name, |(stem, _)| stem);
    let (stem, late) = stem.strip_suffix("_backfill").map_or((stem, ""), |stem| (stem, "_backfill"));
    let trail = stem.rsplit_once('_').map_or(stem, |(trail, _)| trail);
    Some(format!("{above}{trail}{late}"))
}

/// Checks the digests of one chain, given oldest first.
pub(in super::super) fn chain(
    place: &Arc<dyn Place>,
    stream: &str,
    keys: &Keys,
    digests: &[String],
    sink: &Sink,
) -> Result<(), Error> {
    let mut waiting: Option<Waiting> = None;
    for key in digests {
        let Some(input) = place.open(key)? else { continue };
        let digest = match Digest::read(input) {
            Ok(digest) => digest,
            Err(error) => {
                let proof =
                    Proof { stream: stream.to_owned(), key: key.clone(), problem: Some(error), ..Proof::default() };
                hand_over(waiting.take(), None, keys, sink)?;
                sink.send_blocking(unit(key, proof))?;
                continue;
            }
        };
        hand_over(waiting.take(), Some(&digest), keys, sink)?;
        let proof = proof(place, stream, key, &digest)?;
        waiting = Some(Waiting { key: key.clone(), digest, proof });
    }
    hand_over(waiting, None, keys, sink)
}

/// Checks a digest's signature, its own or the one that the next digest states, and hands it over.
fn hand_over(waiting: Option<Waiting>, next: Option<&Digest>, keys: &Keys, sink: &Sink) -> Result<(), Error> {
    let Some(Waiting { key, digest, mut proof }) = waiting else { return Ok(()) };
    let told = next.filter(|next| next.previous_digest_s3_object.as_ref() == Some(&digest.key));
    let stated = told.and_then(|next| next.previous_digest_signature.clone());
    proof.signature_text = proof.signature_text.or(stated);
    proof.signature = digest.check(proof.signature_text.as_deref(), keys);
    sink.send_blocking(unit(&key, proof))
}

/// What the digest says, and what lies there.
fn proof(place: &Arc<dyn Place>, stream: &str, key: &str, digest: &Digest) -> Result<Proof, Error> {
    let local = Local::between(key, &digest.key);
    let mut files = Vec::with_capacity(digest.log_files.len());
    for file in &digest.log_files {
        let found = match &local {
            Some(local) => place.open(&local.key(&file.s3_object))?,
            None => None,
        };
        // What cannot be read is there, but is not what was vouched for.
        let found = found.map(|input| hash_of(input).unwrap_or_else(|error| format!("unreadable: {error}")));
        files.push(Vouched { key: file.s3_object.clone(), expected: file.hash_value.clone(), found });
    }
    Ok(Proof {
        stream: stream.to_owned(),
        key: digest.key.clone(),
        starts_at: digest.starts_at.clone(),
        ends_at: Some(digest.ends_at.clone()),
        hash: digest.hash.clone(),
        signature_text: place.signature(key)?,
        previous_key: digest.previous_digest_s3_object.clone(),
        previous_hash: digest.previous_digest_hash_value.clone(),
        previous_signature: digest.previous_digest_signature.clone(),
        problem: local.is_none().then(|| format!("it says that it lies at {}", digest.key)),
        files,
        ..Proof::default()
    })
}

fn unit(key: &str, proof: Proof) -> Unit {
    // A name of its own: the file itself is a unit too, counted when the folder is read.
    Unit { key: format!("digest:{key}"), last: true, proof: Some(Box::new(proof)), ..Unit::default() }
}

/// How names here and names in the bucket go together: a copy may lie deeper, or leave out what is above.
enum Local {
    Deeper(String),
    Cut(String),
}

impl Local {
    fn between(here: &str, there: &str) -> Option<Self> {
        if let Some(above) = here.strip_suffix(there) {
            return Some(Self::Deeper(above.to_owned()));
        }
        there.strip_suffix(here).map(|above| Self::Cut(above.to_owned()))
    }

    fn key(&self, there: &str) -> String {
        match self {
            Self::Deeper(above) => format!("{above}{there}"),
            Self::Cut(above) => there.strip_prefix(above.as_str()).unwrap_or(there).to_owned(),
        }
    }
}
