//! A trail's bucket in an AWS on this machine: log files in, records out, each of them once.

use std::io::Write;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{
    BucketLocationConstraint, CreateBucketConfiguration, Event, NotificationConfiguration, QueueConfiguration,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::support::emulator::Emulator;
use crate::support::place::with_credentials;
use crate::support::{Output, Place};

const ACCOUNTS: [&str; 3] = ["111122223333", "444455556666", "777788889999"];
const REGIONS: [&str; 2] = ["eu-west-2", "us-east-1"];

/// The bucket `trail`, and the means to put files into it.
struct Bucket {
    runtime: Runtime,
    s3: Client,
}

impl Bucket {
    fn new(emulator: &Emulator) -> Self {
        let bucket = Self { runtime: Runtime::new().expect("a runtime"), s3: emulator.s3() };
        let place = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::EuWest2).build();
        let made = bucket.s3.create_bucket().bucket("trail").create_bucket_configuration(place).send();
        bucket.runtime.block_on(made).expect("a bucket");
        bucket
    }

    /// Puts log files of one record each: (key, event id).
    fn put(&self, files: Vec<(String, String)>) {
        self.runtime.block_on(async {
            let mut puts = JoinSet::new();
            for (key, id) in files {
                if puts.len() >= 32 {
                    puts.join_next().await.expect("a put").expect("no panic");
                }
                let put = self.s3.put_object().bucket("trail").key(key).body(log(&id).into());
                puts.spawn(async move { drop(put.send().await.expect("a put")) });
            }
            puts.join_all().await;
        });
    }
}

fn log(id: &str) -> Vec<u8> {
    let record = json!({
        "eventVersion": "1.11", "eventID": id, "eventTime": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "eventSource": "ec2.amazonaws.com", "eventName": "RunInstances", "awsRegion": "eu-west-2", "readOnly": false,
        "recipientAccountId": "111122223333",
        "userIdentity": {"type": "Root", "accountId": "111122223333", "arn": "arn:aws:iam::111122223333:root"},
    });
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(json!({ "Records": [record] }).to_string().as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

/// Today's file of this account and region; `name` gives minute and end.
fn key(account: &str, region: &str, name: &str) -> String {
    let day = Timestamp::now();
    let (folder, date) = (day.strftime("%Y/%m/%d"), day.strftime("%Y%m%d"));
    format!(
        "AWSLogs/o-abcdefghij/{account}/CloudTrail/{region}/{folder}/{account}_CloudTrail_{region}_{date}T{name}.json.gz"
    )
}

fn place(emulator: &Emulator, rest: &str) -> Place {
    let url = emulator.url();
    Place::new(&format!(
        "[[source]]\nname = \"aws\"\nconnector = \"aws-cloudtrail\"\nbucket = \"trail\"\nendpoint_url = \"{url}\"\n{rest}"
    ))
}

fn collect(place: &Place) -> Output {
    let output = Output::of(with_credentials(&mut place.command(&["collect"])));
    assert_eq!(output.code, Some(0), "{output}");
    output
}

#[test]
fn three_thousand_small_files_and_those_that_come_late() {
    let Some(emulator) = Emulator::start() else { return };
    let bucket = Bucket::new(&emulator);
    let mut files = Vec::new();
    for number in 0..500 {
        for (account, region) in ACCOUNTS.iter().flat_map(|account| REGIONS.map(|region| (*account, region))) {
            files.push((key(account, region, &format!("1820Z_k{number:015}")), format!("{account}-{region}-{number}")));
        }
    }
    bucket.put(files);
    let place = place(&emulator, "");
    collect(&place).says(&["3000 records seen, 3000 stored, 0 duplicates, 0 set aside"]);

    // Three land late, with names that sort before what was read; one is the same event once more.
    bucket.put(vec![
        (key(ACCOUNTS[0], REGIONS[0], "1815Z_a"), "late-1".to_owned()),
        (key(ACCOUNTS[1], REGIONS[1], "1815Z_a"), "late-2".to_owned()),
        (key(ACCOUNTS[2], REGIONS[0], "1825Z_a"), "late-3".to_owned()),
    ]);
    collect(&place).says(&["3 records seen, 3 stored"]);
    collect(&place).says(&["0 records seen, 0 stored"]);
    let ids = place.query("select count(*), count(distinct record_id) from raw_record");
    assert_eq!(ids.rows, [["3003", "3003"]]);
    place.ran(0, &["reconcile"]);
    assert_eq!(place.report("changes").rows.len(), 3003);
}

#[test]
fn notifications_in_verdicts_out() {
    let Some(emulator) = Emulator::start() else { return };
    let bucket = Bucket::new(&emulator);
    let sqs = emulator.sqs();
    let queue = bucket.runtime.block_on(sqs.create_queue().queue_name("new-files").send()).expect("a queue");
    let queue = queue.queue_url.expect("a URL").replace("localhost", "127.0.0.1");
    let place = place(&emulator, &format!("queue_url = \"{queue}\"\n"));
    bucket.put(vec![(key(ACCOUNTS[0], REGIONS[0], "0000Z_first"), "first".to_owned())]);
    // The folders are listed at first, and then not for a day.
    collect(&place).says(&["1 records seen, 1 stored"]);

    let to_queue = QueueConfiguration::builder()
        .queue_arn("arn:aws:sqs:eu-west-2:000000000000:new-files")
        .events(Event::from("s3:ObjectCreated:*"));
    let to_queue =
        NotificationConfiguration::builder().queue_configurations(to_queue.build().expect("a configuration"));
    let set = bucket.s3.put_bucket_notification_configuration().bucket("trail");
    let set = set.notification_configuration(to_queue.build()).send();
    bucket.runtime.block_on(set).expect("notifications");
    let files = (0..30).map(|n| (key(ACCOUNTS[0], REGIONS[0], &format!("0005Z_{n:02}")), format!("e{n}")));
    bucket.put(files.collect());
    for body in ["poison", "{\"Service\":\"Amazon S3\",\"Event\":\"s3:TestEvent\"}"] {
        bucket.runtime.block_on(sqs.send_message().queue_url(&queue).message_body(body).send()).expect("sent");
    }
    collect(&place).says(&["30 records seen, 30 stored"]);
    // What was stored is deleted from the queue, what is not understood is not.
    let asked =
        sqs.get_queue_attributes().queue_url(&queue).attribute_names(aws_sdk_sqs::types::QueueAttributeName::All);
    let attributes = bucket.runtime.block_on(asked.send()).expect("attributes").attributes.expect("attributes");
    let count = |name: &str| -> u32 {
        attributes.iter().find(|(key, _)| key.as_str() == name).map_or(0, |(_, count)| count.parse().expect("a number"))
    };
    assert_eq!(count("ApproximateNumberOfMessages") + count("ApproximateNumberOfMessagesNotVisible"), 1);
    collect(&place).says(&["0 records seen"]);

    // A notification that gets lost: the next listing finds the file.
    bucket.put(vec![(key(ACCOUNTS[0], REGIONS[0], "0001Z_lost"), "lost".to_owned())]);
    bucket.runtime.block_on(sqs.purge_queue().queue_url(&queue).send()).expect("purged");
    collect(&place).says(&["0 records seen"]);
    let output = Output::of(with_credentials(&mut place.command(&["collect", "--since", "1d"])));
    output.says(&["1 stored"]);
    place.ran(0, &["reconcile"]);
    assert_eq!(place.report("changes").rows.len(), 32);
}
