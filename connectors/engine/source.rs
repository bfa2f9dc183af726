//! A configured source of a described connector: its values, the places that it may ask, what it would read.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

use super::auth::Auth;
use super::check::seconds;
use super::folder::Folder;
use super::pages::MAX_PAGES;
use super::stream::{Items, Stream};
use super::tables::{Errors, Limits, Mode};
use super::template::{Encoding, Template, Values};
use crate::http::Hosts;
use crate::log::windows::{DAY, HOUR, Reach};
use crate::params::Params;
use crate::secret::Reference;
use crate::spec::Kind;
use crate::{ConfigError, Connector, Error, Run, Seen, Source};

/// Items that are read at the same time, unless the description says otherwise.
const CONCURRENCY: usize = 4;
/// The most pages of one request that a description may allow.
const MOST_PAGES: usize = 100_000;

/// A source that asks a system.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) source: String,
    pub(super) streams: Vec<Stream>,
    pub(super) auth: Auth,
    pub(super) params: BTreeMap<String, String>,
    pub(super) lists: BTreeMap<String, Vec<String>>,
    pub(super) secrets: BTreeMap<String, Reference>,
    /// Relative paths of secrets start here.
    pub(super) base: PathBuf,
    pub(super) place: Url,
    pub(super) hosts: Hosts,
    pub(super) permission: String,
    pub(super) limits: Limits,
    pub(super) errors: Errors,
    pub(super) redact: Vec<String>,
    /// Seconds.
    pub(super) kept: Option<i64>,
    /// Whether record ids of a stream of which nothing is stored yet begin with its name.
    pub(super) has_prefix: bool,
}

impl Reading {
    pub(super) fn configure(folder: &Folder, source: &Source, params: &Params<'_>) -> Result<Self, ConfigError> {
        let spec = folder.spec();
        let (values, lists) = values(folder, source, params)?;
        let mut secrets = BTreeMap::new();
        for name in &spec.secrets {
            let value = source.params.get(name).ok_or_else(|| params.missing_secret(name))?;
            secrets.insert(name.clone(), Reference::parse(value).map_err(|problem| params.bad(name, problem))?);
        }
        let (place, hosts) = places(folder, &values, params)?;
        let is_wanted = |stream: &Stream| match &stream.when {
            None => true,
            Some(name) => lists.contains_key(name) || values.get(name).is_some_and(|value| value != "false"),
        };
        let wants = |stream: &&Stream| {
            is_wanted(stream)
                && match &stream.items {
                    Items::Param(name) => lists.get(name).is_some_and(|items| !items.is_empty()),
                    Items::From { .. } => false,
                    Items::Whole | Items::List(_) => true,
                }
        };
        if !folder.streams().iter().any(|stream| wants(&stream)) {
            return Err(params.missing_one_of(&wanted_by(folder.streams())));
        }
        Ok(Self {
            source: source.name.clone(),
            streams: folder.streams().iter().filter(|stream| is_wanted(stream)).cloned().collect(),
            auth: folder.auth().clone(),
            secrets,
            base: source.base.clone(),
            place,
            hosts,
            permission: spec.permission.clone(),
            limits: spec.limits.clone(),
            errors: spec.errors.clone(),
            redact: spec.redact.clone(),
            kept: spec.kept().map(|kept| kept.as_secs()),
            has_prefix: has_prefix(folder.streams()),
            params: values,
            lists,
        })
    }

    /// What a stream is read for: items, or once.
    pub(super) fn items(&self, stream: &Stream) -> Vec<Option<String>> {
        let some = |items: &[String]| items.iter().cloned().map(Some).collect();
        match &stream.items {
            Items::Whole | Items::From { .. } => vec![None],
            Items::List(items) => some(items),
            Items::Param(name) => self.lists.get(name).map(|items| some(items)).unwrap_or_default(),
        }
    }

