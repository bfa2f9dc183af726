//! A trail's bucket in an AWS on this machine, with digests that are really signed: what was done to it shows.

use std::io::Write;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use aws_sdk_s3::Client;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use changetrail_connectors::hex;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;

use crate::support::emulator::Emulator;
use crate::support::place::with_credentials;
use crate::support::{Output, Place};

const NAME: &str = "111122223333_CloudTrail";
const FINGERPRINT: &str = "31e8b5433410dfb61a9dc45cc65b22ff";

/// A trail that delivers to the bucket `trail`, and signs.
struct Trail {
    runtime: Runtime,
    s3: Client,
    key: RsaKeyPair,
    hour: Timestamp,
}

/// A log file: its key and its content.
type Log = (String, String);
/// A digest: its key, its hash and its signature.
type Signed = (String, String, String);

impl Trail {
    fn new(emulator: &Emulator) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let s3 = emulator.s3();
        let place = aws_sdk_s3::types::CreateBucketConfiguration::builder()
            .location_constraint(aws_sdk_s3::types::BucketLocationConstraint::EuWest2)
            .build();
        let made = s3.create_bucket().bucket("trail").create_bucket_configuration(place).send();
        runtime.block_on(made).expect("a bucket");
        let now = Timestamp::now().as_second();
        let hour = Timestamp::from_second(now - now.rem_euclid(3_600)).expect("a time");
        Self { runtime, s3, key: RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"), hour }
    }

    /// The answer of `aws cloudtrail list-public-keys`.
    fn keys(&self) -> String {
        let public = STANDARD.encode(self.key.public_key().as_ref());
        json!({"PublicKeyList": [{"Value": public, "Fingerprint": FINGERPRINT}]}).to_string()
    }

    fn before(&self, hours: i64) -> Timestamp {
        self.hour - SignedDuration::from_hours(hours)
    }

    fn put(&self, key: &str, text: &str, signature: Option<&str>) {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).expect("memory");
        let body = encoder.finish().expect("memory");
        let put = self.s3.put_object().bucket("trail").key(key).body(body.into());
        let put = signature.into_iter().fold(put, |put, signature| put.metadata("signature", signature));
        self.runtime.block_on(put.send()).expect("a put");
    }

    fn delete(&self, log: &Log) {
        self.runtime.block_on(self.s3.delete_object().bucket("trail").key(&log.0).send()).expect("deleted");
    }

    /// Delivers a log file ten minutes into an hour.
    fn log(&self, hours: i64, name: &str) -> Log {
        let at = self.before(hours) + SignedDuration::from_mins(10);
        let folder = at.strftime("AWSLogs/111122223333/CloudTrail/eu-west-2/%Y/%m/%d");
        let key = format!("{folder}/{NAME}_eu-west-2_{}_{name}.json.gz", at.strftime("%Y%m%dT%H%MZ"));
        let record = json!({"eventID": name, "eventTime": at.to_string(), "eventName": "X", "readOnly": false});
        let text = json!({ "Records": [record] }).to_string();
        self.put(&key, &text, None);
        (key, text)
    }

    /// Delivers the digest of the hour that ended so many hours ago.
    fn digest(&self, hours: i64, kind: &str, logs: &[&Log], before: Option<&Signed>) -> Signed {
        let end = self.before(hours);
        let folder = end.strftime("AWSLogs/111122223333/CloudTrail-Digest/eu-west-2/%Y/%m/%d");
        let name = format!("{NAME}-Digest_eu-west-2_main_eu-west-2_{}{kind}", end.strftime("%Y%m%dT%H%M%SZ"));
        let key = format!("{folder}/{name}.json.gz");
        let files: Vec<Value> = logs
            .iter()
            .map(|(key, text)| json!({"s3Bucket": "trail", "s3Object": key, "hashValue": hex(&Sha256::digest(text))}))
            .collect();
        let digest = json!({
            "digestStartTime": self.before(hours + 1).to_string(), "digestEndTime": end.to_string(),
            "digestS3Bucket": "trail", "digestS3Object": key, "digestPublicKeyFingerprint": FINGERPRINT,
            "previousDigestS3Object": before.map(|before| &before.0),
            "previousDigestHashValue": before.map(|before| &before.1),
            "previousDigestSignature": before.map(|before| &before.2), "logFiles": files,
        })
        .to_string();
        let hash = hex(&Sha256::digest(&digest));
        let signed = format!("{end}\ntrail/{key}\n{hash}\n{}", before.map_or("null", |before| &before.2));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).expect("a signature");
        self.put(&key, &digest, Some(&hex(&signature)));
        (key, hash, hex(&signature))
    }
}

