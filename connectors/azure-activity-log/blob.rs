//! Reads the container of a storage account to which a diagnostic setting exports the log.
//!
//! The container is listed, and every file that is new or has grown is read from its beginning, in ranges that are asked
//! for one after the other; what was read before counts once. The surprising fact: a file grows for an hour and longer,
//! also with records of earlier hours, so no file is ever taken as complete.
//!
//! <https://learn.microsoft.com/en-us/azure/azure-monitor/essentials/activity-log?tabs=powershell#send-to-azure-storage>

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use quick_xml::events::Event;
use reqwest::Url;
use reqwest::header::{HeaderName, IF_MATCH, RANGE};
use tokio::runtime::Handle;

use super::Files;
use crate::files::day_in;
use crate::http::azure::Chain;
use crate::http::{Connection, Patience, is_local};
use crate::log::Format;
use crate::log::reader::{self, Limits};
use crate::params::Params;
use crate::{Collector, ConfigError, Error, Run, Sink, Unit};

/// What is needed to read the container.
const PERMISSION: &str = "Microsoft.Storage/…/containers/blobs/read (in the role Storage Blob Data Reader)";
/// Whose tokens storage accounts accept.
const AUDIENCE: &str = "https://storage.azure.com";
/// Bytes that are asked for at once.
const RANGE_BYTES: u64 = 8 * 1024 * 1024;
/// Lists of one container; more are a system that never ends.
const MAX_LISTS: usize = 100_000;

/// A source with `container`.
#[derive(Debug)]
pub(super) struct BlobCollector(Container);

/// A container, and what of it is read.
#[derive(Debug)]
pub(crate) struct Container {
    address: Url,
    pub(crate) prefix: Option<String>,
    tenant: Option<String>,
}

/// One file of the container, as it is listed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) etag: String,
    pub(crate) size: u64,
    /// When it was last written to.
    pub(crate) modified: Option<jiff::Timestamp>,
}

impl Container {
    pub(crate) fn configure(params: &Params<'_>) -> Result<Self, ConfigError> {
        let text = params.string("container")?.unwrap_or_default();
        let mut container: Url = text.parse().map_err(|error| params.bad("container", format!("`{text}`: {error}")))?;
        let is_local = is_local(&container);
        if container.scheme() != "https" && !(container.scheme() == "http" && is_local) {
            return Err(params.bad("container", "it must start with https://, or a token would be sent in clear"));
        }
        if container.query().is_some() || container.fragment().is_some() || !container.username().is_empty() {
            return Err(params.bad("container", "only the container's address is needed, without a key or signature"));
        }
        let path = container.path().trim_end_matches('/').to_owned();
        if path.is_empty() {
            return Err(params.bad("container", "the container's name is missing, usually insights-activity-logs"));
        }
        container.set_path(&path);
        Ok(Self { address: container, prefix: params.string("prefix")?, tenant: params.string("tenant_id")? })
    }

    /// With this machine's credentials.
    pub(crate) fn connect(&self) -> Result<Connection, Error> {
        let tokens = || Arc::new(Chain::new(self.tenant.clone(), AUDIENCE)) as _;
        // An emulator's tokens would be this organisation's real ones.
        let tokens = (self.address.scheme() == "https").then(tokens);
        Connection::new(self.address.clone(), tokens, Patience::default(), PERMISSION)
    }

    pub(crate) fn target(&self) -> String {
        format!("the container {}", self.address)
    }

    /// One list, and where the next one begins.
    pub(crate) async fn list(
        &self,
        storage: &Connection,
        marker: Option<&str>,
    ) -> Result<(Vec<Listed>, Option<String>), Error> {
        let mut url = self.address.clone();
        url.query_pairs_mut().append_pair("restype", "container").append_pair("comp", "list");
        for (name, value) in [("prefix", self.prefix.as_deref()), ("marker", marker)] {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        storage.get(&self.target(), &url, &[version()], |_, body| list_of(&body)).await
    }

    fn address_of(&self, name: &str) -> Url {
        let mut url = self.address.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(name.split('/'));
        }
        url
    }

