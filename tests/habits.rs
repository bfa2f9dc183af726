//! Habits of systems that no documentation tells, met by a folder that says no more than it must: nothing is lost, nothing
//! comes twice, and nobody is told to have done what nobody did.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use changetrail::collect;
use changetrail::config::Config;
use changetrail::contract::{Answer, Asked, Server};
use changetrail::progress::Silent;
use changetrail::store::{Access, Db, Visits, WRITER_PATIENCE};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{Place, checkout};

/// What every folder here begins with.
const HEAD: &str = r#"
name = "buoys"
vendor = "Buoys"
docs = "https://example.org/buoys"
emits = ["change"]
params = { base_url = { required = true } }
secrets = ["token"]
permission = "read"
retention = "none"
lag = "none"
"#;

const MAPPING: &str = r"
-- emits: change
select record_id, coalesce(make_utc(json_extract_string(record, '$.at')), occurred_at) as occurred_at,
       json_extract_string(record, '$.who') as actor_name,
       case when deleted then 'buoy.delete' when previous is null then 'buoy.create' else 'buoy.update' end as action,
       'buoy:' || coalesce(json_extract_string(record, '$.id'), json_extract_string(record, '$.object')) as resource
from raw
where stream <> 'fleet'
";

fn place(server: &Server, description: &str) -> Place {
    let place = Place::new(&format!(
        "[extend]\nconnectors = ['mine']\n[[source]]\nname = 'buoys'\nconnector = 'buoys'\nbase_url = '{}'\ntoken = {{ file = 'token' }}\n",
        server.url()
    ));
    place.write("token", "s3cret-buoy\n");
    place.write("mine/buoys/connector.toml", format!("{HEAD}{description}"));
    place.write("mine/buoys/map.sql", MAPPING);
    place
}

fn serve(handler: impl FnMut(&Asked) -> Answer + Send + 'static) -> Server {
    Server::start(handler).expect("a port")
}

fn ids(place: &Place) -> Vec<String> {
    let told = place.query("select record_id from store.raw_record order by all");
    told.rows.into_iter().flatten().collect()
}

fn at(minutes_ago: i64) -> String {
    (Timestamp::now() - SignedDuration::from_mins(minutes_ago)).to_string()
}

const LOG: &str = r#"
kind = "events"
[auth]
type = "bearer"
[request]
path = "/log"
[records]
pointer = "/entries"
[cursor]
mode = "since"
field = "/at"
[identity]
event_id = "/id"
"#;

#[test]
fn a_key_in_a_link_is_not_sent_twice_and_is_not_kept() {
    let server = serve(|asked| {
        let keys: Vec<&str> =
            asked.query.iter().filter(|(name, _)| name == "key").map(|(_, key)| key.as_str()).collect();
        if keys != ["s3cret-buoy"] {
            return Answer::status(401, "one key, please");
        }
        let page = asked.param("page").unwrap_or("1").to_owned();
        let entries = if page == "3" { json!([]) } else { json!([{"id": page, "at": at(5)}]) };
        let next = page.parse::<u8>().map_or(3, |page| (page + 1).min(3));
        Answer::ok(json!({"entries": entries, "next": format!("/log?key=s3cret-buoy&page={next}")}).to_string())
    });
    let description = LOG
        .replace("type = \"bearer\"", "type = \"api_key\"\nin = \"query\"\nname = \"key\"")
        .replace("mode = \"since\"", "mode = \"checkpoint\"")
        + "[paginate]\ntype = \"next_url\"\npointer = \"/next\"\npersist = true\n";
    let place = place(&server, &description);
    for _ in 0..2 {
        place.ran(0, &["collect"]);
        assert_eq!(ids(&place), ["1", "2"]);
    }
    let kept = place.query("select value from cursor");
    assert!(!kept.rows.is_empty() && kept.rows.iter().flatten().all(|value| !value.contains("s3cret")), "{kept:?}");
}

