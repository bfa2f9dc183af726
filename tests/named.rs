//! What records of described connectors are called: as they were when they were first read, whatever else the description says
//! by now.

use serde_json::json;

use crate::support::Place;
use crate::support::harbour::{HEAD, harbour, list, now, objects};

fn ids(place: &Place) -> Vec<String> {
    let rows = place.query("select record_id from store.raw_record order by 1").rows;
    rows.into_iter().flatten().collect()
}

#[test]
fn a_stream_more_or_less_is_no_reason_to_name_anything_anew() {
    let one = |id: &str| list(&json!([{"id": id, "v": 1}]));
    let describe = |names: &[&str]| {
        let streams: String = names.iter().map(|name| objects(name, "version = '/v'")).collect();
        format!("kind = 'state'\n{streams}")
    };
    let (place, _world, _server) = harbour(&describe(&["ships"]), &[("/ships", one("s")), ("/piers", one("p"))]);
    for (names, expected) in [
        (&["ships"][..], &["s@1"][..]),
        (&["piers", "ships"], &["piers/p@1", "s@1"]),
        (&["piers"], &["piers/p@1", "s@1"]),
        (&["ships", "piers"], &["piers/p@1", "s@1"]),
    ] {
        place.write("mine/harbour/connector.toml", format!("{HEAD}{}", describe(names)));
        place.ran(0, &["collect"]);
        assert_eq!(ids(&place), expected, "{names:?}");
    }
}

#[test]
fn files_of_another_stream_are_no_reason_either() {
    let describe = |more: &str| {
        format!(
            "{}kind = 'events'\ntransport = ['files']\n[stream.log]\nidentity.event_id = ['/id']\ncursor.field = '/at'\n{more}",
            HEAD.replace("base_url = { default = \"https://harbour.example.org\" }", "path = { required = true }")
        )
    };
    let place = Place::new(
        "[extend]\nconnectors = ['mine']\n[[source]]\nname = 'harbour'\nconnector = 'harbour'\npath = 'log'\n",
    );
    place.write("mine/harbour/map.sql", "-- emits: change\nselect record_id, occurred_at, 'berth' as action from raw");
    place.write("log/log/1.jsonl", r#"{"id": "a", "at": "2026-11-03T10:00:00Z"}"#);
    place.write("mine/harbour/connector.toml", describe(""));
    place.ran(0, &["collect"]);
    place.write(
        "mine/harbour/connector.toml",
        describe("[stream.more]\nidentity.event_id = ['/id']\ncursor.field = '/at'\n"),
    );
    let two = "{\"id\": \"a\", \"at\": \"2026-11-03T10:00:00Z\"}\n{\"id\": \"b\", \"at\": \"2026-11-03T10:00:00Z\"}\n";
    place.write("log/log/1.jsonl", two);
    place.write("log/more/1.jsonl", two);
    place.ran(0, &["collect"]);
    assert_eq!(ids(&place), ["a", "b", "more/a", "more/b"]);
}

#[test]
fn what_makes_a_version_may_be_said_anew_without_anybody_having_edited_anything() {
    let ships = |seen: u32, version: u32| {
        list(&json!([{"id": "s", "v": version, "seen": seen}, {"id": "t", "v": 1, "seen": seen}]))
    };
    let describe = |identity: &str| format!("kind = 'state'\n{}", objects("ships", identity));
    let (place, world, _server) = harbour(&describe(""), &[("/ships", ships(1, 1))]);
    let read = |identity: &str| {
        place.write("mine/harbour/connector.toml", format!("{HEAD}{}", describe(identity)));
        place.ran(0, &["collect"]);
        ids(&place)
    };
    let first = read("");
    assert_eq!(first.len(), 2);
    assert_eq!(read("volatile = ['/seen']"), first);
    now(&world, "/ships", ships(2, 1));
    assert_eq!(read("volatile = ['/seen']"), first);
    assert_eq!(read("version = '/v'"), first);
    // What is edited is told all the same.
    now(&world, "/ships", ships(2, 2));
    let told = read("version = '/v'");
    assert_eq!(told.len(), 3);
    assert!(told.contains(&"s@2".to_owned()), "{told:?}");
    assert_eq!(read("version = '/v'"), told);
}
