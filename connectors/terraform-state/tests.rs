use std::fs;

use super::*;
use crate::testing::{collect, collector, run_at};

const STATE: &str = r#"{"version":4,"terraform_version":"1.9.0","serial":12,"lineage":"l","outputs":{"key":{"value":"hunter2"}},"resources":[
  {"mode":"managed","type":"aws_s3_bucket","name":"register","provider":"provider[\"registry.terraform.io/hashicorp/aws\"].live","instances":[
    {"index_key":"a","schema_version":0,"attributes":{"id":"register-a","arn":"arn:aws:s3:::register-a","tags":{"x":"hunter2"}},"private":"aHVudGVyMg=="}]},
  {"module":"module.db[0]","mode":"managed","type":"random_password","name":"admin","provider":"provider[\"registry.terraform.io/hashicorp/random\"]","instances":[
    {"attributes":{"id":"hunter2","result":"hunter2"}}]},
  {"mode":"data","type":"aws_caller_identity","name":"me","provider":"provider[\"registry.terraform.io/hashicorp/aws\"]","instances":[{"attributes":{"id":"1"}}]}]}"#;

async fn units(base: &Path) -> Vec<Unit> {
    let collector = collector(&TerraformState, base, "path = '.'");
    let (units, result) = collect(collector.as_ref(), &run_at("2026-11-03T00:00:00Z")).await;
    result.expect("files that can be read");
    units
}

#[tokio::test]
async fn addresses_and_ids_are_kept_and_no_value_is() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("live.tfstate"), STATE).expect("a file");
    let units = units(folder.path()).await;
    let body = &units[0].records[0].body;
    let record: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(record["resources"][0]["address"], r#"aws_s3_bucket.register["a"]"#);
    assert_eq!(record["resources"][0]["arn"], "arn:aws:s3:::register-a");
    assert_eq!(record["resources"][1]["address"], "module.db[0].random_password.admin");
    assert_eq!(record["resources"].as_array().map(Vec::len), Some(2));
    assert!(!body.contains("hunter2") && !body.contains("aHVu"), "{body}");
    assert!(units[0].last && units[0].records[0].occurred_at.is_some());
}

#[tokio::test]
async fn what_is_no_state_is_set_aside_without_its_content() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
    write("cut.tfstate", &STATE[..STATE.len() / 2]);
    write("old.tfstate", r#"{"version":3,"modules":[{"resources":{"x":"hunter2"}}]}"#);
    write("odd.tfstate", r#"{"version":4,"resources":"hunter2"}"#);
    let units = units(folder.path()).await;
    assert_eq!(units.iter().map(|unit| unit.rejected.len()).collect::<Vec<_>>(), [1, 1, 1]);
    for rejected in units.iter().flat_map(|unit| &unit.rejected) {
        assert!(!format!("{rejected:?}").contains("hunter2"), "{rejected:?}");
    }
}

#[tokio::test]
async fn states_in_a_container_are_read_once_and_again_when_they_have_changed() {
    let Some(azurite) = crate::azure_activity_log::blob::tests::Azurite::start().await else { return };
    azurite.put("tfstate", "?restype=container", &[("x-ms-blob-public-access", "container")], String::new()).await;
    let block = [("x-ms-blob-type", "BlockBlob")];
    azurite.put("tfstate/live/register.tfstate", "", &block, STATE.into()).await;
    azurite.put("tfstate/live/notes.txt", "", &block, "hunter2".into()).await;
    azurite.put("tfstate/other/x.tfstate", "", &block, STATE.into()).await;
    let source = format!("container = '{}/trail/tfstate'\nprefix = 'live/'", azurite.address);
    let collector = collector(&TerraformState, Path::new("."), &source);
    let mut run = run_at("2026-11-03T00:00:00Z");
    let (units, result) = collect(collector.as_ref(), &run).await;
    result.expect("a container that can be read");
    let records: Vec<_> = units.iter().flat_map(|unit| &unit.records).collect();
    assert_eq!(records.len(), 1);
    assert!(records[0].occurred_at.is_some() && !records[0].body.contains("hunter2"), "{records:?}");

    let etags = units.iter().map(|unit| (unit.key.clone(), unit.etag.clone())).collect();
    run.seen = std::sync::Arc::new(crate::testing::Known(etags));
    let fetched =
        async || collect(collector.as_ref(), &run).await.0.iter().map(|unit| unit.records.len()).sum::<usize>();
    assert_eq!(fetched().await, 0);
    azurite.put("tfstate/live/register.tfstate", "", &block, STATE.replace("\"serial\":12", "\"serial\":13")).await;
    assert_eq!(fetched().await, 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_the_system_does_not_give_is_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    // It opens, and its first byte cannot be had.
    std::os::unix::fs::symlink("/proc/self/mem", folder.path().join("refused.tfstate")).expect("a link");
    let units = units(folder.path()).await;
    assert_eq!(units.len(), 1);
    assert!(units[0].incomplete.is_some() && units[0].etag.is_empty(), "{units:?}");
}
