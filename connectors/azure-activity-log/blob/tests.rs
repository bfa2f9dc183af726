use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use super::super::AzureActivityLog;
use super::super::api::fake::{Answer, Fake};
use super::*;
use crate::testing::{Known, collect, collector, run_at, skipped};
use crate::{Connector, Source};

const NOW: &str = "2026-10-02T14:00:00Z";
const FILE: &str = "resourceId=/SUBSCRIPTIONS/S/y=2026/m=10/d=02/h=13/m=00/PT1H.json";

fn line(number: u32) -> String {
    format!(
        "{{\"time\":\"2026-10-02T13:{number:02}:00.1234567Z\",\"resourceId\":\"/SUBSCRIPTIONS/S\",\"operationName\":\"MICROSOFT.WEB/SITES/WRITE\",\"resultType\":\"Start\"}}\r\n"
    )
}

/// What the store knows after these units.
fn knowing(units: &[Unit]) -> Run {
    let etags: HashMap<String, String> =
        units.iter().filter(|unit| unit.last).map(|unit| (unit.key.clone(), unit.etag.clone())).collect();
    Run { seen: Arc::new(Known(etags)), ..run_at(NOW) }
}

fn ids(units: &[Unit]) -> Vec<&str> {
    units.iter().flat_map(|unit| &unit.records).map(|record| record.record_id.as_str()).collect()
}

fn at(container: &str) -> Box<dyn Collector> {
    collector(&AzureActivityLog, std::path::Path::new("."), &format!("container = '{container}'"))
}

/// A storage emulator of npm (`azurite-blob` on the path, or named by `AZURITE_BLOB`), stopped when dropped.
pub(crate) struct Azurite {
    process: Child,
    pub(crate) address: String,
    _folder: tempfile::TempDir,
}

/// No secret: the emulator's account is made up here.
const KEY: [u8; 32] = [7; 32];

