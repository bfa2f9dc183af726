use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::fake::{self, Answer, Ask, Fake, config, event, page, paged, refusal, unpaged};
use super::*;
use crate::Unit;
use crate::testing::{collect_by, run_at};

const NOW: &str = "2026-10-10T12:30:00Z";
const WRITES: &str = "111122223333/eu-west-2/writes";

fn second(text: &str) -> i64 {
    text.parse::<Timestamp>().expect("a time").as_second()
}

fn float(text: &str) -> f64 {
    f64::from(u32::try_from(second(text)).expect("a time before 2106"))
}

/// A collector that does not wait.
fn collector(regions: &[&str]) -> LookupCollector {
    let pace = Pace { spacing: Duration::ZERO, burst: 1, pause: Duration::from_millis(1), refusals: 5, failures: 2 };
    let regions = match regions {
        ["all"] => Regions::All,
        names => Regions::Named(names.iter().map(|name| (*name).to_owned()).collect()),
    };
    LookupCollector { regions, roles: Vec::new(), access: Access::default(), pace, streams_at_once: 8 }
}

/// A run that has read to this time and swept just now.
fn run_from(cursor: &str) -> Run {
    let mut run = run_at(NOW);
    for filter in ["writes", "sts", "signin"] {
        let stream = format!("111122223333/eu-west-2/{filter}");
        run.cursors.insert(format!("{stream}#sweep"), NOW.into());
        run.cursors.insert(stream, cursor.into());
    }
    run
}

async fn collect(fake: &Fake, run: &Run, regions: &[&str]) -> (Vec<Unit>, Result<(), Error>) {
    let (collector, base) = (collector(regions), fake.config());
    collect_by(async |sink: Sink| collector.collect_with(&base, run, &sink).await).await
}

async fn units_of(run: &Run, answer: impl Fn(&Ask, usize) -> Answer + Send + Sync + 'static) -> (Vec<Unit>, Vec<Ask>) {
    let fake = Fake::start(answer).await;
    let (units, result) = collect(&fake, run, &["eu-west-2"]).await;
    result.expect("everything read");
    (units, fake.asked())
}

async fn error_of(answer: impl Fn(&Ask, usize) -> Answer + Send + Sync + 'static) -> (Vec<Unit>, Error) {
    let fake = Fake::start(answer).await;
    let (units, result) = collect(&fake, &run_from("2026-10-10T12:00:00Z"), &["eu-west-2"]).await;
    (units, result.expect_err("an error"))
}

fn ids(units: &[Unit]) -> Vec<&str> {
    let mut ids: Vec<&str> = units.iter().flat_map(|unit| &unit.records).map(|r| r.record_id.as_str()).collect();
    ids.sort_unstable();
    ids
}

fn of<'a>(units: &'a [Unit], key: &str) -> Vec<&'a Unit> {
    units.iter().filter(|unit| unit.key == format!("{WRITES}/{key}")).collect()
}

fn cursors(units: &[Unit]) -> HashMap<&str, &str> {
    units
        .iter()
        .filter_map(|unit| unit.cursor.as_ref())
        .map(|(stream, time)| (stream.as_str(), time.as_str()))
        .collect()
}

#[tokio::test]
async fn pages_are_followed_and_hours_filled() {
    let first = second("2026-10-10T10:59:00Z");
    let events: Vec<Value> = (0..120).map(|number| event(&format!("e{number:03}"), first + number)).collect();
    let (units, asked) = units_of(&run_from("2026-10-10T12:00:00Z"), move |ask, _| paged(&events, ask)).await;
    // From an hour before the cursor, at a full hour.
    assert_eq!(ids(&units).len(), 60);
    assert_eq!(of(&units, "2026-10-10T11")[0].records.len(), 60);
    assert_eq!(of(&units, "2026-10-10T12")[0].records.len(), 0, "an empty hour is a unit");
    let window = of(&units, "2026-10-10T12")[0].window.expect("a window");
    assert_eq!(window, ("2026-10-10T12:00:00Z".parse().expect("a time"), NOW.parse().expect("a time")));
    assert!(units.iter().all(|unit| unit.last && unit.incomplete.is_none()));
    assert_eq!(units.len(), 6);
    let writes: Vec<&Ask> = asked.iter().filter(|ask| ask.filter == "ReadOnly=false").collect();
    assert_eq!(writes.len(), 2);
    assert!((writes[0].start - float("2026-10-10T11:00:00Z")).abs() < 0.1);
    assert!(writes[0].end < float(NOW) && writes[0].end > float(NOW) - 0.001, "the end is not included");
    assert_eq!(writes[1].token.as_deref(), Some("50"));
    let mut filters: Vec<&str> = asked.iter().map(|ask| ask.filter.as_str()).collect();
    filters.sort_unstable();
    filters.dedup();
    assert_eq!(filters, ["EventSource=signin.amazonaws.com", "EventSource=sts.amazonaws.com", "ReadOnly=false"]);
}

