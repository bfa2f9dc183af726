//! Mappings of the user's own, over files: what becomes of records that are not what the mapping expects.

use changetrail::store::{Access, Db, WRITER_PATIENCE};
use serde_json::json;

use crate::support::Place;

const DESCRIPTION: &str = r#"
name = "ledger"
vendor = "Ledger"
docs = "https://example.org/ledger"
kind = "events"
emits = ["change"]
transport = ["files"]
permission = "to read the files"
retention = "as long as the files are kept"
lag = "none"
[params]
path = { required = true, help = "a folder of *.jsonl" }
[records]
format = "ndjson"
[cursor]
field = "/at"
[identity]
event_id = ["/id"]
"#;

const MAPPING: &str = "-- emits: change
select record_id, make_utc(record->>'$.at') as occurred_at, record->>'$.who' as actor_name, record->>'$.do' as action,
       unnest(from_json(record->'$.items', '[\"VARCHAR\"]')) as resource
from raw
";

fn place(mapping: &str, records: &[serde_json::Value]) -> Place {
    let place = Place::new(
        "[extend]\nconnectors = ['mine']\n[[source]]\nname = 'ledger'\nconnector = 'ledger'\npath = 'log'\n",
    );
    place.write("mine/ledger/connector.toml", DESCRIPTION);
    place.write("mine/ledger/map.sql", mapping);
    let lines: Vec<String> = records.iter().map(ToString::to_string).collect();
    place.write("log/1.jsonl", lines.join("\n") + "\n");
    place
}

fn record(id: u32, items: &[&str]) -> serde_json::Value {
    json!({"id": id, "at": "2026-10-01T10:00:00Z", "who": "ann@example.org", "do": "post", "items": items})
}

#[test]
fn a_record_of_several_changes_is_several_rows() {
    let place = place(MAPPING, &[record(1, &["a", "b", "c"]), record(2, &["a"]), record(3, &["b", "b"])]);
    let judge = || {
        place.ran(0, &["collect"]);
        place.ran(0, &["reconcile"]);
    };
    judge();
    let changes = "select record_id, resource from change order by all";
    let expected = [["1", "a"], ["1", "b"], ["1", "c"], ["2", "a"], ["3", "b"]];
    assert_eq!(place.query(changes).rows, expected);
    assert_eq!(place.query("select count(distinct change_id) from change").rows, [["5"]]);
    // Another night leaves them as they are, and what comes then is told apart as well.
    place.write("log/2.jsonl", record(4, &["x", "y"]).to_string());
    judge();
    assert_eq!(place.query(changes).rows.len(), 7);
}

/// Fails where an amount is no number, and where an operation is none.
const STRICT: &str = "-- emits: change
select record_id, make_utc(record->>'$.at') as occurred_at, record->>'$.who' as actor_name, record->>'$.do' as action,
       'account/' || cast(record->>'$.amount' as bigint) as resource, record->>'$.operation' as operation
from raw
";

fn paid(id: u32, amount: &str, operation: &str) -> serde_json::Value {
    json!({"id": id, "at": "2026-10-01T10:00:00Z", "who": "ann@example.org", "do": "pay", "amount": amount, "operation": operation})
}

#[test]
fn a_record_on_which_a_mapping_fails_keeps_no_other_from_being_judged() {
    let good = (1..=40).map(|id| paid(id, "7", "update"));
    let bad = [paid(41, "seven", "update"), paid(42, "8", "launder"), paid(43, "x'; drop table event; --", "update")];
    let place = place(STRICT, &good.chain(bad).collect::<Vec<_>>());
    place.ran(0, &["collect"]);
    place.ran(0, &["reconcile"]);
    assert_eq!(place.query("select count(*) from change").rows, [["40"]]);
    let aside = place.query("select position, error from quarantine order by position::int").rows;
    assert_eq!(aside.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["40", "41", "42"]);
    assert!(aside[0][1].starts_with("the mapping fails: ") && aside[0][1].contains("'seven'"), "{aside:?}");

    // What comes alone the next night is set aside alone, and one that can be mapped then is.
    place.write("log/2.jsonl", paid(50, "nine", "update").to_string());
    place.ran(0, &["collect"]);
    place.ran(0, &["reconcile"]);
    place.write("log/3.jsonl", paid(51, "9", "update").to_string());
    place.ran(0, &["collect"]);
    place.ran(0, &["reconcile"]);
    assert_eq!(place.query("select count(*) from change").rows, [["41"]]);
    assert_eq!(place.query("select count(*) from quarantine").rows, [["4"]]);
    place.ran(0, &["reconcile", "--rebuild"]);
    assert_eq!(place.query("select count(*) from quarantine").rows, [["4"]]);

    // A record that somebody else notes as one of them comes back with everything else that is judged from the evidence.
    let db = Db::open(&place.store(), Access::Write, WRITER_PATIENCE).expect("the store");
    let planted = "insert into unmappable select source, hash, mapping_hash, 'x' from raw_record join mapped using (source) where record_id = '7'";
    db.rows(planted, &[]).expect("an edit");
    drop(db);
    place.ran(0, &["reconcile", "--rebuild"]);
    assert_eq!(place.query("select count(*) from change").rows, [["41"]]);
    assert_eq!(place.query("select count(*) from unmappable").rows, [["4"]]);

    // Another mapping makes something of them.
    let lenient = STRICT.replace("cast(", "try_cast(").replace("record->>'$.operation'", "'update'");
    place.write("mine/ledger/map.sql", lenient);
    place.ran(0, &["reconcile"]);
    assert_eq!(place.query("select count(*) from change").rows, [["45"]]);
    assert_eq!(place.query("select count(*) from quarantine").rows, [["0"]]);
}