#[test]
fn a_checkpoint_goes_where_the_next_token_would() {
    let server = serve(|asked| {
        let after: usize = asked.param("after").map_or(0, |after| after.parse().expect("a number"));
        let entries: Vec<Value> = (after + 1..=5).take(2).map(|id| json!({"id": id, "at": at(5)})).collect();
        Answer::ok(json!({"entries": entries}).to_string())
    });
    let description = LOG.replace("mode = \"since\"", "mode = \"checkpoint\"")
        + "[paginate]\ntype = \"last_record\"\npointer = \"/id\"\nparam = \"after\"\npersist = true\n";
    let place = place(&server, &description);
    place.ran(0, &["collect"]).says(&["5 records seen, 5 stored"]);
    place.ran(0, &["collect"]).says(&["0 records seen"]);
    assert_eq!(server.asked().last().and_then(|asked| asked.param("after").map(str::to_owned)).as_deref(), Some("5"));
}

/// The place from which a log is read on is kept no longer than what lies behind it.
#[test]
fn a_log_that_has_forgotten_the_place_is_read_from_its_beginning() {
    let kept = Arc::new(AtomicUsize::new(1));
    let server = serve({
        let kept = Arc::clone(&kept);
        // One entry a day, of which the system keeps three.
        move |asked| match (
            kept.load(Ordering::SeqCst),
            asked.param("after").map(|after| after.parse().expect("an id")),
        ) {
            (0, _) => Answer::status(400, "no such log"),
            (kept, Some(after)) if after < kept => Answer::status(400, "no such entry"),
            (kept, after) => {
                let ids = after.map_or(kept, |after: usize| after + 1)..kept + 3;
                let entry = |id| json!({"id": id, "at": format!("2026-11-{id:02}T00:00:00Z")});
                Answer::ok(json!({"entries": ids.take(2).map(entry).collect::<Vec<_>>()}).to_string())
            }
        }
    });
    let description = LOG.replace("mode = \"since\"", "mode = \"checkpoint\"")
        + "[paginate]\ntype = \"last_record\"\npointer = \"/id\"\nparam = \"after\"\npersist = true\n";
    let place = place(&server, &description);
    let config = Config::load(Some(&place.path("changetrail.toml"))).expect("a configuration");
    let collect = |now: &str, since: Option<&str>| {
        let time = |text: &str| text.parse().expect("a time");
        let (now, since, wait) = (time(now), since.map(time), std::time::Duration::from_secs(10));
        let options = collect::Options { since, ..collect::Options::new(now, wait) };
        collect::run(&config, &Visits::new(&place.store()), &options, &Silent).expect("it can be collected")
    };
    let gaps = "select window_start::varchar, window_end::varchar from unit where incomplete is not null";
    assert!(collect("2026-11-03T12:00:00Z", None).complete());
    assert_eq!(ids(&place), ["1", "2", "3"]);

    // Read again on purpose, with what has come since; the place stays where it was.
    assert!(collect("2026-11-03T13:00:00Z", Some("2026-11-01T00:00:00Z")).complete());
    assert_eq!(ids(&place), ["1", "2", "3"]);
    assert!(server.asked().iter().rev().take(3).any(|asked| asked.param("after").is_none()), "read from the beginning");
    assert_eq!(place.query("select value from cursor where stream not like '%#read'").rows, [["3"]]);
    assert!(place.query(gaps).rows.is_empty());

    // What was there before the oldest that is kept nobody knows.
    kept.store(6, Ordering::SeqCst);
    for is_told in [true, false] {
        let outcome = collect("2026-11-08T12:00:00Z", None);
        assert_eq!((outcome.sources[0].error.as_deref(), outcome.complete()), (None, !is_told));
        let store = Db::open(&place.store(), Access::Write, WRITER_PATIENCE).expect("the store");
        store.set_told("buoys").expect("told");
        drop(store);
        assert_eq!(ids(&place), ["1", "2", "3", "6", "7", "8"]);
        assert_eq!(place.query(gaps).rows, [["2026-11-03 13:00:00", "2026-11-06 00:00:00"]]);
    }

    // What is refused without a place too is another matter.
    kept.store(0, Ordering::SeqCst);
    assert!(!collect("2026-11-09T12:00:00Z", None).complete());
    assert_eq!(place.query("select value from cursor where stream not like '%#read'").rows, [["8"]]);
    assert_eq!(place.query(gaps).rows.len(), 1);
    let foots = std::fs::read_to_string(checkout("queries/checks/coverage-foots.sql")).expect("a check");
    let (_, foots) = foots.split_once("\nselect").expect("a query below its header");
    assert!(place.query(&format!("select{foots}")).rows.is_empty());
}