#[tokio::test]
async fn the_cursor_moves_with_the_last_unit_of_each_window() {
    let mut run = run_at(NOW);
    let (units, _) = units_of(&run, |_, _| page(&[], None)).await;
    let writes: Vec<&Unit> = units.iter().filter(|unit| unit.key.starts_with(WRITES)).collect();
    let moved: Vec<&(String, String)> = writes.iter().filter_map(|unit| unit.cursor.as_ref()).collect();
    // Seven days back from noon are eight windows; the sweep comes with the last.
    assert_eq!(moved.len(), 9);
    assert_eq!(moved[0], &(WRITES.into(), "2026-10-04T00:00:00Z".into()));
    assert_eq!(moved[7], &(format!("{WRITES}#sweep"), NOW.into()));
    assert_eq!(moved[8], &(WRITES.into(), NOW.into()));
    let hours = writes.iter().filter(|unit| unit.last).count();
    assert_eq!(hours, 7 * 24 + 1);
    let cursors = units.iter().filter_map(|unit| unit.cursor.clone()).collect();
    run.cursors = cursors;
    let (again, _) = units_of(&run, |_, _| page(&[], None)).await;
    assert_eq!(again.iter().filter(|unit| unit.key.starts_with(WRITES)).count(), 2);
}

#[tokio::test]
async fn reading_again_does_not_move_the_cursor_back() {
    let mut run = run_from("2026-10-10T12:00:00Z");
    run.since = Some("2026-10-08T00:00:00Z".parse().expect("a time"));
    let (units, _) = units_of(&run, |_, _| page(&[], None)).await;
    let times: Vec<&str> =
        units.iter().filter_map(|unit| unit.cursor.as_ref()).filter(|c| c.0 == WRITES).map(|c| c.1.as_str()).collect();
    assert_eq!(times, [NOW]);
    assert_eq!(of(&units, "2026-10-08T00").len(), 1);
}

#[tokio::test]
async fn a_refusal_is_waited_out_and_nothing_skipped() {
    let events = [event("a", second("2026-10-10T11:30:00Z"))];
    let (units, asked) = units_of(&run_from("2026-10-10T12:00:00Z"), move |ask, before| {
        if before < 4 { refusal("ThrottlingException") } else { paged(&events, ask) }
    })
    .await;
    assert_eq!(ids(&units), ["a"]);
    assert_eq!(asked.len(), 7);
}

#[tokio::test]
async fn endless_refusals_are_an_error_and_the_cursor_stays() {
    let (units, error) = error_of(|_, _| refusal("ThrottlingException")).await;
    assert!(matches!(&error, Error::RateLimited { attempts: 6, .. }), "{error:?}");
    assert!(cursors(&units).is_empty());
}

#[tokio::test]
async fn a_full_page_without_a_token_is_asked_again_in_halves() {
    let first = second("2026-10-10T11:00:00Z");
    let events: Vec<Value> = (0..300).map(|number| event(&format!("e{number:03}"), first + number * 7)).collect();
    let (units, asked) = units_of(&run_from("2026-10-10T12:00:00Z"), move |ask, _| unpaged(&events, ask)).await;
    assert_eq!(ids(&units).len(), 300);
    let mut unique = ids(&units);
    unique.dedup();
    assert_eq!(unique.len(), 300, "no event twice");
    assert!(units.iter().all(|unit| unit.incomplete.is_none()));
    assert!(asked.len() < 40, "{} requests", asked.len());
}

#[tokio::test]
async fn fractions_of_seconds_fall_into_no_gap() {
    let first = float("2026-10-10T11:00:00Z");
    let events: Vec<Value> = (0..400u32)
        .map(|number| {
            let mut event = event(&format!("e{number:03}"), second("2026-10-10T11:00:00Z") + i64::from(number / 40));
            event["EventTime"] = json!(first + f64::from(number) / 40.0);
            event
        })
        .collect();
    let (units, _) = units_of(&run_from("2026-10-10T12:00:00Z"), move |ask, _| unpaged(&events, ask)).await;
    let mut unique = ids(&units);
    unique.dedup();
    assert_eq!((unique.len(), ids(&units).len()), (400, 400));
    assert!(units.iter().all(|unit| unit.incomplete.is_none()));
}

