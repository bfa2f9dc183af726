//! CloudTrail's own proof: hourly digest files that vouch for the log files, each signed and naming the one before.
//!
//! What is found is handed over as facts; whether it is a fault is judged in SQL (`queries/reconcile/`). The surprising
//! fact: a digest's signature is not in it, but in the object's metadata, which a copy loses, and in the next digest.
//! So of a copied bucket every digest can be checked but the newest.
//!
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html>

pub(super) mod check;
pub(super) mod keys;

use std::io::Read;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use self::keys::Keys;
use crate::files::{Content, Hashing};
use crate::{Signature, hex};

/// The folder of an account that holds digests.
pub(super) const DIGESTS: &str = "CloudTrail-Digest";
/// Bytes that a digest may inflate to: one of a busy hour lists some thousand files.
const LARGEST: u64 = 64 * 1024 * 1024;
/// Bytes that a log file may inflate to, as when it is read.
pub(super) const LARGEST_LOG: u64 = 4 * 1024 * 1024 * 1024;

/// What a digest file says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Digest {
    #[serde(rename = "digestStartTime")]
    pub(super) starts_at: Option<String>,
    /// As it is spelt, because it is signed so.
    #[serde(rename = "digestEndTime")]
    pub(super) ends_at: String,
    #[serde(rename = "digestS3Bucket")]
    pub(super) bucket: String,
    #[serde(rename = "digestS3Object")]
    pub(super) key: String,
    #[serde(rename = "digestPublicKeyFingerprint")]
    pub(super) fingerprint: String,
    #[serde(default)]
    pub(super) previous_digest_s3_object: Option<String>,
    #[serde(default)]
    pub(super) previous_digest_hash_value: Option<String>,
    #[serde(default)]
    pub(super) previous_digest_signature: Option<String>,
    #[serde(default)]
    pub(super) log_files: Vec<LogFile>,
    /// SHA-256 of its bytes, inflated.
    #[serde(skip)]
    pub(super) hash: String,
}

/// A log file that a digest vouches for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogFile {
    pub(super) s3_object: String,
    pub(super) hash_value: String,
}

impl Digest {
    /// Reads a digest file, compressed or not.
    pub(super) fn read(input: impl Read) -> Result<Self, String> {
        let mut bytes = Vec::new();
        let content = Content::new(input, LARGEST).map_err(|error| error.to_string())?;
        content.take(LARGEST).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        let mut digest: Self = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        digest.hash = hex(&Sha256::digest(&bytes));
        Ok(digest)
    }

    /// Whether the signature is one of CloudTrail's over this digest.
    pub(super) fn check(&self, signature: Option<&str>, keys: &Keys) -> Signature {
        let Some(signature) = signature else { return Signature::NotKnown };
        let Some(key) = keys.of(&self.fingerprint) else { return Signature::NoKey };
        let is_good = bytes_of(signature).is_some_and(|signature| keys::verifies(key, &self.signed(), &signature));
        if is_good { Signature::Good } else { Signature::Bad }
    }

    /// What was signed.
    fn signed(&self) -> String {
        format!(
            "{}\n{}/{}\n{}\n{}",
            self.ends_at,
            self.bucket,
            self.key,
            self.hash,
            self.previous_digest_signature.as_deref().unwrap_or("null")
        )
    }
}

/// SHA-256 of a log file, inflated; why not, if it cannot be read.
pub(super) fn hash_of(input: impl Read) -> Result<String, String> {
    let content = Content::new(input, LARGEST_LOG).map_err(|error| error.to_string())?;
    match Hashing::new(content).finish() {
        (_, hash, None) => Ok(hash),
        (_, _, Some(error)) => Err(error.to_string()),
    }
}

/// The bytes of a text in hex.
fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    hex.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
pub(super) mod signed;
#[cfg(test)]
mod tests;
