//! Connectors without code: an API that nobody has thought of, in a folder of the user's, read by the program as it is.

use changetrail::contract::{Answer, Asked, Server};
use serde_json::json;

use crate::support::Place;

/// A folder for a made-up system: a log by pages, and a list of objects.
const DESCRIPTION: &str = r#"
name = "tidewatch"
vendor = "Tidewatch"
docs = "https://example.org/tidewatch"
kind = "events"
emits = ["change"]
params = { base_url = { default = "https://api.tidewatch.example.org" }, site = { required = true, help = "the site" } }
secrets = ["token"]
permission = "read"
retention = "30 days"
lag = "5 minutes"

[auth]
type = "api_key"
in = "header"
name = "X-Tide"
prefix = "Key "
value = "${secret.token}"

[stream.log.request]
path = "/sites/${param.site}/log"
query = { from = "${window.start:epoch_s}", to = "${window.end:epoch_s}" }
[stream.log.records]
pointer = "/entries"
[stream.log.paginate]
type = "token"
pointer = "/next"
param = "after"
[stream.log.cursor]
mode = "since"
field = "/at"
initial = "7d"
[stream.log.identity]
event_id = "/id"

[stream.buoys]
kind = "state"
[stream.buoys.request]
path = "/sites/${param.site}/buoys"
[stream.buoys.cursor]
field = "/changed"
[stream.buoys.identity]
object_id = "/buoy"
version = "/rev"
"#;

const MAPPING: &str = r"
-- emits: change
select record_id,
       coalesce(make_utc(json_extract_string(record, '$.at')), make_utc(json_extract_string(record, '$.changed')), occurred_at) as occurred_at,
       coalesce(json_extract_string(record, '$.who'), json_extract_string(record, '$.by')) as actor_name,
       case when first then 'evidence' else 'change' end as category,
       case when stream = 'log' then 'log.' || json_extract_string(record, '$.what') when deleted then 'buoy.delete' else 'buoy.update' end as action,
       case when deleted then 'delete' else 'update' end as operation,
       'tidewatch:' || split_part(record_id, '@', 1) as resource,
       json_extract_string(previous, '$.depth') || '>' || coalesce(json_extract_string(record, '$.depth'), '') as diffs
from raw
";

fn place(server: &Server) -> Place {
    let place = Place::new(&format!(
        "[extend]\nconnectors = ['mine']\n[[source]]\nname = 'tides'\nconnector = 'tidewatch'\nbase_url = '{}/'\nsite = 'north sea'\ntoken = {{ file = 'token' }}\n",
        server.url()
    ));
    place.write("token", "s3cret-tide\n");
    place.write("mine/tidewatch/connector.toml", DESCRIPTION);
    place.write("mine/tidewatch/map.sql", MAPPING);
    place
}

fn entry(id: u32, minutes_ago: i64) -> serde_json::Value {
    let at = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(minutes_ago);
    json!({"id": id, "at": at.to_string(), "who": "Ann@example.org", "what": "open"})
}

fn answer(asked: &Asked, log: &[serde_json::Value], buoys: &serde_json::Value) -> Answer {
    assert_eq!(asked.header("x-tide"), Some("Key s3cret-tide"));
    match asked.path.as_str() {
        "/sites/north%20sea/log" if asked.param("after").is_none() => {
            Answer::ok(json!({"entries": log[..1], "next": "two"}).to_string())
        }
        "/sites/north%20sea/log" => Answer::ok(json!({"entries": log[1..], "next": null}).to_string()),
        "/sites/north%20sea/buoys" => Answer::ok(buoys.to_string()),
        other => Answer::status(404, format!("no {other}")),
    }
}

#[test]
fn an_api_that_nobody_thought_of_is_read_from_a_folder_of_the_users() {
    let log = vec![entry(1, 90), entry(2, 80)];
    let buoys = json!([{"buoy": "a", "rev": 1, "depth": 10, "changed": "2026-10-01T00:00:00Z"}, {"buoy": "b", "rev": 1, "depth": 5, "changed": "2026-10-01T00:00:00Z"}]);
    let server = Server::start({
        let (log, buoys) = (log.clone(), buoys);
        move |asked| answer(asked, &log, &buoys)
    })
    .expect("a port");
    let place = place(&server);
    place.ran(0, &["collect"]).says(&["4 records seen, 4 stored"]);
    let before = place.query("select record_id, hash from store.raw_record order by all");
    place.ran(0, &["collect"]).says(&["0 stored"]);
    assert_eq!(
        place.query("select record_id, hash from store.raw_record order by all").rows,
        before.rows,
        "collected twice"
    );

    // A late entry, a buoy that has changed twice since, one that is gone, and a new one.
    let log = vec![entry(1, 90), entry(2, 80), entry(3, 85)];
    let buoys = json!([{"buoy": "a", "rev": 3, "depth": 12, "changed": "2026-10-02T00:00:00Z"}, {"buoy": "c", "rev": 1, "depth": 1, "changed": "2026-10-03T00:00:00Z"}]);
    server.answer_by(move |asked| answer(asked, &log, &buoys));
    place.ran(0, &["collect", "--since", "3h"]);
    place.ran(0, &["reconcile"]);
    let told = place.query("select record_id not like '%deleted%' as there, action, resource, diffs, category, actor_name from event order by resource, action, diffs");
    let rows: Vec<Vec<&str>> = told.rows.iter().map(|row| row.iter().map(String::as_str).collect()).collect();
    assert_eq!(
        rows,
        [
            ["true", "buoy.update", "tidewatch:buoys/a", "10>12", "change", ""],
            ["true", "buoy.update", "tidewatch:buoys/a", "", "evidence", ""],
            ["false", "buoy.delete", "tidewatch:buoys/b", "5>", "change", ""],
            ["true", "buoy.update", "tidewatch:buoys/b", "", "evidence", ""],
            ["true", "buoy.update", "tidewatch:buoys/c", "", "change", ""],
            ["true", "log.open", "tidewatch:log/1", "", "change", "Ann@example.org"],
            ["true", "log.open", "tidewatch:log/2", "", "change", "Ann@example.org"],
            ["true", "log.open", "tidewatch:log/3", "", "change", "Ann@example.org"],
        ],
        "{told:?}"
    );
}
