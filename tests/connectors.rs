//! Connectors without code: an API that nobody has thought of, in a folder of the user's, read by the program as it is.

use std::fmt::Write;

use changetrail::collect;
use changetrail::config::Config;
use changetrail::contract::{self, Answer, Asked, Server};
use changetrail::progress::Silent;
use changetrail::store::Visits;
use serde_json::json;

use crate::support::{Place, checkout};

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
fn a_source_whose_folder_is_broken_is_not_passed_over_in_silence() {
    let place = Place::new("[extend]\nconnectors = ['mine']\n[[source]]\nname = 'tides'\nconnector = 'tidewatch'\n");
    place.write("mine/tidewatch/connector.toml", "name = 'tidewatch'\nbroken");
    place.ran(2, &["reconcile"]).says(&["what is new of source `tides` could not be judged", "connector.toml: line 2"]);
    place.write("changetrail.toml", "[[source]]\nname = 'aws'\nconnector = 'aws-cloudtrial'\n");
    place.ran(2, &["reconcile"]).says(&["source `aws`", "did you mean `aws-cloudtrail`?"]);
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

/// One folder's mapping fails: with what its own records hold, or by what it says. All else is judged.
#[test]
fn a_mapping_that_fails_stops_nobody_else() {
    let log = vec![entry(1, 90), entry(2, 80)];
    let server = Server::start(move |asked| answer(asked, &log, &json!([]))).expect("a port");
    let place = place(&server);
    place.write("mine/tidewave/connector.toml", DESCRIPTION.replace("\"tidewatch\"", "\"tidewave\""));
    place.write("mine/tidewave/map.sql", MAPPING);
    let mut config = std::fs::read_to_string(place.path("changetrail.toml")).expect("a configuration");
    let more = config.split_once("[[source]]").expect("a source").1;
    config = format!("{config}[[source]]{}", more.replace("tides", "waves").replace("tidewatch", "tidewave"));
    place.write("changetrail.toml", &config);
    for (change, said) in [
        (("as actor_name", "as actor_nam"), "`change` has no column `actor_nam`; did you mean `actor_name`?"),
        (
            ("json_extract_string(record, '$.who')", "cast(json_extract_string(record, '$.who') as integer)::varchar"),
            "Could not convert",
        ),
    ] {
        place.write("mine/tidewave/map.sql", MAPPING.replacen(change.0, change.1, 1));
        place.ran(2, &["audit"]).says(&["what is new of source `waves` could not be judged", said]);
        assert_eq!(place.query("select source, count(*) from change group by all").rows, [["tides", "2"]]);
    }
    // What tells of releases is missed by others: nobody is judged without it.
    let description = DESCRIPTION.replace("\"tidewatch\"", "\"tidewave\"");
    let description = description.replace("emits = [\"change\"]", "emits = [\"change\", \"deployment\"]");
    place.write("mine/tidewave/connector.toml", description);
    let mapping = MAPPING.replacen("as actor_name", "as actor_nam", 1);
    place.write(
        "mine/tidewave/map.sql",
        format!("{mapping};\n-- emits: deployment\nselect record_id from raw where false\n"),
    );
    place.ran(2, &["audit"]).says(&["the mapping of connector `tidewave` is unusable"]);
}

/// Every folder without Rust, held against its fixtures.
#[test]
fn every_folder_keeps_the_contract() {
    let wanted = std::env::var("CONNECTOR").ok();
    let mut report = String::new();
    let mut count = 0;
    for name in described_folders() {
        if wanted.as_ref().is_some_and(|wanted| *wanted != name) {
            continue;
        }
        count += 1;
        for problem in contract::run(&checkout("connectors").join(&name)).problems() {
            let _ = writeln!(report, "{name}: {problem}");
        }
    }
    assert!(count > 0, "no such folder");
    assert!(report.is_empty(), "- expected, + came out\n{report}");
}

fn described_folders() -> Vec<String> {
    let entries =
        std::fs::read_dir(checkout("connectors")).expect("the connectors").map(|entry| entry.expect("an entry").path());
    let mut names: Vec<String> = entries
        .filter(|path| path.join("connector.toml").is_file() && !path.join("mod.rs").exists())
        .map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    names
}

/// What a mapping must not do, and what is said about it.
const REFUSED: &[(&str, &str)] = &[
    ("select record_id from read_csv('/etc/passwd')", "read_csv() reads what is no record"),
    ("select content as record_id from read_text('/etc/passwd')", "read_text() reads what is no record"),
    ("select * from '/etc/passwd'", "`/etc/passwd` is no table that a mapping sees"),
    ("select * from 'https://example.org/x.parquet'", "is no table that a mapping sees"),
    ("select record_id from store.raw_record", "`store.raw_record` is no table that a mapping sees"),
    ("select record_id from raw_record", "`raw_record` is no table that a mapping sees"),
    ("select table_name as record_id from duckdb_tables()", "duckdb_tables() reads what is no record"),
    ("select * from (show tables)", "no DESCRIBE, SHOW or SUMMARIZE"),
    ("attach '/tmp/changetrail-mapping-wrote.duckdb' as x", "only a SELECT is allowed"),
    ("install httpfs", "only a SELECT is allowed"),
    ("copy (select 1) to '/tmp/changetrail-mapping-wrote.csv'", "only a SELECT is allowed"),
    ("insert into event select * from raw", "only a SELECT is allowed"),
    ("delete from raw", "only a SELECT is allowed"),
    ("set memory_limit = '1GB'", "only a SELECT is allowed"),
    ("select record_id from raw; select record_id from raw", "a second statement"),
    ("select record_id from raw; drop table store.event", "only a SELECT is allowed"),
    ("select 1) union all (select 2", "syntax error"),
    ("select record_id,\n getenv('HOME') as actor_name from raw", "map.sql line 3: getenv() is not allowed"),
    ("select record_id, now()::timestamp as occurred_at from raw", "now() is not allowed"),
    ("select record_id, current_date::timestamp as occurred_at from raw", "current_date is not allowed"),
    ("select record_id, localtimestamp as occurred_at from raw", "localtimestamp"),
    ("select record_id, age(timestamp '2026-01-01')::varchar as actor_name from raw", "age() is not allowed"),
    ("select $source as record_id from raw", "a parameter ($name) is not allowed"),
    ("select record_id, 'x' as acton from raw", "has no column `acton`; did you mean `action`?"),
    ("select record_id, 'soon' as occurred_at from raw", "the column `occurred_at` of `change` is TIMESTAMP"),
    ("select record_id, no_such_thing(record) as action from raw", "no_such_thing"),
];

#[test]
fn a_mapping_sees_the_records_and_nothing_else() {
    let log = vec![entry(1, 90), entry(2, 80)];
    let server = Server::start(move |asked| answer(asked, &log, &json!([]))).expect("a port");
    let place = place(&server);
    place.ran(0, &["collect"]);
    for (select, said) in REFUSED {
        place.write("mine/tidewatch/map.sql", format!("-- emits: change\n{select}\n"));
        let output = place.ran(2, &["reconcile"]);
        output.says(&["the mapping of connector `tidewatch` is unusable", said]);
    }
    assert!(
        !std::path::Path::new("/tmp/changetrail-mapping-wrote.csv").exists()
            && !std::path::Path::new("/tmp/changetrail-mapping-wrote.duckdb").exists()
    );
    // Its own parts, its data tables and what makes rows of a record are all that it needs.
    place.write("mine/tidewatch/class.csv", "what,action\nopen,gate.open\n");
    let good = "with RECURSIVE mine as (select record_id, unnest([1]) as n from raw) select m.record_id, timestamp '2026-01-01' as occurred_at, c.action, null as actor_name from mine m, class c, range(1)";
    place.write("mine/tidewatch/map.sql", format!("-- emits: change\n{good}\n"));
    place.ran(0, &["reconcile"]);
    assert_eq!(place.query("select distinct action from event").rows, [["gate.open"]]);
}

/// A mapping may sort, but not lose: what it makes nothing of, and each row without a time, is set aside and told.
#[test]
fn a_record_that_a_mapping_drops_is_set_aside() {
    let log = vec![entry(1, 90), entry(2, 80), entry(3, 70)];
    let server = Server::start(move |asked| answer(asked, &log, &json!([]))).expect("a port");
    let place = place(&server);
    place.ran(0, &["collect"]);
    // Of record 1 nothing, of record 2 two rows, of record 3 a good one and one without a time: as many rows as records.
    let mapping = "select r.record_id, r.record_id || '#' || n as change_key, 'gate.open' as action,
            case when n < 3 then r.occurred_at end as occurred_at
        from raw r join (values ('log/2', 1), ('log/2', 2), ('log/3', 1), ('log/3', 3)) t(id, n) on t.id = r.record_id";
    place.write("mine/tidewatch/map.sql", format!("-- emits: change\n{mapping}\n"));
    let set_aside =
        "select r.record_id, q.error from quarantine q join store.raw_record r on r.hash = q.hash order by all";
    let expected = [["log/1", "the mapping makes nothing of it"], ["log/3", "the mapping finds no time"]];
    for _ in 0..2 {
        place.ran(0, &["reconcile"]).says(&["2 records of source `tides` are set aside"]);
        assert_eq!(
            place.query("select change_key from event order by all").rows,
            [["log/2#1"], ["log/2#2"], ["log/3#1"]]
        );
        assert_eq!(place.query(set_aside).rows, expected);
    }
    // A better mapping takes them back in.
    place.write(
        "mine/tidewatch/map.sql",
        "-- emits: change\nselect record_id, occurred_at, 'gate.open' as action from raw\n",
    );
    place.ran(0, &["reconcile"]);
    assert!(place.query(set_aside).rows.is_empty());
    assert_eq!(place.query("select count(*) from event").rows, [["3"]]);
}

/// Everything that can be said of a log of its own, in as few words as it takes.
const TERSE: &str = r#"
name = "tidewatch"
vendor = "Tidewatch"
docs = "https://example.org/tidewatch"
kind = "events"
emits = ["change"]
transport = "http"
params = { base_url = { default = "https://api.tidewatch.example.org" }, site = { help = "the site" } }
secrets = ["token"]
permission = "read"
retention = "30 days"
lag = "5 minutes"

[redact]
pointers = ["/note"]
[auth]
type = "bearer"
[request]
path = "/${param.site}/log"
[records]
pointer = "/entries"
[paginate]
type = "page"
param = "page"
size_param = "per_page"
size = 2
stop = "total"
pointer = "/count"
[cursor]
mode = "window"
field = "/at"
field_format = "epoch_s"
start = "from"
end = "to"
order = "asc"
initial = "2d"
max_window = "1d"
overlap = "0s"
inclusive = false
[identity]
event_id = ["/id"]
[for_each]
list = ["north", "south"]
concurrency = 1
[limits]
rps = 200
burst = 10
max_bytes = 100000
timeout = "5s"
[[errors]]
status = 404
body_contains = "no such day"
action = "skip"
"#;

#[test]
fn a_description_says_no_more_than_it_must() {
    let at = jiff::Timestamp::now().as_second() - 60;
    let server = Server::start(move |asked| {
        assert_eq!(asked.header("authorization"), Some("Bearer s3cret-tide"));
        let time = |name: &str| asked.param(name).and_then(|text| text.parse::<i64>().ok()).expect("a time");
        let (from, to) = (time("from"), time("to"));
        assert!(to - from <= 86_401, "{asked:?}");
        assert_eq!(asked.param("per_page"), Some("2"));
        if !(from..to).contains(&at) {
            return Answer::status(404, "no such day");
        }
        let page: i64 = asked.param("page").and_then(|page| page.parse().ok()).expect("a page");
        let all: Vec<i64> = (0..3).collect();
        let entries: Vec<_> = all
            .chunks(2)
            .nth(usize::try_from(page - 1).expect("a page"))
            .unwrap_or_default()
            .iter()
            .map(|id| json!({"id": id, "at": at}))
            .collect();
        Answer::ok(json!({"count": 3, "entries": entries}).to_string())
    })
    .expect("a port");
    let place = place(&server);
    place.write("mine/tidewatch/connector.toml", TERSE);
    place.ran(0, &["collect"]);
    assert_eq!(place.query("select record_id from store.raw_record order by all").rows, [["0"], ["1"], ["2"]]);
    for (change, said) in [
        (("mode = \"window\"", "mode = \"feed\""), "a feed is newest first"),
        (("status = 404", "stat = 404"), "unknown key `stat` in [errors[0]]; did you mean `status`?"),
        (("/log\"", "/log\"\nquery = { from = \"1\" }"), "`start` is the name of a parameter"),
        (("secrets = [\"token\"]", "secrets = [\"one\", \"two\"]"), "type needs `token`"),
        (("pointers = ", "pointer = "), "unknown key `pointer`"),
    ] {
        place.write("mine/tidewatch/connector.toml", TERSE.replacen(change.0, change.1, 1));
        place.ran(2, &["collect"]).says(&[said]);
    }
}

/// Some logs name the place where the next reading goes on, and write a record to a line: a line that is cut is told.
#[test]
fn a_damaged_line_before_a_checkpoint_is_kept() {
    let server = Server::start(|asked| match asked.param("after") {
        None | Some("") => {
            Answer::ok("{\"id\":1,\"at\":\"2026-10-01T00:00:00Z\"}\n{\"id\":2,\"at\n").header("X-Next", "two")
        }
        Some("two") => Answer::ok("{\"id\":3,\n").header("X-Next", "three"),
        _ => Answer::ok("").header("X-Next", "three"),
    })
    .expect("a port");
    let place = place(&server);
    let (head, _) = DESCRIPTION.split_once("[stream.log.request]").expect("a stream");
    let stream = "[stream.log.request]\npath = \"/${param.site}/log\"\nquery = { after = \"${checkpoint}\" }\n[stream.log.records]\nformat = \"ndjson\"\n[stream.log.paginate]\ntype = \"token\"\nheader = \"X-Next\"\nparam = \"after\"\npersist = true\n[stream.log.cursor]\nmode = \"checkpoint\"\nfield = \"/at\"\n[stream.log.identity]\nevent_id = \"/id\"\n";
    place.write("mine/tidewatch/connector.toml", format!("{head}{stream}"));
    for _ in 0..2 {
        place.ran(0, &["collect"]);
        assert_eq!(place.query("select record_id from store.raw_record").rows, [["1"]]);
        assert_eq!(
            place.query("select record, error from quarantine order by all").rows,
            [["{\"id\":2,\"at", "a line that is no JSON"], ["{\"id\":3,", "a line that is no JSON"]]
        );
    }
    // The place is good for ever, what lay behind it is not: the system keeps 30 days, and is asked for all of them.
    let config = Config::load(Some(&place.path("changetrail.toml"))).expect("a configuration");
    let now = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 40);
    let wait = std::time::Duration::from_secs(10);
    let options = collect::Options::new(now, wait);
    let asked = server.asked().len();
    collect::run(&config, &Visits::new(&place.store()), &options, &Silent).expect("it can be collected");
    let places: Vec<_> = server.asked()[asked..].iter().map(|asked| asked.param("after").map(str::to_owned)).collect();
    assert_eq!(places, [Some("three".to_owned()), None, Some("two".to_owned()), Some("three".to_owned())]);
    let gaps =
        place.query("select date_diff('hour', window_start, window_end) // 24 from unit where incomplete is not null");
    assert_eq!(gaps.rows, [["10"]]);
    // A gap is a row on each of its days, though nothing was read then.
    place.run(&["reconcile"]);
    let coverage = place.report("coverage");
    let days = coverage.column("gap_seconds");
    let lost: i64 = days.iter().map(|seconds| seconds.parse::<i64>().expect("seconds")).sum();
    let whole =
        "select sum(epoch_us(window_end) - epoch_us(window_start)) // 1000000 from unit where incomplete is not null";
    assert_eq!(place.query(whole).rows, [[lost.to_string()]]);
    assert!(days.len() > 9, "{days:?}");
}

