//! Terraform's states where Terraform keeps them: a bucket of S3, a container of a storage account, and workspaces of HCP
//! Terraform.

use std::collections::HashSet;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use changetrail::contract::{Answer, Server};
use serde_json::json;

use crate::support::emulator::Emulator;
use crate::support::place::with_credentials;
use crate::support::{Output, Place};

const SECRET: &str = "hunter2-of-the-state";

fn state(bucket: &str, serial: u32) -> String {
    json!({"version": 4, "terraform_version": "1.9.0", "serial": serial, "lineage": "l", "outputs": {"key": {"value": SECRET}}, "resources": [
        {"mode": "managed", "type": "aws_s3_bucket", "name": "site", "provider": "provider[\"registry.terraform.io/hashicorp/aws\"]", "instances": [
            {"attributes": {"id": bucket, "arn": format!("arn:aws:s3:::{bucket}"), "tags": {"x": SECRET}}, "private": SECRET}]},
        {"mode": "managed", "type": "random_password", "name": "admin", "provider": "provider[\"registry.terraform.io/hashicorp/random\"]", "instances": [
            {"attributes": {"id": SECRET, "result": SECRET}}]}]})
    .to_string()
}

/// Reads and judges; no byte of the store is a value of a state.
fn collected(place: &Place) -> Output {
    let output = Output::of(with_credentials(&mut place.command(&["collect"])));
    assert_eq!(output.code, Some(0), "{output}");
    place.ran(0, &["reconcile"]);
    let held = place.query("select count(*) from raw_record where record::varchar like '%hunter2%'");
    assert_eq!(held.rows, [["0"]]);
    let aside = place.query("select count(*) from quarantine where record like '%hunter2%'");
    assert_eq!(aside.rows, [["0"]]);
    assert!(!format!("{output}").contains(SECRET));
    output
}

const MANAGED: &str = "select state, serial, address, arn from managed_resource where arn is not null order by all";

#[test]
fn workspaces_of_hcp_terraform_are_read_without_their_values() {
    let server = Server::start(|_| Answer::status(503, "not yet")).expect("a port");
    let url = server.url();
    let answers = |serial: u32| {
        let (url, mut refused) = (url.clone(), HashSet::new());
        move |asked: &changetrail::contract::Asked| {
            if asked.header("authorization") != Some("Bearer s3cret-token") {
                return Answer::status(401, "{}");
            }
            // Thirty a second are allowed; whoever asks for more is told when to come again.
            if asked.path.ends_with("ws-prod/current-state-version") && refused.insert(asked.path.clone()) {
                return Answer::status(429, r#"{"errors":[{"status":"429"}]}"#).header("Retry-After", "0");
            }
            let page = asked.param("page[number]").unwrap_or("1");
            match asked.path.as_str() {
                "/api/v2/organizations/example/workspaces" if page == "1" => {
                    let full: Vec<_> = (0..100).map(|n| json!({"id": format!("ws-{n}"), "attributes": {"name": format!("w-{n}")}})).collect();
                    Answer::ok(json!({"data": full}).to_string())
                }
                "/api/v2/organizations/example/workspaces" => {
                    Answer::ok(json!({"data": [{"id": "ws-prod", "attributes": {"name": "register-prod"}}]}).to_string())
                }
                "/api/v2/workspaces/ws-prod/current-state-version" => Answer::ok(
                    json!({"data": {"id": format!("sv-{serial}"), "attributes": {"created-at": "2026-11-03T10:20:00.000Z", "serial": serial,
                        "hosted-state-download-url": format!("{url}/api/state-versions/sv-{serial}/hosted_state")}}})
                    .to_string(),
                ),
                path if path.ends_with("/hosted_state") => Answer::status(302, "").header("Location", format!("{url}/v1/object/{serial}")),
                path if path.starts_with("/v1/object/") => Answer::ok(state("register-live", serial)),
                _ => Answer::status(404, "{}"),
            }
        }
    };
    server.answer_by(answers(12));
    let place = Place::new(&format!(
        "[[source]]\nname = 'states'\nconnector = 'terraform-state'\norganization = 'example'\nbase_url = '{url}'\nstate_url = '{url}'\ntoken = {{ file = 'token' }}\n"
    ));
    place.write("token", "s3cret-token");
    collected(&place);
    let managed = place.query(MANAGED);
    assert_eq!(
        managed.rows,
        [["hcp-terraform/example/register-prod", "12", "aws_s3_bucket.site", "arn:aws:s3:::register-live"]]
    );
    let applied = place.query("select distinct applied_at from managed_resource");
    assert_eq!(applied.rows, [["2026-11-03T10:20:00Z"]]);

    // A state that is known is not fetched again; a new version is.
    let fetched = || server.asked().iter().filter(|asked| asked.path.starts_with("/v1/object/")).count();
    collected(&place);
    assert_eq!(fetched(), 1);
    server.answer_by(answers(13));
    collected(&place);
    assert_eq!((fetched(), place.query(MANAGED).rows[0][1].as_str()), (2, "13"));
}

#[tokio::test]
async fn states_in_a_bucket_are_read_without_their_values() {
    let Some(emulator) = Emulator::start() else { return };
    let (place, s3) = (&emulator.place, emulator.s3());
    let region = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::EuWest2).build();
    s3.create_bucket().bucket("states").create_bucket_configuration(region).send().await.expect("a bucket");
    let put = async |key: &str, text: String| {
        s3.put_object()
            .bucket("states")
            .key(key)
            .body(ByteStream::from(text.into_bytes()))
            .send()
            .await
            .expect("an object");
    };
    put("live/env:/prod/register.tfstate", state("register-live", 3)).await;
    put("live/broken.tfstate", format!("{{\"version\": 4, \"resources\": \"{SECRET}\"")).await;
    put("live/register.tfstate.tflock", SECRET.to_owned()).await;
    put("elsewhere/other.tfstate", state("other", 1)).await;
    place.write(
        "changetrail.toml",
        format!(
            "[[source]]\nname = 'states'\nconnector = 'terraform-state'\nbucket = 'states'\nprefix = 'live/'\nendpoint_url = '{}'\n",
            emulator.url()
        ),
    );
    collected(place);
    let key = "live/env:/prod/register.tfstate";
    assert_eq!(place.query(MANAGED).rows, [[key, "3", "aws_s3_bucket.site", "arn:aws:s3:::register-live"]]);
    let applied = place.query("select count(*) from managed_resource where applied_at is null");
    assert_eq!(applied.rows, [["0"]]);
    assert_eq!(place.query("select unit from quarantine").rows, [["live/broken.tfstate"]]);

    let before = place.query("select record_id, hash from raw_record order by all");
    collected(place);
    assert_eq!(place.query("select record_id, hash from raw_record order by all"), before);
    put(key, state("register-live", 4)).await;
    collected(place);
    assert_eq!(place.query(MANAGED).rows[0][1], "4");
}

