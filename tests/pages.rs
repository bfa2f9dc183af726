//! Answers that are not what they seem: of every one that cannot be read whole it is told, and nothing is passed over.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::LazyLock;

use changetrail::contract::{Answer, Asked, Server};
use serde_json::json;

use crate::support::Place;

/// What every folder here says, before what it is about.
const HEAD: &str = r#"
vendor = "Quayside"
docs = "https://example.org/quayside"
emits = ["change"]
params = { base_url = { required = true } }
permission = "read"
retention = "none stated"
lag = "none"
"#;
/// A log, and what names its records.
const LOG: &str =
    "kind = 'events'\ncursor = { mode = 'since', field = '/at', initial = '3d' }\nidentity = { event_id = '/id' }\n";
const STATE: &str = "kind = 'state'\nidentity = { object_id = '/id' }\n";
const MAPPING: &str = "-- emits: change\nselect record_id, coalesce(occurred_at, timestamp '2026-01-01') as occurred_at, 'quay.update' as action from raw\n";

/// A source for each of these folders: its name, and what it says. It is asked for below its name.
fn place(url: &str, folders: &[(&str, &str)]) -> Place {
    let mut config = "[extend]\nconnectors = ['mine']\n".to_owned();
    for (name, _) in folders {
        let _ = write!(config, "[[source]]\nname = '{name}'\nconnector = '{name}'\nbase_url = '{url}/{name}'\n");
    }
    let place = Place::new(&config);
    for (name, rest) in folders {
        let request =
            if rest.contains("[request]") || rest.contains(".request]") { "" } else { "[request]\npath = '/x'\n" };
        place.write(&format!("mine/{name}/connector.toml"), format!("name = '{name}'\n{HEAD}{rest}\n{request}"));
        place.write(&format!("mine/{name}/map.sql"), MAPPING);
    }
    place
}

fn entry(id: u64) -> serde_json::Value {
    static AT: LazyLock<String> =
        LazyLock::new(|| (jiff::Timestamp::now() - jiff::SignedDuration::from_mins(90)).to_string());
    json!({"id": id, "at": *AT})
}

fn entries(from: u64, to: u64) -> serde_json::Value {
    (from..to).map(entry).collect()
}

/// Records of each source: how many, and how many were set aside.
fn kept(place: &Place) -> Vec<Vec<String>> {
    let query = "select source, sum(r)::varchar || '+' || sum(q)::varchar from (select source, 1 as r, 0 as q from store.raw_record union all select source, 0, 1 from quarantine) group by all order by all";
    place.query(query).rows
}

/// A system that speaks HTTP as it was once: a body ends where the connection does. An answer begins with its status.
fn old_server(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let lines = BufReader::new(stream.try_clone().expect("a connection")).lines();
            let head: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
            let _ = stream.write_all(format!("HTTP/1.0 {}", answer(path)).as_bytes());
        }
    });
    url
}

#[test]
fn an_answer_that_breaks_off_before_its_body_is_not_empty() {
    let armed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_armed = std::sync::Arc::clone(&armed);
    let url = old_server(move |path| {
        let nothing = is_armed.load(std::sync::atomic::Ordering::SeqCst);
        let body = match path.split('?').next().unwrap_or_default() {
            "/log/x" if path.ends_with("page=1") => entries(1, 3).to_string(),
            "/lines/x" => format!("{}\n", entry(1)),
            "/log/x" | "/state/x" if nothing => String::new(),
            "/log/x" => entries(3, 4).to_string(),
            "/null/x" if nothing => "null".into(),
            "/within/x" if nothing => r#"{"objs":null}"#.into(),
            "/within/x" => json!({"objs": entries(1, 2)}).to_string(),
            _ => entries(1, 2).to_string(),
        };
        format!("200 OK\r\nContent-Type: application/json\r\n\r\n{body}")
    });
    let log = format!(
        "{LOG}paginate = {{ type = 'page', param = 'page', size_param = 'n', size = 2, stop = 'short_page' }}\n"
    );
    let within = format!("{STATE}records.pointer = '/objs'\n");
    let lacking = format!("{STATE}records = {{ pointer = '/objs', may_lack = true }}\n");
    let lines = format!("{LOG}records.format = 'ndjson'\n");
    let mut folders = vec![("log", log.as_str()), ("state", STATE), ("null", STATE), ("within", &within)];
    let place_ = place(&url, &folders);
    place_.ran(0, &["collect"]);
    armed.store(true, std::sync::atomic::Ordering::SeqCst);
    let bad = place_.ran(2, &["collect"]);
    bad.says(&[
        "it is empty: only the status 204 says that there is nothing",
        "it has null where the records should be",
    ]);
    armed.store(false, std::sync::atomic::Ordering::SeqCst);
    place_.ran(0, &["collect"]);
    let whole = [["log", "3+0"], ["null", "1+0"], ["state", "1+0"], ["within", "1+0"]];
    assert_eq!(kept(&place_), whole);

    // Lines say nothing of their end at all. Where a place may be lacking, null is none.
    folders = vec![("lines", &lines), ("within", &lacking)];
    armed.store(true, std::sync::atomic::Ordering::SeqCst);
    let place = place(&url, &folders);
    place.ran(2, &["collect"]).says(&["source `lines` failed", "its end is not told"]);
}

