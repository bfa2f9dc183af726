//! Answers that say something else than they seem to: what is missing in the middle, or told with a good status, is told.

use changetrail::contract::Answer;
use serde_json::{Value, json};

use crate::support::Place;
use crate::support::harbour::{harbour, list, minutes_ago, now};

/// A log whose pages name the next one.
const LOG: &str = r#"
kind = "events"
[errors]
on = [{ status = 404, action = "stop" }, { status = 410, action = "skip" }]
[request]
path = "/log"
query = { since = "${window.start:rfc3339}" }
[records]
pointer = "/all"
[paginate]
type = "next_url"
pointer = "/next"
[cursor]
mode = "since"
field = "/at"
[identity]
event_id = "/id"
"#;

fn entry(id: u32) -> Value {
    json!({"id": id, "at": minutes_ago(5)})
}

fn ids(place: &Place) -> Vec<String> {
    let rows = place.query("select record_id from store.raw_record order by all").rows;
    rows.into_iter().flatten().collect()
}

#[test]
fn a_later_page_that_is_missing_is_no_end() {
    let first = list(&json!({"all": [entry(1)], "next": "/two"}));
    let (place, world, _server) = harbour(LOG, &[("/log", first), ("/two", Answer::status(404, "no such page"))]);
    for status in [404, 410] {
        now(&world, "/two", Answer::status(status, "no such page"));
        place.ran(2, &["collect"]).says(&["page 2 is answered with what [errors] takes for nothing"]);
        assert_eq!(place.query("select count(*) from cursor").rows, [["0"]]);
    }
    now(&world, "/two", list(&json!({"all": [entry(2)], "next": null})));
    place.ran(0, &["collect"]);
    assert_eq!(ids(&place), ["1", "2"]);
    // Of the first page a rule says that there is nothing.
    now(&world, "/log", Answer::status(404, "nothing"));
    place.ran(0, &["collect"]);
}

#[test]
fn what_is_taken_out_of_records_is_in_no_quote_and_in_nothing_set_aside() {
    let secret = json!({"id": 1, "at": minutes_ago(5), "body": {"pw": "HUSH-1"}, "password": "HUSH-2"});
    let description = format!("redact = ['/body/pw', '/notes/*/pw']\n{LOG}");
    let echo = Answer::status(400, json!({"why": "no", "record": secret}).to_string());
    let (place, world, _server) = harbour(&description, &[("/log", echo)]);
    let told = place.ran(2, &["collect"]);
    told.says(&["status 400", "\"why\":\"no\""]);
    let mut bad = secret.clone();
    bad["id"] = json!("x");
    bad["notes"] = json!([{"pw": "HUSH-3", "kept": 1}]);
    now(&world, "/log", list(&json!({"all": [bad, "pw=HUSH-4", [secret]], "next": null})));
    place.ran(0, &["collect"]);
    let all = "select record from store.raw_record union all select record from quarantine union all select coalesce(error, '') from poll";
    let kept = place.query(all).rows.concat().join("\n");
    assert!(!kept.contains("HUSH") && !told.stderr.contains("HUSH"), "{kept}\n{}", told.stderr);
    assert!(kept.contains("kept") && kept.contains("11 bytes, a single value: not shown"), "{kept}");
}

/// The same log by pages that are counted.
fn counted(paging: &str) -> String {
    LOG.replace("type = \"next_url\"\npointer = \"/next\"", paging)
        .replace("[errors]\n", "[limits]\n")
        .replace("on = [{ status = 404, action = \"stop\" }, { status = 410, action = \"skip\" }]\n", "rps = 100\n")
}

#[test]
fn an_empty_object_is_no_later_page_of_a_log() {
    for paging in ["type = \"page\"\nparam = \"p\"", "type = \"page\"\nparam = \"p\"\ntotal_pages = \"/pages\""] {
        let (place, _world, server) = harbour(&counted(paging), &[]);
        server.answer_by(|asked| match asked.param("p") {
            Some("1") => list(&json!({"all": [entry(1)], "pages": 3})),
            _ => Answer::ok("{}"),
        });
        place.ran(2, &["collect"]).says(&["it has no `all` where the records should be"]);
        // That nothing happened may be told so.
        server.answer_by(|_| Answer::ok("{}"));
        place.ran(0, &["collect"]);
    }
}

