//! The tables of `connector.toml` that say how records are fetched, as they are written. [`super::check`] makes sense of
//! them; here only names and types are wrong or right.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IntoDeserializer;

use crate::spec::Kind;

/// `[auth]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Auth {
    /// How requests are allowed.
    #[serde(rename = "type", default)]
    pub(super) kind: AuthType,
    pub(super) token: Option<String>,
    #[serde(rename = "in")]
    pub(super) place: Option<Place>,
    pub(super) name: Option<String>,
    pub(super) prefix: Option<String>,
    pub(super) value: Option<String>,
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) token_url: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<String>,
    pub(super) scope: Option<String>,
    #[serde(default)]
    pub(super) extra: BTreeMap<String, String>,
    pub(super) key: Option<String>,
    #[serde(default)]
    pub(super) claims: BTreeMap<String, String>,
    pub(super) login: Option<Request>,
    pub(super) pointer: Option<String>,
    pub(super) service: Option<String>,
    pub(super) region: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AuthType {
    #[default]
    None,
    Bearer,
    ApiKey,
    Basic,
    Oauth2ClientCredentials,
    JwtHs256,
    JwtBearerRs256,
    Session,
    Azure,
    AwsSigv4,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    Header,
    Query,
}

/// `[request]`, `[setup]`, `[auth.login]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    pub(super) method: Option<String>,
    pub(super) path: String,
    #[serde(default)]
    pub(super) query: BTreeMap<String, OneOrMany>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    /// A table is sent as JSON, a text as it is.
    pub(super) body: Option<toml::Value>,
    /// `[setup]` only: statuses that mean that it was done before.
    #[serde(default, deserialize_with = "some")]
    pub(super) ok_if: Vec<u16>,
}

/// One text or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    One(String),
    Many(Vec<String>),
    Number(i64),
    Flag(bool),
}

impl OneOrMany {
    pub(super) fn texts(&self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text.clone()],
            Self::Many(texts) => texts.clone(),
            Self::Number(number) => vec![number.to_string()],
            Self::Flag(flag) => vec![flag.to_string()],
        }
    }
}

/// `[records]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Records {
    #[serde(default)]
    pub(super) pointer: String,
    #[serde(default)]
    pub(super) format: RecordFormat,
    /// What the pointer leads to: an array of records (or one record), or an object whose members are the records.
    #[serde(default)]
    pub(super) each: Each,
    /// Of `each = "object"`: the member in which a record is given the key under which it stands.
    pub(super) key: Option<String>,
    /// Whether an answer without records lacks the place where they would be.
    #[serde(default)]
    pub(super) may_lack: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RecordFormat {
    #[default]
    Json,
    Ndjson,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Each {
    #[default]
    Item,
    Object,
    /// The place is one record.
    One,
}

/// `[paginate]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paginate {
    #[serde(rename = "type", default)]
    pub(super) kind: PageType,
    /// Where the answer names the next page, or the last record its key.
    pub(super) pointer: Option<String>,
    pub(super) header: Option<String>,
    /// Parameter of the query; with `/` first, a pointer into the body.
    pub(super) param: Option<String>,
    pub(super) size_param: Option<String>,
    pub(super) size: Option<u64>,
    pub(super) start: Option<u64>,
    pub(super) stop: Option<Stop>,
    /// Pointer to the number of all records.
    pub(super) total: Option<String>,
    /// Pointer to the number of all pages.
    pub(super) total_pages: Option<String>,
    /// Pointer to a flag that is false on the last page.
    pub(super) more: Option<String>,
    #[serde(default)]
    pub(super) persist: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PageType {
    #[default]
    None,
    LinkHeader,
    NextUrl,
    Token,
    Page,
    Offset,
    LastRecord,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stop {
    ShortPage,
    Empty,
    Total,
}

/// `[cursor]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cursor {
    pub(super) mode: Option<Mode>,
    pub(super) field: Option<OneOrMany>,
    pub(super) field_format: Option<String>,
    /// Parameters of the query in which the window goes out, in `field_format`: as `${window.…}` in the request.
    pub(super) start: Option<String>,
    pub(super) end: Option<String>,
    /// In which order the records come. Windows are read whole, so it matters to a feed only.
    pub(super) order: Option<Order>,
    /// False: a record of the very second asked for does not come.
    pub(super) inclusive: Option<bool>,
    pub(super) initial: Option<String>,
    pub(super) max_window: Option<String>,
    pub(super) overlap: Option<String>,
    pub(super) settle: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    Window,
    Since,
    Checkpoint,
    Feed,
    Snapshot,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    Asc,
    Desc,
    None,
}

/// `[identity]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    pub(super) event_id: Option<OneOrMany>,
    pub(super) object_id: Option<OneOrMany>,
    pub(super) version: Option<OneOrMany>,
    #[serde(default)]
    pub(super) volatile: Vec<String>,
    #[serde(default)]
    pub(crate) grows: bool,
}