#[test]
fn a_status_that_says_that_there_is_nothing_is_an_empty_page() {
    let server = Server::start(|asked| match (asked.path.as_str(), asked.param("page")) {
        ("/total/x", Some("1")) => Answer::ok(json!({"d": entries(1, 3), "n": 5}).to_string()),
        ("/later/x", Some("1")) => Answer::ok(entries(1, 3).to_string()),
        _ => Answer::status(204, ""),
    })
    .expect("a port");
    let pages = "paginate = { type = 'page', param = 'page', size_param = 'n', size = 2, stop = 'short_page' }\n";
    let (later, links) = (format!("{LOG}{pages}"), format!("{LOG}paginate.type = 'link_header'\n"));
    let more = format!("{LOG}paginate = {{ type = 'token', pointer = '/n', param = 'n', more = '/m' }}\n");
    let total = "records.pointer = '/d'\npaginate = { type = 'page', param = 'page', stop = 'total', total = '/n' }\n";
    let empty = place(&server.url(), &[("later", &later), ("links", &links), ("more", &more), ("state", STATE)]);
    empty.ran(0, &["collect"]);
    assert_eq!(kept(&empty), [["later", "2+0"]]);
    // That there is nothing more than the half of what it counted is no end.
    let half = place(&server.url(), &[("total", &format!("{LOG}{total}"))]);
    half.ran(2, &["collect"]).says(&["it says that there are 5 records, and gave 2"]);
}

#[test]
fn a_page_that_was_promised_is_not_empty() {
    let server = Server::start(|asked| match asked.param("c") {
        None | Some("0") => Answer::ok(json!({"d": entries(1, 3), "next": "/x?c=1", "more": true}).to_string()),
        _ => Answer::status(204, ""),
    })
    .expect("a port");
    let by = |paging: &str| format!("{LOG}records.pointer = '/d'\npaginate = {{ {paging} }}\n");
    let named = by("type = 'token', pointer = '/next', param = 'c'");
    let flagged = by("type = 'page', param = 'c', start = 0, more = '/more'");
    for folder in [&named, &flagged] {
        let place = place(&server.url(), &[("log", folder)]);
        place.ran(2, &["collect"]).says(&["page 2 is empty, and the one before it says that there is more"]);
        assert_eq!(place.query("select count(*) from cursor").rows, [["0"]]);
    }
    // Where a page that is empty is the end, whatever was named.
    let empty = by("type = 'token', pointer = '/next', param = 'c', stop = 'empty'");
    let place = place(&server.url(), &[("log", &empty)]);
    place.ran(0, &["collect"]);
    assert_eq!(kept(&place), [["log", "2+0"]]);
}

