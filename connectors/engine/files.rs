//! Records that somebody else brings as files: JSON or NDJSON, compressed or not, in any layout.
//!
//! Where a folder describes several streams, the first folder of a path names the stream; files elsewhere are the first
//! stream's. The surprising fact: pages and pointers of the description mean nothing here. A file is an array of
//! records, an object with one, or a record on each line, whatever the system's interface would have answered.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use super::collect::asked;
use super::folder::Folder;
use super::records::Reader;
use super::source::{has_prefix, prefixes};
use super::stream::Stream;
use crate::log::{Format, Outcome, PathCollector};
use crate::params::Params;
use crate::redact::places::shown;
use crate::secret::Secrets;
use crate::spec::Kind;
use crate::{Collector, ConfigError, Connector, Error, Redactor, Run, Sink};

/// A collector of the files under `root`.
pub(super) fn collector(folder: &Folder, root: &Path, params: &Params<'_>) -> Result<Box<dyn Collector>, ConfigError> {
    let is_log = |stream: &&Stream| stream.kind == Kind::Events && stream.identity.is_some();
    let streams: Vec<Stream> = folder.streams().iter().filter(is_log).cloned().collect();
    if streams.is_empty() {
        return Err(params.bad("path", "this connector compares objects: only a log can be read from files"));
    }
    let files =
        Files { streams, prefixes: BTreeMap::new(), redact: folder.spec().redact.clone(), secrets: Secrets::default() };
    Ok(Box::new(Reading { root: root.to_owned(), has_prefix: has_prefix(folder.streams()), files }))
}

/// A source whose records are files.
struct Reading {
    root: PathBuf,
    /// Whether record ids of a stream of which nothing is stored yet begin with its name.
    has_prefix: bool,
    files: Files,
}

impl Reading {
    fn over(&self, files: Files) -> PathCollector {
        PathCollector { root: self.root.clone(), format: Arc::new(files) }
    }
}

#[async_trait]
impl Collector for Reading {
    async fn collect(&self, run: &Run, sink: &Sink) -> Result<(), Error> {
        let (streams, otherwise) = (self.files.streams.clone(), self.has_prefix);
        let prefixes = asked(run, move |seen| prefixes(&streams, otherwise, seen)).await?;
        self.over(Files { prefixes, ..self.files.clone() }).collect(run, sink).await
    }

    fn plan(&self, _run: &Run) -> Vec<String> {
        let endings: Vec<String> = ENDINGS.iter().map(|ending| format!("*{ending}")).collect();
        vec![format!("every {} file under {} that is new or has changed", endings.join(", "), self.root.display())]
    }

    fn is_path(&self) -> bool {
        true
    }

    fn unreadable(&self) -> Result<Vec<String>, Error> {
        self.over(self.files.clone()).unreadable()
    }

    fn passed_over(&self) -> Result<Vec<String>, Error> {
        self.over(self.files.clone()).passed_over()
    }
}

/// What names of log files end in; what a rotation puts behind it is no part of the name.
const ENDINGS: &[&str] = &[".json", ".jsonl", ".ndjson", ".log", ".gz"];

/// The files of a described connector.
#[derive(Debug, Clone)]
struct Files {
    /// At least one.
    streams: Vec<Stream>,
    /// What record ids of each stream begin with.
    prefixes: BTreeMap<String, String>,
    redact: Vec<String>,
    /// None: nothing is asked with them.
    secrets: Secrets,
}

impl Files {
    /// The stream that the first part of a path names, else the first.
    fn stream(&self, path: &str) -> &Stream {
        let folder = path.split('/').next().unwrap_or_default();
        self.streams.iter().find(|stream| stream.name == folder).unwrap_or(&self.streams[0])
    }
}