#[tokio::test]
async fn a_second_that_is_too_full_is_kept_and_reported() {
    let at = second("2026-10-10T11:10:00Z");
    let events: Vec<Value> = (0..60).map(|number| event(&format!("e{number:03}"), at)).collect();
    let (units, _) = units_of(&run_from("2026-10-10T12:00:00Z"), move |ask, _| unpaged(&events, ask)).await;
    assert_eq!(ids(&units).len(), 50);
    assert!(of(&units, "2026-10-10T11")[0].incomplete.is_some());
    assert!(of(&units, "2026-10-10T12")[0].incomplete.is_none());
}

#[tokio::test]
async fn a_repeated_token_is_an_error_not_a_circle() {
    let (units, error) = error_of(|ask, _| match ask.token.as_deref() {
        Some("one") => page(&[], Some("two")),
        _ => page(&[], Some("one")),
    })
    .await;
    assert!(error.to_string().contains("twice"), "{error}");
    assert!(cursors(&units).is_empty());
}

#[tokio::test]
async fn a_malformed_event_is_rejected_and_the_others_kept() {
    let good = event("good", second("2026-10-10T11:30:00Z"));
    let bad = json!({ "EventId": "bad", "EventTime": second("2026-10-10T11:40:00Z"), "CloudTrailEvent": "{\"password\":\"hunter2\"" });
    let none = json!({ "EventId": "none", "EventTime": second("2026-10-10T11:41:00Z") });
    let events = [good, bad, none];
    let (units, _) = units_of(&run_from("2026-10-10T12:00:00Z"), move |ask, _| paged(&events, ask)).await;
    assert_eq!(ids(&units), ["good"]);
    let rejected = &of(&units, "2026-10-10T11")[0].rejected;
    let positions: Vec<&str> = rejected.iter().map(|rejected| rejected.position.as_str()).collect();
    assert_eq!(positions, ["event none", "event bad"]);
    assert!(!rejected[1].body.contains("hunter2"));
    assert_eq!(rejected[1].day, Some(jiff::civil::date(2026, 10, 10)));
}

#[tokio::test]
async fn events_of_other_hours_and_orders_find_their_hour() {
    let times = ["2026-10-10T12:10:00Z", "2026-10-10T11:10:00Z", "2026-10-10T12:20:00Z", "2026-10-01T00:00:00Z"];
    let (units, _) = units_of(&run_from("2026-10-10T12:00:00Z"), move |ask, _| {
        let events: Vec<Value> = times.iter().map(|time| event(time, second(time))).collect();
        if ask.filter == "ReadOnly=false" { page(&events, None) } else { page(&[], None) }
    })
    .await;
    assert_eq!(ids(&units).len(), 4, "what was not asked for is kept too");
    assert_eq!(of(&units, "2026-10-10T11")[0].records.len(), 2);
    let positions: Vec<u64> = of(&units, "2026-10-10T12")[0].records.iter().map(|record| record.position).collect();
    assert_eq!(positions, [0, 1]);
}

#[tokio::test]
async fn much_goes_out_in_parts_and_the_last_comes_at_the_end() {
    let first = second("2026-10-10T11:00:00Z");
    let padding = "x".repeat(20_000);
    let events: Vec<Value> = (0..150)
        .map(|number| {
            let mut event = event(&format!("e{number:03}"), first + number * 30);
            let record =
                event["CloudTrailEvent"].as_str().expect("a text").replacen('{', &format!("{{\"p\":\"{padding}\","), 1);
            event["CloudTrailEvent"] = record.into();
            event
        })
        .collect();
    let (units, _) = units_of(&run_from("2026-10-10T12:00:00Z"), move |ask, _| paged(&events, ask)).await;
    assert_eq!(ids(&units).len(), 150);
    for key in ["2026-10-10T11", "2026-10-10T12"] {
        let parts = of(&units, key);
        assert!(parts.len() > 1);
        let numbers: Vec<u32> = parts.iter().map(|part| part.part).collect();
        assert_eq!(numbers, (0..u32::try_from(parts.len()).expect("few")).collect::<Vec<_>>());
        assert_eq!(parts.iter().filter(|part| part.last).count(), 1);
        assert!(parts.last().expect("a part").last);
    }
    assert!(units.iter().all(|unit| unit.weight() < 3 * 1024 * 1024));
}

