//! Mappings of the user's own, over files: what becomes of records that are not what the mapping expects.

use serde_json::json;

use crate::support::Place;

const DESCRIPTION: &str = r#"
name = "ledger"
vendor = "Ledger"
docs = "https://example.org/ledger"
kind = "events"
emits = ["change"]
transport = ["files"]
permission = "to read the files"
retention = "as long as the files are kept"
lag = "none"
[params]
path = { required = true, help = "a folder of *.jsonl" }
[records]
format = "ndjson"
[cursor]
field = "/at"
[identity]
event_id = ["/id"]
"#;

const MAPPING: &str = "-- emits: change
select record_id, make_utc(record->>'$.at') as occurred_at, record->>'$.who' as actor_name, record->>'$.do' as action,
       unnest(from_json(record->'$.items', '[\"VARCHAR\"]')) as resource
from raw
";

fn place(mapping: &str, records: &[serde_json::Value]) -> Place {
    let place = Place::new(
        "[extend]\nconnectors = ['mine']\n[[source]]\nname = 'ledger'\nconnector = 'ledger'\npath = 'log'\n",
    );
    place.write("mine/ledger/connector.toml", DESCRIPTION);
    place.write("mine/ledger/map.sql", mapping);
    let lines: Vec<String> = records.iter().map(ToString::to_string).collect();
    place.write("log/1.jsonl", lines.join("\n") + "\n");
    place
}

fn record(id: u32, items: &[&str]) -> serde_json::Value {
    json!({"id": id, "at": "2026-10-01T10:00:00Z", "who": "ann@example.org", "do": "post", "items": items})
}

#[test]
fn a_record_of_several_changes_is_several_rows() {
    let place = place(MAPPING, &[record(1, &["a", "b", "c"]), record(2, &["a"]), record(3, &["b", "b"])]);
    let judge = || {
        place.ran(0, &["collect"]);
        place.ran(0, &["reconcile"]);
    };
    judge();
    let changes = "select record_id, resource from change order by all";
    let expected = [["1", "a"], ["1", "b"], ["1", "c"], ["2", "a"], ["3", "b"]];
    assert_eq!(place.query(changes).rows, expected);
    assert_eq!(place.query("select count(distinct change_id) from change").rows, [["5"]]);
    // Another night leaves them as they are, and what comes then is told apart as well.
    place.write("log/2.jsonl", record(4, &["x", "y"]).to_string());
    judge();
    assert_eq!(place.query(changes).rows.len(), 7);
}