impl Format for Files {
    fn is_wanted(&self, name: &str) -> bool {
        // `audit.log.1`, `audit.log-20261201`, `audit.log.2026-11-30_03`
        let rotated = name.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '_'));
        ENDINGS.iter().any(|ending| rotated.ends_with(ending))
    }

    /// A log that was rotated a moment ago has nothing in it yet; one document has something, if it is whole.
    fn may_be_empty(&self, key: &str) -> bool {
        !key.to_ascii_lowercase().ends_with(".json")
    }

    fn key(&self, path: &str) -> String {
        format!("{}/-/{path}", self.stream(path).name)
    }

    fn classify(&self, key: &str, element: &[u8], place: u64, redactor: &Redactor) -> Outcome {
        let stream = self.stream(key);
        let prefix = self.prefixes.get(&stream.name).map_or("", String::as_str);
        let (redact, secrets) = (&self.redact, &self.secrets);
        let Ok(text) = std::str::from_utf8(element) else {
            return Outcome::Rejected("the record is no UTF-8".into());
        };
        let (outcome, _) = Reader { stream, prefix, item: None, wanted: None, redact, redactor, secrets }.read(text);
        match outcome {
            Outcome::Keep(mut record) => {
                record.position = place;
                Outcome::Keep(record)
            }
            other => other,
        }
    }

    fn shown<'a>(&self, element: &'a [u8]) -> Cow<'a, [u8]> {
        if self.redact.is_empty() {
            return element.into();
        }
        shown(&String::from_utf8_lossy(element), &self.redact).into_owned().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESCRIPTION: &str = r#"
        name = "x"
        vendor = "X"
        docs = "https://example.org"
        kind = "events"
        emits = []
        transport = ["files"]
        permission = "to read the files"
        retention = "as long as the files are kept"
        lag = "none"
        redact = ["/token"]
        params.path = { help = "files" }
        [stream.audits]
        identity.event_id = ["/id"]
        cursor.field = "/time"
        [stream.logins]
        identity.event_id = ["/uid"]
    "#;

    fn files() -> Files {
        let folder = Folder::parse(
            "x",
            [("connector.toml", DESCRIPTION), ("map.sql", "")]
                .map(|(name, text)| (name.to_owned(), text.to_owned()))
                .into(),
        )
        .expect("a folder");
        Files {
            streams: folder.streams().to_vec(),
            prefixes: ["audits", "logins"].map(|name| (name.to_owned(), format!("{name}/"))).into(),
            redact: folder.spec().redact.clone(),
            secrets: Secrets::default(),
        }
    }

    fn read(path: &str, element: &[u8]) -> Outcome {
        let files = files();
        files.classify(&files.key(path), element, 7, &Redactor::new([0; 32]))
    }

    #[test]
    fn the_folder_names_the_stream() {
        let files = files();
        assert_eq!(files.key("logins/2026/a.json"), "logins/-/logins/2026/a.json");
        assert_eq!(files.key("2026/a.json"), "audits/-/2026/a.json");
    }

    #[test]
    fn what_a_rotation_leaves_is_read_too() {
        for name in
            ["a.log", "a.log.1", "a.log-20261201", "a.log.20261130", "a.json.2026-11-30_03", "a.log.2.gz", "a.gz"]
        {
            assert!(files().is_wanted(name), "{name}");
        }
        for name in ["a.txt", "audit", "a.log.bz2", "a.log.old"] {
            assert!(!files().is_wanted(name), "{name}");
        }
    }

    #[test]
    fn records_are_named_timed_and_rid_of_what_is_not_to_be_stored() {
        let Outcome::Keep(record) = read("a.json", br#"{"id":5,"time":"2026-11-03T10:00:00+01:00","token":"s3cret"}"#)
        else {
            panic!("a record");
        };
        assert_eq!((record.record_id.as_str(), record.position), ("audits/5", 7));
        assert_eq!(record.occurred_at, "2026-11-03T09:00:00Z".parse().ok());
        assert!(!record.body.contains("s3cret") && record.received_hmac.is_some(), "{}", record.body);
    }

    #[test]
    fn what_is_no_record_is_set_aside() {
        for (path, element) in
            [("a.json", &b"[1]"[..]), ("logins/a.json", b"{\"uid\":"), ("a.json", b"{\"id\":\"\xff\"}")]
        {
            assert!(matches!(read(path, element), Outcome::Rejected(_)), "{}", String::from_utf8_lossy(element));
        }
    }

    #[test]
    fn what_has_no_id_is_named_by_its_hash() {
        let Outcome::Keep(record) = read("a.json", b"{\"uid\":5}") else { panic!("a record") };
        assert!(record.record_id.starts_with("audits/sha256:"), "{}", record.record_id);
    }
}
