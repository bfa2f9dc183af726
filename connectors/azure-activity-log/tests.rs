use std::fs;
use std::path::Path;

use super::*;
use crate::Unit;
use crate::testing::{collect, collector, run_at, shared};

const NOW: &str = "2026-11-01T00:00:00Z";

async fn units(root: &Path) -> Vec<Unit> {
    let collector = collector(&AzureActivityLog, root, "path = '.'");
    assert!(collector.is_path());
    let (units, result) = collect(collector.as_ref(), &run_at(NOW)).await;
    result.expect("a folder that can be read");
    units
}

fn record(id: &str) -> String {
    format!(
        r#"{{"channels":null,"eventDataId":"{id}","eventTimestamp":"2026-10-01T12:00:00Z","operationName":{{"value":"Microsoft.Web/sites/write"}},"status":{{"value":null}}}}"#
    )
}

fn exported(hour: u32) -> String {
    format!(
        r#"{{"time":"2026-10-01T{hour}:00:00Z","resourceId":"/SUBSCRIPTIONS/S","operationName":"MICROSOFT.WEB/SITES/WRITE","resultType":"Start"}}"#
    )
}

#[tokio::test]
async fn pages_arrays_single_records_and_exports_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    };
    write(
        "a-page.json",
        format!("{{\"nextLink\":\"https://example.org/?a=[{{\",\"value\":[{},\n{}]}}", record("1"), record("2")),
    );
    write("b-array.json", format!("\u{feff}[\n  {}\n]", record("3")));
    write("c-single.json", record("4"));
    write("d-empty.json", "{\"value\":[]}".into());
    write("e-hub.json", format!("{{\"records\":[{}]}}", exported(10)));
    write("f-refused.json", "{\"error\":{\"code\":\"AuthorizationFailed\",\"message\":\"no\"}}".into());
    let blob = "resourceId=/SUBSCRIPTIONS/S/y=2026/m=10/d=02/h=13/m=00/PT1H.json";
    write(blob, format!("{}\r\n{}\n{{\"time\":\"2026-10-01T1", exported(11), exported(12)));
    let units = units(folder.path()).await;
    let counts: Vec<(usize, usize)> = units.iter().map(|unit| (unit.records.len(), unit.rejected.len())).collect();
    assert_eq!(counts, [(2, 0), (1, 0), (1, 0), (0, 0), (1, 0), (0, 1), (2, 1)]);
    let growing = units.last().expect("the export");
    assert_eq!(growing.key, blob);
    assert!(growing.incomplete.is_some(), "its last line is not whole yet");
    assert_eq!(growing.day, jiff::civil::Date::new(2026, 10, 2).ok());
    let ids: Vec<&str> = units[0].records.iter().map(|record| record.record_id.as_str()).collect();
    assert_eq!(ids, ["1", "2"]);
}

#[tokio::test]
async fn pages_with_nulls_are_read_whole() {
    let Some(root) = shared("data/azure_activitylog_rest_nulls.json") else { return };
    let collector =
        collector(&AzureActivityLog, root.parent().expect("a folder"), "path = 'azure_activitylog_rest_nulls.json'");
    let (units, result) = collect(collector.as_ref(), &run_at(NOW)).await;
    result.expect("a file that can be read");
    assert_eq!((units.len(), units[0].records.len(), units[0].rejected.len()), (1, 2, 0));
    assert_eq!(units[0].incomplete, None);
}

#[test]
fn a_source_needs_a_place_to_read() {
    let source = Source { name: "azure".into(), params: toml::Table::new(), base: ".".into() };
    let error = AzureActivityLog.configure(&source).err().expect("a missing key");
    assert!(error.to_string().contains("`path`"), "{error}");
}

#[test]
fn data_tables_are_well_formed() {
    let rows = |name: &str| {
        let tables = AzureActivityLog.tables();
        let (_, text) = tables.iter().find(|(table, _)| *table == name).expect("a table");
        let mut rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        let header = rows.remove(0);
        assert!(rows.iter().all(|row| row.len() == header.len()), "{name}: every row has the header's columns");
        rows
    };
    let mut seen = std::collections::HashSet::new();
    for row in rows("action_class") {
        assert!(matches!(row[3], "read" | "non-change" | "business" | "change"), "{row:?}");
        assert!(row[4].is_empty() || row[3] == "change", "{row:?}");
        assert!(!row[5].is_empty() && row[..3].iter().all(|cell| **cell == cell.to_lowercase()), "{row:?}");
        assert!(seen.insert(row[..3].join(",")), "twice: {row:?}");
    }
    for row in rows("application") {
        assert!(row[0].len() == 36 && seen.insert(row[0].to_owned()), "{row:?}");
        assert!(matches!(row[2], "client" | "provider" | "intermediary"), "{row:?}");
    }
    for row in rows("status") {
        assert!(matches!(row[1], "pending" | "succeeded" | "failed") && seen.insert(row[0].to_owned()), "{row:?}");
    }
}