#[test]
fn in_a_body_texts_stay_texts_and_seconds_are_numbers() {
    let server = serve(|asked| {
        let body: Value = serde_json::from_str(&asked.body).expect("JSON");
        assert!(body["since"].is_i64(), "{body}");
        match body["token"].as_str() {
            None if body["token"].is_null() => {
                Answer::ok(json!({"entries": [{"id": 1, "at": at(5)}], "next": "0007"}).to_string())
            }
            Some("0007") => Answer::ok(json!({"entries": [{"id": 2, "at": at(4)}], "next": ""}).to_string()),
            _ => Answer::status(400, "no such token"),
        }
    });
    let description = LOG.replace("path = \"/log\"", "path = \"/log\"\nbody = { since = \"${window.start:epoch_s}\" }")
        + "[paginate]\ntype = \"token\"\npointer = \"/next\"\nparam = \"/token\"\n";
    let place = place(&server, &description);
    place.ran(0, &["collect"]);
    assert_eq!(ids(&place), ["1", "2"]);
}

#[test]
fn what_has_no_id_of_its_own_is_named_by_what_it_says() {
    let large = "123456789012345678901234567890";
    let server = serve(move |_| {
        let time = "2026-11-01T10:00:00Z";
        let entries = format!(
            r#"{{"id":{large},"at":"{time}"}},{{"id":123456789012345678901234567891,"at":"{time}"}},{{"id":null,"at":"{time}","who":"ann"}},{{"at":"{time}","who":"bob"}},null,7"#
        );
        Answer::ok(format!("\u{feff}{{\"entries\":[{entries}]}}"))
    });
    let place = place(&server, LOG);
    for _ in 0..2 {
        place.ran(0, &["collect", "--since", "400d"]);
        let ids = ids(&place);
        assert_eq!(ids[..2], [large, "123456789012345678901234567891"]);
        assert!(ids.len() == 4 && ids[2..].iter().all(|id| id.starts_with("sha256:")), "{ids:?}");
    }
    assert_eq!(place.query("select error from quarantine order by all").rows, [["the record is no object"]; 2]);
}

#[test]
fn a_log_may_answer_with_nothing_at_all_a_list_may_not() {
    let server = serve(|_| Answer::ok("{}"));
    let there = place(&server, LOG);
    there.ran(0, &["collect"]).says(&["0 records seen"]);
    there.write(
        "mine/buoys/connector.toml",
        format!("{HEAD}kind = \"state\"\n[auth]\ntype = \"bearer\"\n[request]\npath = \"/list\"\n[records]\npointer = \"/entries\"\n[identity]\nobject_id = \"/id\"\n"),
    );
    there.ran(2, &["collect"]).says(&["it has no `entries` where the records should be"]);
}

#[test]
fn lines_that_stop_within_one_are_asked_for_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let server = serve({
        let asked = Arc::clone(&asked);
        move |_| {
            let whole = format!("{{\"id\":1,\"at\":\"{0}\"}}\n{{\"id\":2,\"at\":\"{0}\"}}", at(5));
            let end = if asked.fetch_add(1, Ordering::SeqCst) == 0 { whole.len() - 9 } else { whole.len() };
            Answer::ok(&whole[..end])
        }
    });
    let place = place(&server, &LOG.replace("pointer = \"/entries\"", "format = \"ndjson\""));
    place.ran(0, &["collect"]);
    assert_eq!(ids(&place), ["1", "2"]);
    assert_eq!(place.query("select * from quarantine").rows.len(), 0);
}