#[tokio::test]
async fn what_is_not_kept_any_more_is_a_gap() {
    let mut run = run_from("2026-06-01T10:30:00Z");
    run.since = None;
    let (units, asked) = units_of(&run, |_, _| page(&[], None)).await;
    let gap = units.iter().find(|unit| unit.key == format!("{WRITES}/gap-2026-06-01T09")).expect("a gap");
    assert!(gap.incomplete.as_ref().expect("a reason").contains("keeps nothing from before"));
    let oldest = asked.iter().map(|ask| ask.start).fold(f64::MAX, f64::min);
    assert!((oldest - float("2026-07-12T13:00:00Z")).abs() < 0.1);
}

#[tokio::test]
async fn errors_say_what_is_wrong_and_what_to_do() {
    let (_, error) = error_of(|_, _| refusal("UnrecognizedClientException")).await;
    assert!(matches!(&error, Error::Auth { .. }), "{error:?}");
    assert!(error.hint().expect("a hint").contains("AWS_PROFILE"));
    let (_, error) = error_of(|_, _| refusal("AccessDeniedException")).await;
    assert!(error.hint().expect("a hint").contains("cloudtrail:LookupEvents"), "{error:?}");
    let (_, error) = error_of(|_, _| refusal("InvalidTimeRangeException")).await;
    assert!(error.to_string().contains("InvalidTimeRange"), "{error}");
    let (_, error) = error_of(|_, _| (503, "no JSON".into())).await;
    assert!(matches!(&error, Error::BadResponse { .. }), "{error:?}");
}

#[tokio::test]
async fn a_failure_that_passes_is_tried_again() {
    let events = [event("a", second("2026-10-10T11:30:00Z"))];
    let (units, _) = units_of(&run_from("2026-10-10T12:00:00Z"), move |ask, before| {
        if before < 2 { (500, json!({ "__type": "InternalFailure" }).to_string()) } else { paged(&events, ask) }
    })
    .await;
    assert_eq!(ids(&units), ["a"]);
}

#[tokio::test]
async fn one_region_that_fails_does_not_stop_the_others() {
    let fake = Fake::start(|ask, _| match ask.region.as_str() {
        "eu-west-2" => page(&[], None),
        _ => refusal("AccessDeniedException"),
    })
    .await;
    let regions = ["eu-west-1", "eu-west-2", "us-east-1"];
    let (units, result) = collect(&fake, &run_at(NOW), &regions).await;
    let Err(Error::Several { failed: 2, streams: 3, errors }) = &result else { panic!("{result:?}") };
    let places: Vec<&str> = errors.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(places, ["111122223333/eu-west-1", "111122223333/us-east-1"]);
    assert_eq!(cursors(&units).get(WRITES), Some(&NOW));
    assert!(!cursors(&units).contains_key("111122223333/us-east-1/writes"));
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let (collector, base) = (collector(&["eu-west-2"]), config("http://127.0.0.1:1"));
    let (_, result) = collect_by(async |sink: Sink| collector.collect_with(&base, &run_at(NOW), &sink).await).await;
    let error = result.expect_err("an error");
    assert!(matches!(&error, Error::Unreachable { .. }), "{error:?}");
    assert!(error.hint().expect("a hint").contains("endpoint_url"));
}

#[tokio::test]
async fn no_credentials_are_told_apart_from_no_network() {
    let fake = Fake::start(|_, _| page(&[], None)).await;
    let base = fake.config().into_builder().credentials_provider(failing_credentials()).build();
    let collector = collector(&["eu-west-2"]);
    let (_, result) = collect_by(async |sink: Sink| collector.collect_with(&base, &run_at(NOW), &sink).await).await;
    let error = result.expect_err("an error");
    assert!(matches!(&error, Error::Auth { .. }), "{error:?}");
    assert!(error.hint().expect("a hint").contains("AWS_ACCESS_KEY_ID"));
}

#[tokio::test]
async fn a_role_that_may_not_be_assumed_is_named() {
    let fake = Fake::start(|_, _| page(&[], None)).await;
    let mut collector = collector(&["eu-west-2"]);
    collector.roles.push(Role::parse("arn:aws:iam::444455556666:role/audit").expect("a role"));
    let base = fake.config();
    let (units, result) = collect_by(async |sink: Sink| collector.collect_with(&base, &run_at(NOW), &sink).await).await;
    let error = result.expect_err("an error");
    assert!(error.to_string().contains("sts:AssumeRole of arn:aws:iam::444455556666:role/audit"), "{error:?}");
    assert!(units.is_empty() && fake.asked().is_empty());
}

