//! Authorisation that a system tells otherwise, long after the release.

use serde_json::{Value, json};

use crate::support::harbour::{HEAD, harbour, list, minutes_ago, now, objects};

/// Releases and who signed them off.
const BERTHS: &str = r"
-- emits: deployment
select record_id, json_extract_string(record, '$.id') as deployment_id, 'berths' as pipeline, 'prod' as stage,
       json_extract_string(record, '$.by') as requested_by, make_utc(json_extract_string(record, '$.at')) as started_at,
       make_utc(json_extract_string(record, '$.at')) as finished_at, 'succeeded' as outcome,
       case when json_extract_string(record, '$.signed') is not null then [{
           'phase': 'pre', 'decision': 'approved', 'approver': json_extract_string(record, '$.signed'),
           'decided_at': make_utc(json_extract_string(record, '$.at')) - interval 1 hour, 'automated': false, 'gated': true, 'comment': null::varchar
       }] end as approvals
from raw where stream = 'berths';
-- emits: approval
select record_id, json_extract_string(record, '$.of') as deployment_id, 'pre' as phase, json_extract_string(record, '$.said') as decision,
       json_extract_string(record, '$.who') as approver, make_utc(json_extract_string(record, '$.at')) as decided_at, true as gated
from raw where stream = 'signatures'
";

#[test]
fn a_signature_that_is_rewritten_after_the_release_is_settled_is_a_finding() {
    let days_ago = |days: i64| minutes_ago(days * 24 * 60);
    let berth = |id: &str, signed: Option<&str>, days: i64| json!({"id": id, "by": "alice@example.org", "signed": signed, "at": days_ago(days), "note": days});
    let sign = |id: &str, who: &str, said: &str, of: &str, days: i64| json!({"id": id, "who": who, "said": said, "of": of, "at": days_ago(days)});
    // The times are the same in each answer.
    let (old, older) = (berth("told-within", Some("alice@example.org"), 4), berth("told-apart", None, 4));
    let same = berth("as-it-was", Some("dana@example.org"), 4);
    let young = berth("just-now", None, 0);
    let (own, other) = (
        sign("1", "alice@example.org", "approved", "told-apart", 5),
        sign("2", "dana@example.org", "approved", "as-it-was", 5),
    );
    let held = sign("3", "dana@example.org", "pending", "just-now", 1);
    let description = format!("kind = 'state'\n{}{}", objects("berths", ""), objects("signatures", ""));
    let (place, world, _server) = harbour(
        &description,
        &[("/berths", list(&json!([old, older, same, young]))), ("/signatures", list(&json!([own, other, held])))],
    );
    let opening = HEAD.replace("[\"change\"]", "[\"deployment\", \"approval\"]");
    place.write("mine/harbour/connector.toml", format!("{opening}{description}"));
    place.write("mine/harbour/map.sql", BERTHS);
    let path = place.path("changetrail.toml");
    let config = std::fs::read_to_string(&path).expect("the configuration");
    let people = "[[person]]\nname = 'Alice'\nroles = ['senior']\nidentities = ['alice@example.org']\n[[person]]\nname = 'Dana'\nroles = ['manager']\nidentities = ['dana@example.org']\n";
    std::fs::write(
        &path,
        format!("{config}[[service]]\nname = 'harbour'\ntype = 'deployed'\npipelines = ['berths']\n{people}"),
    )
    .expect("written");
    let judge = || {
        place.ran(0, &["collect"]);
        place.ran(0, &["reconcile"]);
        place.query("select deployment_id from authorisation_change order by 1").rows
    };
    assert!(judge().is_empty());
    // Something else of them is told otherwise, and a decision that was awaited is given.
    let with = |value: &Value, key: &str, to: &str| {
        let mut value = value.clone();
        value[key] = to.into();
        value
    };
    now(&world, "/berths", list(&json!([with(&old, "note", "moved"), older, with(&same, "note", "moved"), young])));
    now(&world, "/signatures", list(&json!([own, with(&other, "note", "read"), with(&held, "said", "approved")])));
    assert!(judge().is_empty());
    // The night after, a manager has always signed.
    let dana = "dana@example.org";
    now(&world, "/berths", list(&json!([with(&old, "signed", dana), older, with(&same, "note", "moved"), young])));
    now(
        &world,
        "/signatures",
        list(&json!([with(&own, "who", dana), with(&other, "note", "read"), with(&held, "said", "approved")])),
    );
    assert_eq!(judge(), [["told-apart"], ["told-within"]]);
    let told = "select severity, contains(summary, 'changed-after-the-start') from finding where subject_kind = 'deployment' and subject_id like 'told-%' order by subject_id";
    assert_eq!(place.query(told).rows, [["high", "true"], ["high", "true"]]);
    place.ran(0, &["reconcile", "--rebuild"]);
    assert_eq!(judge(), [["told-apart"], ["told-within"]]);
}