#[test]
fn a_walk_that_ends_before_what_it_announced_is_not_whole() {
    let server = serve(|asked| {
        let first = asked.param("offset") == Some("0");
        let entries = if first { json!([{"id": 1, "at": at(5)}, {"id": 2, "at": at(6)}]) } else { json!([]) };
        Answer::ok(json!({"total": 5, "entries": entries}).to_string())
    });
    let pages = "[paginate]\ntype = \"offset\"\nparam = \"offset\"\nstop = \"total\"\ntotal = \"/total\"\n[cursor]";
    let place = place(&server, &LOG.replace("[cursor]", pages));
    place.ran(2, &["collect"]).says(&["it says that there are 5 records, and gave 2"]);
    assert!(place.query("select stream from cursor").rows.is_empty(), "it is asked for again");
}

#[test]
fn behind_an_empty_page_there_may_be_more() {
    let server = serve(|asked| {
        let next = |page: &str| format!("</log?page={page}>; rel=\"next\"");
        let entry = |id: u8| json!({"entries": [{"id": id, "at": at(5)}]}).to_string();
        match asked.param("page") {
            None => Answer::ok(entry(1)).header("Link", next("2")),
            Some("2") => Answer::ok("{\"entries\": []}").header("Link", next("3")),
            Some("3") => Answer::ok(entry(3)).header("Link", next("4")),
            // From here on it leads in a circle: there is nothing more for now.
            _ => Answer::ok("{\"entries\": []}").header("Link", next("4")),
        }
    });
    let pages = "[paginate]\ntype = \"link_header\"\nstop = \"empty\"\n[cursor]";
    let place = place(&server, &LOG.replace("[cursor]", pages));
    place.ran(0, &["collect"]);
    assert_eq!(ids(&place), ["1", "3"]);
}

#[test]
fn behind_several_empty_pages_there_may_be_more() {
    let when = at(5);
    let pages = |left: &[usize]| {
        let (left, when) = (left.to_vec(), when.clone());
        serve(move |asked| {
            let at: usize = asked.param("at").map_or(0, |at| at.parse().expect("a place"));
            let entries: Vec<Value> =
                left.get(at).filter(|id| **id > 0).map(|id| json!({"id": id, "at": when})).into_iter().collect();
            Answer::ok(json!({"entries": entries, "next": (at + 1).min(left.len()).to_string()}).to_string())
        })
    };
    let at = "[paginate]\ntype = \"token\"\npointer = \"/next\"\nparam = \"at\"\n";
    let since = format!("{LOG}{at}stop = \"empty\"\n");
    let kept = LOG.replace("mode = \"since\"", "mode = \"checkpoint\"") + at + "persist = true\n";
    for description in [since.clone(), kept.clone(), format!("{kept}stop = \"empty\"\n")] {
        let server = pages(&[1, 0, 2, 0, 0, 3]);
        let place = place(&server, &description);
        for _ in 0..2 {
            place.ran(0, &["collect"]);
            assert_eq!(ids(&place), ["1", "2", "3"]);
        }
    }
    // A system that names another place for ever, and a description that says so.
    let server = pages(&[]);
    server.answer_by(move |asked| {
        let at: usize = asked.param("at").map_or(0, |at| at.parse().expect("a place"));
        let entries = if at == 0 { json!([{"id": 1, "at": when}]) } else { json!([]) };
        Answer::ok(json!({"entries": entries, "next": (at + 1).to_string(), "more": at < 3}).to_string())
    });
    let capped = format!("{since}[limits]\nmax_pages = 20\n");
    place(&server, &capped).ran(2, &["collect"]).says(&["more than 20 pages, the last of them empty", "`more`"]);
    for key in ["more = \"/more\"\n", "stop = \"short_page\"\nsize_param = \"n\"\nsize = 2\n"] {
        for description in [&since, &kept] {
            let description = description.replace("stop = \"empty\"\n", "") + key;
            place(&server, &format!("{description}[limits]\nmax_pages = 20\n")).ran(0, &["collect"]);
        }
    }
}

#[test]
fn a_system_that_says_how_long_is_waited_for_longer_than_one_that_does_not() {
    let asked = AtomicUsize::new(0);
    let server = serve(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0..11 => Answer::status(429, "").header("Retry-After", "1"),
        _ => Answer::ok(json!({"entries": [{"id": 1, "at": at(5)}]}).to_string()),
    });
    place(&server, LOG).ran(0, &["collect"]).says(&["1 stored"]);
}