/// A test instance is made as a copy of production: its records have the same ids, and count their versions alike.
#[test]
fn what_an_instance_and_its_copy_tell_alike_is_two_changes() {
    let server = Server::start(|asked| {
        let (id, hour, who) = if asked.path.starts_with("/test/") { ("t1", 9, "alice") } else { ("p1", 15, "bob") };
        let record = json!({
            "sys_id": id, "sys_created_on": format!("2026-11-30 {hour:02}:00:00"), "tablename": "sys_security_acl",
            "fieldname": "active", "documentkey": "c0ffee", "user": who, "oldvalue": "1", "newvalue": "0", "record_checkpoint": "7",
        });
        let there = asked.param("sysparm_offset").is_none_or(|offset| offset == "0")
            && asked.param("sysparm_query").is_some_and(|query| query.contains("2026-11-30"));
        Answer::ok(json!({"result": if there { vec![record] } else { vec![] }}).to_string())
    })
    .expect("a port");
    let source = |name: &str, path: &str| {
        let url = server.url();
        format!(
            "[[source]]\nname = '{name}'\nconnector = 'servicenow-audit'\nbase_url = '{url}{path}'\nusername = 'auditor'\npassword = {{ file = 'password' }}\n"
        )
    };
    let place = Place::new(&format!("{}{}", source("production", ""), source("copy", "/test")));
    place.write("password", "s3cret-copy\n");
    let config = Config::load(Some(&place.path("changetrail.toml"))).expect("a configuration");
    let now = "2026-12-01T00:00:00Z".parse().expect("a time");
    let wait = std::time::Duration::from_secs(10);
    let options = collect::Options::new(now, wait);
    assert!(
        collect::run(&config, &Visits::new(&place.store()), &options, &Silent).expect("it can be collected").complete()
    );
    place.run(&["reconcile"]);
    assert_eq!(
        place.query("select source, actor from change order by all").rows,
        [["copy", "alice"], ["production", "bob"]]
    );
}

