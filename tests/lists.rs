//! Lists of objects: what is told as gone, and what keeps that from being told.

use std::sync::atomic::{AtomicUsize, Ordering};

use changetrail::contract::Answer;
use serde_json::{Value, json};

use crate::support::harbour::{harbour, list, now, stored};

/// A list of forms that has pages, and the details of each.
const FORMS: &str = r#"
kind = "state"
[stream.list.request]
path = "/list"
[stream.list.records]
pointer = "/all"
[stream.list.paginate]
type = "next_url"
pointer = "/next"
[stream.forms.request]
path = "/forms/${item}"
[stream.forms.records]
each = "one"
[stream.forms.for_each]
from = "list"
pointer = "/id"
[stream.forms.identity]
object_id = "/id"
version = "/rev"
[stream.other.request]
path = "/other"
[stream.other.identity]
object_id = "/id"
"#;

fn objects(ids: &[&str]) -> Value {
    ids.iter().map(|id| json!({"id": id, "rev": 1})).collect()
}

fn page(ids: &[&str], next: Option<&str>) -> Answer {
    list(&json!({"all": objects(ids), "next": next}))
}

#[test]
fn an_item_that_a_list_lacked_while_it_was_paged_has_its_objects_still() {
    let (place, _world, server) = harbour(FORMS, &[]);
    // In which walk each collection loses `b`.
    let walks = std::sync::Arc::new(AtomicUsize::new(0));
    let lost = std::sync::Arc::new(std::sync::Mutex::new(Vec::<usize>::new()));
    let (counted, losing) = (std::sync::Arc::clone(&walks), std::sync::Arc::clone(&lost));
    server.answer_by(move |asked| match asked.path.as_str() {
        "/other" => list(&objects(&["o"])),
        "/list" => {
            counted.fetch_add(1, Ordering::SeqCst);
            page(&["a"], Some("/list/2"))
        }
        "/list/2" => {
            let walk = counted.load(Ordering::SeqCst);
            let is_lost = losing.lock().expect("walks").contains(&walk);
            page(if is_lost { &["c"] } else { &["b", "c"] }, None)
        }
        path => list(&json!({"id": path.rsplit('/').next(), "rev": 1})),
    });
    place.ran(0, &["collect"]);
    let whole = ["forms/a@1", "forms/b@1", "forms/c@1"];
    assert_eq!((stored(&place, "forms"), walks.load(Ordering::SeqCst)), (whole.map(str::to_owned).to_vec(), 1));
    lost.lock().expect("walks").push(2);
    place.ran(0, &["collect"]);
    assert_eq!((stored(&place, "forms"), walks.load(Ordering::SeqCst)), (whole.map(str::to_owned).to_vec(), 3));
    lost.lock().expect("walks").extend([4, 5]);
    place.ran(0, &["collect"]);
    assert!(stored(&place, "forms").contains(&"forms/b@deleted".to_owned()));
}

#[test]
fn a_record_of_a_list_that_is_not_stored_and_names_nothing_is_set_aside() {
    let (place, world, _server) = harbour(
        FORMS,
        &[
            ("/list", page(&["a", "b"], None)),
            ("/other", list(&objects(&["o"]))),
            ("/forms/a", list(&json!({"id": "a", "rev": 1}))),
            ("/forms/b", list(&json!({"id": "b", "rev": 1}))),
        ],
    );
    place.ran(0, &["collect"]);
    now(&world, "/list", list(&json!({"all": [{"id": "a"}, {"id": null, "title": "b?"}]})));
    // Which form that was nobody knows, so that none is told as gone.
    place.ran(2, &["collect"]).says(&["1 objects of the list `forms` are missing"]);
    assert_eq!(stored(&place, "forms"), ["forms/a@1", "forms/b@1"]);
    let aside = place.query("select error, record from quarantine").rows;
    assert!(aside.len() == 1 && aside[0][0].contains("nothing at /id, which names what is read for it"), "{aside:?}");
    assert!(aside[0][1].contains("b?"), "{aside:?}");
}

/// Sites, and entries of each.
const SITES: &str = r#"
kind = "state"
[stream.sites.request]
path = "/sites/${item}"
[stream.sites.for_each]
list = ["one", "two"]
[stream.entries.request]
path = "/entries/${item}"
[stream.entries.for_each]
from = "sites"
pointer = "/id"
[stream.entries.identity]
object_id = "/id"
version = "/rev"
[stream.other.request]
path = "/other"
[stream.other.identity]
object_id = "/id"
"#;

