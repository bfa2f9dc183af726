//! Clocks that were wrong for a night, and time that passes: neither makes another verdict of the same evidence.

use jiff::Timestamp;
use serde_json::json;

use crate::again;
use crate::support::Place;
use crate::support::world::{log, place, verdict};

fn night(place: &Place, now: &str) {
    again::judge(place, now.parse::<Timestamp>().expect("a time"), false);
}

fn configuration(place: &Place) -> String {
    std::fs::read_to_string(place.path("changetrail.toml")).expect("the world")
}

#[test]
fn a_configuration_that_is_put_back_counts_though_the_clock_was_ahead() {
    let place = place();
    let world = configuration(&place);
    let by_hand = json!([{"id": "c", "time": "10:05", "action": "s3:PutBucketPolicy", "who": "sso:alice@example.org", "key": "ASIA1"}]);
    log(&place, "1", by_hand);
    night(&place, "2026-12-20T02:00:00Z");
    assert_eq!(verdict(&place), "manual");

    let exemption = "[[exemption]]\nid = \"X-1\"\nreason = \"incident\"\nrequested_by = \"Bob Brown\"\napproved_by = \"Dana White\"\nfrom = \"2026-11-03T00:00:00Z\"\nto = \"2026-11-04T00:00:00Z\"\nservice = \"register\"\n";
    place.write("changetrail.toml", format!("{world}\n{exemption}"));
    night(&place, "2026-12-02T02:00:00Z");
    assert_eq!(verdict(&place), "exempted");

    place.write("changetrail.toml", world);
    night(&place, "2026-12-03T02:00:00Z");
    assert_eq!(verdict(&place), "manual");
    place.checks_hold();
}