#[test]
fn what_is_wrong_with_a_folder_or_a_source_is_told_where_it_is() {
    let server = Server::start(|_| Answer::status(500, "")).expect("a port");
    let place = place(&server);
    for (change, said) in [
        (("mode = \"since\"", "mod = \"since\""), "unknown key `mod` in [stream.log.cursor]; did you mean `mode`?"),
        (("${param.site}/log", "${param.sites}/log"), "the parameter `sites` is not declared; did you mean `site`?"),
        (("${secret.token}", "${env.TOKEN}"), "`${env.TOKEN}` is no placeholder"),
        (("name = \"tidewatch\"", "name = \"github-audit\""), "name is `github-audit`, but the folder is `tidewatch`"),
        (("version = \"/rev\"", "version = \"rev\""), "`rev` is no JSON Pointer"),
        (("emits = [\"change\"]", "emits = [\"change\", \"session\"]"), "no line `-- emits: session`"),
        (
            ("[auth]", "[errors]\non = [{ status = 403, action = 'skip' }]\n[auth]"),
            "status 403 is a refusal or a failure",
        ),
    ] {
        place.write("mine/tidewatch/connector.toml", DESCRIPTION.replacen(change.0, change.1, 1));
        place.ran(2, &["collect"]).says(&[said]);
        let checked = place.ran(2, &["check"]);
        assert!(checked.stdout.contains(said), "{checked}");
    }
    place.write("mine/tidewatch/connector.toml", DESCRIPTION);
    let config = std::fs::read_to_string(place.path("changetrail.toml")).expect("a configuration");
    for (change, said) in [
        (("token = { file = 'token' }", "token = 's3cret-tide'"), "a secret must not stand in the configuration"),
        (("token = { file = 'token' }", "token = { file = 'nowhere' }"), "cannot read the secret `token`"),
        (("token = { file = 'token' }", ""), "missing key `token`"),
        (("http://127.0.0.1", "http://example.org"), "must start with https://"),
        (("site = 'north sea'", "sight = 'north sea'"), "unknown key `sight`"),
    ] {
        place.write("changetrail.toml", config.replacen(change.0, change.1, 1));
        let output = place.ran(2, &["collect"]);
        output.says(&[said]);
        assert!(!output.stderr.contains("s3cret-tide"), "{output}");
    }
}