#[test]
fn what_one_list_of_several_names_is_not_gone_for_another() {
    let (place, world, _server) = harbour(
        SITES,
        &[
            ("/sites/one", list(&objects(&["s"]))),
            ("/sites/two", list(&objects(&["t"]))),
            ("/entries/s", list(&objects(&["a"]))),
            ("/entries/t", list(&objects(&["b", "c"]))),
            ("/other", list(&objects(&[]))),
        ],
    );
    for _ in 0..3 {
        place.ran(0, &["collect"]);
        assert_eq!(stored(&place, "entries"), ["entries/a@1", "entries/b@1", "entries/c@1"]);
    }
    now(&world, "/sites/one", list(&objects(&[])));
    place.ran(0, &["collect"]);
    assert_eq!(stored(&place, "entries"), ["entries/a@1", "entries/a@deleted", "entries/b@1", "entries/c@1"]);
}

#[test]
fn the_list_of_one_item_that_is_empty_all_at_once_is_an_error() {
    let (place, world, _server) = harbour(
        SITES,
        &[
            ("/sites/one", list(&objects(&["s", "t"]))),
            ("/sites/two", list(&objects(&["u"]))),
            ("/entries/s", list(&objects(&["a", "b"]))),
            ("/entries/t", list(&objects(&["c"]))),
            ("/entries/u", list(&objects(&["d", "e"]))),
            ("/other", list(&objects(&[]))),
        ],
    );
    place.ran(0, &["collect"]);
    now(&world, "/entries/s", list(&objects(&[])));
    now(&world, "/entries/u", list(&objects(&["d"])));
    place.ran(2, &["collect"]).says(&["the list `entries/s` is empty, and had 2 objects"]);
    // What is gone elsewhere is told.
    let mut expected = vec!["entries/a@1", "entries/b@1", "entries/c@1", "entries/d@1", "entries/e@1"];
    expected.push("entries/e@deleted");
    assert_eq!(stored(&place, "entries"), expected);
    place.ran(0, &["collect", "--since", "1h"]);
    assert!(stored(&place, "entries").contains(&"entries/a@deleted".to_owned()));
}

/// One list.
const LIST: &str = "kind = 'state'\nrequest.path = '/list'\nidentity.object_id = '/id'\n";

#[test]
fn a_record_that_names_no_object_keeps_nothing_silently_from_being_gone() {
    let (place, world, _server) = harbour(LIST, &[("/list", list(&objects(&["a", "b"])))]);
    place.ran(0, &["collect"]);
    let deleted = || place.query("select count(*) from store.raw_record where record_id like '%deleted%'").rows;
    let with = |ids: &[&str]| {
        let mut found = objects(ids);
        found.as_array_mut().expect("a list").push(json!({"title": "no id"}));
        list(&found)
    };
    // As long as nothing is missing, nothing is in doubt.
    now(&world, "/list", with(&["a", "b"]));
    place.ran(0, &["collect"]);
    now(&world, "/list", with(&["b", "c"]));
    for _ in 0..2 {
        place.ran(2, &["collect"]).says(&["1 objects of the list `main` are missing", "`object_id`", "--since 1h"]);
        assert_eq!(deleted(), [["0"]]);
    }
    assert_eq!(place.query("select count(*) from store.raw_record where record_id like 'c@%'").rows, [["1"]]);
    place.ran(0, &["collect", "--since", "1h"]);
    assert_eq!(deleted(), [["1"]]);
}

#[test]
fn two_objects_with_one_id_are_no_versions_of_each_other() {
    let twice = json!([{"id": "a", "language": "en"}, {"id": "a", "language": "cy"}, {"id": "b"}]);
    let (place, world, _server) = harbour(LIST, &[("/list", list(&twice))]);
    place.ran(2, &["collect"]).says(&["two records of one page have the id `a`"]);
    now(&world, "/list", list(&json!([{"id": "a"}, {"id": "a"}])));
    place.ran(0, &["collect"]);
    // Of two items that the source names.
    let items =
        "kind = 'state'\nrequest.path = '/list/${item}'\nfor_each.list = ['x', 'y']\nidentity.object_id = '/id'\n";
    let of = |item: &str| list(&json!([{"id": 1, "of": item}]));
    let (place, world, _server) = harbour(items, &[("/list/x", of("x")), ("/list/y", of("y"))]);
    place.ran(2, &["collect"]).says(&["the object `1` is another one for", "${item} belongs into object_id"]);
    now(&world, "/list/y", of("x"));
    place.ran(0, &["collect"]);
}
