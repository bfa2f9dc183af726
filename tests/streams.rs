//! Connectors without code whose streams are read for others: lists of objects and their logs, three levels deep, with
//! systems that fail on the way; and descriptions that would read nothing.

use changetrail::contract::Answer;
use serde_json::{Value, json};

use crate::support::checkout;
use crate::support::harbour::{HEAD, harbour, list, minutes_ago, now, stored};

/// Organisations that have projects that have a log each.
const LEVELS: &str = r#"
kind = "state"
[stream.orgs.request]
path = "/orgs"
[stream.orgs.identity]
object_id = "/id"
[stream.projects.request]
path = "/orgs/${item}"
[stream.projects.for_each]
from = "orgs"
pointer = "/id"
[stream.projects.identity]
object_id = "/id"
[stream.log]
kind = "events"
[stream.log.request]
path = "/projects/${item}"
query = { since = "${window.start:rfc3339}" }
[stream.log.for_each]
from = "projects"
pointer = "/id"
[stream.log.cursor]
mode = "since"
field = "/at"
[stream.log.identity]
event_id = ["${item}", "/id"]
"#;

#[test]
fn the_logs_of_what_unchanged_objects_have_are_read_each_time() {
    let entry = |id: u32| json!({"id": id, "at": minutes_ago(5)});
    let (place, world, _server) = harbour(
        LEVELS,
        &[
            ("/orgs", list(&json!([{"id": "o"}]))),
            ("/orgs/o", list(&json!([{"id": "p"}]))),
            ("/projects/p", list(&json!([entry(1)]))),
        ],
    );
    place.ran(0, &["collect"]);
    assert_eq!(stored(&place, "log"), ["log/p:1"]);
    now(&world, "/projects/p", list(&json!([entry(1), entry(2)])));
    place.ran(0, &["collect"]);
    assert_eq!(stored(&place, "log"), ["log/p:1", "log/p:2"]);
}

/// Sites that are stored, and entries of each.
const SITES: &str = r#"
kind = "state"
[stream.sites.request]
path = "/sites"
[stream.sites.identity]
object_id = "/id"
[stream.entries.request]
path = "/sites/${item}"
[stream.entries.for_each]
from = "sites"
pointer = "/id"
[stream.entries.cursor]
field = "/at"
[stream.entries.identity]
object_id = ["${item}", "/id"]
version = "/rev"
"#;

#[test]
fn a_list_of_each_object_of_a_list_is_compared_each_time() {
    for mode in ["", "mode = \"snapshot\"\n"] {
        let description = SITES.replace("[stream.entries.cursor]\n", &format!("[stream.entries.cursor]\n{mode}"));
        let (place, world, _server) = harbour(
            &description,
            &[
                ("/sites", list(&json!([{"id": "s"}, {"id": "t"}]))),
                ("/sites/s", list(&json!([{"id": "a", "rev": 1}, {"id": "b", "rev": 1}]))),
                ("/sites/t", list(&json!([]))),
            ],
        );
        place.ran(0, &["collect"]);
        now(&world, "/sites/s", list(&json!([{"id": "a", "rev": 2}])));
        now(&world, "/sites/t", list(&json!([{"id": "c", "rev": 1}])));
        place.ran(0, &["collect"]);
        let expected = ["entries/s:a@1", "entries/s:a@2", "entries/s:b@1", "entries/s:b@deleted", "entries/t:c@1"];
        assert_eq!(stored(&place, "entries"), expected, "{mode}");
        let first = "select count(*) from event where category = 'evidence' and record_id like 'entries/%'";
        place.ran(0, &["reconcile"]);
        assert_eq!(place.query(first).rows, [["2"]]);
        // A site that cannot be read says nothing of its entries, nor does one whose site was not named.
        now(&world, "/sites/s", Answer::status(418, "not now"));
        place.ran(2, &["collect"]);
        now(&world, "/sites/s", list(&json!([])));
        now(&world, "/sites/t", list(&json!([])));
        place.ran(2, &["collect"]).says(&["the list `entries` is empty, and had 2 objects"]);
        assert_eq!(stored(&place, "entries"), expected, "{mode}");
    }
}