#[test]
fn a_check_tells_of_what_the_night_would_stumble_over_and_keeps_nothing() {
    let (log, buoys) = ([entry(1, 90), entry(2, 80)], json!([{"buoy": "a", "rev": 1}]));
    let server = Server::start(move |asked| answer(asked, &log, &buoys)).expect("a port");
    let place = place(&server);
    std::fs::remove_file(place.path("token")).expect("a secret");
    let checked = place.ran(2, &["check"]);
    assert!(checked.stdout.contains("fail  source tides: cannot read the secret `token`"), "{checked}");

    place.write("token", "s3cret-tide");
    place.ran(0, &["check"]);
    let checked = place.ran(0, &["check", "--online"]);
    assert!(checked.stdout.contains("asked: it can be read to its end, 3 records"), "{checked}");
    assert!(!place.path("changetrail.duckdb").exists(), "a check keeps nothing");

    // The log may be read, the list may not.
    let log = [entry(1, 90), entry(2, 80)];
    server.answer_by(move |asked| {
        let refused = asked.path.ends_with("/buoys");
        if refused { Answer::status(403, "no buoys for you") } else { answer(asked, &log, &json!([])) }
    });
    place.ran(0, &["check"]);
    let checked = place.ran(2, &["check", "--online"]);
    assert!(
        checked.stdout.contains("fail  source tides: ") && checked.stdout.contains("no buoys for you"),
        "{checked}"
    );
}

