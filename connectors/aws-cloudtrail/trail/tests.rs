use std::collections::HashMap;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::fake::{Answer, Fake, refusal};
use super::*;
use crate::aws_cloudtrail::lookup;
use crate::testing::{Known, collect_by, run_at};

const NOW: &str = "2025-11-04T19:00:00Z";
const ACCOUNT: &str = "AWSLogs/111122223333/CloudTrail";

fn record(id: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.11","eventID":"{id}","eventTime":"2025-11-04T18:00:00Z","eventSource":"ec2.amazonaws.com","eventName":"RunInstances","readOnly":false}}"#
    )
}

fn log(ids: &[&str]) -> Vec<u8> {
    let records: Vec<String> = ids.iter().map(|id| record(id)).collect();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(format!("{{\"Records\":[{}]}}", records.join(",")).as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

fn trail(fake: &Fake, prefix: &str) -> TrailCollector {
    let access = Access { profile: None, endpoint_url: Some(fake.url.clone()) };
    TrailCollector { bucket: "trail".into(), prefix: prefix.into(), queue_url: None, keys: None, role: None, access }
}

async fn collect(fake: &Fake, prefix: &str, run: &Run) -> (Vec<Unit>, Result<(), Error>) {
    let (collector, base) = (trail(fake, prefix), lookup::fake::config(&fake.url));
    Box::pin(collect_by(async |sink: Sink| collector.collect_with(base, run, &sink).await)).await
}

async fn units(fake: &Fake, run: &Run) -> Vec<Unit> {
    let (units, result) = collect(fake, "", run).await;
    result.expect("a bucket that can be read");
    units
}

fn ids(units: &[Unit]) -> Vec<&str> {
    let mut ids: Vec<&str> = units.iter().flat_map(|unit| &unit.records).map(|r| r.record_id.as_str()).collect();
    ids.sort_unstable();
    ids
}

/// The run after one that read these units.
fn after(units: &[&[Unit]], now: &str) -> Run {
    let mut run = run_at(now);
    let mut etags = HashMap::new();
    for unit in units.iter().flat_map(|units| units.iter()) {
        etags.insert(unit.key.clone(), unit.etag.clone());
        run.cursors.extend(unit.cursor.clone());
    }
    run.seen = Arc::new(Known(etags));
    run
}

#[tokio::test]
async fn every_layout_is_found_and_nothing_else_is_read() {
    let fake = Fake::open().await;
    let roots = [
        ("AWSLogs/111122223333", "single"),
        ("AWSLogs/o-abcdefghij/444455556666", "organisation"),
        ("o-abcdefghij/AWSLogs/o-abcdefghij/777788889999", "control-tower"),
        ("o-abcdefghij/AWSLogs/123412341234", "without-the-id"),
    ];
    for (root, id) in roots {
        for region in ["eu-west-2", "us-gov-west-1"] {
            let name = format!("{root}/CloudTrail/{region}/2025/11/04/x_CloudTrail_{region}_20251104T1800Z_a.json.gz");
            fake.put(&name, log(&[&format!("{id}-{region}")]));
        }
        fake.put(&format!("{root}/CloudTrail-Digest/eu-west-2/2025/11/04/d.json.gz"), log(&["digest"]));
        fake.put(&format!("{root}/Config/eu-west-2/2025/11/04/c.json.gz"), log(&["config"]));
        fake.put(&format!("{root}/CloudTrail/eu-west-2/2025/11/04/notes.txt"), "no log");
    }
    fake.put("AWSLogs/aws-service/other.json.gz", log(&["other"]));
    let units = units(&fake, &run_at(NOW)).await;
    let mut expected: Vec<String> =
        roots.iter().flat_map(|(_, id)| [format!("{id}-eu-west-2"), format!("{id}-us-gov-west-1")]).collect();
    expected.sort_unstable();
    assert_eq!(ids(&units), expected);
    assert_eq!(units.iter().filter(|unit| unit.cursor.is_some()).count(), 8, "one for each folder");
}

#[tokio::test]
async fn a_prefix_is_searched_and_what_lies_deeper_is_found() {
    let fake = Fake::open().await;
    fake.put("logs/trails/AWSLogs/111122223333/CloudTrail/eu-west-2/2025/11/04/a.json.gz", log(&["a"]));
    fake.put("other/AWSLogs/111122223333/CloudTrail/eu-west-2/2025/11/04/b.json.gz", log(&["b"]));
    for (prefix, expected) in [("", &["a", "b"][..]), ("logs/", &["a"]), ("logs/trails/", &["a"]), ("other/", &["b"])] {
        let (units, result) = collect(&fake, prefix, &run_at(NOW)).await;
        result.expect("a bucket that can be read");
        assert_eq!(ids(&units), expected, "{prefix}");
    }
    let (_, result) = collect(&fake, "elsewhere/", &run_at(NOW)).await;
    assert!(result.expect_err("no trail").hint().expect("a hint").contains("AWSLogs/"));
}

/// Wazuh issue 33108: a file of 18:25 lands first, three of 18:20 land after it. Whoever goes on after the last key
/// loses them.
#[tokio::test]
async fn late_keys_that_sort_before_the_last_one_are_read() {
    let fake = Fake::open().await;
    let key = |minute: &str, name: &str| {
        format!("{ACCOUNT}/eu-west-2/2025/11/04/111122223333_CloudTrail_eu-west-2_20251104T{minute}Z_{name}.json.gz")
    };
    fake.put(&key("1815", "aaaa"), log(&["e1"]));
    fake.put(&key("1825", "kgto"), log(&["e2"]));
    let read = units(&fake, &run_at("2025-11-04T18:21:00Z")).await;
    assert_eq!(ids(&read), ["e1", "e2"]);
    for (name, id) in [("9nVz", "e3"), ("Nq2c", "e4"), ("zzzz", "e5")] {
        fake.put(&key("1820", name), log(&[id]));
    }
    fake.put(&key("1830", "bbbb"), log(&["e6"]));
    let second = after(&[&read], "2025-11-04T18:31:00Z");
    let again = units(&fake, &second).await;
    assert_eq!(ids(&again), ["e3", "e4", "e5", "e6"]);
    // Nothing is fetched twice.
    let fetched = fake.asked().iter().filter(|target| target.contains(".json.gz?x-id=GetObject")).count();
    assert_eq!(fetched, 6);
    // One that is put again with another content is.
    fake.put(&key("1815", "aaaa"), log(&["e1", "e7"]));
    let third = after(&[&read, &again], "2025-11-05T18:31:00Z");
    assert_eq!(ids(&units(&fake, &third).await), ["e1", "e7"]);
}

#[tokio::test]
async fn a_folder_is_listed_from_two_days_before_it_was_read() {
    let fake = Fake::open().await;
    for day in 1..=9 {
        fake.put(&format!("{ACCOUNT}/eu-west-2/2025/11/0{day}/x.json.gz"), log(&[&format!("day{day}")]));
    }
    fake.put(&format!("{ACCOUNT}/eu-west-1/2025/10/01/x.json.gz"), log(&["old"]));
    let starts = |fake: &Fake| -> Vec<String> {
        let of = |target: &String| {
            target.split("start-after=").nth(1).map(|rest| rest.split('&').next().unwrap_or("").to_owned())
        };
        fake.asked().iter().filter_map(of).collect()
    };
    let read = units(&fake, &run_at("2025-11-09T12:00:00Z")).await;
    // A week at first.
    assert_eq!(ids(&read), ["day2", "day3", "day4", "day5", "day6", "day7", "day8", "day9"]);
    let cursors: HashMap<String, String> = read.iter().filter_map(|unit| unit.cursor.clone()).collect();
    assert_eq!(cursors.len(), 2, "also where nothing came");
    let second = after(&[&read], "2025-11-10T12:00:00Z");
    assert!(ids(&units(&fake, &second).await).is_empty());
    assert!(starts(&fake).last().expect("a list").contains("2025%2F11%2F07"), "{:?}", starts(&fake));
    let mut since = after(&[&read], "2025-11-10T12:00:00Z");
    since.since = "2025-11-01T12:00:00Z".parse().ok();
    assert_eq!(ids(&units(&fake, &since).await).len(), 9, "asked for, read again");
}

#[tokio::test]
async fn a_large_object_is_read_in_ranges_and_in_parts() {
    let fake = Fake::open().await;
    let noise = "0123456789abcdef".repeat(30_000);
    let records: Vec<String> = (0..30)
        .map(|n| {
            record(&format!("e{n:02}")).replace("\"RunInstances\"", &format!("\"RunInstances\",\"n\":\"{noise}\""))
        })
        .collect();
    let text = format!("{{\"Records\":[{}]}}", records.join(","));
    assert!(text.len() > 3 * 4 * 1024 * 1024);
    fake.put(&format!("{ACCOUNT}/eu-west-2/2025/11/04/x.json"), text);
    let units = units(&fake, &run_at(NOW)).await;
    assert_eq!(ids(&units).len(), 30);
    let object: Vec<&Unit> = units.iter().filter(|unit| unit.key.contains("x.json")).collect();
    assert!(object.len() > 2 && object.iter().filter(|unit| unit.last).count() == 1);
    assert!(object.last().expect("a last part").incomplete.is_none());
}

async fn failure(refuse: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static) -> (Vec<Unit>, Error) {
    let fake = Fake::start(refuse).await;
    for region in ["eu-west-1", "eu-west-2"] {
        fake.put(&format!("{ACCOUNT}/{region}/2025/11/04/x.json.gz"), log(&[region]));
    }
    let (units, result) = collect(&fake, "", &run_at(NOW)).await;
    (units, result.expect_err("an error"))
}

#[tokio::test]
async fn refusals_name_the_permission_and_stop_no_other_folder() {
    let kms = "User: arn:aws:iam::1:user/x is not authorized to perform: kms:Decrypt on resource: \
        arn:aws:kms:eu-west-2:1:key/k because no identity-based policy allows the kms:Decrypt action";
    for (message, permission) in [
        (kms, "kms:Decrypt on arn:aws:kms:eu-west-2:1:key/k"),
        ("Access Denied", "s3:GetObject on arn:aws:s3:::trail/* (and kms:Decrypt"),
    ] {
        let (units, error) = failure(move |target| {
            (target.contains("eu-west-1") && target.contains("GetObject"))
                .then(|| refusal(403, "AccessDenied", message))
        })
        .await;
        assert!(error.to_string().contains(permission), "{error}");
        assert_eq!(ids(&units), ["eu-west-2"]);
        let cursors: Vec<&str> = units.iter().filter_map(|unit| Some(unit.cursor.as_ref()?.0.as_str())).collect();
        assert_eq!(cursors, [format!("s3://trail/{ACCOUNT}/eu-west-2/")], "what failed is asked for again");
        assert!(units.iter().all(|unit| !unit.key.contains("eu-west-1")), "and does not count as read");
    }
    let (_, error) = failure(|target| target.starts_with("/trail/?").then(|| refusal(403, "AccessDenied", "no"))).await;
    assert!(error.to_string().contains("s3:ListBucket on arn:aws:s3:::trail"), "{error}");
    let (_, error) = failure(|_| Some(refusal(404, "NoSuchBucket", "no"))).await;
    assert!(error.to_string().contains("there is no such bucket"), "{error}");
}

#[tokio::test]
async fn the_bucket_tells_in_which_region_it_is() {
    // The fake knows no regions: the first request is turned away whatever it says.
    let first = std::sync::atomic::AtomicBool::new(true);
    let fake = Fake::start(move |_| {
        let is_first = first.swap(false, std::sync::atomic::Ordering::SeqCst);
        is_first.then(|| {
            let (_, _, body) = refusal(301, "PermanentRedirect", "elsewhere");
            (301, "x-amz-bucket-region: eu-central-1\r\n".to_owned(), body)
        })
    })
    .await;
    fake.put(&format!("{ACCOUNT}/eu-west-2/2025/11/04/x.json.gz"), log(&["e1"]));
    assert_eq!(ids(&units(&fake, &run_at(NOW)).await), ["e1"]);
}

#[tokio::test]
async fn an_object_that_nobody_can_read_stops_nothing() {
    for (code, reason) in [("InvalidObjectState", "archived"), ("NoSuchKey", "deleted")] {
        let fake = Fake::start(move |target| {
            (target.contains("old.json") && target.contains("GetObject")).then(|| refusal(403, code, "no"))
        })
        .await;
        fake.put(&format!("{ACCOUNT}/eu-west-2/2025/11/04/old.json.gz"), log(&["old"]));
        fake.put(&format!("{ACCOUNT}/eu-west-2/2025/11/04/new.json.gz"), log(&["new"]));
        let units = units(&fake, &run_at(NOW)).await;
        assert_eq!(ids(&units), ["new"]);
        let old = units.iter().find(|unit| unit.key.contains("old")).expect("a unit");
        assert!(old.incomplete.as_ref().expect("a reason").contains(reason), "{old:?}");
    }
}

#[tokio::test]
async fn a_damaged_object_keeps_what_is_whole() {
    let fake = Fake::open().await;
    let whole = log(&["e1", "e2", "e3"]);
    fake.put(&format!("{ACCOUNT}/eu-west-2/2025/11/04/x.json.gz"), &whole[..whole.len() - 12]);
    let units = units(&fake, &run_at(NOW)).await;
    let unit = units.iter().find(|unit| unit.key.contains("x.json")).expect("a unit");
    assert!(unit.incomplete.is_some() && unit.last, "{unit:?}");
}

#[test]
fn the_plan_says_from_when_on() {
    let access = Access::default();
    let collector =
        TrailCollector { bucket: "trail".into(), prefix: "x/".into(), queue_url: None, keys: None, role: None, access };
    let mut run = run_at("2025-11-09T12:00:00Z");
    assert!(collector.plan(&run)[0].contains("s3://trail/x/ that was delivered since 2025-11-02"));
    run.cursors.insert(format!("s3://trail/x/{ACCOUNT}/eu-west-2/"), "2025-11-09T01:00:00Z".into());
    assert!(collector.plan(&run)[0].contains("since 2025-11-07"));
}

fn notice(key: &str, etag: &str, size: usize) -> String {
    format!(
        r#"{{"Records":[{{"eventName":"ObjectCreated:Put","s3":{{"bucket":{{"name":"trail"}},"object":{{"key":"{key}","size":{size},"eTag":"{etag}"}}}}}}]}}"#
    )
}

fn own_notice(key: &str) -> String {
    format!(r#"{{"s3Bucket":"trail","s3ObjectKey":["{key}"]}}"#)
}

/// Reads a bucket with a queue, in a run that has listed the folders just now.
async fn with_queue(fake: &Fake, mut on_unit: impl FnMut(&Unit)) -> (Vec<Unit>, Result<(), Error>) {
    let (mut collector, base) = (trail(fake, ""), lookup::fake::config(&fake.url));
    collector.queue_url = Some(format!("{}/1/queue", fake.url));
    let mut run = run_at(NOW);
    run.cursors.insert("s3://trail/#sweep".into(), NOW.into());
    let (sink, mut receiver) = Sink::channel(2);
    let reading = tokio::spawn(async move { Box::pin(collector.collect_with(base, &run, &sink)).await });
    let mut units = Vec::new();
    while let Some(unit) = receiver.recv().await {
        on_unit(&unit);
        if let Some(receipt) = &unit.receipt {
            receipt.sign();
        }
        units.push(unit);
    }
    (units, reading.await.expect("no panic"))
}

#[tokio::test]
async fn a_message_goes_only_when_the_store_has_what_it_names() {
    let fake = Fake::open().await;
    // Older than anything that is listed: only the queue tells of them.
    let keys: Vec<String> = (0..25).map(|n| format!("{ACCOUNT}/eu-west-2/2025/01/01/{n:02}.json.gz")).collect();
    for (number, key) in keys.iter().enumerate() {
        fake.put(key, log(&[&format!("e{number:02}")]));
        fake.send(&own_notice(key));
        fake.send(&own_notice(key));
    }
    let digest = format!("{ACCOUNT}-Digest/eu-west-2/2025/01/01/d.json.gz");
    fake.put(&digest, log(&["digest"]));
    fake.send(&own_notice(&digest));
    fake.send(r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"trail"}"#);
    fake.send("poison");
    fake.send(&own_notice("x").replace("trail", "another-bucket"));
    let watched = fake.clone();
    let (units, result) = with_queue(&fake, |_| assert_eq!(watched.queue().len(), 54, "nothing is deleted yet")).await;
    result.expect("a queue that can be read");
    assert_eq!(ids(&units).len(), 25, "each object once");
    let mut left = fake.queue();
    left.sort_unstable();
    assert_eq!(left, ["poison".to_owned(), own_notice("x").replace("trail", "another-bucket")]);
    assert!(!fake.asked().iter().any(|target| target.contains("delimiter")), "no folder is listed");
}

#[tokio::test]
async fn a_message_whose_object_cannot_be_had_stays() {
    let fake = Fake::start(|target| {
        (target.contains("secret") && target.contains("GetObject")).then(|| refusal(403, "AccessDenied", "no"))
    })
    .await;
    let key = |name: &str| format!("{ACCOUNT}/eu-west-2/2025/01/01/{name}.json.gz");
    for name in ["secret", "open", "changed"] {
        fake.put(&key(name), log(&[name]));
    }
    fake.send(&own_notice(&key("secret")));
    fake.send(&own_notice(&key("open")));
    fake.send(&own_notice(&key("deleted")));
    fake.send(&notice(&key("changed"), "of an earlier version", 5));
    let (units, result) = with_queue(&fake, |_| {}).await;
    assert!(result.expect_err("an error").to_string().contains("s3:GetObject"));
    // The folders are listed after all; what lies there is old.
    assert_eq!(ids(&units), ["changed", "open"]);
    assert_eq!(fake.queue(), [own_notice(&key("secret"))]);
    let gone = units.iter().find(|unit| unit.key == key("deleted")).expect("a unit");
    assert!(gone.incomplete.as_ref().expect("a reason").contains("deleted"));
}

#[tokio::test]
async fn without_a_recent_listing_the_folders_are_listed_too() {
    let fake = Fake::open().await;
    fake.put(&format!("{ACCOUNT}/eu-west-2/2025/11/04/lost.json.gz"), log(&["lost"]));
    let (mut collector, base) = (trail(&fake, ""), lookup::fake::config(&fake.url));
    collector.queue_url = Some(format!("{}/1/queue", fake.url));
    let run = run_at(NOW);
    let read = Box::pin(collect_by(async |sink: Sink| collector.collect_with(base, &run, &sink).await));
    let (units, result) = read.await;
    result.expect("a bucket that can be read");
    assert_eq!(ids(&units), ["lost"]);
    assert!(units.iter().any(|unit| unit.cursor == Some(("s3://trail/#sweep".into(), NOW.into()))));
}