#[test]
fn what_happened_at_the_edge_of_two_windows_is_not_between_them() {
    let now = Timestamp::now().as_second();
    let log: Vec<i64> = (0..40).map(|hours| now - now % 3_600 - hours * 3_600).collect();
    let count = log.len();
    let server = serve(move |asked| {
        let edge = |name: &str| asked.param(name).and_then(|text| text.parse::<i64>().ok()).expect("a time");
        let (from, to) = (edge("from"), edge("to"));
        let entries: Vec<Value> = log
            .iter()
            .filter(|time| from < **time && **time < to)
            .map(|time| json!({"id": time, "at": time}))
            .collect();
        Answer::ok(json!({"entries": entries}).to_string())
    });
    let cursor = "mode = \"window\"\nfield_format = \"epoch_s\"\nstart = \"from\"\nend = \"to\"\ninclusive = false\nmax_window = \"6h\"";
    let place = place(&server, &LOG.replace("mode = \"since\"", cursor));
    place.ran(0, &["collect"]);
    assert_eq!(ids(&place).len(), count);
}

#[test]
fn tokens_are_had_from_a_system_that_wants_the_client_in_a_header() {
    let server = serve(|asked| match asked.path.as_str() {
        "/token" if asked.header("authorization") == Some("Basic YnVveTpzM2NyZXQtYnVveQ==") => {
            assert!(!asked.body.contains("s3cret"), "{asked:?}");
            Answer::ok(json!({"access_token": "abcdef", "expires_in": 3600}).to_string())
        }
        "/token" => Answer::status(400, json!({"error": "invalid_client"}).to_string()),
        _ if asked.header("authorization") == Some("Bearer abcdef") => Answer::ok(json!({"entries": []}).to_string()),
        _ => Answer::status(401, ""),
    });
    let auth = "type = \"oauth2_client_credentials\"\ntoken_url = \"${param.base_url}/token\"\nclient_id = \"buoy\"";
    place(&server, &LOG.replace("type = \"bearer\"", auth)).ran(0, &["collect"]);
}

#[test]
fn a_grant_of_the_systems_own_takes_the_place_of_the_usual_one() {
    let server = serve(|asked| match asked.path.as_str() {
        "/token" => {
            let grants: Vec<&str> = asked.body.split('&').filter(|part| part.starts_with("grant_type=")).collect();
            assert_eq!(grants, ["grant_type=account_credentials"]);
            assert!(asked.body.contains("account_id=harbour"), "{}", asked.body);
            Answer::ok(json!({"access_token": "abcdef", "expires_in": 3600}).to_string())
        }
        _ => Answer::ok(json!({"entries": []}).to_string()),
    });
    let auth = "type = \"oauth2_client_credentials\"\ntoken_url = \"${param.base_url}/token\"\nclient_id = \"buoy\"\nextra = { grant_type = \"account_credentials\", account_id = \"harbour\" }";
    place(&server, &LOG.replace("type = \"bearer\"", auth)).ran(0, &["collect"]);
}

#[test]
fn clocks_that_differ_are_told_before_something_is_lost() {
    let place_at = |minutes: i64| {
        let server = serve(move |_| {
            let there = Timestamp::now() + SignedDuration::from_mins(minutes);
            let date = there.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            Answer::ok(json!({"entries": []}).to_string()).header("date", date)
        });
        (place(&server, LOG), server)
    };
    for (minutes, words) in [(-180, "180 minutes ahead of"), (120, "minutes behind"), (-20, "20 minutes ahead of")] {
        let (place, _server) = place_at(minutes);
        place.ran(0, &["collect"]);
        let output = place.ran(0, &["check", "--online"]);
        assert!(output.stdout.contains("warn  source buoys") && output.stdout.contains(words), "{output}");
    }
    let (place, _server) = place_at(-2);
    place.ran(0, &["collect"]);
    let output = place.ran(0, &["check", "--online"]);
    assert!(!output.stdout.contains("the clock of this machine"), "{output}");
}

