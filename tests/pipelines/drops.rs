//! Release records that runners drop into a bucket, because they cannot reach the store.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use serde_json::{Value as Json, json};

use super::{change, released_by};
use crate::support::emulator::Emulator;
use crate::support::place::with_credentials;
use crate::support::shorthand::{events, with_accounts};
use crate::support::{Output, checkout};

/// A run of one stage, as its pipeline tells it.
fn told(pipeline: &str, id: &str, more: &Json) -> String {
    let mut line = json!({"schema": "changetrail.deployment/1", "id": id, "release_id": "r1", "pipeline": pipeline, "version": "1", "stage": "prod",
        "outcome": "succeeded", "requested_by": "alice@example.org", "started_at": "2026-11-03T10:00:00Z", "finished_at": "2026-11-03T10:20:00Z",
        "approvals": [{"phase": "pre", "decision": "approved", "approver": "dana@example.org", "decided_at": "2026-11-03T09:50:00Z"}]});
    if let (Json::Object(line), Json::Object(more)) = (&mut line, more) {
        line.extend(more.clone());
    }
    format!("{line}\n")
}

#[tokio::test]
async fn a_pipeline_speaks_for_itself_below_its_own_folder_of_a_bucket() {
    let Some(emulator) = Emulator::start() else { return };
    let (place, s3) = (&emulator.place, emulator.s3());
    let region = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::EuWest2).build();
    s3.create_bucket().bucket("drops").create_bucket_configuration(region).send().await.expect("a bucket");
    let put = async |key: &str, text: String| {
        s3.put_object()
            .bucket("drops")
            .key(key)
            .body(ByteStream::from(text.into_bytes()))
            .send()
            .await
            .expect("an object");
    };
    let run = json!({"keys": {"run_ids": ["7001"]}});
    put("in/register/2026/11/03/7001.jsonl", told("register", "812:prod", &run)).await;
    // Somebody else's pipeline tells the same run otherwise, and one says that it is another's service.
    put(
        "in/site-build/1.jsonl",
        told("register", "812:prod", &json!({"outcome": "failed", "recorded_at": "2026-11-09T00:00:00Z"})),
    )
    .await;
    put("in/site-build/2.jsonl", told("site-build", "812:prod", &json!({"service": "pipeline", "stage": "preprod"})))
        .await;
    put("in/loose.jsonl", told("register", "x", &json!({}))).await;

    let world = std::fs::read_to_string(checkout("tests/cases/world.toml")).expect("the world");
    let source = format!(
        "[[source]]\nname = 'drops'\nconnector = 'release-log'\nbucket = 'drops'\nprefix = 'in/'\nendpoint_url = '{}'\n",
        emulator.url()
    );
    place.write(
        "changetrail.toml",
        format!("{}\n{source}\n{}", with_accounts(&world), with_accounts(&released_by("register"))),
    );
    place.write("trail/1.json", json!({ "Records": events::records(change("x", Some("7001"))) }).to_string());
    std::fs::create_dir_all(place.path("releases")).expect("a folder");
    let collected = || {
        let output = Output::of(with_credentials(&mut place.command(&["collect"])));
        assert_eq!(output.code, Some(0), "{output}");
        place.ran(0, &["reconcile"])
    };
    collected();

    // Linked, and not approved: what a pipeline says about its own approvals is a claim.
    let verdict = place.query("select verdict, link_tier, deployment_id from change where record_id = 'c'");
    assert_eq!(verdict.rows, [["unapproved", "exact", "register:812:prod"]]);
    let told_of =
        place.query("select deployment_id, service, outcome from deployment where source = 'drops' order by all");
    assert_eq!(
        told_of.rows,
        [["register:812:prod", "pipeline", "succeeded"], ["site-build:812:prod", "site", "succeeded"]]
    );
    let aside = place.query("select error from quarantine where source = 'drops' order by all");
    assert_eq!(
        aside.rows,
        [
            ["it lies in no pipeline's folder: PREFIX/PIPELINE/…"],
            ["it speaks for the pipeline `register`, but lies in the folder of `site-build`"]
        ]
    );

    // Loudly, and every time.
    let said = collected();
    said.says(&["2 records of source `drops` are set aside"]);
    let count = place.query("select count(*), count(distinct record_id) from raw_record where source = 'drops'");
    assert_eq!(count.rows, [["2", "2"]]);
    // A job records itself again at its end.
    put(
        "in/register/2026/11/03/7001.jsonl",
        told(
            "register",
            "812:prod",
            &json!({"keys": {"run_ids": ["7001"]}, "outcome": "failed", "recorded_at": "2026-11-03T10:30:00Z"}),
        ),
    )
    .await;
    collected();
    let outcome = place.query("select outcome from deployment where deployment_id = 'register:812:prod'");
    assert_eq!(outcome.rows, [["failed"]]);
}
