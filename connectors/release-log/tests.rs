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

async fn sheet(text: &str, params: &str) -> Unit {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("log.csv"), text).expect("a file");
    let collector = collector(&ReleaseLog, folder.path(), &format!("path = '.'\n{params}"));
    let (mut units, result) = collect(collector.as_ref(), &run_at("2026-11-10T00:00:00Z")).await;
    result.expect("a file that can be read");
    units.remove(0)
}

fn body(unit: &Unit, index: usize) -> serde_json::Value {
    serde_json::from_str(&unit.records[index].body).expect("JSON")
}

#[tokio::test]
async fn a_row_of_a_spreadsheet_becomes_a_record() {
    let text = "\u{feff}Change No,Pipeline,Stage,Start,Finished at,Outcome,Approved by,Approved at,Notes\r\n\
        CHG1,register,prod,03/07/2026 10:00,2026-07-03 10:20,Success,\"dana@example.org; bob@example.org\",03/07/2026 09:50;,\"=cmd()|' /C calc'!A0\nline two\"\r\n\
        ,,,,,,,,\r\n\
        CHG2,register,prod,2026-12-03T10:00:00+02:00,,running,,,\r\n";
    let unit = sheet(text, "columns = { id = 'change no', started_at = 'Start' }\ntime_zone = 'Europe/London'").await;
    assert_eq!((unit.records.len(), unit.rejected.len()), (2, 0), "{unit:?}");
    let first = body(&unit, 0);
    assert_eq!((&first["id"], &first["started_at"]), (&"CHG1".into(), &"2026-07-03T09:00:00Z".into()));
    assert_eq!(first["finished_at"], "2026-07-03T09:20:00Z");
    assert_eq!(first["approvals"][0]["decided_at"], "2026-07-03T08:50:00Z");
    assert_eq!(first["approvals"][1]["approver"], "bob@example.org");
    assert!(first["approvals"][1]["decided_at"].is_null());
    assert_eq!(first["columns"]["Notes"], "=cmd()|' /C calc'!A0\nline two");
    assert_eq!(body(&unit, 1)["started_at"], "2026-12-03T08:00:00Z");
}

#[tokio::test]
async fn without_a_zone_times_are_utc_and_an_id_is_made_of_the_row() {
    let unit = sheet("pipeline,release id,stage,started_at,outcome\nregister,r1,prod,2026-07-03 10:00,ok\n", "").await;
    assert_eq!(body(&unit, 0)["id"], "register:r1:prod:2026-07-03T10:00:00Z");
}

#[tokio::test]
async fn a_year_of_two_digits_is_one_and_what_cells_mean_is_not_judged() {
    let unit = sheet("id,pipeline,stage,started_at,bypassed\na,p,prod,03/11/26 10:00,Yes - P1\n", "").await;
    let record = body(&unit, 0);
    assert_eq!(record["started_at"], "2026-11-03T10:00:00Z");
    assert_eq!(record["bypassed"], "Yes - P1");
    assert!(record.get("approvals").is_none(), "no column tells of them");
    let unit = sheet("id,pipeline,stage,approved by\na,p,prod,\n", "").await;
    assert_eq!(body(&unit, 0)["approvals"], serde_json::json!([]));
    let unit = sheet("id,pipeline,stage,started_at\na,p,prod,26-11-03 10:00\n", "").await;
    assert!(unit.rejected[0].error.contains("is no time"), "{unit:?}");
}

#[tokio::test]
async fn a_time_that_the_zone_never_had_or_had_twice_is_refused_with_the_reason() {
    let text = "id,pipeline,stage,started_at\na,p,prod,25/10/2026 01:30\nb,p,prod,29/03/2026 01:30\n\
        c,p,prod,2026-10-25T01:30:00+01:00\nd,p,prod,25/10/2026 02:00\n";
    let unit = sheet(text, "time_zone = 'Europe/London'").await;
    let said: Vec<&str> = unit.rejected.iter().map(|row| row.error.as_str()).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("`25/10/2026 01:30` is there twice in Europe/London"), "{said:?}");
    assert!(said[1].contains("`29/03/2026 01:30` does not exist in Europe/London"), "{said:?}");
    assert_eq!(body(&unit, 0)["started_at"], "2026-10-25T00:30:00Z");
    assert_eq!(body(&unit, 1)["started_at"], "2026-10-25T02:00:00Z");
}