#[test]
fn a_session_may_say_what_the_contract_lets_it_say() {
    let server = serve(|_| Answer::ok(json!({"entries": [{"id": "s1", "at": "2026-11-01T10:00:00Z"}]}).to_string()));
    let place = place(&server, LOG);
    let description = format!("{HEAD}{LOG}").replace("emits = [\"change\"]", "emits = [\"change\", \"session\"]");
    place.write("mine/buoys/connector.toml", description);
    let session = "select record_id, null as occurred_at, record_id as issued_key, 'application' as caller_type, 'ci' as caller_name, \
        'deploy' as role, 'run-7' as session_name, 'repo:x' as subject, null as run_id, null as source_identity, \
        json_object('RunId', '7') as tags, occurred_at as issued_at, occurred_at + interval 1 hour as expires_at from raw";
    place.write("mine/buoys/map.sql", format!("{MAPPING};\n-- emits: session\n{session}\n"));
    place.ran(0, &["collect", "--since", "400d"]);
    place.ran(0, &["reconcile"]);
    assert_eq!(
        place.query("select issued_key, tag_run_id, occurred_at from session").rows,
        [["s1", "7", "2026-11-01T10:00:00Z"]]
    );
}

const LIST: &str = r#"
kind = "state"
[auth]
type = "bearer"
[request]
path = "/list"
[paginate]
type = "page"
param = "page"
[identity]
object_id = "/id"
version = "/rev"
"#;

fn changes(place: &Place) -> Vec<Vec<String>> {
    place.ran(0, &["reconcile"]);
    place.query("select action, resource from event where category = 'change' order by all").rows
}

#[test]
fn an_object_that_moves_while_its_list_is_read_is_not_gone() {
    let polls = Arc::new(AtomicUsize::new(1));
    let requests = AtomicUsize::new(0);
    let server = serve({
        let polls = Arc::clone(&polls);
        move |asked| {
            let mut list: Vec<usize> = (1..=6).collect();
            if polls.load(Ordering::SeqCst) > 1 {
                list.retain(|id| *id != 2);
                // Edited after the first page was read, it comes first, where nobody looks any more.
                if requests.fetch_add(1, Ordering::SeqCst) > 0 {
                    list.retain(|id| *id != 6);
                    list.insert(0, 6);
                }
            }
            let page: usize = asked.param("page").and_then(|page| page.parse().ok()).expect("a page");
            let objects = list.iter().skip((page - 1) * 2).take(2);
            Answer::ok(objects.map(|id| json!({"id": id, "rev": 1})).collect::<Value>().to_string())
        }
    });
    let place = place(&server, LIST);
    place.ran(0, &["collect"]);
    polls.store(2, Ordering::SeqCst);
    place.ran(0, &["collect"]);
    assert_eq!(changes(&place), [["buoy.delete", "buoy:2"]]);
}

#[test]
fn an_inventory_is_no_change_though_the_mapping_does_not_say_so_and_a_count_is_no_version() {
    let polls = Arc::new(AtomicUsize::new(1));
    let server = serve({
        let polls = Arc::clone(&polls);
        move |asked| {
            let poll = polls.load(Ordering::SeqCst);
            if asked.param("page") != Some("1") {
                return Answer::ok("[]");
            }
            let rev = if poll > 2 { 2 } else { 1 };
            Answer::ok(json!([{"id": "a", "rev": 1, "seen": poll}, {"id": "b", "rev": rev, "seen": poll}]).to_string())
        }
    });
    let place = place(&server, LIST);
    for poll in 1..=2 {
        polls.store(poll, Ordering::SeqCst);
        place.ran(0, &["collect"]);
        assert_eq!(changes(&place), Vec::<Vec<String>>::new());
        assert_eq!(ids(&place), ["a@1", "b@1"]);
    }
    polls.store(3, Ordering::SeqCst);
    place.ran(0, &["collect"]);
    assert_eq!(changes(&place), [["buoy.update", "buoy:b"]]);
}

