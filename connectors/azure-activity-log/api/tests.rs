use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use azure_core::credentials::Secret;
use serde_json::json;

use super::super::AzureActivityLog;
use super::fake::{Answer, Ask, Fake};
use super::*;
use crate::Unit;
use crate::http::azure::Tokens;
use crate::testing::{collect, run_at, shared};
use crate::{Connector, Source};

const SUBSCRIPTION: &str = "1a6fee78-1a1f-4c18-81a4-185c9610d76f";
const OTHER: &str = "6ca4bc59-170a-46ca-af10-b1940b8ea8af";
/// With `since` at noon of the same day: one window, of two hours.
const NOW: &str = "2026-10-01T14:00:00Z";

/// Hands out `token-1` until a fresh one is wanted, then `token-2`, and so on.
#[derive(Debug, Default)]
struct Numbered(AtomicU32);

#[async_trait]
impl Tokens for Numbered {
    async fn token(&self, fresh: bool) -> Result<Secret, Error> {
        let number = self.0.fetch_add(u32::from(fresh), Ordering::SeqCst) + u32::from(fresh);
        Ok(Secret::new(format!("token-{}", number + 1)))
    }
}

/// Collects from the fake, as far as it goes.
async fn read(fake: &Fake, scopes: &[Scope]) -> (Vec<Unit>, Result<(), Error>) {
    read_from(fake, scopes, run_since("2026-10-01T12:00:00Z")).await
}

fn run_since(since: &str) -> Run {
    Run { since: Some(since.parse().expect("a time")), ..run_at(NOW) }
}

async fn read_from(fake: &Fake, scopes: &[Scope], run: Run) -> (Vec<Unit>, Result<(), Error>) {
    read_with(fake, scopes, run, false).await
}

async fn read_with(fake: &Fake, scopes: &[Scope], run: Run, before_after: bool) -> (Vec<Unit>, Result<(), Error>) {
    let patience =
        Patience { pause: Duration::from_millis(2), longest: Duration::from_secs(3), refusals: 3, failures: 2 };
    let arm =
        Connection::new(fake.url.clone(), Some(Arc::new(Numbered::default())), patience, PERMISSION).expect("a client");
    let (scopes, endpoint) = (scopes.to_vec(), fake.url.clone());
    let collector = ApiCollector { scopes, endpoint, tenant: None, streams_at_once: 4, before_after };
    collect(&Given(collector, arm), &run).await
}

/// A collector whose connection is given.
struct Given(ApiCollector, Connection);

#[async_trait]
impl Collector for Given {
    async fn collect(&self, run: &Run, sink: &Sink) -> Result<(), Error> {
        self.0.collect_with(self.1.clone(), run, sink).await
    }

    fn plan(&self, run: &Run) -> Vec<String> {
        self.0.plan(run)
    }

    fn is_path(&self) -> bool {
        false
    }
}

fn one() -> Vec<Scope> {
    vec![Scope::Subscription(SUBSCRIPTION.into())]
}

fn record(id: &str, time: &str) -> serde_json::Value {
    json!({"eventDataId": id, "eventTimestamp": time, "operationName": {"value": "Microsoft.Web/sites/write"},
           "subStatus": {"value": null}, "level": "Information", "unknown": 1})
}

/// A page; `next` is a skip token, or a whole link.
fn page(records: &[serde_json::Value], next: Option<&str>) -> Answer {
    Answer::new(200, json!({"value": records, "nextLink": next}).to_string())
}

fn link(ask: &Ask, token: &str) -> String {
    format!("{}{}?api-version=2015-04-01&$skipToken={token}", "{URL}", ask.path)
}

/// A fake whose links lead to itself: `{URL}` in a body stands for its address.
async fn fake(answer: impl Fn(&Ask, usize) -> Answer + Send + Sync + 'static) -> Fake {
    let address = Arc::new(std::sync::OnceLock::<String>::new());
    let own = Arc::clone(&address);
    let fake = Fake::start(move |ask, count| {
        let mut answer = answer(ask, count);
        answer.body = answer.body.replace("{URL}", own.get().expect("an address"));
        answer
    })
    .await;
    address.set(fake.url.as_str().trim_end_matches('/').to_owned()).expect("set once");
    fake
}

