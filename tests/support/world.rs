//! The world of the cases, to be audited several times.

use serde_json::{Value, json};

use super::shorthand::{events, releases, with_accounts};
use super::{Place, checkout};

pub(crate) fn place() -> Place {
    let world = std::fs::read_to_string(checkout("tests/cases/world.toml")).expect("the world");
    let place = Place::new(&with_accounts(&world));
    std::fs::create_dir_all(place.path("trail")).expect("a folder");
    std::fs::create_dir_all(place.path("releases")).expect("a folder");
    place
}

pub(crate) fn log(place: &Place, name: &str, given: Value) {
    let records = events::records(given);
    place.write(&format!("trail/{name}.json"), json!({ "Records": records }).to_string());
}

pub(crate) fn release(place: &Place, name: &str, given: Value) {
    let lines = releases::lines(&releases::deployments(given));
    place.write(&format!("releases/{name}.jsonl"), lines);
}

/// A change by the pipeline's role.
pub(crate) fn deploy() -> Value {
    json!([{"id": "c", "time": "10:05", "action": "s3:PutBucketPolicy", "who": "role:register-deploy/x", "key": "ASIA1"}])
}

/// The verdict on the change `c`.
pub(crate) fn verdict(place: &Place) -> String {
    let changes = place.report("changes");
    changes.cell(changes.row("record_id", "c"), "verdict").to_owned()
}