#[test]
fn a_page_full_of_late_entries_is_not_the_end_of_a_feed() {
    let old = |id: u32| json!({"id": id, "at": "2020-01-01T00:00:00Z"});
    let page = |entries: Value, next: &str| list(&json!({"all": entries, "next": next}));
    let feed = LOG
        .replace("mode = \"since\"", "mode = \"feed\"")
        .replace("query = { since = \"${window.start:rfc3339}\" }\n", "");
    let (place, _world, _server) = harbour(
        &feed,
        &[
            ("/log", page(json!([entry(1)]), "/2")),
            ("/2", page(json!([old(10), old(11)]), "/3")),
            ("/3", page(json!([entry(2)]), "/4")),
            ("/4", page(json!([old(12)]), "/5")),
            ("/5", page(json!([old(13)]), "/6")),
            // Behind two pages that are old nobody looks.
            ("/6", Answer::status(500, "asked in vain")),
        ],
    );
    place.ran(0, &["collect"]);
    let ids = ids(&place);
    assert!(["1", "2"].iter().all(|id| ids.contains(&(*id).to_owned())), "{ids:?}");
}

#[test]
fn times_in_another_unit_than_was_said_end_no_feed() {
    let seconds = |id: u32| json!({"id": id, "at": jiff::Timestamp::now().as_second() - 60});
    let page = |id: u32, next: Option<&str>| list(&json!({"all": [seconds(id)], "next": next}));
    let feed = LOG
        .replace("mode = \"since\"", "mode = \"feed\"\nfield_format = \"epoch_ms\"")
        .replace("query = { since = \"${window.start:rfc3339}\" }\n", "");
    let pages = [
        ("/log", page(1, Some("/2"))),
        ("/2", page(2, Some("/3"))),
        ("/3", page(3, Some("/4"))),
        ("/4", page(4, None)),
    ];
    let (place, _world, _server) = harbour(&feed, &pages);
    place.ran(0, &["collect"]);
    assert_eq!(place.query("select count(*) from store.raw_record").rows, [["4"]]);
}

/// A log, and one detail of each of its records.
const DETAILS: &str = r#"
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
[stream.details.records]
each = "one"
[stream.details.for_each]
from = "acts"
pointer = "/id"
[stream.details.identity]
event_id = "/id"
"#;

#[test]
fn a_detail_that_is_empty_is_read_the_next_time() {
    let (place, world, _server) = harbour(DETAILS, &[("/acts", list(&json!([entry(1)])))]);
    for empty in [list(&json!([])), Answer::status(204, "")] {
        now(&world, "/acts/1", empty);
        place.ran(2, &["collect"]).says(&["it is empty, where one record should be"]);
    }
    now(&world, "/acts/1", list(&json!({})));
    place.ran(2, &["collect"]).says(&["it is an object that has nothing of what names a record: /id"]);
    now(&world, "/acts/1", list(&entry(1)));
    place.ran(0, &["collect"]);
    assert_eq!(ids(&place), ["acts/1", "details/1"]);
    // Of an object it says nothing either, least of all that it is gone.
    let settings = "kind = 'state'\nrequest.path = '/settings'\nrecords.each = 'one'\nidentity.object_id = '/id'\n";
    let (place, world, _server) = harbour(settings, &[("/settings", list(&json!({"id": "s"})))]);
    place.ran(0, &["collect"]);
    now(&world, "/settings", list(&json!([])));
    place.ran(2, &["collect"]).says(&["the list `main` is empty, and had 1 objects"]);
}

#[test]
fn an_entry_that_names_no_detail_is_set_aside() {
    let details = DETAILS.replace("[stream.acts.identity]\nevent_id = \"/id\"\n", "");
    let nameless = |id: Value| json!({"id": id, "at": minutes_ago(5)});
    let acts = json!([entry(1), nameless(Value::Null), {"uid": 3, "at": minutes_ago(5)}]);
    let (place, _world, _server) = harbour(&details, &[("/acts", list(&acts)), ("/acts/1", list(&entry(1)))]);
    place.ran(0, &["collect"]);
    assert_eq!(ids(&place), ["1"]);
    let reasons = "select distinct error from quarantine";
    assert_eq!(place.query("select count(*) from quarantine").rows, [["2"]]);
    let reason = place.query(reasons).rows.concat().concat();
    assert!(reason.contains("the record has nothing at /id, which names what is read for it"), "{reason}");
    // What a list has may be left out.
    let several = details.replace("pointer = \"/id\"", "pointer = \"/of/*/id\"");
    let (place, world, _server) = harbour(&several, &[("/acts/1", list(&entry(1)))]);
    now(&world, "/acts", list(&json!([{"of": [{"id": 1}, {}]}, {"of": null}, {"of": []}, {}])));
    place.ran(0, &["collect"]);
    assert_eq!((ids(&place).len(), place.query("select record from quarantine").rows.len()), (1, 1));
}