#[test]
fn objects_of_several_items_with_the_same_id_are_not_versions_of_each_other() {
    let (place, _world, _server) = harbour(
        &SITES.replace("[\"${item}\", \"/id\"]", "\"/id\""),
        &[
            ("/sites", list(&json!([{"id": "s"}, {"id": "t"}]))),
            ("/sites/s", list(&json!([{"id": 1, "rev": 1}, {"id": 2, "rev": 7}]))),
            // One that is seen through both is one.
            ("/sites/t", list(&json!([{"id": 2, "rev": 7}, {"id": 1, "rev": 4}]))),
        ],
    );
    place.ran(2, &["collect"]).says(&["the object `entries/1` is another one for", "${item} belongs into object_id"]);
}

/// Acts that have details that name jobs: what was read for the one must not wait for ever for the other.
const CHAIN: &str = r#"
kind = "events"
[stream.acts.request]
path = "/acts"
query = { since = "${window.start:rfc3339}" }
[stream.acts.cursor]
mode = "since"
field = "/at"
[stream.acts.identity]
event_id = "/id"
[stream.details.request]
path = "/acts/${item}"
[stream.details.for_each]
from = "acts"
pointer = "/id"
[stream.details.identity]
event_id = "/id"
[stream.jobs.request]
path = "/jobs/${item}"
[stream.jobs.for_each]
from = "details"
pointer = "/job"
[stream.jobs.identity]
event_id = "/id"
"#;

#[test]
fn what_follows_from_a_record_is_read_though_it_failed_at_first() {
    let (place, world, server) = harbour(
        CHAIN,
        &[
            ("/acts", list(&json!([{"id": 1, "at": minutes_ago(5)}, {"id": 2, "at": minutes_ago(4)}]))),
            ("/acts/1", list(&json!([{"id": 1, "job": "j1"}]))),
            ("/acts/2", list(&json!([{"id": 2, "job": "j2"}]))),
            ("/jobs/j1", list(&json!([{"id": "j1"}]))),
            ("/jobs/j2", Answer::status(418, "not now")),
        ],
    );
    place.ran(2, &["collect"]);
    assert_eq!(stored(&place, "jobs"), ["jobs/j1"]);
    now(&world, "/jobs/j2", list(&json!([{"id": "j2"}])));
    place.ran(0, &["collect"]);
    assert_eq!(stored(&place, "jobs"), ["jobs/j1", "jobs/j2"]);
    // What has been read with all that follows is not asked for again.
    let before = server.asked().len();
    place.ran(0, &["collect"]);
    assert_eq!(server.asked().len() - before, 1);
}

/// Documents that have a log each.
const DOCUMENTS: &str = r#"
kind = "state"
[stream.docs.request]
path = "/docs"
[stream.docs.identity]
object_id = "/id"
[stream.log]
kind = "events"
[stream.log.request]
path = "/docs/${item}"
query = { since = "${window.start:rfc3339}" }
[stream.log.for_each]
from = "docs"
pointer = "/id"
[stream.log.cursor]
mode = "since"
field = "/at"
[stream.log.identity]
event_id = ["${item}", "/id"]
"#;

#[test]
fn the_end_of_the_log_of_an_object_that_is_gone_is_read_once() {
    let entry = |id: u32| json!({"id": id, "at": minutes_ago(5), "by": "Ann"});
    let docs = |ids: &[&str]| list(&ids.iter().map(|id| json!({"id": id})).collect::<Value>());
    let (place, world, server) = harbour(
        DOCUMENTS,
        &[
            ("/docs", docs(&["a", "b", "c"])),
            ("/docs/a", list(&json!([entry(1)]))),
            ("/docs/b", list(&json!([entry(1)]))),
            ("/docs/c", list(&json!([entry(1)]))),
        ],
    );
    place.ran(0, &["collect"]);
    // Of one the log tells who took it away, the other one's log is gone too.
    now(&world, "/docs", docs(&["a"]));
    now(&world, "/docs/b", list(&json!([entry(1), entry(2)])));
    now(&world, "/docs/c", Answer::status(404, "gone"));
    place.ran(0, &["collect"]);
    assert_eq!(stored(&place, "log"), ["log/a:1", "log/b:1", "log/b:2", "log/c:1"]);
    let asked = server.asked().len();
    place.ran(0, &["collect"]);
    assert_eq!(server.asked().len() - asked, 2, "the list and the log that is left");
    // One that comes back, and goes again.
    now(&world, "/docs", docs(&["a", "b"]));
    place.ran(0, &["collect"]);
    now(&world, "/docs", docs(&["a"]));
    now(&world, "/docs/b", list(&json!([entry(3)])));
    place.ran(0, &["collect"]);
    assert!(stored(&place, "log").contains(&"log/b:3".to_owned()));
    // What may not be read any more is told once.
    now(&world, "/docs", docs(&["d"]));
    now(&world, "/docs/d", list(&json!([entry(1)])));
    now(&world, "/docs/a", Answer::status(403, "you may not"));
    place.ran(2, &["collect"]).says(&["you may not"]);
    place.ran(0, &["collect"]);
}