    /// How far back a stream is read.
    pub(super) fn reach(&self, stream: &Stream, has_item: bool) -> Reach {
        let time = &stream.time;
        // Many items would make many hours without anything.
        let unit = if has_item && time.max_window.is_none_or(|window| window % DAY == 0) { DAY } else { HOUR };
        Reach { first: time.initial, overlap: time.overlap, kept: self.kept, sweep: 0, unit }
    }

    pub(super) fn max_pages(&self) -> usize {
        self.limits.max_pages.unwrap_or(MAX_PAGES).clamp(1, MOST_PAGES)
    }

    pub(super) fn concurrency(&self, stream: &Stream) -> usize {
        stream.concurrency.or(self.limits.concurrency).unwrap_or(CONCURRENCY).clamp(1, 64)
    }

    /// How long the system may be silent.
    pub(super) fn silence(&self) -> Option<Duration> {
        let seconds = self.limits.timeout.as_deref().and_then(|text| seconds(text).ok())?;
        u64::try_from(seconds).ok().map(Duration::from_secs)
    }

    /// What would be read, in words.
    pub(super) fn plan(&self, run: &Run) -> Vec<String> {
        let mut lines = Vec::new();
        for stream in &self.streams {
            if let Items::From { stream: parent, .. } = &stream.items {
                let list = self.streams.iter().find(|known| known.name == *parent && known.kind == Kind::State);
                let how = match (list, stream.kind, stream.mode) {
                    (Some(_), Kind::State, _) => "for each object of",
                    (Some(_), Kind::Events, Some(_)) => "the log of each object of",
                    (Some(list), ..) if list.identity.is_some() => "once for each version of each object of",
                    _ => "for each record of",
                };
                lines.push(format!("{}: {how} {parent}", stream.name));
                continue;
            }
            for item in self.items(stream) {
                let key = key(stream, item.as_deref());
                let name = item.map_or_else(|| stream.name.clone(), |item| format!("{}, {item}", stream.name));
                lines.push(match (stream.kind, stream.mode) {
                    (Kind::State, _) => format!("{name}: all that there is, compared with the last time"),
                    (_, Some(Mode::Checkpoint)) => format!("{name}: everything after the last checkpoint"),
                    _ => {
                        let cursor = run.cursors.get(&key).and_then(|value| value.parse().ok());
                        let span = self.reach(stream, key != whole(stream)).span(cursor, None, run.since, run.now);
                        format!("{name}: {:.0} to {:.0}", span.start, span.end)
                    }
                });
            }
        }
        lines
    }
}

/// Whether the ids of new records begin with the stream's name.
pub(super) fn has_prefix(streams: &[Stream]) -> bool {
    streams.iter().filter(|stream| stream.identity.is_some()).count() > 1
}

/// What record ids of each stream begin with. One whose records are stored keeps what they have: a stream more or less in
/// the description is no reason to name them anew, for then all of them would be gone, and others there.
pub(super) fn prefixes(
    streams: &[Stream],
    otherwise: bool,
    seen: &dyn Seen,
) -> Result<BTreeMap<String, String>, Error> {
    let prefix = |stream: &Stream| {
        let prefix = format!("{}/", stream.name);
        let is_named = seen.prefixed(&prefix)?.unwrap_or(otherwise);
        Ok((stream.name.clone(), if is_named { prefix } else { String::new() }))
    };
    streams.iter().filter(|stream| stream.identity.is_some()).map(prefix).collect()
}

/// Parameters without which a stream is not read.
fn wanted_by(streams: &[Stream]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for stream in streams {
        let of_items = if let Items::Param(name) = &stream.items { Some(name) } else { None };
        for name in stream.when.iter().chain(of_items) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
    }
    names
}

/// Name of a stream's units, and of its cursor.
pub(super) fn key(stream: &Stream, item: Option<&str>) -> String {
    format!("{}/{}", stream.name, item.map_or_else(|| "-".to_owned(), encoded))
}

fn whole(stream: &Stream) -> String {
    key(stream, None)
}