/// A storage account with one container: two lists, a refusal, and a state that is replaced while it is read.
fn storage(serial: u32) -> impl FnMut(&changetrail::contract::Asked) -> Answer + Send {
    let (mut busy, mut replaced) = (true, true);
    move |asked| {
        if asked.header("authorization").is_some() {
            return Answer::status(403, "a token for an emulator");
        }
        let file = |name: &str, tag: u32| {
            format!(
                "<Blob><Name>{name}</Name><Properties><Last-Modified>Tue, 03 Nov 2026 10:20:00 GMT</Last-Modified><Etag>0x{tag}</Etag><Content-Length>900</Content-Length></Properties></Blob>"
            )
        };
        let list = |files: String, next: &str| {
            Answer::ok(format!(
                r#"<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs>{files}</Blobs><NextMarker>{next}</NextMarker></EnumerationResults>"#
            ))
        };
        match (asked.path.as_str(), asked.param("comp"), asked.param("marker")) {
            ("/account/tfstate", Some("list"), None) => {
                assert_eq!(asked.param("prefix"), Some("live/"));
                list(file("live/notes.txt", 1) + &file("live/register.tfstate", serial), "second")
            }
            ("/account/tfstate", Some("list"), Some("second")) if busy => {
                busy = false;
                Answer::status(503, "<Error><Code>ServerBusy</Code></Error>").header("Retry-After", "0")
            }
            ("/account/tfstate", Some("list"), Some("second")) => list(file("live/site.tfstateenv:prod", serial), ""),
            // It was written to since it was listed: the next collection finds it.
            ("/account/tfstate/live/site.tfstateenv:prod", None, None) if replaced && serial == 13 => {
                replaced = false;
                Answer::status(412, "<Error><Code>ConditionNotMet</Code></Error>")
            }
            ("/account/tfstate/live/register.tfstate", None, None) => Answer::ok(state("register-live", serial)),
            ("/account/tfstate/live/site.tfstateenv:prod", None, None) => Answer::ok(state("site-live", serial)),
            _ => Answer::status(404, "<Error><Code>BlobNotFound</Code></Error>"),
        }
    }
}

#[test]
fn states_in_a_container_are_read_without_their_values() {
    let server = Server::start(storage(12)).expect("a port");
    let place = Place::new(&format!(
        "[[source]]\nname = 'states'\nconnector = 'terraform-state'\ncontainer = '{}/account/tfstate'\nprefix = 'live/'\n",
        server.url()
    ));
    let managed = |serials: [&str; 2]| {
        let rows = place.query(MANAGED).rows;
        let told = [("live/register.tfstate", "register-live"), ("live/site.tfstateenv:prod", "site-live")];
        let expected = told.iter().zip(serials).map(|((key, bucket), serial)| {
            vec![
                (*key).to_owned(),
                serial.to_owned(),
                "aws_s3_bucket.site".to_owned(),
                format!("arn:aws:s3:::{bucket}"),
            ]
        });
        assert_eq!(rows, expected.collect::<Vec<_>>());
    };
    collected(&place);
    managed(["12", "12"]);
    assert_eq!(place.query("select distinct applied_at from managed_resource").rows, [["2026-11-03T10:20:00Z"]]);
    // What is known is not fetched again.
    let fetched = || server.asked().iter().filter(|asked| asked.param("comp").is_none()).count();
    collected(&place);
    assert_eq!(fetched(), 2);
    server.answer_by(storage(13));
    assert_eq!(place.run(&["collect"]).code, Some(2), "one of them changed while it was read");
    collected(&place);
    managed(["13", "13"]);
}