fn ids(units: &[Unit]) -> Vec<String> {
    let mut ids: Vec<String> =
        units.iter().flat_map(|unit| &unit.records).map(|record| record.record_id.clone()).collect();
    ids.sort();
    ids
}

/// Whether the stream's cursor was moved.
fn moved(units: &[Unit]) -> bool {
    units.iter().any(|unit| unit.cursor.as_ref().is_some_and(|(stream, _)| !stream.ends_with("#sweep")))
}

fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[tokio::test]
async fn all_pages_of_a_window_are_read_in_whatever_order_regions_come() {
    let fake = fake(|ask, _| {
        let number: u32 =
            ask.query.get("$skipToken").map_or(0, |token| token.trim_start_matches("EU1:").parse().expect("a number"));
        // Each region newest first, and the second region begins later than where the first one ended.
        let minute = 59 - (number % 7) * 5;
        let records = [
            record(&format!("{number:02}-a"), &format!("2026-10-01T12:{minute}:00.1234567Z")),
            record(&format!("{number:02}-b"), &format!("2026-10-01T13:{minute}:00Z")),
        ];
        let next = link(ask, &format!("EU1:{}", number + 1));
        page(&records, (number < 13).then_some(next.as_str()))
    })
    .await;
    let (units, result) = read(&fake, &one()).await;
    result.expect("a whole window");
    assert_eq!(ids(&units).len(), 28);
    let asked = fake.asked();
    assert_eq!(asked.len(), 14);
    let first = &asked[0];
    assert_eq!(
        first.path,
        format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Insights/eventtypes/management/values")
    );
    assert_eq!(first.query["api-version"], "2015-04-01");
    assert_eq!(
        first.query["$filter"],
        "eventTimestamp ge '2026-10-01T12:00:00.0000000Z' and eventTimestamp le '2026-10-01T13:59:59.9999999Z'"
    );
    assert!(asked.iter().all(|ask| ask.token == "token-1"));
    let last: Vec<&Unit> = units.iter().filter(|unit| unit.last).collect();
    let keys: Vec<&str> = last.iter().map(|unit| unit.key.as_str()).collect();
    assert_eq!(
        keys,
        [format!("subscriptions/{SUBSCRIPTION}/2026-10-01T12"), format!("subscriptions/{SUBSCRIPTION}/2026-10-01T13")]
    );
    assert!(last.iter().all(|unit| unit.records.len() == 14 && unit.incomplete.is_none()));
    assert_eq!(last[1].cursor, Some((format!("subscriptions/{SUBSCRIPTION}"), NOW.into())));
}

#[tokio::test]
async fn records_are_stored_as_they_came() {
    let raw = "{ \"eventDataId\" : \"x\",\"eventTimestamp\":\"2026-10-01T12:30:00Z\", \"subStatus\":{\"value\":null},\"level\":\"Nonsense\" }";
    let fake = fake(move |_, _| Answer::new(200, format!("{{\"value\":[ {raw} ,5]}}"))).await;
    let (units, result) = read(&fake, &one()).await;
    result.expect("a whole window");
    let records: Vec<_> = units.iter().flat_map(|unit| &unit.records).collect();
    assert_eq!((records.len(), records[0].body.as_str()), (1, raw));
    let rejected: Vec<_> = units.iter().flat_map(|unit| &unit.rejected).collect();
    assert_eq!((rejected.len(), rejected[0].body.as_str()), (1, "5"));
}

#[tokio::test]
async fn a_page_with_nulls_comes_in_whole() {
    let Some(file) = shared("data/azure_activitylog_rest_nulls.json") else { return };
    let text = std::fs::read_to_string(file).expect("a page");
    let mut value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    value.as_object_mut().expect("an object").remove("nextLink");
    let fake = fake(move |_, _| Answer::new(200, value.to_string())).await;
    let (units, result) = read(&fake, &one()).await;
    result.expect("a whole window");
    assert_eq!(ids(&units).len(), 2);
    assert!(units.iter().all(|unit| unit.rejected.is_empty()));
}