/// `[for_each]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForEach {
    pub(super) from: Option<String>,
    pub(super) pointer: Option<String>,
    pub(super) list: Option<OneOrMany>,
    pub(super) concurrency: Option<usize>,
}

/// `[limits]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    pub(super) rps: Option<f64>,
    pub(super) burst: Option<u32>,
    pub(super) concurrency: Option<usize>,
    pub(super) max_pages: Option<usize>,
    pub(super) max_bytes: Option<usize>,
    pub(super) timeout: Option<String>,
}

/// `[errors]`; `[[errors]]` says its rules alone.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Errors {
    #[serde(default)]
    pub(super) on: Vec<Rule>,
    /// Headers, besides the usual ones, in which the system says how long to wait.
    #[serde(default)]
    pub(super) retry_after: Vec<String>,
    pub(super) max_wait: Option<String>,
}

/// Reads `[errors]`, or `[[errors]]`.
///
/// # Errors
/// As serde's.
pub(crate) fn errors<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Errors, D::Error> {
    struct Either;
    impl<'de> serde::de::Visitor<'de> for Either {
        type Value = Errors;

        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("a table, or an array of rules")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Errors, A::Error> {
            Errors::deserialize(serde::de::value::MapAccessDeserializer::new(map))
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, seq: A) -> Result<Errors, A::Error> {
            let on = Vec::deserialize(serde::de::value::SeqAccessDeserializer::new(seq))?;
            Ok(Errors { on, ..Errors::default() })
        }
    }
    from.deserialize_any(Either)
}

/// Reads a list, or the only one of it.
///
/// # Errors
/// As serde's.
pub(crate) fn some<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    struct Some<T>(std::marker::PhantomData<T>);
    impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for Some<T> {
        type Value = Vec<T>;

        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("a list")
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, seq: A) -> Result<Vec<T>, A::Error> {
            Vec::deserialize(serde::de::value::SeqAccessDeserializer::new(seq))
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<T>, E> {
            T::deserialize(text.into_deserializer()).map(|one| vec![one])
        }

        fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Vec<T>, E> {
            T::deserialize(number.into_deserializer()).map(|one| vec![one])
        }
    }
    from.deserialize_any(Some(std::marker::PhantomData))
}

/// Reads pointers, which may stand in a table of their own as everything else does.
///
/// # Errors
/// As serde's.
pub(crate) fn redact<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Table {
        pointers: Vec<String>,
    }
    struct Either;
    impl<'de> serde::de::Visitor<'de> for Either {
        type Value = Vec<String>;

        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("a list of pointers")
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(serde::de::value::SeqAccessDeserializer::new(seq))
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            Ok(Table::deserialize(serde::de::value::MapAccessDeserializer::new(map))?.pointers)
        }
    }
    from.deserialize_any(Either)
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    pub(super) status: u16,
    pub(super) body_contains: Option<String>,
    pub(super) action: Action,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    Retry,
    Skip,
    Stop,
    Fail,
    RefreshAuth,
}

/// `[stream.NAME]`, or the top of a file that has one stream.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stream {
    pub(crate) kind: Option<Kind>,
    pub(super) when: Option<String>,
    pub(super) request: Option<Request>,
    #[serde(default)]
    pub(super) records: Records,
    #[serde(default)]
    pub(super) paginate: Paginate,
    #[serde(default)]
    pub(super) cursor: Cursor,
    pub(crate) identity: Option<Identity>,
    pub(super) for_each: Option<ForEach>,
    pub(super) setup: Option<Request>,
}
