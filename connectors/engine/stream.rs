//! A stream that has been checked: what to ask, where the records are, how pages and time go on.

use reqwest::Method;
use reqwest::header::HeaderName;

use super::tables::{Each, Mode, PageType, RecordFormat, Stop};
use super::template::{Template, TimeFormat};
use crate::spec::Kind;

/// One stream of a folder.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Read only where the source gives this parameter.
    pub(super) when: Option<String>,
    pub(super) request: Request,
    pub(super) records: Records,
    pub(super) pages: Pages,
    pub(super) mode: Option<Mode>,
    pub(super) time: Time,
    /// `None`: a list, which is not stored.
    pub(super) identity: Option<Identity>,
    pub(super) items: Items,
    /// Items that are read at the same time, where that is not the folder's number.
    pub(super) concurrency: Option<usize>,
    pub(super) setup: Option<Request>,
}

/// What is asked.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: Template,
    pub(super) query: Vec<(String, Template)>,
    pub(super) headers: Vec<(HeaderName, Template)>,
    pub(super) body: Option<Body>,
    pub(super) ok_if: Vec<u16>,
}

#[derive(Debug, Clone)]
pub(super) enum Body {
    Text(Template),
    /// A JSON value, and the texts in it that have placeholders, by their pointers.
    Json {
        value: serde_json::Value,
        texts: Vec<(String, Template)>,
    },
}

#[derive(Debug, Clone)]
pub(super) struct Records {
    /// The steps of the pointer; `*` goes through every member.
    pub(super) steps: Vec<String>,
    pub(super) format: RecordFormat,
    pub(super) each: Each,
    /// The member in which a record is given the key under which it stands.
    pub(super) key: Option<String>,
    /// Whether an answer without records lacks the place where they would be.
    pub(super) may_lack: bool,
}

/// How pages go on.
#[derive(Debug, Clone)]
pub(super) struct Pages {
    pub(super) kind: PageType,
    pub(super) pointer: Option<String>,
    pub(super) header: Option<String>,
    pub(super) param: String,
    pub(super) size: Option<(String, u64)>,
    /// Records of a full page, where that is known.
    pub(super) full: Option<u64>,
    pub(super) start: u64,
    pub(super) stop: Option<Stop>,
    pub(super) total: Option<String>,
    pub(super) page_count: Option<String>,
    pub(super) more: Option<String>,
    /// The last page's token is where the next collection begins.
    pub(super) persist: bool,
}

/// When records happened, and how far back they are read. Seconds.
#[derive(Debug, Clone)]
pub(super) struct Time {
    pub(super) fields: Vec<String>,
    pub(super) format: TimeFormat,
    pub(super) initial: i64,
    pub(super) max_window: Option<i64>,
    pub(super) overlap: i64,
    pub(super) settle: i64,
    pub(super) is_ascending: bool,
    /// How much more is asked for, where what happened in the very second, or on the very day, asked for does not come.
    pub(super) before: i64,
}

/// In place of a pointer: the item that the record was read for, where it has no name of its own.
pub(super) const ITEM: &str = "${item}";

/// What names a record.
#[derive(Debug, Clone)]
pub(super) enum Identity {
    Event(Vec<String>),
    /// The canonical record, but for what is volatile.
    Hash {
        volatile: Vec<String>,
    },
    Object {
        object: Vec<String>,
        version: Vec<String>,
        volatile: Vec<String>,
    },
}

/// What the stream is read for.
#[derive(Debug, Clone)]
pub(super) enum Items {
    /// Once.
    Whole,
    /// For each record of another stream.
    From { stream: String, pointer: String },
    /// For each of these.
    List(Vec<String>),
    /// For each entry of a parameter.
    Param(String),
}

impl Stream {
    /// Whether two items may have records of the same name, which are told apart by nothing then.
    pub(super) fn must_differ_by_item(&self) -> bool {
        !matches!(self.items, Items::Whole)
            && matches!(&self.identity, Some(Identity::Event(pointers)) if !pointers.iter().any(|pointer| pointer == ITEM))
    }

    /// All templates of its requests.
    pub(super) fn templates(&self) -> Vec<&Template> {
        self.setup.iter().chain([&self.request]).flat_map(Request::templates).collect()
    }
}

impl Request {
    /// Whether the parameter of the query, or the place in the body, says from when on the log is asked for.
    pub(super) fn has_start_in(&self, param: &str) -> bool {
        let of_query = self.query.iter().any(|(name, text)| name == param && text.needs_start());
        let texts = if let Some(Body::Json { texts, .. }) = &self.body { texts.as_slice() } else { &[] };
        of_query || texts.iter().any(|(place, text)| place == param && text.needs_start())
    }

    pub(super) fn templates(&self) -> Vec<&Template> {
        let mut templates = vec![&self.path];
        templates.extend(self.query.iter().map(|(_, text)| text));
        templates.extend(self.headers.iter().map(|(_, text)| text));
        match &self.body {
            Some(Body::Text(text)) => templates.push(text),
            Some(Body::Json { texts, .. }) => templates.extend(texts.iter().map(|(_, text)| text)),
            None => {}
        }
        templates
    }
}