#[test]
fn a_list_that_is_empty_all_at_once_accuses_nobody_of_deleting_it() {
    let log = [entry(1, 90), entry(2, 80)];
    let server = Server::start(|_| Answer::status(500, "")).expect("a port");
    let place = place(&server);
    let buoys = |list: serde_json::Value| {
        let log = log.clone();
        server.answer_by(move |asked| answer(asked, &log, &list));
    };
    let gone = "select count(*) from store.raw_record where record_id like '%deleted%'";
    buoys(json!([{"buoy": "a", "rev": 1}, {"buoy": "b", "rev": 1}]));
    place.ran(0, &["collect"]);
    buoys(json!([]));
    for _ in 0..2 {
        place.ran(2, &["collect"]).says(&["the list `buoys` is empty, and had 2 objects", "`--since 1h`"]);
    }
    buoys(json!([{"buoy": "b", "rev": 1}]));
    place.ran(0, &["collect"]);
    assert_eq!(place.query(gone).rows, [["1"]]);
    // The last one may go as any other.
    buoys(json!([]));
    place.ran(0, &["collect"]);
    assert_eq!(place.query(gone).rows, [["2"]]);

    buoys(json!([{"buoy": "c", "rev": 1}, {"buoy": "d", "rev": 1}]));
    place.ran(0, &["collect"]);
    buoys(json!([]));
    place.ran(2, &["collect"]);
    place.ran(0, &["collect", "--since", "1h"]);
    assert_eq!(place.query(gone).rows, [["4"]]);
}

#[test]
fn a_system_that_fails_is_an_error_and_never_an_empty_log() {
    let log = vec![entry(1, 90), entry(2, 80)];
    let server = Server::start(|_| Answer::status(403, "")).expect("a port");
    let place = place(&server);
    let answers: [(Answer, &str); 5] = [
        (Answer::status(403, "{\"message\":\"s3cret-tide may not\"}"), "*** may not"),
        (Answer::status(404, "nothing here"), "status 404"),
        (Answer::status(429, "").header("Retry-After", "86400"), "refuses for too many requests"),
        (Answer::status(401, "s3cret-tide is no good"), "cannot authenticate"),
        (Answer::ok("{\"entries\":[],\"next\":\"two\"}"), "the same next page was named twice"),
    ];
    for (bad, said) in answers {
        server.answer_by(move |_| bad.clone());
        let output = place.ran(2, &["collect"]);
        output.says(&[said]);
        assert!(!output.stderr.contains("s3cret-tide"), "{output}");
    }
    server.answer_by(move |asked| answer(asked, &log, &json!([])));
    place.ran(0, &["collect"]).says(&["2 stored"]);
}