#[test]
fn a_record_that_is_told_in_two_ways_is_told_as_such_though_a_mapping_fails_on_one() {
    let place = place(
        STRICT,
        &[paid(1, "7", "update"), paid(2, "seven", "update"), paid(2, "8", "update"), paid(3, "9", "update")],
    );
    place.ran(0, &["collect"]);
    place.ran(0, &["reconcile"]);
    let told = "select record_id from told_otherwise order by all";
    assert_eq!(place.query(told).rows, [["2"]]);
    assert_eq!(place.query("select count(*) from change").rows, [["3"]]);

    // And so is one that is told otherwise a night later, though it is no change then.
    place.write("log/2.jsonl", format!("{}\n{}", paid(1, "seven", "update"), paid(3, "9", "update")));
    place.ran(0, &["collect"]);
    place.ran(0, &["reconcile"]);
    assert_eq!(place.query(told).rows, [["1"], ["2"]]);
    assert_eq!(
        place.query("select severity, status from finding where control = 'log-integrity'").rows,
        [["high", "open"]]
    );
    place.ran(0, &["reconcile", "--rebuild"]);
    assert_eq!(place.query(told).rows, [["1"], ["2"]]);
}

#[test]
fn a_mapping_that_fails_on_everything_is_itself_at_fault() {
    let place = place(STRICT, &[paid(1, "one", "update"), paid(2, "two", "update")]);
    place.ran(0, &["collect"]);
    place.ran(2, &["reconcile"]).says(&["what is new of source `ledger` could not be judged"]);
    assert_eq!(place.query("select count(*) from quarantine").rows, [["0"]]);
}

/// What is taken back was none, however late that is told.
const JOINED: &str = "-- together
select record_id, record->>'$.of' as key from raw;

-- emits: change
select record_id, make_utc(record->>'$.at') as occurred_at, record->>'$.who' as actor_name, record->>'$.do' as action, record->>'$.of' as resource,
       case when bool_or((record->>'$.do') = 'take back') over (partition by record->>'$.of') then 'non-change' else 'change' end as category
from raw
";

#[test]
fn changes_alone_may_be_joined_with_what_came_before() {
    let told = |id: u32, act: &str, of: &str| json!({"id": id, "at": "2026-10-01T10:00:00Z", "who": "ann@example.org", "do": act, "of": of});
    let place = place(JOINED, &[told(1, "post", "a"), told(2, "post", "b")]);
    let changes = || place.query("select record_id from change order by all").rows;
    let judge = || {
        place.ran(0, &["collect"]);
        place.ran(0, &["reconcile"]);
    };
    judge();
    assert_eq!(changes(), [["1"], ["2"]]);
    place.write("log/2.jsonl", told(3, "take back", "a").to_string());
    judge();
    assert_eq!(changes(), [["2"]]);
    place.write("log/3.jsonl", told(4, "post", "a").to_string());
    judge();
    assert_eq!(changes(), [["2"]]);
    place.ran(0, &["reconcile", "--rebuild"]);
    assert_eq!(changes(), [["2"]]);
}

/// The ledger as a third-party system, and nothing else.
const SERVED: &str = "[[service]]\nname = 'books'\ntype = 'third-party'\n[[scope]]\nservice = 'books'\nenvironment = 'live'\nsources = ['ledger']\n";

fn served(mapping: &str, records: &[serde_json::Value]) -> Place {
    let place = place(mapping, records);
    let path = place.path("changetrail.toml");
    let config = std::fs::read_to_string(&path).expect("the configuration");
    std::fs::write(&path, config + SERVED).expect("written");
    place
}

const CONTROL: &str = "select result, reason from control_result where control = 'third-party'";

