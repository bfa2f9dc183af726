//! Systems that say back what they were asked with, and systems that say nothing that can be used.

use changetrail::contract::{Answer, Asked, Server};
use serde_json::json;

use crate::support::Place;

const HEAD: &str = r#"
name = "echo"
vendor = "Echo"
docs = "https://example.org/echo"
kind = "events"
emits = ["change"]
permission = "read"
retention = "none stated"
lag = "none"
secrets = ["token"]
params = { base_url = { required = true } }
cursor = { mode = "since", field = "/at", initial = "1d" }
identity = { event_id = "/id" }
request = { path = "/log" }
records = { pointer = "/items" }
"#;
const MAPPING: &str = "-- emits: change\nselect record_id, occurred_at, 'say' as action from raw\n";
const SECRET: &str = "AbC/dEf+1234567890==";
const ISSUED: &str = "issued-token-of-today";

fn place(url: &str, auth: &str) -> Place {
    let place = Place::new(&format!(
        "[extend]\nconnectors = ['mine']\n[[source]]\nname = 'echo'\nconnector = 'echo'\nbase_url = '{url}'\ntoken = {{ file = 'token' }}\n"
    ));
    place.write("token", SECRET);
    place.write("mine/echo/connector.toml", format!("{HEAD}{auth}"));
    place.write("mine/echo/map.sql", MAPPING);
    place
}

/// The secret in every way in which it came back.
fn is_told(text: &str) -> bool {
    let encoded = "AbC%2FdEf%2B1234567890%3D%3D";
    [SECRET, encoded, "AbC\\/dEf", "AbC/dEf", "QWJDL2RFZisx", ISSUED].iter().any(|way| text.contains(way))
}

/// Nothing of the store shows it.
fn keeps_none(place: &Place) {
    let held = "select record_id || record from store.raw_record union all select record || error from quarantine union all select coalesce(error, '') from store.poll";
    for row in place.query(held).rows {
        assert!(!is_told(&row[0]), "{row:?}");
    }
}

const IN_THE_QUERY: &str = "[auth]\ntype = 'api_key'\nin = 'query'\nname = 'key'\n";

#[test]
fn a_secret_is_kept_in_no_way_in_which_it_may_be_written() {
    let at = (jiff::Timestamp::now() - jiff::SignedDuration::from_mins(90)).to_string();
    let server = Server::start(move |asked: &Asked| {
        let bearer = asked.header("authorization").unwrap_or_default().to_owned();
        if asked.path == "/token" {
            return Answer::ok(json!({"access_token": ISSUED, "expires_in": 3600}).to_string());
        }
        let php = json!({"id": 1, "at": at, "inner": json!({"k": SECRET}).to_string()}).to_string().replace('/', "\\/");
        let items = [
            php,
            json!({"id": 2, "at": at, "self": "https://echo.example.org/log?key=AbC%2FdEf%2B1234567890%3D%3D"})
                .to_string(),
            json!({"id": 3, "at": at, "by": bearer, "basic": "QWJDL2RFZisxMjM0NTY3ODkwPT0="}).to_string(),
            json!({"id": SECRET, "at": at}).to_string(),
        ];
        Answer::ok(format!("{{\"items\":[{}]}}", items.join(",")))
    })
    .expect("a port");
    for auth in [
        IN_THE_QUERY,
        "[auth]\ntype = 'bearer'\n",
        "[auth]\ntype = 'oauth2_client_credentials'\ntoken_url = '${param.base_url}/token'\nclient_id = 'me'\n",
    ] {
        let place = place(&server.url(), auth);
        place.ran(0, &["collect"]);
        assert_eq!(place.query("select count(*) from store.raw_record").rows, [["4"]], "{auth}");
        keeps_none(&place);
    }
}

#[test]
fn an_error_that_repeats_the_request_is_told_without_its_secret() {
    for answer in [
        "<html>The address /log?key=AbC%2FdEf%2B1234567890%3D%3D was not found".to_owned(),
        format!("{}{SECRET}", "x".repeat(485)),
        format!("{{\"message\": \"echo {{\\\"k\\\":\\\"{}\\\"}}\"}}", SECRET.replace('/', "\\\\/")),
    ] {
        let server = Server::start(move |_: &Asked| Answer::status(404, answer.clone())).expect("a port");
        let place = place(&server.url(), IN_THE_QUERY);
        let told = place.ran(2, &["-v", "collect"]);
        assert!(!is_told(&told.stderr) && told.stderr.contains("***"), "{told}");
        // And what can be done about it.
        told.says(&["look at the address"]);
        keeps_none(&place);
    }
}

#[test]
fn who_never_gives_an_answer_that_can_be_used_does_not_answer() {
    let server = Server::start(|_: &Asked| Answer::status(500, "out of order")).expect("a port");
    let place = place(&server.url(), IN_THE_QUERY);
    let told = place.ran(2, &["check", "--online"]);
    assert!(
        told.stdout.contains("no answer that can be used came within 10 s") && told.stdout.contains("out of order"),
        "{told}"
    );
}
