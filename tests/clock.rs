//! Clocks that were wrong for a night, and time that passes: neither makes another verdict of the same evidence.

use jiff::Timestamp;
use serde_json::json;

use crate::again;
use crate::support::Place;
use crate::support::world::{deploy, log, place, release, verdict};

fn night(place: &Place, now: &str) {
    again::judge(place, now.parse::<Timestamp>().expect("a time"), false);
}

fn configuration(place: &Place) -> String {
    std::fs::read_to_string(place.path("changetrail.toml")).expect("the world")
}

/// The verdicts, in the order of the records' names.
fn verdicts(place: &Place) -> Vec<String> {
    place.query("select verdict from change order by record_id").rows.concat()
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

#[test]
fn an_end_is_one_though_the_clock_was_behind_when_it_was_read() {
    let place = place();
    log(&place, "1", deploy());
    log(
        &place,
        "2",
        json!([{"id": "d", "time": "19:20", "action": "s3:PutBucketPolicy", "who": "role:register-deploy/x", "key": "ASIA1"}]),
    );
    release(&place, "1", json!([{"release": "r1", "live": "10:00-10:20"}]));
    night(&place, "2026-11-02T02:00:00Z");
    night(&place, "2026-11-05T02:00:00Z");
    assert_eq!(verdicts(&place), ["released", "unrecorded"]);
}

#[test]
fn an_end_that_was_told_beforehand_keeps_no_window_open_for_longer_than_none() {
    let place = place();
    log(&place, "1", deploy());
    log(
        &place,
        "2",
        json!([{"id": "d", "time": "5 10:05", "action": "s3:PutBucketPolicy", "who": "role:register-deploy/x", "key": "ASIA1"}]),
    );
    let told = json!({"finished_at": "2026-11-06T10:00:00Z"});
    release(&place, "1", json!([{"release": "r1", "live": "10:00-10:20", "live_record": told}]));
    for now in ["2026-11-03T12:00:00Z", "2026-11-05T12:00:00Z", "2026-11-10T12:00:00Z"] {
        night(&place, now);
        assert_eq!(verdicts(&place), ["released", "unrecorded"], "{now}");
    }
}

#[test]
fn what_was_waived_when_it_was_released_stays_released() {
    let place = place();
    let world = configuration(&place);
    let waivers = |from: &str, to: &str| {
        let of = |control| {
            format!(
                "\n[[waiver]]\nservice = \"register\"\ncontrol = \"{control}\"\nreason = \"no stages yet\"\napproved_by = \"Dana White\"\nfrom = \"{from}\"\nto = \"{to}\"\n"
            )
        };
        place.write("changetrail.toml", format!("{world}{}{}", of("proven-in-preprod"), of("repeatable")));
    };
    log(&place, "1", deploy());
    release(&place, "1", json!([{"release": "r1", "live": "10:00-10:20", "preprod": null}]));
    waivers("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z");
    night(&place, "2026-11-25T02:00:00Z");
    assert_eq!(verdict(&place), "released");
    night(&place, "2026-12-02T02:00:00Z");
    assert_eq!(verdict(&place), "released");

    // One that begins later clears nothing of what was before.
    waivers("2026-11-28T00:00:00Z", "2026-12-31T00:00:00Z");
    night(&place, "2026-12-03T02:00:00Z");
    assert_eq!(verdict(&place), "nonconforming");
}

#[test]
fn the_report_of_exemptions_of_a_month_that_is_over_stays_the_same() {
    let place = place();
    let exemption = "[[exemption]]\nid = \"X-1\"\nreason = \"incident\"\nrequested_by = \"Bob Brown\"\napproved_by = \"Dana White\"\nfrom = \"2026-11-03T00:00:00Z\"\nto = \"2026-12-15T00:00:00Z\"\nservice = \"register\"\n";
    place.write("changetrail.toml", format!("{}\n{exemption}", configuration(&place)));
    let of_november = || place.ran(0, &["report", "exemptions", "--until", "2026-12-01", "-o", "csv"]).stdout;
    night(&place, "2026-12-02T02:00:00Z");
    let told = of_november();
    night(&place, "2027-01-02T02:00:00Z");
    assert_eq!(of_november(), told);
    assert_eq!(place.report("exemptions").column("expired"), ["true"]);
}
