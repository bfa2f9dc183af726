//! CloudTrail's public keys: asked for in each region, or from a file that `aws cloudtrail list-public-keys` wrote.

use std::collections::HashMap;
use std::path::Path;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use aws_sdk_cloudtrail::primitives::DateTime;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;

use super::super::explain::Context;
use crate::Error;

/// How often a request is made before it has failed: the SDK's own.
const ATTEMPTS: u32 = 3;

/// Keys by fingerprint, each the DER of an RSA key.
#[derive(Debug, Default)]
pub(in super::super) struct Keys(HashMap<String, Vec<u8>>);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct File {
    public_key_list: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    value: String,
    fingerprint: String,
}

impl Keys {
    /// Those of a file.
    pub(in super::super) fn of_file(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read(path).map_err(|source| Error::Io { action: "read", path: path.to_owned(), source })?;
        let bad = |source: Box<dyn std::error::Error + Send + Sync>| Error::Decode {
            what: format!("{} as the answer of `aws cloudtrail list-public-keys`", path.display()),
            source,
        };
        let file: File = serde_json::from_slice(&text).map_err(|error| bad(error.into()))?;
        let mut keys = HashMap::new();
        for entry in file.public_key_list {
            keys.insert(entry.fingerprint, STANDARD.decode(entry.value).map_err(|error| bad(error.into()))?);
        }
        Ok(Self(keys))
    }

    /// Those that a region signed with in this time.
    pub(in super::super) async fn of_region(
        client: &aws_sdk_cloudtrail::Client,
        region: &str,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<Self, Error> {
        let target = format!("the public keys of CloudTrail in {region}");
        let context = Context { target, region: region.to_owned(), role: None };
        let (mut keys, mut token) = (HashMap::new(), None);
        loop {
            let time = |time: Timestamp| DateTime::from_secs(time.as_second());
            let request = client.list_public_keys().start_time(time(start)).end_time(time(end));
            let answer = request.set_next_token(token.clone()).send().await;
            let answer =
                answer.map_err(|error| context.explain("cloudtrail:ListPublicKeys", error).into_error(ATTEMPTS))?;
            for key in answer.public_key_list.unwrap_or_default() {
                if let (Some(fingerprint), Some(value)) = (key.fingerprint, key.value) {
                    keys.insert(fingerprint, value.into_inner());
                }
            }
            match answer.next_token.filter(|next| !next.is_empty()) {
                Some(next) if token.as_ref() != Some(&next) => token = Some(next),
                Some(_) => return Err(context.bad("the same next page was named twice".into())),
                None => return Ok(Self(keys)),
            }
        }
    }

    pub(super) fn of(&self, fingerprint: &str) -> Option<&[u8]> {
        self.0.get(fingerprint).map(Vec::as_slice)
    }

    #[cfg(test)]
    pub(in super::super) fn one(fingerprint: &str, key: &[u8]) -> Self {
        Self(HashMap::from([(fingerprint.to_owned(), key.to_owned())]))
    }
}

/// RSA PKCS#1 v1.5 with SHA-256, the only way in which CloudTrail signs.
pub(super) fn verifies(key: &[u8], text: &str, signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key).verify(text.as_bytes(), signature).is_ok()
}