    /// The whole of a small file, if it is still the one that was listed.
    pub(crate) async fn bytes(&self, storage: &Connection, file: &Listed) -> Result<Vec<u8>, Error> {
        let target = format!("{} in {}", file.name, self.target());
        let headers = [version(), (IF_MATCH, file.etag.clone())];
        storage.get(&target, &self.address_of(&file.name), &headers, |_, body| Ok(body)).await
    }
}

impl BlobCollector {
    pub(super) fn configure(params: &Params<'_>) -> Result<Self, ConfigError> {
        Container::configure(params).map(Self)
    }

    /// As [`Collector::collect`], with a connection as given.
    async fn collect_with(&self, storage: Connection, run: &Run, sink: &Sink) -> Result<(), Error> {
        let mut marker = None;
        for _ in 0..MAX_LISTS {
            let (listed, next) = self.0.list(&storage, marker.as_deref()).await?;
            let files: Vec<Listed> =
                listed.into_iter().filter(|file| Files.is_wanted(&file.name.to_lowercase())).collect();
            let seen = if run.since.is_some() {
                vec![None; files.len()]
            } else {
                let (seen, keys) =
                    (Arc::clone(&run.seen), files.iter().map(|file| file.name.clone()).collect::<Vec<_>>());
                let asked = tokio::task::spawn_blocking(move || seen.etags(&keys)).await;
                asked.map_err(|source| Error::Worker { source: source.into() })??
            };
            for (file, seen) in files.into_iter().zip(seen) {
                // A file is made before anything is written to it.
                if file.size > 0 && seen.as_ref() != Some(&file.etag) {
                    self.read(&storage, file, run, sink).await?;
                }
            }
            if next.is_none() || next == marker {
                return Ok(());
            }
            marker = next;
        }
        let problem = format!("more than {MAX_LISTS} lists");
        Err(Error::BadResponse { target: self.0.target(), problem, source: None })
    }