#[test]
fn an_item_that_would_lead_out_of_the_path_is_set_aside_and_the_others_are_read() {
    let unstored = DETAILS.replace("[stream.acts.identity]\nevent_id = \"/id\"\n", "");
    let list_of = |cursor: &str| {
        unstored
            .replacen("kind = \"events\"", "kind = \"events\"\n[stream.acts]\nkind = \"state\"", 1)
            .replace("[stream.acts.cursor]\nmode = \"since\"\nfield = \"/at\"\n", "")
            .replace("query = { since = \"${window.start:rfc3339}\" }\n", "")
            + cursor
    };
    let logs = list_of("[stream.details.cursor]\nmode = \"since\"\nfield = \"/at\"\n");
    let objects = list_of("").replace("kind = \"events\"", "kind = \"state\"").replace("event_id", "object_id");
    for description in [DETAILS.to_owned(), unstored.clone(), list_of(""), logs, objects] {
        let acts = json!([{"id": "..", "at": minutes_ago(5)}, entry(1)]);
        let (place, world, _server) = harbour(&description, &[("/acts", list(&acts)), ("/acts/1", list(&entry(1)))]);
        place.ran(0, &["collect"]);
        now(&world, "/acts/2", list(&entry(2)));
        now(&world, "/acts", list(&json!([acts[0], acts[1], entry(2)])));
        place.ran(0, &["collect"]);
        let kept = ids(&place).join(" ");
        assert!(["1", "2"].iter().all(|id| kept.contains(id)), "{kept}\n{description}");
        let aside = place.query("select distinct error, record from quarantine").rows;
        assert_eq!(aside, [["`..` would lead out of the path", "{\"item\":\"..\"}"]], "{description}");
    }
}

#[test]
fn an_answer_of_lines_that_are_no_records_is_not_the_log() {
    let lines = counted("type = \"none\"").replace("pointer = \"/all\"", "format = \"ndjson\"");
    let (place, world, _server) = harbour(&lines, &[("/log", Answer::ok("<html>\nplease sign in\n</html>\n"))]);
    place.ran(2, &["collect"]).says(&["none of its lines is JSON"]);
    now(&world, "/log", Answer::ok("{\"error\":\"being moved\"}\n"));
    place.ran(2, &["collect"]).says(&["none of its lines has anything of what names a record: /id", "being moved"]);
    now(&world, "/log", Answer::ok(format!("{}\nno JSON\n", entry(1))));
    place.ran(0, &["collect"]);
    assert_eq!(ids(&place), ["1"]);
}

#[test]
fn errors_instead_of_records_or_beside_them_are_told() {
    let lacking = counted("type = \"none\"").replace("pointer = \"/all\"", "pointer = \"/all\"\nmay_lack = true");
    let (place, world, _server) = harbour(&lacking, &[("/log", list(&json!({"error": {"code": 403}})))]);
    place.ran(2, &["collect"]).says(&["it has no records, and `error`"]);
    now(&world, "/log", list(&json!({"all": [entry(1)], "errors": [{"message": "shard 3 not reached"}]})));
    place.ran(2, &["collect"]).says(&["it has `errors` beside what was asked for", "shard 3 not reached"]);
    for good in [json!({"error": null}), json!({"all": [entry(1)], "errors": [], "message": "ok"})] {
        now(&world, "/log", list(&good));
        place.ran(0, &["collect"]);
    }
    assert_eq!(ids(&place), ["1"]);
    let asked_for = counted("type = \"none\"").replace("/all", "/errors");
    let (place, _world, _server) = harbour(&asked_for, &[("/log", list(&json!({"errors": [entry(2)]})))]);
    place.ran(0, &["collect"]);
    assert_eq!(ids(&place), ["2"]);
}