fn validate(place: &Place) -> Vec<String> {
    let output = Output::of(with_credentials(&mut place.command(&["collect", "--validate"])));
    assert_eq!(output.code, Some(0), "{output}");
    place.ran(0, &["reconcile"]);
    let open = "select summary from finding where control = 'log-integrity' and status = 'open' order by 1";
    place.query(open).rows.into_iter().map(|row| row[0].clone()).collect()
}

#[test]
fn what_was_done_to_a_bucket_shows_in_its_digests() {
    let Some(emulator) = Emulator::start() else { return };
    let trail = Trail::new(&emulator);
    let (whole, late) = (trail.log(5, "whole"), trail.log(5, "late"));
    let (altered, missing) = (trail.log(4, "altered"), trail.log(4, "missing"));
    let first = trail.digest(4, "", &[&whole], None);
    let second = trail.digest(3, "", &[&altered, &missing], Some(&first));
    let third = trail.digest(2, "", &[], Some(&second));
    trail.digest(1, "", &[], Some(&third));
    trail.digest(2, "_backfill", &[&late], None);

    let url = emulator.url();
    let place = Place::new(&format!(
        "[[source]]\nname = \"aws\"\nconnector = \"aws-cloudtrail\"\nbucket = \"trail\"\nendpoint_url = \"{url}\"\npublic_keys = \"keys.json\"\n"
    ));
    place.write("keys.json", trail.keys());
    assert!(validate(&place).is_empty());
    assert!(place.ran(0, &["verify"]).stdout.contains("digests 5"));

    trail.put(&altered.0, &altered.1.replace("altered", "another"), None);
    trail.delete(&missing);
    trail.delete(&late);
    trail.log(4, "added");
    trail.put(&third.0, "{}", Some(&third.2));
    let findings = validate(&place).join("\n");
    for fault in [
        "1 × log file altered",
        "1 × log file missing",
        "1 × log file that no digest vouches for",
        "1 × digest cannot be used",
        "late.json.gz",
        "added.json.gz",
    ] {
        assert!(findings.contains(fault), "{fault}: {findings}");
    }
    let faults = place.ran(1, &["verify"]).stdout;
    for log in [&altered.0, &missing.0, &late.0] {
        assert!(faults.contains(log.as_str()), "{log}: {faults}");
    }
}

#[test]
fn digests_that_end_before_the_logs_do_are_told() {
    let Some(emulator) = Emulator::start() else { return };
    let trail = Trail::new(&emulator);
    let first = trail.digest(5, "", &[&trail.log(6, "whole")], None);
    trail.log(4, "later");
    let place = Place::new(&format!(
        "[[source]]\nname = \"aws\"\nconnector = \"aws-cloudtrail\"\nbucket = \"trail\"\nendpoint_url = \"{}\"\npublic_keys = \"keys.json\"\n",
        emulator.url()
    ));
    place.write("keys.json", trail.keys());
    // The next digest may be on its way.
    assert!(validate(&place).is_empty());
    let last = trail.log(1, "last");
    let told = |findings: Vec<String>| {
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert!(finding.contains("1 × no later digest, but later log files"), "{finding}");
    };
    told(validate(&place));
    assert!(place.ran(1, &["verify"]).stdout.contains("the last of 2 was delivered at "));
    // Where no digest is at all.
    let elsewhere = last.0.replace("eu-west-2", "eu-west-1");
    trail.put(&elsewhere, &last.1, None);
    let faults = validate(&place).join("\n");
    assert!(faults.contains("no digest, but log files") && faults.contains("CloudTrail_eu-west-1"), "{faults}");

    // A digest that comes at last ends it.
    let second = trail.digest(4, "", &[], Some(&first));
    trail.digest(3, "", &[], Some(&second));
    assert_eq!(validate(&place).len(), 1);
}

#[test]
fn where_nothing_vouches_for_the_logs_that_is_said() {
    let place = Place::new("[[source]]\nname = \"aws\"\nconnector = \"aws-cloudtrail\"\npath = \"trail\"\n");
    place.write("trail/one.json", r#"{"Records": []}"#);
    place.ran(0, &["collect"]);
    place.ran(2, &["collect", "--validate"]).says(&[
        "there is no digest in ",
        "nothing vouches",
        "log file validation",
    ]);
}

#[test]
fn digests_that_somebody_else_signed_prove_nothing() {
    let Some(emulator) = Emulator::start() else { return };
    let trail = Trail::new(&emulator);
    let log = trail.log(4, "a");
    trail.digest(3, "", &[&log], None);
    let place = Place::new(&format!(
        "[[source]]\nname = \"aws\"\nconnector = \"aws-cloudtrail\"\nbucket = \"trail\"\nendpoint_url = \"{}\"\npublic_keys = \"keys.json\"\n",
        emulator.url()
    ));
    let another = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
    place.write("keys.json", Trail { key: another, ..trail }.keys());
    assert!(validate(&place)[0].contains("1 × digest not signed by CloudTrail"));
}