    /// Reads one file and hands it over.
    async fn read(&self, storage: &Connection, file: Listed, run: &Run, sink: &Sink) -> Result<(), Error> {
        let failure = Arc::new(Mutex::new(None));
        let ranges = Ranges {
            storage: storage.clone(),
            target: format!("{} in {}", file.name, self.0.target()),
            url: self.0.address_of(&file.name),
            etag: file.etag.clone(),
            size: file.size,
            asked: 0,
            chunk: io::Cursor::new(Vec::new()),
            failure: Arc::clone(&failure),
        };
        let (redactor, sink, broken) = (Arc::clone(&run.redactor), sink.clone(), Arc::clone(&failure));
        let unit = Unit { day: day_in(&file.name), key: file.name, etag: file.etag, ..Unit::default() };
        let reading = tokio::task::spawn_blocking(move || {
            // A file that could not be fetched is not one that cannot be read: it stays to be read again.
            let is_broken = move || broken.lock().unwrap_or_else(PoisonError::into_inner).is_some();
            let mut emit = |unit: Unit| if unit.last && is_broken() { Ok(()) } else { sink.send_blocking(unit) };
            reader::read(ranges, unit, &Files, Limits::default(), &redactor, &mut emit)
        });
        reading.await.map_err(|source| Error::Worker { source: source.into() })??;
        let failed = failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failed.map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Collector for BlobCollector {
    async fn collect(&self, run: &Run, sink: &Sink) -> Result<(), Error> {
        self.collect_with(self.0.connect()?, run, sink).await
    }

    fn plan(&self, _run: &Run) -> Vec<String> {
        vec![format!("every file of {} that is new or has grown", self.0.target())]
    }

    fn is_path(&self) -> bool {
        true
    }
}

/// The version of the interface that is spoken.
fn version() -> (HeaderName, String) {
    (HeaderName::from_static("x-ms-version"), "2021-12-02".into())
}

/// The content of a file, range by range, on a thread that may wait.
struct Ranges {
    storage: Connection,
    target: String,
    url: Url,
    etag: String,
    size: u64,
    asked: u64,
    chunk: io::Cursor<Vec<u8>>,
    /// Why a range could not be had.
    failure: Arc<Mutex<Option<Error>>>,
}

impl Read for Ranges {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.chunk.read(buffer)?;
        if count > 0 || self.asked >= self.size || buffer.is_empty() {
            return Ok(count);
        }
        let last = (self.asked + RANGE_BYTES).min(self.size) - 1;
        let expected = usize::try_from(last - self.asked + 1).unwrap_or(usize::MAX);
        let mut headers = vec![version(), (RANGE, format!("bytes={}-{last}", self.asked))];
        if self.size > RANGE_BYTES {
            // Its ranges must be of one file; a small one is read at once, however it grows.
            headers.push((IF_MATCH, self.etag.clone()));
        }
        let understand = |_: &_, body: Vec<u8>| {
            let problem = format!("{} bytes came, {expected} were asked for", body.len());
            if body.len() == expected { Ok(body) } else { Err(problem) }
        };
        match Handle::current().block_on(self.storage.get(&self.target, &self.url, &headers, understand)) {
            Ok(body) => {
                self.asked = last + 1;
                self.chunk = io::Cursor::new(body);
                self.chunk.read(buffer)
            }
            Err(error) => {
                let text = error.to_string();
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Err(io::Error::other(text))
            }
        }
    }
}

/// The files of a list, and the marker of the next one.
fn list_of(xml: &[u8]) -> Result<(Vec<Listed>, Option<String>), String> {
    let mut reader = quick_xml::Reader::from_reader(xml);
    let (mut path, mut files, mut file, mut marker): (Vec<String>, Vec<Listed>, _, _) =
        (Vec::new(), Vec::new(), Listed::default(), String::new());
    let mut is_list = false;
    loop {
        let event = reader.read_event().map_err(|error| format!("no list: {error}"))?;
        let text = match event {
            Event::Start(start) => {
                path.push(String::from_utf8_lossy(start.local_name().as_ref()).into_owned());
                is_list |= path == ["EnumerationResults"];
                continue;
            }
            Event::End(_) => {
                if path.last().is_some_and(|name| name == "Blob") {
                    files.push(std::mem::take(&mut file));
                }
                path.pop();
                continue;
            }
            Event::Text(text) => text.decode().map_err(|error| format!("no list: {error}"))?.into_owned(),
            Event::GeneralRef(entity) => entity_of(&entity)?,
            Event::Eof => break,
            _ => continue,
        };
        let inside: Vec<&str> = path.iter().map(String::as_str).collect();
        match inside.as_slice() {
            [.., "Blob", "Name"] => file.name += &text,
            [.., "Blob", "Properties", "Etag"] => file.etag += &text,
            [.., "Blob", "Properties", "Content-Length"] => {
                file.size = text.trim().parse().map_err(|_| format!("no list: a length of `{text}`"))?;
            }
            [.., "Blob", "Properties", "Last-Modified"] => {
                file.modified = jiff::fmt::rfc2822::parse(&text).ok().map(|time| time.timestamp());
            }
            ["EnumerationResults", "NextMarker"] => marker += &text,
            _ => {}
        }
    }
    if !is_list || !path.is_empty() {
        return Err("no list of files".into());
    }
    Ok((files, Some(marker).filter(|marker| !marker.is_empty())))
}

/// What `&amp;` and the like stand for.
fn entity_of(entity: &quick_xml::events::BytesRef<'_>) -> Result<String, String> {
    if let Ok(Some(letter)) = entity.resolve_char_ref() {
        return Ok(letter.into());
    }
    let name = String::from_utf8_lossy(entity).into_owned();
    let known = quick_xml::escape::resolve_predefined_entity(&name).map(str::to_owned);
    known.ok_or_else(|| format!("no list: the entity `{name}`"))
}

#[cfg(test)]
pub(crate) mod tests;
