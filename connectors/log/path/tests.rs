use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::aws_cloudtrail::{AwsCloudTrail, Log};
use crate::testing::{Known, collect, collector, run_at, shared};

fn record(id: &str, read_only: bool) -> String {
    format!(
        r#"{{"eventVersion":"1.11","eventID":"{id}","eventTime":"2026-10-01T12:00:00Z","eventSource":"ec2.amazonaws.com","eventName":"X","readOnly":{read_only}}}"#
    )
}

fn log(ids: &[&str]) -> String {
    let records: Vec<String> = ids.iter().map(|id| record(id, false)).collect();
    format!("{{\"Records\":[{}]}}", records.join(","))
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

fn write(root: &Path, name: &str, bytes: &[u8]) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    fs::write(path, bytes).expect("a file");
}

async fn units(root: &Path, run: &Run) -> Vec<Unit> {
    let collector = collector(&AwsCloudTrail, root, "path = '.'");
    let (units, result) = collect(collector.as_ref(), run).await;
    result.expect("a folder that can be read");
    units
}

fn ids(units: &[Unit]) -> Vec<&str> {
    units.iter().flat_map(|unit| &unit.records).map(|record| record.record_id.as_str()).collect()
}

#[tokio::test]
async fn files_of_every_kind_are_read_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    write(root, "AWSLogs/1/CloudTrail/eu-west-2/2026/10/02/b.json.gz", &gzip(&log(&["b1", "b2"])));
    write(root, "AWSLogs/1/CloudTrail/eu-west-2/2026/10/01/a.json", log(&["a1"]).as_bytes());
    write(root, "renamed.json", &gzip(&log(&["r1"])));
    write(root, "lines.jsonl", format!("{}\n{}\n", record("l1", false), record("l2", true)).as_bytes());
    write(root, "notes.txt", b"nothing");
    let units = units(root, &run_at("2026-10-03T00:00:00Z")).await;
    assert_eq!(ids(&units), ["a1", "b1", "b2", "l1", "r1"]);
    assert_eq!(units[1].key, "AWSLogs/1/CloudTrail/eu-west-2/2026/10/02/b.json.gz");
    assert_eq!(units[1].day, Some(jiff::civil::date(2026, 10, 2)));
    assert_eq!(units[2].reads.get(&jiff::civil::date(2026, 10, 1)), Some(&1));
    for unit in &units {
        assert!(unit.last && unit.incomplete.is_none() && unit.sha256.len() == 64 && unit.size > 0, "{unit:?}");
    }
}

#[tokio::test]
async fn what_has_not_changed_is_not_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    write(root, "a.json", log(&["a1"]).as_bytes());
    write(root, "b.json", log(&["b1"]).as_bytes());
    let mut run = run_at("2026-10-03T00:00:00Z");
    let first = units(root, &run).await;
    let etags: HashMap<String, String> = first.iter().map(|unit| (unit.key.clone(), unit.etag.clone())).collect();
    run.seen = Arc::new(Known(etags));
    assert!(units(root, &run).await.is_empty());
    write(root, "b.json", log(&["b1", "b2"]).as_bytes());
    assert_eq!(ids(&units(root, &run).await), ["b1", "b2"]);
    run.since = Some(run.now);
    assert_eq!(ids(&units(root, &run).await), ["a1", "b1", "b2"]);
}