/// An item as a part of a key: no slash, never empty, never `-`.
fn encoded(item: &str) -> String {
    let text = percent_encoding::utf8_percent_encode(item, percent_encoding::NON_ALPHANUMERIC);
    // What names of things are made of stays readable.
    text.to_string().replace("%2D", "-").replace("%5F", "_").replace("%2E", ".").replace("%3A", ":")
}

/// The item whose key ends so.
pub(super) fn item_of(end: &str) -> Option<String> {
    let is_item = end != "-" && !end.contains(['/', '#']);
    let text = percent_encoding::percent_decode_str(end).decode_utf8().ok()?;
    is_item.then(|| text.into_owned())
}

type Texts = BTreeMap<String, String>;
type Lists = BTreeMap<String, Vec<String>>;

/// What the source says, else the defaults; a value may have placeholders for others.
fn values(folder: &Folder, source: &Source, params: &Params<'_>) -> Result<(Texts, Lists), ConfigError> {
    let (mut texts, mut lists) = (Texts::new(), Lists::new());
    for (name, param) in &folder.spec().params {
        let Some(value) = source.params.get(name).or(param.default.as_ref()) else { continue };
        match value {
            toml::Value::Array(items) if param.list => {
                let items: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
                lists.insert(name.clone(), items.ok_or_else(|| params.bad(name, "a list of texts is needed"))?);
            }
            toml::Value::String(text) if param.list => {
                lists.insert(name.clone(), vec![text.clone()]);
            }
            toml::Value::String(text) => {
                texts.insert(name.clone(), text.clone());
            }
            toml::Value::Integer(_) | toml::Value::Boolean(_) | toml::Value::Float(_) if !param.list => {
                texts.insert(name.clone(), value.to_string());
            }
            other => return Err(params.bad(name, format!("{} is not what is needed", other.type_str()))),
        }
    }
    let plain = Values { params: texts.clone(), ..Values::default() };
    for (name, text) in &mut texts {
        let template = Template::parse(text).map_err(|problem| params.bad(name, problem))?;
        let filled = template.fill(&plain, Encoding::Plain).map_err(|problem| params.bad(name, problem))?;
        *text = filled.ok_or_else(|| params.bad(name, "it needs a parameter that is not given"))?;
    }
    Ok((texts, lists))
}

/// The place of requests, and all places that may be asked.
fn places(folder: &Folder, texts: &Texts, params: &Params<'_>) -> Result<(Url, Hosts), ConfigError> {
    let values = Values { params: texts.clone(), ..Values::default() };
    let mut hosts = Hosts::default();
    let mut allow = |name: &str, text: &str| {
        let url: Url = text.parse().map_err(|error| params.bad(name, format!("`{text}`: {error}")))?;
        hosts.allow(&url).map_err(|problem| params.bad(name, problem)).map(|()| url)
    };
    let text = texts.get("base_url").ok_or_else(|| params.missing("base_url"))?;
    let place = allow("base_url", text)?;
    if place.query().is_some() || place.fragment().is_some() {
        return Err(params.bad("base_url", "only scheme, host and path are needed"));
    }
    for (name, text) in texts.iter().filter(|(_, text)| text.starts_with("https://") || text.starts_with("http://")) {
        allow(name, text)?;
    }
    for text in &folder.spec().allowed_hosts {
        let text = if text.contains("://") { text.clone() } else { format!("https://{text}") };
        let template = Template::parse(&text).map_err(|problem| params.bad("allowed_hosts", problem))?;
        if let Some(text) =
            template.fill(&values, Encoding::Plain).map_err(|problem| params.bad("allowed_hosts", problem))?
        {
            allow("allowed_hosts", &text)?;
        }
    }
    if let Some(template) = folder.auth().token_url()
        && let Some(text) =
            template.fill(&values, Encoding::Plain).map_err(|problem| params.bad("token_url", problem))?
    {
        allow("token_url", &text)?;
    }
    Ok((place, hosts))
}
