//! A trail that signs: log files and digests as CloudTrail makes them, with a key of the test's own.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::hex;

pub(in super::super) const FINGERPRINT: &str = "31e8b5433410dfb61a9dc45cc65b22ff";
const FOLDER: &str = "AWSLogs/111122223333";

/// A folder that a trail delivers to.
pub(in super::super) struct Trail {
    root: PathBuf,
    key: RsaKeyPair,
    /// Of the last digest: key, hash, signature.
    last: Option<(String, String, String)>,
}

impl Trail {
    pub(in super::super) fn new(root: &Path) -> Self {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
        let _: Pkcs8V1Der<'_> = key.as_der().expect("a private key");
        let public = STANDARD.encode(key.public_key().as_ref());
        let list = json!({"PublicKeyList": [{"Value": public, "Fingerprint": FINGERPRINT}]});
        fs::write(root.join("keys.json"), list.to_string()).expect("a file");
        Self { root: root.to_owned(), key, last: None }
    }

    pub(in super::super) fn public(&self) -> Vec<u8> {
        self.key.public_key().as_ref().to_vec()
    }

    /// Delivers a log file of this hour; gives its key.
    pub(in super::super) fn log(&self, hour: u8, name: &str) -> String {
        let key = format!(
            "{FOLDER}/CloudTrail/eu-west-2/2026/11/03/111122223333_CloudTrail_eu-west-2_20261103T{hour:02}10Z_{name}.json.gz"
        );
        let record = json!({"eventID": name, "eventTime": format!("2026-11-03T{hour:02}:05:00Z"), "eventName": "X", "readOnly": false});
        write(&self.root.join(&key), json!({ "Records": [record] }).to_string().as_bytes());
        key
    }

    /// Delivers the digest of the hour before this one.
    pub(in super::super) fn digest(&mut self, hour: u8, logs: &[&String]) -> String {
        let before = self.last.take();
        let (key, signed) = self.make(hour, "", logs, before.as_ref());
        self.last = Some((key.clone(), signed.0, signed.1));
        key
    }

    /// Delivers a digest for files that had missed theirs: a chain of its own.
    pub(in super::super) fn late(&self, hour: u8, logs: &[&String]) -> String {
        self.make(hour, "_backfill", logs, None).0
    }

    fn make(
        &self,
        hour: u8,
        end: &str,
        logs: &[&String],
        before: Option<&(String, String, String)>,
    ) -> (String, (String, String)) {
        let key = format!(
            "{FOLDER}/CloudTrail-Digest/eu-west-2/2026/11/03/111122223333_CloudTrail-Digest_eu-west-2_main_eu-west-2_20261103T{hour:02}0000Z{end}.json.gz"
        );
        let files: Vec<Value> = logs
            .iter()
            .map(|log| {
                let text = inflated(&self.root.join(log));
                json!({"s3Bucket": "trail", "s3Object": log, "hashValue": hex(&Sha256::digest(&text)), "hashAlgorithm": "SHA-256"})
            })
            .collect();
        let end_time = format!("2026-11-03T{hour:02}:00:00Z");
        let digest = json!({
            "awsAccountId": "111122223333", "digestStartTime": format!("2026-11-03T{:02}:00:00Z", hour - 1), "digestEndTime": end_time,
            "digestS3Bucket": "trail", "digestS3Object": key, "digestPublicKeyFingerprint": FINGERPRINT,
            "digestSignatureAlgorithm": "SHA256withRSA",
            "previousDigestS3Bucket": before.map(|_| "trail"), "previousDigestS3Object": before.map(|before| &before.0),
            "previousDigestHashValue": before.map(|before| &before.1), "previousDigestSignature": before.map(|before| &before.2),
            "logFiles": files,
        })
        .to_string();
        let hash = hex(&Sha256::digest(digest.as_bytes()));
        let previous = before.map_or("null", |before| &before.2);
        let signed = format!("{end_time}\ntrail/{key}\n{hash}\n{previous}");
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).expect("a signature");
        write(&self.root.join(&key), digest.as_bytes());
        (key, (hash, hex(&signature)))
    }
}

pub(in super::super) fn write(path: &Path, text: &[u8]) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
    let mut encoder = GzEncoder::new(fs::File::create(path).expect("a file"), Compression::fast());
    encoder.write_all(text).expect("written");
    encoder.finish().expect("written");
}

pub(in super::super) fn inflated(path: &Path) -> Vec<u8> {
    let mut text = Vec::new();
    let file = fs::File::open(path).expect("a file");
    std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(file), &mut text).expect("gzip");
    text
}