#[tokio::test]
async fn a_damaged_file_keeps_what_is_whole_and_stops_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    let whole = gzip(&log(&["a1", "a2", "a3"]));
    write(root, "a.json.gz", &whole[..whole.len() - 12]);
    write(root, "b.json", format!(r#"{{"Records":[{}, 5, {}]}}"#, record("b1", false), record("b2", false)).as_bytes());
    write(root, "c.json", b"\x00\x01garbage");
    write(root, "d.json", b"");
    write(root, "e.json", log(&["e1"]).as_bytes());
    let units = units(root, &run_at("2026-10-03T00:00:00Z")).await;
    let by_key: HashMap<&str, &Unit> = units.iter().map(|unit| (unit.key.as_str(), unit)).collect();
    assert!(by_key["a.json.gz"].incomplete.is_some());
    assert_eq!(by_key["a.json.gz"].rejected.len(), 1);
    assert_eq!((by_key["b.json"].records.len(), by_key["b.json"].rejected.len()), (2, 1));
    assert_eq!(by_key["b.json"].rejected[0].position, "record 1");
    assert!(by_key["b.json"].incomplete.is_none());
    assert_eq!((by_key["c.json"].incomplete.is_some(), by_key["c.json"].rejected.len()), (true, 1));
    assert_eq!((by_key["d.json"].incomplete.is_some(), by_key["d.json"].rejected.len()), (true, 0));
    assert_eq!(ids(std::slice::from_ref(by_key["e.json"])), ["e1"]);
}

#[test]
fn a_file_cut_at_any_byte_gives_a_prefix_and_says_so_once() {
    let text = log(&["a1", "a2", "a3"]);
    for bytes in [text.clone().into_bytes(), gzip(&text)] {
        for end in 1..bytes.len() {
            let mut parts = Vec::new();
            let mut emit = |unit| {
                parts.push(unit);
                Ok(())
            };
            let redactor = Redactor::new([0; 32]);
            reader::read(&bytes[..end], Unit::default(), &Log, Limits::default(), &redactor, &mut emit).expect("units");
            assert_eq!(parts.len(), 1);
            let ids = ids(&parts);
            assert_eq!(ids, ["a1", "a2", "a3"][..ids.len()], "cut at {end}");
            assert!(parts[0].incomplete.is_some() && parts[0].rejected.len() == 1, "cut at {end}: {:?}", parts[0]);
        }
    }
}

#[test]
fn a_gzip_bomb_is_stopped() {
    let bomb = gzip(&format!("{{\"Records\":[{},{}", record("a1", false), " ".repeat(3_000_000)));
    let limits = Limits { element: 4_096, inflated: 1_000_000 };
    let mut parts = Vec::new();
    let mut emit = |unit| {
        parts.push(unit);
        Ok(())
    };
    reader::read(&bomb[..], Unit::default(), &Log, limits, &Redactor::new([0; 32]), &mut emit).expect("units");
    assert_eq!(ids(&parts), ["a1"]);
    assert!(parts[0].incomplete.as_ref().expect("a reason").contains("inflates"), "{parts:?}");
}

#[tokio::test]
async fn a_large_file_comes_in_parts() {
    let folder = tempfile::tempdir().expect("a folder");
    let names: Vec<String> = (0..12_000).map(|number| format!("id{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    write(folder.path(), "a.json.gz", &gzip(&log(&names)));
    write(folder.path(), "b.json.gz", &gzip(&log(&["b"])));
    let units = units(folder.path(), &run_at("2026-10-03T00:00:00Z")).await;
    let parts: Vec<(u32, bool)> = units.iter().map(|unit| (unit.part, unit.last)).collect();
    assert_eq!(parts, [(0, false), (1, false), (2, true), (0, true)]);
    assert_eq!(ids(&units).len(), 12_001);
    assert_eq!(units[2].records[0].position, 10_000);
}

#[tokio::test]
async fn digests_and_insights_are_units_without_records() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    let digest = r#"{"awsAccountId":"1","digestS3Object":"k","logFiles":[{"s3Object":"x"}]}"#;
    write(root, "AWSLogs/1/CloudTrail-Digest/eu-west-2/2026/10/01/d.json.gz", &gzip(digest));
    write(root, "AWSLogs/1/CloudTrail-Insight/eu-west-2/2026/10/01/i.json.gz", &gzip(&log(&["i"])));
    write(root, "moved-digest.json", digest.as_bytes());
    let units = units(root, &run_at("2026-10-03T00:00:00Z")).await;
    assert_eq!(units.len(), 3);
    for unit in &units {
        assert!(unit.records.is_empty() && unit.rejected.is_empty() && unit.incomplete.is_none() && unit.last);
        assert_eq!(unit.sha256.len(), 64);
    }
}

#[tokio::test]
async fn a_missing_folder_is_an_error_that_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let collector = collector(&AwsCloudTrail, folder.path(), "path = 'nowhere'");
    let (_, result) = collect(collector.as_ref(), &run_at("2026-10-03T00:00:00Z")).await;
    assert!(result.expect_err("an error").hint().expect("a hint").contains("nowhere"));
}

#[tokio::test]
async fn a_writer_that_stops_ends_the_reading() {
    let folder = tempfile::tempdir().expect("a folder");
    for number in 0..50 {
        write(folder.path(), &format!("{number}.json"), log(&["a"]).as_bytes());
    }
    let collector = collector(&AwsCloudTrail, folder.path(), "path = '.'");
    let (sink, mut receiver) = Sink::channel(1);
    let reading = tokio::spawn(async move { collector.collect(&run_at("2026-10-03T00:00:00Z"), &sink).await });
    receiver.recv().await.expect("a unit");
    drop(receiver);
    assert!(matches!(reading.await.expect("no panic"), Err(Error::WriterStopped)));
}

#[tokio::test]
async fn real_records_are_all_readable() {
    for (name, kept, reads) in [("data/invictus", 500, 2_000), ("data/stratus", 3, 0)] {
        let Some(path) = shared(name) else { return };
        let units = units(&path, &run_at("2026-10-03T00:00:00Z")).await;
        let rejected: Vec<_> = units.iter().flat_map(|unit| &unit.rejected).collect();
        assert!(rejected.is_empty(), "{rejected:?}");
        assert!(units.iter().all(|unit| unit.incomplete.is_none()));
        assert!(ids(&units).len() >= kept, "{} records in {name}", ids(&units).len());
        assert!(units.iter().flat_map(|unit| unit.reads.values()).sum::<u64>() >= reads);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_the_system_does_not_give_is_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    // It opens, and its first byte cannot be had.
    std::os::unix::fs::symlink("/proc/self/mem", folder.path().join("refused.json")).expect("a link");
    write(folder.path(), "cut.json", br#"{"Records":[{"eventID":"c1","#);
    let units = units(folder.path(), &run_at("2026-10-03T00:00:00Z")).await;
    let told: Vec<_> = units.iter().map(|unit| (&*unit.key, unit.incomplete.is_some(), unit.etag.is_empty())).collect();
    assert_eq!(told, [("cut.json", true, false), ("refused.json", true, true)], "damage stays, a refusal may pass");
}
