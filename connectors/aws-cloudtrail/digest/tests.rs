use std::fs;
use std::path::Path;

use super::signed::{FINGERPRINT, Trail, inflated, write};
use super::*;
use crate::aws_cloudtrail::AwsCloudTrail;
use crate::testing::{collect_by, collector, run_at};
use crate::{Proof, Sink};

/// What is found of a folder, oldest digest first.
async fn proofs(root: &Path, params: &str) -> Vec<Proof> {
    let collector = collector(&AwsCloudTrail, root, params);
    let run = run_at("2026-11-03T12:00:00Z");
    let (units, result) = collect_by(async |sink: Sink| collector.validate(&run, &sink).await).await;
    result.expect("a folder that can be read");
    units.into_iter().map(|unit| *unit.proof.expect("a proof")).collect()
}

const WITH_KEYS: &str = "path = '.'\npublic_keys = 'keys.json'";

#[tokio::test]
async fn a_chain_that_nobody_touched_holds() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut trail = Trail::new(folder.path());
    let (a, b, c) = (trail.log(9, "a"), trail.log(9, "b"), trail.log(10, "c"));
    let first = trail.digest(9, &[]);
    let second = trail.digest(10, &[&a, &b]);
    trail.digest(11, &[&c]);
    let late = trail.log(9, "late");
    trail.late(12, &[&late]);
    let proofs = proofs(folder.path(), WITH_KEYS).await;
    let signatures: Vec<Signature> = proofs.iter().map(|proof| proof.signature).collect();
    // A copy has lost the newest one's.
    assert_eq!(signatures, [Signature::Good, Signature::Good, Signature::NotKnown, Signature::NotKnown]);
    assert!(proofs.iter().all(|proof| proof.problem.is_none()));
    assert!(proofs.iter().flat_map(|proof| &proof.files).all(|file| file.found.as_ref() == Some(&file.expected)));
    assert_eq!(proofs.iter().map(|proof| proof.files.len()).collect::<Vec<_>>(), [0, 2, 1, 1]);
    assert_eq!((&proofs[1].key, proofs[1].previous_key.as_ref()), (&second, Some(&first)));
    assert_eq!(proofs[1].previous_hash.as_ref(), Some(&proofs[0].hash));
    assert!(proofs[3].stream.ends_with("_backfill") && proofs[3].stream != proofs[2].stream);
}

#[tokio::test]
async fn what_is_missing_or_altered_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut trail = Trail::new(folder.path());
    let logs: Vec<String> = ["gone", "edited", "broken", "whole"].iter().map(|name| trail.log(9, name)).collect();
    let logs: Vec<&String> = logs.iter().collect();
    let digest = trail.digest(10, &logs);
    trail.digest(11, &[]);
    fs::remove_file(folder.path().join(logs[0])).expect("a file");
    write(&folder.path().join(logs[1]), b"{\"Records\":[]}");
    fs::write(folder.path().join(logs[2]), b"\x1f\x8bbroken").expect("a file");
    let of =
        |proofs: &[Proof]| -> Vec<Option<String>> { proofs[0].files.iter().map(|file| file.found.clone()).collect() };
    let found = proofs(folder.path(), WITH_KEYS).await;
    assert_eq!(found[0].signature, Signature::Good);
    let files = of(&found);
    assert!(files[0].is_none() && files[1].is_some() && files[1].as_ref() != Some(&found[0].files[1].expected));
    assert!(files[2].as_ref().expect("a reason").starts_with("unreadable"), "{files:?}");
    assert_eq!(files[3].as_ref(), Some(&found[0].files[3].expected));

    // A digest that is made to fit is no longer what was signed.
    let path = folder.path().join(&digest);
    let text = String::from_utf8(inflated(&path)).expect("UTF-8");
    write(&path, text.replace(&found[0].files[1].expected, &"0".repeat(64)).as_bytes());
    assert_eq!(proofs(folder.path(), WITH_KEYS).await[0].signature, Signature::Bad);
    // Without keys nothing is said of signatures.
    assert_eq!(proofs(folder.path(), "path = '.'").await[0].signature, Signature::NoKey);
    // What is no digest says so, and the next is checked all the same.
    fs::write(&path, b"no digest").expect("a file");
    let found = proofs(folder.path(), WITH_KEYS).await;
    assert!(found[0].problem.is_some() && found.len() == 2, "{found:?}");
}

#[tokio::test]
async fn a_copy_may_lie_deeper_or_begin_below() {
    for (moved, path) in [("copies/2026", "."), ("", "AWSLogs")] {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join(moved);
        fs::create_dir_all(&root).expect("folders");
        let mut trail = Trail::new(&root);
        let log = trail.log(9, "a");
        trail.digest(10, &[&log]);
        let found = proofs(folder.path(), &format!("path = '{path}'")).await;
        assert!(found[0].problem.is_none(), "{found:?}");
        assert_eq!(found[0].files[0].found.as_ref(), Some(&found[0].files[0].expected), "{moved} {path}");
    }
    // One that lies elsewhere than it says proves nothing.
    let folder = tempfile::tempdir().expect("a folder");
    let mut trail = Trail::new(folder.path());
    let digest = trail.digest(10, &[]);
    let elsewhere = digest.replace("111122223333/", "444455556666/");
    fs::create_dir_all(folder.path().join(&elsewhere).parent().expect("a parent")).expect("folders");
    fs::rename(folder.path().join(&digest), folder.path().join(&elsewhere)).expect("moved");
    assert!(proofs(folder.path(), WITH_KEYS).await[0].problem.as_ref().expect("a problem").contains(&digest));
}

#[tokio::test]
async fn a_digest_names_nothing_outside_the_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("secret"), "secret").expect("a file");
    let root = folder.path().join("trail");
    fs::create_dir_all(&root).expect("a folder");
    let mut trail = Trail::new(&root);
    let digest = root.join(trail.digest(10, &[]));
    let text = String::from_utf8(inflated(&digest)).expect("UTF-8");
    write(
        &digest,
        text.replace("\"logFiles\":[]", "\"logFiles\":[{\"s3Object\":\"../secret\",\"hashValue\":\"x\"}]").as_bytes(),
    );
    assert_eq!(proofs(&root, "path = '.'").await[0].files[0].found, None);
}

#[test]
fn signatures_of_other_forms_are_no_signatures() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut trail = Trail::new(folder.path());
    let path = folder.path().join(trail.digest(10, &[]));
    let digest = Digest::read(fs::File::open(path).expect("a file")).expect("a digest");
    let keys = Keys::one(FINGERPRINT, &trail.public());
    for signature in ["", "0", "zz", "00", &"ab".repeat(256)] {
        assert_eq!(digest.check(Some(signature), &keys), Signature::Bad, "{signature}");
    }
    assert_eq!(digest.check(None, &keys), Signature::NotKnown);
    assert_eq!(digest.check(Some("00"), &Keys::default()), Signature::NoKey);
}