#[test]
fn a_first_snapshot_that_was_interrupted_hides_no_change() {
    let description = r#"
kind = "state"
[request]
path = "/list"
[paginate]
type = "next_url"
pointer = "/next"
[records]
pointer = "/all"
[cursor]
field = "/at"
[identity]
object_id = "/id"
version = "/rev"
"#;
    // So large that a part is stored before the last page.
    let pad = "x".repeat(1024 * 1024);
    let page = |rev: u32| {
        let object = |id: u32| {
            let rev = if id == 3 { rev } else { 1 };
            json!({"id": id, "rev": rev, "at": "2026-10-01T00:00:00Z", "by": format!("by{rev}"), "pad": pad})
        };
        list(&json!({"next": "/two", "all": (0..6).map(object).collect::<Vec<_>>()}))
    };
    let (place, world, _server) = harbour(description, &[("/list", page(1)), ("/two", Answer::status(418, "not now"))]);
    place.ran(2, &["collect"]);
    now(&world, "/list", page(2));
    now(&world, "/two", list(&json!({"next": null, "all": []})));
    place.ran(0, &["collect"]);
    place.ran(0, &["reconcile"]);
    let changes = place.query("select record_id, actor_name from event where category = 'change'");
    assert_eq!(changes.rows, [["3@2", "by2"]]);
    assert_eq!(place.query("select count(*) from event where category = 'evidence'").rows, [["6"]]);
}

#[test]
fn records_of_several_items_with_the_same_id_do_not_replace_each_other() {
    let description = r#"
kind = "events"
[request]
path = "/sites/${item}"
query = { since = "${window.start:rfc3339}" }
[for_each]
list = ["s1", "s2", "s3"]
concurrency = 1
[cursor]
mode = "since"
field = "/at"
[identity]
event_id = "/id"
"#;
    let at = minutes_ago(5);
    let entry = |id: u32, by: &str| json!({"id": id, "at": at, "by": by});
    let (place, world, _server) = harbour(
        description,
        &[
            ("/sites/s1", list(&json!([entry(1, "Ann"), entry(2, "Ann")]))),
            ("/sites/s2", list(&json!([entry(1, "Ben"), entry(9, "Ben")]))),
            // The same record, seen through another item, is one.
            ("/sites/s3", list(&json!([entry(2, "Ann")]))),
        ],
    );
    let content = "select record_id, json_extract_string(record, '$.by') from store.raw_record order by all";
    let aside = "select record, error from quarantine order by all";
    for _ in 0..2 {
        let output = place.ran(0, &["collect"]);
        output.says(&["1 records could not be read and were set aside"]);
        assert_eq!(place.query(content).rows, [["1", "Ann"], ["2", "Ann"], ["9", "Ben"]]);
        let rows = place.query(aside).rows;
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert!(rows[0][0].contains("Ben"), "{rows:?}");
        assert_eq!(
            rows[0][1], "another record has its id, `1`, read for s1: ${item} belongs into event_id",
            "{rows:?}"
        );
    }
    let unfooted = std::fs::read_to_string(checkout("queries/checks/coverage-foots.sql")).expect("a check");
    let unfooted: Vec<&str> = unfooted.lines().filter(|line| !line.starts_with("--")).collect();
    assert!(place.query(&unfooted.join("\n")).rows.is_empty());
    // What is stored keeps its id; what changes under its own item is that record still.
    now(&world, "/sites/s1", list(&json!([entry(1, "Anna")])));
    now(&world, "/sites/s3", list(&json!([entry(9, "Cleo")])));
    place.ran(0, &["collect"]);
    assert_eq!(place.query(content).rows, [["1", "Ann"], ["1", "Anna"], ["2", "Ann"], ["9", "Ben"]]);
    assert_eq!(place.query(aside).rows.len(), 2);
    // As the message says.
    place.write(
        "mine/harbour/connector.toml",
        format!("{HEAD}{}", description.replace("event_id = \"/id\"", "event_id = [\"${item}\", \"/id\"]")),
    );
    place.ran(0, &["collect"]);
    assert!(place.query(content).rows.contains(&vec!["s2:1".to_owned(), "Ben".to_owned()]));
}

