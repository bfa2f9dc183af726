//! A made-up system, and a folder for it that asks nothing but what a test says.

use std::sync::{Arc, Mutex};

use changetrail::contract::{Answer, Asked, Server};
use serde_json::Value;

use super::Place;

/// The head of a description.
pub(crate) const HEAD: &str = r#"
name = "harbour"
vendor = "Harbour"
docs = "https://example.org/harbour"
emits = ["change"]
permission = "read"
retention = "none"
lag = "0s"
params = { base_url = { default = "https://harbour.example.org" } }
"#;

const MAPPING: &str = r"
-- emits: change
select record_id, occurred_at, json_extract_string(record, '$.by') as actor_name, 'berth' as action, record_id as resource
from raw
";

/// What the system knows: answers by path.
pub(crate) type World = Arc<Mutex<Vec<(&'static str, Answer)>>>;

/// A folder, and a system that gives what `world` says.
pub(crate) fn harbour(description: &str, world: &[(&'static str, Answer)]) -> (Place, World, Server) {
    let world: World = Arc::new(Mutex::new(world.to_vec()));
    let known = Arc::clone(&world);
    let server = Server::start(move |asked: &Asked| {
        let world = known.lock().expect("a world");
        let found = world.iter().rev().find(|(path, _)| *path == asked.path);
        found.map_or_else(|| Answer::status(404, "no such place"), |(_, answer)| answer.clone())
    })
    .expect("a port");
    let place = Place::new(&format!(
        "[extend]\nconnectors = ['mine']\n[[source]]\nname = 'harbour'\nconnector = 'harbour'\nbase_url = '{}'\n",
        server.url()
    ));
    place.write("mine/harbour/connector.toml", format!("{HEAD}{description}"));
    place.write("mine/harbour/map.sql", MAPPING);
    (place, world, server)
}

/// From now on this path is answered so.
pub(crate) fn now(world: &World, path: &'static str, answer: Answer) {
    world.lock().expect("a world").push((path, answer));
}

/// A good answer.
pub(crate) fn list(value: &Value) -> Answer {
    Answer::ok(value.to_string())
}

/// A time.
pub(crate) fn minutes_ago(minutes: i64) -> String {
    (jiff::Timestamp::now() - jiff::SignedDuration::from_mins(minutes)).to_string()
}

/// The ids of what is stored of a stream.
pub(crate) fn stored(place: &Place, stream: &str) -> Vec<String> {
    let rows = place.query(&format!(
        "select distinct regexp_replace(record_id, 'deleted-.*', 'deleted') from store.raw_record where record_id like '{stream}/%' order by all"
    ));
    rows.rows.into_iter().filter_map(|row| row.into_iter().next()).collect()
}

/// A stream that is a list of objects.
pub(crate) fn objects(name: &str, identity: &str) -> String {
    format!("[stream.{name}.request]\npath = '/{name}'\n[stream.{name}.identity]\nobject_id = '/id'\n{identity}\n")
}