#[test]
fn one_record_that_no_parser_reads_is_set_aside_and_the_pages_go_on() {
    let deep = format!("{}{}", "[".repeat(150), "]".repeat(150));
    let server = Server::start(move |asked| {
        let bad = match asked.path.as_str() {
            "/deep/x" => deep.as_str(),
            "/half/x" => r#""cut \ud83d""#,
            _ => "1e400",
        };
        let page = asked.param("c").and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
        let good = entries(page * 10, page * 10 + 3).to_string();
        let bad = format!(r#"{{"id":"bad-{page}","at":"2026-11-19T11:00:00Z","on":{bad}}}"#);
        let next = if page < 2 { format!("{}", page + 1) } else { "null".into() };
        let more = page < 2;
        Answer::ok(format!(r#"{{"d":[{},{bad}],"next":{next},"more":{more},"total":12}}"#, &good[1..good.len() - 1]))
    })
    .expect("a port");
    let by = |paging: &str| format!("{LOG}records.pointer = '/d'\npaginate = {{ {paging} }}\n");
    let token = by("type = 'token', pointer = '/next', param = 'c', more = '/more'");
    let total = by("type = 'page', param = 'c', start = 0, stop = 'total', total = '/total'");
    let place = place(&server.url(), &[("deep", &token), ("half", &total), ("number", &token)]);
    place.ran(0, &["collect"]);
    assert_eq!(kept(&place), [["deep", "9+3"], ["half", "9+3"], ["number", "9+3"]]);
}

/// The flag and the name of the next page contradict each other, or one of them is not there.
#[test]
fn a_walk_that_does_not_know_whether_there_is_more_is_no_end() {
    let server = Server::start(|asked| {
        let first = asked.param("c").is_none();
        Answer::ok(
            json!({"d": if first { entries(1, 3) } else { entries(3, 4) }, "page": {"more": first, "next": "two"}})
                .to_string(),
        )
    })
    .expect("a port");
    let by = |paging: &str| format!("{LOG}records.pointer = '/d'\npaginate = {{ param = 'c', type = {paging} }}\n");
    let good = by("'token', pointer = '/page/next', more = '/page/more'");
    let flag = by("'token', pointer = '/page/next', more = '/page/hasMore'");
    let text = by("'token', pointer = '/page/next', more = '/page/next'");
    let token = by("'token', pointer = '/page/nxt', more = '/page/more'");
    let object = by("'token', pointer = '/page'");
    let none = by("'none', more = '/page/more'").replace("param = 'c', ", "");
    let last = by("'last_record', pointer = '/seq'");
    let all = [("flag", flag), ("text", text), ("token", token), ("object", object), ("none", none), ("last", last)];
    for (name, folder) in &all {
        let place = place(&server.url(), &[(name, folder)]);
        let said = match *name {
            "flag" => "no flag at /page/hasMore",
            "text" => "no flag at /page/next",
            "token" | "none" => "it says that there is more, and names no next page",
            "object" => "what should name the next page is neither a text nor a number",
            _ => "none of its records has what the next page begins with: /seq",
        };
        place.ran(2, &["collect"]).says(&[said]);
        assert_eq!(place.query("select count(*) from cursor").rows, [["0"]], "{name}");
    }
    let place = place(&server.url(), &[("good", &good)]);
    place.ran(0, &["collect"]);
    assert_eq!(kept(&place), [["good", "3+0"]]);
}

#[test]
fn an_error_that_is_told_in_a_good_answer_is_no_record() {
    let (ok, bad) = (r#"{"id":"one","at":"2026-10-01T00:00:00Z"}"#, r#"{"error":"quota exceeded, try later"}"#);
    let server = Server::start(|_| Answer::status(500, "")).expect("a port");
    let answer = move |armed: bool| {
        move |asked: &Asked| match asked.path.as_str() {
            "/details/list" => Answer::ok(r#"[{"item":"a"}]"#),
            "/log/x" if !armed => Answer::ok(entries(1, 3).to_string()),
            _ => Answer::ok(if armed { bad } else { ok }),
        }
    };
    let single = format!("{LOG}records.each = 'one'\n");
    let details = "kind = 'events'\n[stream.list]\nkind = 'state'\nrequest.path = '/list'\n[stream.details]\nrequest.path = '/of/${item}'\nfor_each = { from = 'list', pointer = '/item' }\nidentity.event_id = '/id'\n[stream.details.request]\npath = '/of/${item}'\n";
    let details = details.replacen("request.path = '/of/${item}'\n", "", 1);
    let place = place(&server.url(), &[("details", &details), ("log", LOG), ("single", &single)]);
    server.answer_by(answer(true));
    place.ran(2, &["collect"]).says(&[
        "it is one object, where a list of records should be",
        "it is an object that has nothing of what names a record: /id",
        "quota exceeded, try later",
    ]);
    server.answer_by(answer(false));
    place.ran(0, &["collect"]);
    assert_eq!(kept(&place), [["details", "1+0"], ["log", "2+0"], ["single", "1+0"]]);
}

#[test]
fn a_number_that_names_the_next_page_goes_back_as_it_came() {
    const FIRST: &str = "123456789012345678901234567890";
    let server = Server::start(|asked| {
        let place = asked.param("tok").unwrap_or(&asked.body);
        let page = u64::from(place.contains(FIRST));
        assert!(page == 1 || !place.contains("123"), "{asked:?}");
        assert!(
            asked.method == "GET" || place == "{\"n\":1}" || place == format!("{{\"n\":1,\"tok\":{FIRST}}}"),
            "{asked:?}"
        );
        let next = if page == 0 { FIRST } else { "null" };
        Answer::ok(format!(r#"{{"d":{},"next":{next}}}"#, entries(page * 2, page * 2 + 2)))
    })
    .expect("a port");
    let by = |param: &str, request: &str| {
        format!(
            "{LOG}records.pointer = '/d'\npaginate = {{ type = 'token', pointer = '/next', param = '{param}' }}\n{request}"
        )
    };
    let (query, body) = (by("tok", ""), by("/tok", "[request]\npath = '/x'\nbody = { n = 1 }\n"));
    let place = place(&server.url(), &[("body", &body), ("query", &query)]);
    place.ran(0, &["collect"]);
    assert_eq!(kept(&place), [["body", "4+0"], ["query", "4+0"]]);
}

#[test]
fn a_redirection_that_cannot_be_followed_says_why() {
    let url = old_server(|path| {
        let location = match path.split('?').next().unwrap_or_default() {
            "/round/x" => "Location: x\r\n",
            "/accent/x" => "Location: /caf\u{e9}\r\n",
            "/caf%C3%A9" => "",
            _ => "X: y\r\n",
        };
        let status = if location.is_empty() { "200 OK" } else { "302 Found" };
        let body = entries(1, 2);
        format!("{status}\r\n{location}\r\n{body}")
    });
    let post = format!("{LOG}[request]\npath = '/x'\nbody = {{}}\n");
    let place_ = place(&url, &[("accent", LOG), ("nowhere", LOG), ("post", &post), ("round", LOG)]);
    let said = place_.ran(2, &["collect"]);
    said.says(&["status 302: a redirection that names no address", "status 302: more than 5 redirections"]);
    assert_eq!(kept(&place_), [["accent", "1+0"]]);
}

#[test]
fn a_system_that_gives_so_many_and_no_more_is_not_read_whole() {
    let server = Server::start(|asked| {
        let from = asked.param("from").unwrap_or_default();
        assert_eq!(asked.param("n"), Some("3"), "{from}");
        let old = json!({"id": 0, "at": "2020-01-01T00:00:00Z"});
        Answer::ok(
            match asked.path.as_str() {
                "/some/x" => entries(1, 3),
                "/feed/x" => json!([entry(2), entry(1), old]),
                _ => entries(1, 4),
            }
            .to_string(),
        )
    })
    .expect("a port");
    let limited = format!("{LOG}paginate = {{ type = 'none', size_param = 'n', size = 3 }}\n");
    let feed = limited.replace("mode = 'since'", "mode = 'feed'");
    for (name, folder, code) in [("some", &limited, 0), ("full", &limited, 2), ("feed", &feed, 0), ("more", &feed, 2)] {
        let output = place(&server.url(), &[(name, folder)]).ran(code, &["collect"]);
        if code == 2 {
            output.says(&["it gave 3 records, as many as it gives at once (3)"]);
        }
    }
}

#[test]
fn pages_may_be_counted_by_the_system() {
    let server = Server::start(|asked| {
        let page: u64 = asked.param("page").and_then(|page| page.parse().ok()).expect("a page");
        assert!(page < 4, "{asked:?}");
        // A page of which everything is hidden from who asks.
        let found = if page == 2 { json!([]) } else { entries(page * 2, page * 2 + 2) };
        Answer::ok(json!({"d": found, "pages": 3}).to_string())
    })
    .expect("a port");
    let by = |key: &str| {
        format!("{LOG}records.pointer = '/d'\npaginate = {{ type = 'page', param = 'page', total_pages = '{key}' }}\n")
    };
    let (good, bad) = (by("/pages"), by("/count"));
    let place_ = place(&server.url(), &[("good", &good)]);
    place_.ran(0, &["collect"]);
    assert_eq!(kept(&place_), [["good", "4+0"]]);
    place(&server.url(), &[("bad", &bad)]).ran(2, &["collect"]).says(&["it does not say how many pages there are"]);
}

#[test]
fn what_is_known_by_its_key_alone_keeps_it() {
    let server =
        Server::start(|_| Answer::ok(r#"{"flags":{"a":{"on":true},"b":{"on":false},"c":{"name":"own","on":true}}}"#))
            .expect("a port");
    let flags = "kind = 'state'\nrecords = { pointer = '/flags', each = 'object', key = 'name' }\nidentity = { object_id = '/name', version = '/on' }\n";
    let place_ = place(&server.url(), &[("flags", flags)]);
    place_.ran(0, &["collect"]);
    let told = place_.query("select record_id, record from store.raw_record order by all");
    let expected = [
        ["a@true", r#"{"name":"a","on":true}"#],
        ["b@false", r#"{"name":"b","on":false}"#],
        ["own@true", r#"{"name":"own","on":true}"#],
    ];
    assert_eq!(told.rows, expected);
    let wrong = flags.replace("'object', key", "'item', key");
    place(&server.url(), &[("flags", &wrong)]).ran(2, &["collect"]).says(&["`key` is for each = \"object\""]);
}