/// A log of whole days that leaves out the day it is asked for.
const DAYS: &str = r#"
kind = "events"
[request]
path = "/log"
[cursor]
mode = "since"
start = "after"
field = "/at"
field_format = "date"
inclusive = false
[identity]
event_id = "/id"
"#;

#[test]
fn a_log_that_leaves_out_the_day_it_is_asked_for_is_asked_for_the_day_before() {
    let (place, _world, server) = harbour(DAYS, &[("/log", list(&json!([])))]);
    place.ran(0, &["collect"]);
    place.ran(0, &["collect"]);
    let asked = server.asked();
    let day = asked.last().and_then(|asked| asked.param("after")).expect("a day").to_owned();
    // The last hour is read again, which may be yesterday's.
    let from = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    let expected = (from - jiff::SignedDuration::from_hours(24)).strftime("%Y-%m-%d").to_string();
    assert_eq!(day, expected);
}

#[test]
fn a_description_that_would_read_nothing_or_lose_something_is_refused() {
    let (place, _world, _server) = harbour(DAYS, &[("/log", list(&json!([])))]);
    let secret = "secrets = ['key']\nkind = \"events\"";
    for (description, change, said) in [
        (DAYS, ("[identity]\nevent_id = \"/id\"", ""), "[identity] main has none, so nothing of it is stored"),
        (LEVELS, ("[stream.log.identity]\nevent_id = [\"${item}\", \"/id\"]", ""), "[identity] log has none"),
        (
            CHAIN,
            (
                "[stream.details.identity]\nevent_id = \"/id\"",
                "[stream.x.request]\npath = \"/x\"\n[stream.x.cursor]\nmode = \"since\"",
            ),
            "[identity] x has none, so nothing of it is stored",
        ),
        (
            DAYS,
            ("[identity]", "[paginate]\ntype = \"last_record\"\npointer = \"/at\"\nparam = \"after\"\n[identity]"),
            "lose what happened in the same second",
        ),
        (DAYS, ("mode = \"since\"", "mode = \"window\"\nmax_window = \"0h\""), "`0h` is no number of hours or days"),
        (DAYS, ("mode = \"since\"", "mode = \"window\"\nmax_window = \"90m\""), "`90m` is no number of hours or days"),
        (
            DAYS,
            ("mode = \"since\"\nstart = \"after\"", "mode = \"window\""),
            "mode = \"window\" asks for a time, and [request] has no ${window.…}",
        ),
        (DAYS, ("kind = \"events\"", secret), "the secret `key` is declared, and nothing uses it"),
        (
            DAYS,
            ("kind = \"events\"", "kind = \"events\"\ntransport = [\"http\", \"files\"]"),
            "[params] path is missing",
        ),
        (
            DAYS,
            ("kind = \"events\"", "kind = \"events\"\nsessions_of = [\"azure\"]"),
            "sessions_of and sessions_when are for what emits `session`",
        ),
        (
            CHAIN,
            ("[stream.details.request]", "[stream.details]\nkind = \"state\"\n[stream.details.request]"),
            "`object_id` is missing",
        ),
    ] {
        let description = description.replacen(change.0, change.1, 1);
        place.write("mine/harbour/connector.toml", format!("{HEAD}{description}"));
        place.ran(2, &["collect"]).says(&[said]);
    }
    let unused = HEAD.replace("params = { ", "params = { site = { help = \"the site\" }, ");
    place.write("mine/harbour/connector.toml", format!("{unused}{DAYS}"));
    place.ran(2, &["collect"]).says(&["the parameter `site` is declared, and nothing uses it"]);
}
