use std::collections::HashMap;
use std::fs;
use std::sync::Arc;

use super::*;
use crate::testing::{Known, collect, collector, run_at, shared};

fn line(id: &str) -> String {
    format!(
        r#"{{"schema":"changetrail.deployment/1","id":"{id}","pipeline":"p","recorded_at":"2026-10-01T10:00:00Z"}}"#
    )
}

async fn units(base: &Path, path: &str, run: &Run) -> Vec<Unit> {
    let collector = collector(&ReleaseLog, base, &format!("path = '{path}'"));
    assert!(collector.is_path());
    let (units, result) = collect(collector.as_ref(), run).await;
    result.expect("files that can be read");
    units
}

#[tokio::test]
async fn files_are_read_in_order_and_again_only_when_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
    fs::create_dir(folder.path().join("2026")).expect("a folder");
    write("b.jsonl", &format!("{}\nbad\n{}", line("b1"), line("b2")));
    write("2026/a.jsonl", &line("a1"));
    write("notes.md", "nothing");
    let mut run = run_at("2026-10-03T00:00:00Z");
    let first = units(folder.path(), ".", &run).await;
    let keys: Vec<&str> = first.iter().map(|unit| unit.key.as_str()).collect();
    assert_eq!(keys, ["2026/a.jsonl", "b.jsonl"]);
    assert_eq!((first[1].records.len(), first[1].rejected.len()), (2, 1));
    assert!(first[1].rejected[0].day.is_some());
    assert!(first.iter().all(|unit| unit.last && unit.incomplete.is_none() && unit.sha256.len() == 64));

    let etags: HashMap<String, String> = first.iter().map(|unit| (unit.key.clone(), unit.etag.clone())).collect();
    run.seen = Arc::new(Known(etags));
    assert!(units(folder.path(), ".", &run).await.is_empty());
    write("b.jsonl", &format!("{}\n", line("b3")));
    assert_eq!(units(folder.path(), ".", &run).await.len(), 1);
    assert_eq!(units(folder.path(), "b.jsonl", &run_at("2026-10-03T00:00:00Z")).await[0].records.len(), 1);
}

#[tokio::test]
async fn a_missing_path_is_an_error_that_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let collector = collector(&ReleaseLog, folder.path(), "path = 'nowhere'");
    let (_, result) = collect(collector.as_ref(), &run_at("2026-10-03T00:00:00Z")).await;
    assert!(result.expect_err("an error").hint().expect("a hint").contains("nowhere"));
}

#[tokio::test]
async fn the_records_of_the_scenario_are_all_readable() {
    let Some(path) = shared("scenarios/public-1") else { return };
    let units = units(&path, "releases", &run_at("2026-11-01T00:00:00Z")).await;
    assert!(units.iter().all(|unit| unit.rejected.is_empty()));
    assert!(units.iter().map(|unit| unit.records.len()).sum::<usize>() > 50);
}