#[tokio::test]
async fn a_refusal_is_waited_out_as_long_as_the_system_says() {
    let refused = || Answer::new(429, r#"{"error":{"code":"TooManyRequests"}}"#);
    let fake = fake(move |ask, count| match count {
        0 => page(&[record("1", "2026-10-01T12:30:00Z")], Some(&link(ask, "A"))),
        1 => refused().header("Retry-After", "1"),
        _ => page(&[record("2", "2026-10-01T12:20:00Z")], None),
    })
    .await;
    let start = std::time::Instant::now();
    let (units, result) = read(&fake, &one()).await;
    result.expect("a whole window");
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(ids(&units), ["1", "2"]);
}

#[tokio::test]
async fn a_system_that_keeps_refusing_is_an_error_and_moves_nothing() {
    for (retry_after, requests) in [("0", 4), ("86400", 1)] {
        let fake = fake(move |_, _| Answer::new(429, "slow down").header("retry-after", retry_after)).await;
        let (units, result) = read(&fake, &one()).await;
        let error = result.expect_err("refused");
        assert!(matches!(error, Error::RateLimited { attempts, .. } if attempts == requests), "{error:?}");
        assert!(!moved(&units));
        assert_eq!(fake.asked().len(), requests as usize);
    }
}

#[tokio::test]
async fn a_page_that_is_named_twice_is_an_error() {
    let fake = fake(|ask, _| page(&[record("1", "2026-10-01T12:30:00Z")], Some(&link(ask, "A")))).await;
    let (units, result) = read(&fake, &one()).await;
    assert!(told(&result.expect_err("a circle")).contains("named twice"));
    assert_eq!(fake.asked().len(), 2);
    assert!(!moved(&units));
}

#[tokio::test]
async fn no_token_goes_to_another_place() {
    let foreign = Fake::start(|_, _| page(&[], None)).await;
    let (port, own) = (foreign.url.port().expect("a port"), "{URL}");
    let places = [
        format!("http://127.0.0.1:{port}/x"),
        format!("http://localhost:{port}/x"),
        format!("https://127.0.0.1:{port}/x"),
        format!("//127.0.0.1:{port}/x"),
        format!("{own}@127.0.0.1:{port}/x"),
        own.replace("{URL}", "https://management.azure.com.example.org/x"),
        "file:///etc/passwd".to_owned(),
    ];
    for place in places {
        let next = place.clone();
        let fake = fake(move |_, _| page(&[record("1", "2026-10-01T12:30:00Z")], Some(&next))).await;
        let (units, result) = read(&fake, &one()).await;
        let error = told(&result.expect_err(&place));
        assert!(
            error.contains("no token is sent there") || error.contains("URL") || error.contains("url"),
            "{place}: {error}"
        );
        assert_eq!(fake.asked().len(), 1, "{place}");
        assert!(!moved(&units), "{place}");
    }
    let redirecting =
        fake(move |_, _| Answer::new(302, "").header("location", &format!("http://127.0.0.1:{port}/x"))).await;
    let (_, result) = read(&redirecting, &one()).await;
    assert!(told(&result.expect_err("a redirection")).contains("no token is sent there"));
    assert_eq!(foreign.asked().len(), 0);
}

#[tokio::test]
async fn a_page_cut_short_is_asked_for_again_and_then_an_error() {
    let cut =
        |ask: &Ask| Answer { missing: 100, ..page(&[record("2", "2026-10-01T12:20:00Z")], Some(&link(ask, "B"))) };
    let recovering = fake(move |ask, count| match count {
        0 => page(&[record("1", "2026-10-01T12:30:00Z")], Some(&link(ask, "A"))),
        1 => cut(ask),
        _ => page(&[record("2", "2026-10-01T12:20:00Z")], None),
    })
    .await;
    let (units, result) = read(&recovering, &one()).await;
    result.expect("a whole window");
    assert_eq!(ids(&units), ["1", "2"]);
    for answer in [
        Answer { missing: 9, ..Answer::new(200, "{\"value\":[") },
        Answer::new(200, "{\"value\":["),
        Answer::new(200, "{}"),
        Answer::new(200, "<html>"),
        Answer::new(200, "{\"value\":null}"),
    ] {
        let fake = fake(move |_, _| answer.clone()).await;
        let (units, result) = read(&fake, &one()).await;
        let error = result.expect_err("no page");
        assert!(matches!(error, Error::Unreachable { .. } | Error::BadResponse { .. }), "{error:?}");
        assert_eq!(fake.asked().len(), 3);
        assert!(!moved(&units));
    }
}

#[tokio::test]
async fn a_token_that_runs_out_midway_is_renewed_once() {
    let expired = || {
        Answer::new(401, r#"{"error":{"code":"ExpiredAuthenticationToken","message":"The access token has expired."}}"#)
    };
    let renewed = fake(move |ask, _| match (ask.query.get("$skipToken").map(String::as_str), ask.token.as_str()) {
        (None, "token-1") => page(&[record("1", "2026-10-01T12:30:00Z")], Some(&link(ask, "A"))),
        (Some("A"), "token-2") => page(&[record("2", "2026-10-01T12:20:00Z")], None),
        _ => expired(),
    })
    .await;
    let (units, result) = read(&renewed, &one()).await;
    result.expect("a whole window");
    assert_eq!(ids(&units), ["1", "2"]);
    let refusing = fake(move |_, _| expired()).await;
    let (units, result) = read(&refusing, &one()).await;
    let error = result.expect_err("refused");
    assert!(matches!(error, Error::Auth { .. }) && told(&error).contains("has expired"), "{error:?}");
    assert_eq!(refusing.asked().len(), 2);
    assert!(!moved(&units));
}

#[tokio::test]
async fn one_subscription_that_fails_does_not_stop_the_others() {
    let fake = fake(|ask, _| {
        if ask.path.contains(OTHER) {
            return Answer::new(403, r#"{"error":{"code":"AuthorizationFailed","message":"The client may not."}}"#);
        }
        page(
            &[record(if ask.path.starts_with("/subscriptions") { "1" } else { "tenant" }, "2026-10-01T12:30:00Z")],
            None,
        )
    })
    .await;
    let mut scopes = one();
    scopes.extend([Scope::Subscription(OTHER.into()), Scope::Tenant]);
    let (units, result) = read(&fake, &scopes).await;
    let error = result.expect_err("one failed");
    assert!(matches!(&error, Error::Several { failed: 1, streams: 3, .. }), "{error:?}");
    assert!(
        error.to_string().contains("The client may not.")
            && error.hint().expect("a hint").contains("Monitoring Reader")
    );
    assert_eq!(ids(&units), ["1", "tenant"]);
    assert!(fake.asked().iter().any(|ask| ask.path == "/providers/Microsoft.Insights/eventtypes/management/values"));
}

#[tokio::test]
async fn a_management_group_is_read_page_by_page_and_no_token_leaves() {
    let group = || vec![Scope::ManagementGroup("council".into())];
    let answers = fake(|ask, _| match ask.query.get("$skipToken").map(String::as_str) {
        None => page(&[record("1", "2026-10-01T12:30:00Z")], Some(&link(ask, "2"))),
        Some(_) => page(&[record("2", "2026-10-01T13:30:00Z")], None),
    })
    .await;
    let (units, result) = read(&answers, &group()).await;
    result.expect("a whole window");
    assert_eq!(ids(&units), ["1", "2"]);
    assert!(units.iter().all(|unit| unit.key.starts_with("managementGroups/council/")) && moved(&units));
    let asked = &answers.asked()[0];
    let path = "/providers/Microsoft.Management/managementGroups/council/providers/Microsoft.Insights/eventtypes/management/values";
    assert_eq!((asked.path.as_str(), asked.query["api-version"].as_str()), (path, "2017-03-01-preview"));
    assert!(asked.query["$filter"].contains("ge '2026-10-01T12:00:00.0000000Z'"), "{}", asked.query["$filter"]);
    let other = fake(|_, _| page(&[], Some("https://example.org/next"))).await;
    let astray = fake(move |ask, _| page(&[], Some(&format!("{}{}", other.url, ask.path)))).await;
    let (units, result) = read(&astray, &group()).await;
    assert!(told(&result.expect_err("a foreign host")).contains("no token is sent there"));
    let same = fake(|ask, _| page(&[], Some(&link(ask, "2")))).await;
    let (again, result) = read(&same, &group()).await;
    assert!(told(&result.expect_err("for ever")).contains("named twice") && !moved(&units) && !moved(&again));
}

#[tokio::test]
async fn a_failing_system_is_asked_again_a_bad_request_is_not() {
    for (status, requests) in [(500, 3), (503, 3), (408, 3), (400, 1), (404, 1)] {
        let fake = fake(move |_, _| Answer::new(status, r#"{"Code":"X","message":"because"}"#)).await;
        let (_, result) = read(&fake, &one()).await;
        let text = told(&result.expect_err("refused"));
        assert!(text.contains(&format!("status {status}")) && text.contains("because"), "{text}");
        assert_eq!(fake.asked().len(), requests, "{status}");
    }
}

#[tokio::test]
async fn overlap_sweep_and_what_is_kept_no_more() {
    let fake = fake(|_, _| page(&[], None)).await;
    let name = format!("subscriptions/{SUBSCRIPTION}");
    let cursors = |values: &[(&str, &str)]| {
        values.iter().map(|(ending, time)| (format!("{name}{ending}"), (*time).to_owned())).collect()
    };
    let starts = |fake: &Fake| -> Vec<String> {
        fake.asked().iter().map(|ask| ask.query["$filter"][19..35].to_owned()).collect()
    };
    let run =
        Run { cursors: cursors(&[("", "2026-10-01T13:30:00Z"), ("#sweep", "2026-10-01T01:00:00Z")]), ..run_at(NOW) };
    read_from(&fake, &one(), run).await.1.expect("read");
    assert_eq!(starts(&fake), ["2026-10-01T12:00"]);
    let run =
        Run { cursors: cursors(&[("", "2026-10-01T13:30:00Z"), ("#sweep", "2026-09-30T01:00:00Z")]), ..run_at(NOW) };
    let (units, result) = read_from(&fake, &one(), run).await;
    result.expect("read");
    assert_eq!(starts(&fake)[1..], ["2026-09-29T14:00", "2026-09-30T00:00", "2026-10-01T00:00"]);
    assert!(units.iter().any(|unit| unit.cursor.as_ref().is_some_and(|(stream, _)| stream.ends_with("#sweep"))));
    assert_eq!(units.iter().filter(|unit| unit.last).count(), 48, "empty hours are coverage");
    let run = Run { cursors: cursors(&[("", "2026-06-01T00:00:00Z")]), ..run_at(NOW) };
    let (units, result) = read_from(&fake, &one(), run).await;
    result.expect("read");
    assert!(
        units[0].incomplete.as_ref().expect("a gap").contains("keeps nothing from before 2026-07-03"),
        "{:?}",
        units[0]
    );
}

#[test]
fn configurations_are_checked() {
    let problem = |text: &str| {
        let source = Source { name: "azure".into(), params: toml::from_str(text).expect("TOML"), base: ".".into() };
        AzureActivityLog.configure(&source).map(|collector| collector.is_path()).map_err(|error| error.to_string())
    };
    let id = format!("subscriptions = ['{SUBSCRIPTION}']");
    assert_eq!(problem(&id), Ok(false));
    assert_eq!(problem("tenant_level = true"), Ok(false));
    assert_eq!(problem("management_groups = ['Council']"), Ok(false));
    assert_eq!(
        problem(&format!("{id}\nendpoint = 'https://management.chinacloudapi.cn'\ntenant_id = 'x'\nconcurrency = 2")),
        Ok(false)
    );
    assert_eq!(problem(&format!("{id}\nendpoint = 'http://127.0.0.1:9999'")), Ok(false));
    for (text, word) in [
        ("subscriptions = ['mine']".to_owned(), "`mine` is no subscription id"),
        (format!("subscriptions = ['{SUBSCRIPTION}', '{}']", SUBSCRIPTION.to_uppercase()), "twice"),
        (format!("{id}\nendpoint = 'http://management.azure.com'"), "in clear"),
        (format!("{id}\nendpoint = 'http://localhost.example.org'"), "in clear"),
        (format!("{id}\nendpoint = 'https://management.azure.com/subscriptions'"), "only a host"),
        (format!("{id}\nendpoint = 'azure'"), "endpoint"),
        (format!("{id}\nconcurrency = 0"), "concurrency"),
        (format!("{id}\npath = 'x'"), "together with `path`"),
        ("tenant_level = 'yes'".to_owned(), "true or false"),
        ("tenant_level = true\nbefore_after = true".to_owned(), "needs `subscriptions`"),
        ("management_groups = ['a/b']".to_owned(), "no id of a management group"),
        ("management_groups = ['council']\npath = 'x'".to_owned(), "together with `path`"),
    ] {
        let error = problem(&text).expect_err(&text);
        assert!(error.contains(word), "{text}: {error}");
    }
}

mod compared;