impl Azurite {
    pub(crate) async fn start() -> Option<Self> {
        let program = std::env::var("AZURITE_BLOB").unwrap_or_else(|_| "azurite-blob".into());
        let port =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let folder = tempfile::tempdir().expect("a folder");
        let started = Command::new(&program)
            .args(["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--blobHost", "127.0.0.1"])
            .args(["--blobPort", &port.to_string(), "--location"])
            .arg(folder.path())
            .env("AZURITE_ACCOUNTS", format!("trail:{}", BASE64_STANDARD.encode(KEY)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(process) = started else {
            skipped(&format!("no {program}: `.ci/azurite DIR` installs it, AZURITE_BLOB names it"));
            return None;
        };
        let azurite = Self { process, address: format!("http://127.0.0.1:{port}"), _folder: folder };
        for _ in 0..300 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Some(azurite);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the emulator does not answer");
    }

    /// Writes to the account, with its key.
    pub(crate) async fn put(&self, path: &str, query: &str, headers: &[(&str, &str)], body: String) {
        let date = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let mut named = vec![("x-ms-date", date.as_str()), ("x-ms-version", "2021-12-02")];
        named.extend(headers);
        named.sort_unstable();
        let length = if body.is_empty() { String::new() } else { body.len().to_string() };
        let listed = named.iter().map(|(name, value)| format!("{name}:{value}\n")).collect::<Vec<_>>().concat();
        let mut pairs: Vec<&str> = query.trim_start_matches('?').split('&').filter(|pair| !pair.is_empty()).collect();
        pairs.sort_unstable();
        let resource =
            pairs.iter().map(|pair| format!("\n{}", pair.replacen('=', ":", 1))).collect::<Vec<_>>().concat();
        let text = format!("PUT\n\n\n{length}\n\n\n\n\n\n\n\n\n{listed}/trail/trail/{path}{resource}");
        let mut mac = Hmac::<Sha256>::new_from_slice(&KEY).expect("a key");
        mac.update(text.as_bytes());
        let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        let mut request = reqwest::Client::new().put(format!("{}/trail/{path}{query}", self.address));
        for (name, value) in named {
            request = request.header(name, value);
        }
        // Left out of an empty request otherwise, and missed by the emulator.
        request = request.header("Content-Length", body.len());
        let answer = request.header("Authorization", format!("SharedKey trail:{signature}")).body(body).send().await;
        let answer = answer.expect("an answer");
        let status = answer.status();
        assert!(status.is_success(), "{path}{query}: {status} {}", answer.text().await.unwrap_or_default());
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn a_file_that_grows_between_two_collections_loses_and_repeats_nothing() {
    let Some(azurite) = Azurite::start().await else { return };
    let path = "insights-activity-logs";
    azurite.put(path, "?restype=container", &[("x-ms-blob-public-access", "container")], String::new()).await;
    // As in the request's line, where `=` and `/` stand as they are.
    let file = format!("{path}/{FILE}");
    azurite.put(&file, "", &[("x-ms-blob-type", "AppendBlob")], String::new()).await;
    let append = async |text: String| azurite.put(&file, "?comp=appendblock", &[], text).await;
    append(line(1) + &line(2)).await;
    let other = format!("{path}/notes.txt");
    azurite.put(&other, "", &[("x-ms-blob-type", "BlockBlob")], "no log".into()).await;
    let collector = at(&format!("{}/trail/{path}", azurite.address));
    let (first, result) = collect(collector.as_ref(), &run_at(NOW)).await;
    result.expect("a container that can be read");
    assert_eq!((first.len(), first[0].key.as_str(), ids(&first).len()), (1, FILE, 2));
    assert_eq!(first[0].day, jiff::civil::Date::new(2026, 10, 2).ok());
    let (none, result) = collect(collector.as_ref(), &knowing(&first)).await;
    result.expect("a container that can be read");
    assert!(none.is_empty(), "nothing is new");
    append(line(3) + "{\"time\":\"2026-10-02T13:04").await;
    let (second, result) = collect(collector.as_ref(), &knowing(&first)).await;
    result.expect("a container that can be read");
    assert_eq!(ids(&second)[..2], ids(&first));
    assert_eq!((ids(&second).len(), second[0].rejected.len(), second[0].incomplete.is_some()), (3, 1, true));
    append(line(4)["{\"time\":\"2026-10-02T13:04".len()..].into()).await;
    let (third, result) = collect(collector.as_ref(), &knowing(&second)).await;
    result.expect("a container that can be read");
    assert_eq!((ids(&third).len(), third[0].rejected.len(), third[0].incomplete.clone()), (4, 0, None));
}

fn listing(files: &[(&str, u64)], marker: &str) -> Answer {
    let blob = |(name, size): &(&str, u64)| {
        format!(
            "<Blob><Name>{name}</Name><Properties><Etag>0x{size}</Etag><Content-Length>{size}</Content-Length></Properties></Blob>"
        )
    };
    let blobs: String = files.iter().map(blob).collect();
    Answer::new(
        200,
        format!(
            "<?xml version=\"1.0\"?><EnumerationResults><Prefix/><Blobs>{blobs}</Blobs><NextMarker>{marker}</NextMarker></EnumerationResults>"
        ),
    )
}

#[tokio::test]
async fn lists_are_followed_and_a_file_that_cannot_be_fetched_stays_to_be_read() {
    let text = line(1);
    let length = text.len() as u64;
    let fake = Fake::start(move |ask, _| match (ask.path.as_str(), ask.query.get("marker").map(String::as_str)) {
        ("/logs", None) => listing(&[("a/PT1H.json", length), ("new.json", 0), ("x.txt", 3)], "2"),
        ("/logs", Some("2")) => listing(&[("b&amp;&#99;.json", length), ("gone.json", 5)], ""),
        ("/logs/a/PT1H.json" | "/logs/b&c.json", _) => Answer::new(206, text.clone()),
        _ => Answer::new(404, "<Error><Code>BlobNotFound</Code></Error>"),
    })
    .await;
    let (units, result) = collect(at(&format!("{}logs/", fake.url)).as_ref(), &run_at(NOW)).await;
    assert!(result.expect_err("a file is gone").to_string().contains("gone.json in the container"));
    let read: Vec<&str> = units.iter().filter(|unit| unit.last).map(|unit| unit.key.as_str()).collect();
    assert_eq!(read, ["a/PT1H.json", "b&c.json"]);
    assert!(fake.asked().iter().all(|ask| ask.token.is_empty()), "an emulator gets no token");
}

#[test]
fn what_is_no_list_is_an_error() {
    for text in [
        "",
        "<html></html>",
        "<EnumerationResults><Blobs>",
        "{}",
        "<EnumerationResults><Blobs><Blob><Properties><Content-Length>x</Content-Length></Properties></Blob></Blobs></EnumerationResults>",
        "<EnumerationResults>&bomb;</EnumerationResults>",
        "<EnumerationResults><a></b></EnumerationResults>",
    ] {
        assert!(list_of(text.as_bytes()).is_err(), "{text}");
    }
    let listed = list_of(b"<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>");
    assert_eq!(listed, Ok((Vec::new(), None)));
}

#[test]
fn configurations_are_checked() {
    let problem = |text: &str| {
        let source = Source { name: "azure".into(), params: toml::from_str(text).expect("TOML"), base: ".".into() };
        AzureActivityLog.configure(&source).map(|collector| collector.is_path()).map_err(|error| error.to_string())
    };
    assert_eq!(problem("container = 'https://a.blob.core.windows.net/logs/'\nprefix = 'resourceId='"), Ok(true));
    for (text, word) in [
        ("container = 'http://a.blob.core.windows.net/logs'", "in clear"),
        ("container = 'https://a.blob.core.windows.net'", "name is missing"),
        ("container = 'https://a.blob.core.windows.net/logs?sig=x'", "without a key"),
        ("container = 'logs'", "container"),
        ("container = 'https://a.blob.core.windows.net/logs'\nsubscriptions = ['x']", "together with `container`"),
        ("path = 'x'\nprefix = 'y'", "together with `path`"),
        ("tenant_level = true\nprefix = 'y'", "together with `subscriptions`"),
    ] {
        let error = problem(text).expect_err(text);
        assert!(error.contains(word), "{text}: {error}");
    }
}