fn failing_credentials() -> aws_credential_types::provider::SharedCredentialsProvider {
    use aws_credential_types::credential_fn::provide_credentials_fn;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use aws_credential_types::provider::error::CredentialsError;
    let provider = provide_credentials_fn(|| async { Err(CredentialsError::not_loaded("none in the chain")) });
    SharedCredentialsProvider::new(provider)
}

#[tokio::test]
async fn all_regions_are_those_that_the_account_has_enabled_and_the_one_of_global_services() {
    let pages = vec![fake::regions(&["eu-west-2", "ap-south-1"], Some(1)), fake::regions(&["me-south-1"], None)];
    let fake = Fake::with_regions(pages, |_, _| page(&[], None)).await;
    let mut run = run_from("2026-10-10T12:00:00Z");
    let gone = "111122223333/af-south-1/writes";
    run.cursors.insert(gone.into(), "2026-10-09T12:00:00Z".into());
    let (units, result) = collect(&fake, &run, &["all"]).await;
    result.expect("everything read");
    let asked: BTreeSet<String> = fake.asked().into_iter().map(|ask| ask.region).collect();
    assert_eq!(asked, ["ap-south-1", "eu-west-2", "me-south-1", "us-east-1"].map(str::to_owned).into());
    let cursors = cursors(&units);
    assert!(asked.iter().all(|region| cursors.contains_key(format!("111122223333/{region}/writes").as_str())));
    // A region that was read and cannot be read any more does not just go.
    let told: Vec<&Unit> = units.iter().filter(|unit| unit.incomplete.is_some()).collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].key, "111122223333/af-south-1/not-enabled");
}

#[tokio::test]
async fn an_account_that_does_not_tell_its_regions_is_not_read_in_fewer() {
    for answer in [refusal("AccessDeniedException"), fake::regions(&[], None), (403, "no JSON".into())] {
        let fake = Fake::with_regions(vec![answer], |_, _| page(&[], None)).await;
        let (units, result) = collect(&fake, &run_from("2026-10-10T12:00:00Z"), &["all"]).await;
        let error = result.expect_err("an error");
        assert!(error.to_string().contains("the regions of account 111122223333"), "{error}");
        assert!(units.is_empty() && fake.asked().is_empty());
    }
    let fake = Fake::with_regions(vec![refusal("AccessDeniedException")], |_, _| page(&[], None)).await;
    let (_, result) = collect(&fake, &run_at(NOW), &["all"]).await;
    let error = result.expect_err("an error");
    assert!(matches!(&error, Error::Forbidden { permission, .. } if permission == "account:ListRegions"), "{error:?}");
}

#[tokio::test]
async fn a_survey_of_all_regions_says_what_each_costs() {
    let fake = Fake::with_regions(vec![fake::regions(&["eu-west-2", "us-east-1"], None)], |_, _| page(&[], None)).await;
    let mut collector = collector(&["all"]);
    collector.pace = Pace::of_share(0.75);
    let run = run_from("2026-10-10T12:00:00Z");
    let lines = collector.survey_with(&fake.config(), &run).await.expect("a survey");
    assert_eq!(lines.len(), 3);
    assert!(lines[0].starts_with("111122223333/eu-west-2: 2026-10-10T11:00:00Z to"), "{lines:?}");
    assert!(lines[1].contains("8 windows, at least 24 requests and 0.3 minutes"), "{lines:?}");
    assert!(lines[2].starts_with("2 regions at once: at least 27 requests and 0.3 minutes"), "{lines:?}");
    assert!(fake.asked().is_empty(), "no event is asked for");
    // Without asking, only what was read before is known.
    let lines = collector.plan(&run);
    assert!(lines[0].contains("account:ListRegions; the last time these:"), "{lines:?}");
    assert_eq!(lines.len(), 2);
    assert_eq!(collector.plan(&run_at(NOW)).len(), 1);
}

#[test]
fn the_plan_says_what_would_be_asked() {
    let mut collector = collector(&["eu-west-2", "us-east-1"]);
    collector.pace = Pace::of_share(0.75);
    let lines = collector.plan(&run_from("2026-10-10T12:00:00Z"));
    assert_eq!(lines.len(), 3);
    assert!(lines[0].starts_with("eu-west-2: 2026-10-10T11:00:00Z to 2026-10-10T12:30:00Z in 1 windows"), "{lines:?}");
    assert!(lines[1].contains("8 windows, at least 24 requests and 0.3 minutes"), "{lines:?}");
}