#[test]
fn what_comes_back_is_not_done_again_by_who_made_it() {
    let polls = Arc::new(AtomicUsize::new(1));
    let server = serve({
        let polls = Arc::clone(&polls);
        move |asked| {
            if asked.param("page") != Some("1") {
                return Answer::ok("[]");
            }
            let old = json!({"id": "a", "rev": 1, "at": "2026-01-02T03:04:05Z", "who": "carol@example.org"});
            let new = json!({"id": "a", "rev": 2, "at": at(0), "who": "alice@example.org"});
            let other = json!({"id": "b", "rev": 1, "at": "2026-01-02T03:04:05Z", "who": "carol@example.org"});
            Answer::ok(match polls.load(Ordering::SeqCst) {
                2 => json!([new]).to_string(),
                _ => json!([old, other]).to_string(),
            })
        }
    });
    let place = place(&server, LIST);
    for poll in 1..=3 {
        polls.store(poll, Ordering::SeqCst);
        place.ran(0, &["collect"]);
        place.ran(0, &["reconcile"]);
    }
    let told = "select action, resource, coalesce(actor_name, 'nobody'), occurred_at > timestamp '2026-01-03'
                from event where category = 'change' order by occurred_at, resource";
    let expected = [
        ["buoy.update", "buoy:a", "alice@example.org", "true"],
        ["buoy.delete", "buoy:b", "nobody", "true"],
        ["buoy.update", "buoy:a", "nobody", "true"],
        ["buoy.create", "buoy:b", "nobody", "true"],
    ];
    let rows = place.query(told).rows;
    assert_eq!(rows.len(), expected.len(), "{rows:?}");
    for row in expected {
        assert!(rows.iter().any(|told| told == &row), "{row:?} is not in {rows:?}");
    }
}

/// Each object of a list has a log of its own, which goes on though the object stays as it is.
const LOGS: &str = r#"
kind = "events"
[auth]
type = "bearer"
[stream.fleet]
kind = "state"
[stream.fleet.request]
path = "/fleet"
[stream.fleet.identity]
object_id = "/id"
[stream.log.request]
path = "/fleet/${item}/log"
[stream.log.for_each]
from = "fleet"
pointer = "/id"
[stream.log.cursor]
mode = "since"
field = "/at"
start = "from"
[stream.log.identity]
event_id = ["${item}", "/id"]
"#;

#[test]
fn the_logs_of_the_objects_of_a_list_are_read_each_time() {
    let (count, time) = (Arc::new(AtomicUsize::new(1)), at(5));
    let server = serve({
        let count = Arc::clone(&count);
        move |asked| {
            if asked.path == "/fleet" {
                return Answer::ok(json!([{"id": "a"}, {"id": "b"}]).to_string());
            }
            assert!(asked.param("from").is_some(), "{asked:?}");
            let entries = (0..count.load(Ordering::SeqCst)).map(|id| json!({"id": id, "at": time}));
            Answer::ok(entries.collect::<Value>().to_string())
        }
    });
    let place = place(&server, LOGS);
    place.ran(0, &["collect"]);
    assert_eq!(ids(&place).iter().filter(|id| id.starts_with("log/")).collect::<Vec<_>>(), ["log/a:0", "log/b:0"]);
    count.store(2, Ordering::SeqCst);
    place.ran(0, &["collect"]);
    assert_eq!(ids(&place).iter().filter(|id| id.starts_with("log/")).count(), 4);
    for (change, said) in [
        (("mode = \"since\"\n", ""), "log has ${window.…}, but fleet is a list of objects, without a window"),
        (
            ("kind = \"state\"", "kind = \"events\"\ncursor = { mode = \"since\" }"),
            "log is read for each record of fleet, in the window of that one: it has no mode",
        ),
    ] {
        let changed = LOGS.replacen(change.0, change.1, 1).replace("object_id = \"/id\"", "event_id = \"/id\"");
        let description = if change.1.is_empty() { LOGS.replacen(change.0, change.1, 1) } else { changed };
        place.write("mine/buoys/connector.toml", format!("{HEAD}{description}"));
        place.ran(2, &["collect"]).says(&[said]);
    }
}