#[test]
fn a_record_that_is_set_aside_is_no_evidence_that_all_is_well() {
    let place = served(MAPPING, &[record(1, &["a"])]);
    // A text that no reader of JSON takes.
    place.write("log/2.jsonl", r#"{"id":2,"at":"2026-10-01T10:00:00Z","who":"eve","do":"post","items":["x\ud83d"]}"#);
    place.write("log/1.jsonl", "");
    place.ran(0, &["collect"]);
    place.ran(0, &["reconcile"]);
    assert_eq!(place.query("select count(*) from quarantine").rows, [["1"]]);
    assert_eq!(place.query(CONTROL).rows, [["no-evidence", "records-set-aside"]]);
}

#[test]
fn what_was_found_stands_when_the_mapping_can_make_nothing_of_its_change_any_more() {
    let place = served(MAPPING, &[record(1, &["a"]), record(2, &["b"])]);
    let judge = || {
        place.ran(0, &["collect"]);
        place.ran(0, &["reconcile"]);
        place.query("select status, count(*) from finding where subject_kind = 'case' group by status").rows
    };
    let first = judge();
    assert_eq!(first, [["open", "1"]]);
    place.write("mine/ledger/map.sql", MAPPING.replace("$.at", "$.when"));
    for _ in 0..2 {
        assert_eq!(judge(), first);
        assert_eq!(place.query("select count(*) from change").rows, [["0"]]);
        assert_eq!(place.query(CONTROL).rows, [["no-evidence", "records-set-aside"]]);
    }
    place.ran(0, &["reconcile", "--rebuild"]);
    assert_eq!(judge(), first);
    // A mapping that says of it that it is no change is an answer.
    place.write("mine/ledger/map.sql", MAPPING.replace("from raw", ", 'non-change' as category from raw"));
    assert_eq!(judge(), [["resolved", "1"]]);
}

#[test]
fn a_mapping_that_lacks_what_it_needs_is_refused_before_the_night() {
    for (mapping, words) in [
        ("-- emits: change\nselect record_id from raw", "map.sql line 2: a `change` needs the column `occurred_at`"),
        ("-- emits: change\nselect record_id, occurred_at from raw", "needs the column `action`"),
        ("-- emits: change\nselect record_id,, from raw", "map.sql line 2: "),
        ("-- emits: change\nselect record_id, occurred_at, 'a' as action, nowhere as resource from raw", "nowhere"),
        (
            "-- emits: change\nselect record_id, record->>'$.at' as occurred_at, 'a' as action from raw",
            "`occurred_at` of `change` is TIMESTAMP, and what comes out is VARCHAR",
        ),
    ] {
        let place = place(mapping, &[record(1, &["a"])]);
        let told = place.ran(2, &["check"]);
        assert!(told.stdout.contains("fail  connector ledger") && told.stdout.contains(words), "{words}\n{told}");
        place.ran(0, &["collect"]);
        place.ran(2, &["reconcile"]).says(&[words]);
        let told = place.ran(2, &["check"]);
        assert!(told.stdout.contains(words), "{words}\n{told}");
    }
}

#[test]
fn a_value_that_a_column_does_not_know_is_told_with_the_nearest_one() {
    let named = |column: &str, value: &str| {
        format!(
            "-- emits: change\nselect record_id, occurred_at, record->>'$.do' as action, '{value}' as {column} from raw"
        )
    };
    for (column, value, words) in [
        ("category", "Change", "knows no `Change`; did you mean `change`?"),
        ("outcome", "success", "knows no `success`; "),
        ("channel", "web", "knows no `web`; known are console, cli"),
    ] {
        let place = place(&named(column, value), &[record(1, &["a"]), record(2, &["a"])]);
        place.ran(0, &["collect"]);
        place.ran(2, &["reconcile"]).says(&[&format!("map.sql line 2: the column `{column}` of `change` {words}")]);
    }
    // One record of several is set aside, with the same words.
    let mapping =
        "-- emits: change\nselect record_id, occurred_at, 'a' as action, record->>'$.do' as operation from raw";
    let place = place(mapping, &[]);
    let update = json!({"id": 3, "at": "2026-10-01T10:00:00Z", "do": "update"});
    place.write("log/1.jsonl", format!("{}\n{update}\n", paid(1, "1", "")));
    place.ran(0, &["collect"]);
    place.ran(0, &["reconcile"]);
    let told = place.query("select error from quarantine").rows;
    assert!(told.len() == 1 && told[0][0].contains("the column `operation` of `change` knows no `pay`"), "{told:?}");
}

/// What one wrote and another published, named without the site.
const PUBLISHED: &str = "-- emits: change
select record_id, occurred_at, record->>'$.who' as actor_name, 'publish' as action, 'ledger:' || (record->>'$.items[0]') as resource from raw;
-- emits: deployment
select record_id, SITE || 'page@1' as deployment_id, 'ledger' as pipeline, 'prod' as stage, 'ann@example.org' as requested_by,
       occurred_at as started_at, occurred_at as finished_at, 'succeeded' as outcome, ['ledger:page@1'] as items
from raw
";

#[test]
fn a_release_of_own_items_that_could_be_another_sites_is_set_aside() {
    for (site, releases, aside) in [("source || ':'", "1", "0"), ("''", "0", "1")] {
        let place = place(&PUBLISHED.replace("SITE", site), &[record(1, &["page"])]);
        let description = DESCRIPTION.replace("[\"change\"]", "[\"change\", \"deployment\"]");
        place.write("mine/ledger/connector.toml", description);
        place.ran(0, &["collect"]);
        place.ran(0, &["reconcile"]);
        assert_eq!(place.query("select count(*) from deployment").rows, [[releases]]);
        let told = "select count(*) from quarantine where contains(error, 'must begin with the source')";
        assert_eq!(place.query(told).rows, [[aside]]);
    }
}

#[test]
fn what_two_readers_would_read_in_two_ways_is_set_aside() {
    let place = place(MAPPING, &[record(1, &["a"])]);
    place.write(
        "log/2.jsonl",
        r#"{"id":2,"at":"2026-10-01T10:00:00Z","who":"bot","who":"eve","do":"post","items":["x"]}"#,
    );
    place.ran(0, &["collect"]);
    place.ran(0, &["reconcile"]);
    let told = place.query("select error from quarantine").rows;
    assert!(told.len() == 1 && told[0][0].contains("the key `who` stands there twice"), "{told:?}");
    assert_eq!(place.query("select record_id from change").rows, [["1"]]);
}

#[test]
fn what_is_taken_out_of_a_record_leaves_the_rest_as_it_was() {
    let place = place(MAPPING, &[]);
    place.write("mine/ledger/connector.toml", DESCRIPTION.replace("lag =", "redact = ['/pw']\nlag ="));
    let line = |number: &str| {
        format!(r#"{{"at":"2026-10-01T10:00:00Z","who":"ann","do":"post","items":["a"],"n":{number},"pw":"hush"}}"#)
    };
    place.write("log/1.jsonl", [line("12345678901234567890123"), line("12345678901234567890124")].join("\n"));
    place.ran(0, &["collect"]);
    let told = place.query("select count(distinct record_id), count(*) filter (contains(record, '1234567890123456789012')), count(*) filter (contains(record, 'hush')) from store.raw_record");
    assert_eq!(told.rows, [["2", "2", "0"]]);
}

/// Makes of each record one change, of what the record's id names.
const OF_ITS_ID: &str = "-- emits: change
select record_id, make_utc(record->>'$.at') as occurred_at, record->>'$.who' as actor_name, record->>'$.do' as action,
       'entry/' || record_id as resource
from raw
";

#[test]
fn what_no_mapping_looks_at_may_differ_between_two_copies() {
    let seen = |views: u32, who: &str| json!({"id": 1, "at": "2026-10-01T10:00:00Z", "who": who, "do": "post", "views": views});
    let place = place(OF_ITS_ID, &[seen(1, "ann@example.org")]);
    let integrity = "select count(*) from finding where control = 'log-integrity'";
    place.ran(0, &["collect"]);
    place.ran(0, &["reconcile"]);
    place.write("log/2.jsonl", seen(2, "ann@example.org").to_string());
    place.ran(0, &["collect"]);
    place.ran(0, &["reconcile"]);
    assert_eq!(place.query("select resource from change").rows, [["entry/1"]]);
    assert_eq!(place.query(integrity).rows, [["0"]]);
    // Another person is another meaning.
    place.write("log/3.jsonl", seen(3, "bob@example.org").to_string());
    place.ran(0, &["collect"]);
    place.ran(0, &["reconcile"]);
    assert_eq!(place.query(integrity).rows, [["1"]]);
}

#[test]
fn a_time_before_there_were_such_logs_is_none() {
    let mut early = record(2, &["a"]);
    early["at"] = json!("1970-01-21T15:03:20Z");
    let place = place(MAPPING, &[record(1, &["a"]), early]);
    place.ran(0, &["collect"]);
    place.ran(0, &["reconcile"]);
    assert_eq!(place.query("select record_id from change").rows, [["1"]]);
    let set_aside = "select error, day > date '2026-01-01' from quarantine where stage = 'map'";
    assert_eq!(place.query(set_aside).rows, [["the mapping finds the time 1970-01-21 15:03:20", "true"]]);
}