#[tokio::test]
async fn rows_that_are_no_records_are_set_aside_with_line_and_reason() {
    let mut text =
        b"id,pipeline,stage,started_at\na,p,prod,31/02/2026 10:00\nb,,prod,2026-07-03 10:00\nc,p,prod,yesterday\n"
            .to_vec();
    text.extend_from_slice(b"d,p\xff,prod,2026-07-03 10:00\ne,p,prod,2026-07-03 10:00,more,cells\n");
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("log.csv"), text).expect("a file");
    let unit = units(folder.path(), ".", &run_at("2026-11-10T00:00:00Z")).await.remove(0);
    let said: Vec<String> = unit.rejected.iter().map(|row| format!("{}: {}", row.position, row.error)).collect();
    assert_eq!(unit.records.len(), 1, "{said:?}");
    for (said, expected) in said.iter().zip([
        "line 2: `started_at`",
        "line 3: `pipeline`",
        "line 4: `started_at`",
        "line 5: the row is not UTF-8",
    ]) {
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn columns_and_zones_that_do_not_exist_are_named() {
    let configure = |text: &str| {
        let params = toml::from_str(&format!("path = 'x'\n{text}")).expect("TOML");
        let source = Source { name: "log".into(), params, base: ".".into() };
        ReleaseLog.configure(&source).err().map(|error| format!("{error}; {}", error.hint().unwrap_or_default()))
    };
    assert_eq!(configure("columns = { stage = 'Environment' }"), None);
    assert!(configure("columns = { stagee = 'x' }").expect("an error").contains("stage"));
    assert!(configure("time_zone = 'Europe/Lodnon'").expect("an error").contains("Lodnon"));
}

#[tokio::test]
async fn what_pipelines_drop_into_a_container_is_read_once_and_only_for_themselves() {
    let Some(azurite) = crate::azure_activity_log::blob::tests::Azurite::start().await else { return };
    azurite.put("drops", "?restype=container", &[("x-ms-blob-public-access", "container")], String::new()).await;
    let block = [("x-ms-blob-type", "BlockBlob")];
    azurite.put("drops/in/p/1.jsonl", "", &block, line("p:1")).await;
    azurite.put("drops/in/q/1.jsonl", "", &block, line("p:2")).await;
    azurite.put("drops/elsewhere/p/1.jsonl", "", &block, line("p:3")).await;
    azurite.put("drops/in/p/notes.txt", "", &block, "no record".into()).await;
    let source = format!("container = '{}/trail/drops'\nprefix = 'in/'", azurite.address);
    let collector = collector(&ReleaseLog, Path::new("."), &source);
    assert!(!collector.is_path());
    let mut run = run_at("2026-10-03T00:00:00Z");
    let (units, result) = collect(collector.as_ref(), &run).await;
    result.expect("a container that can be read");
    let ids: Vec<&str> = units.iter().flat_map(|unit| &unit.records).map(|record| &record.record_id[..3]).collect();
    assert_eq!(ids, ["p:1"]);
    let aside: Vec<&str> =
        units.iter().flat_map(|unit| &unit.rejected).map(|rejected| rejected.error.as_str()).collect();
    assert_eq!(aside, ["it speaks for the pipeline `p`, but lies in the folder of `q`"]);
    assert!(units.last().is_some_and(|unit| unit.cursor.is_some()), "how far it was read is said last");

    let etags: HashMap<String, String> = units.iter().map(|unit| (unit.key.clone(), unit.etag.clone())).collect();
    run.seen = Arc::new(Known(etags));
    let (again, result) = collect(collector.as_ref(), &run).await;
    result.expect("a container that can be read");
    assert_eq!(again.len(), 1, "{again:?}");
    azurite.put("drops/in/p/1.jsonl", "", &block, format!("{}\n{}", line("p:1"), line("p:4"))).await;
    let (changed, _) = collect(collector.as_ref(), &run).await;
    assert_eq!(changed[0].records.len(), 2);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_the_system_does_not_give_is_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    // It opens, and its first byte cannot be had.
    std::os::unix::fs::symlink("/proc/self/mem", folder.path().join("refused.jsonl")).expect("a link");
    let units = units(folder.path(), ".", &run_at("2026-10-03T00:00:00Z")).await;
    assert_eq!(units.len(), 1);
    assert!(units[0].incomplete.is_some() && units[0].etag.is_empty(), "{units:?}");
}
