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
