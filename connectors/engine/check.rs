//! Makes sense of a description's tables: everything that can be wrong with one is found here, before anything is asked.

use std::collections::BTreeMap;

use super::auth::Auth;
use super::stream::{Body, ITEM, Identity, Items, Pages, Records, Request, Stream, Time};
use super::tables::{self, Mode, OneOrMany, PageType};
use super::template::{Template, TimeFormat};
use super::{sense, together};
use crate::Spec;
use crate::log::windows::{DAY, HOUR};
use crate::spec::{Kind, Transport, kept};

/// Name of the only stream of a folder.
pub(super) const MAIN: &str = "main";

/// The streams of a description, those that others are read for first.
pub(super) fn streams(spec: &Spec) -> Result<Vec<Stream>, Vec<String>> {
    let mut problems = Vec::new();
    let mut streams = Vec::new();
    for (name, table) in tables_of(spec, &mut problems) {
        let place = if spec.stream.is_empty() { String::new() } else { format!("[stream.{name}] ") };
        match stream(&name, &table, spec) {
            Ok(stream) => streams.push(stream),
            Err(problem) => problems.push(format!("{place}{problem}")),
        }
    }
    problems.extend(sense::errors(&spec.errors));
    problems.extend(sense::limits(&spec.limits));
    problems.extend(sense::redacted(&spec.redact));
    problems.extend(kept(&spec.retention).err());
    together::names(spec, &streams, &mut problems);
    let whole = problems.is_empty();
    let ordered = together::in_order(streams, &mut problems);
    if whole {
        together::nothing_for_nothing(&ordered, &mut problems);
    }
    if problems.is_empty() { Ok(ordered) } else { Err(problems) }
}

fn tables_of(spec: &Spec, problems: &mut Vec<String>) -> BTreeMap<String, tables::Stream> {
    if spec.stream.is_empty() {
        let main = tables::Stream {
            kind: None,
            when: None,
            request: spec.request.clone(),
            records: spec.records.clone().unwrap_or_default(),
            paginate: spec.paginate.clone().unwrap_or_default(),
            cursor: spec.cursor.clone().unwrap_or_default(),
            identity: spec.identity.clone(),
            for_each: spec.for_each.clone(),
            setup: spec.setup.clone(),
        };
        return [(MAIN.to_owned(), main)].into();
    }
    if spec.request.is_some() || spec.records.is_some() || spec.paginate.is_some() || spec.for_each.is_some() {
        problems
            .push("tables of a stream stand at top level and under [stream]: they belong under [stream.NAME]".into());
    }
    spec.stream.clone()
}

fn stream(name: &str, table: &tables::Stream, spec: &Spec) -> Result<Stream, String> {
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
        return Err("a stream's name has letters, digits, - and _ only".into());
    }
    let kind = table.kind.unwrap_or(spec.kind);
    let nothing = tables::Request { path: "/".into(), ..tables::Request::default() };
    let asked = match &table.request {
        Some(asked) => asked,
        // Files are brought, not asked for.
        None if !spec.transport.contains(&Transport::Http) => &nothing,
        None => return Err("[request] is missing".into()),
    };
    let mut stream = Stream {
        name: name.to_owned(),
        kind,
        when: table.when.clone(),
        request: windowed(request(asked).map_err(|problem| format!("[request] {problem}"))?, &table.cursor)
            .map_err(|problem| format!("[cursor] {problem}"))?,
        records: records(&table.records).map_err(|problem| format!("[records] {problem}"))?,
        pages: pages(&table.paginate).map_err(|problem| format!("[paginate] {problem}"))?,
        mode: table.cursor.mode,
        time: time(&table.cursor, spec).map_err(|problem| format!("[cursor] {problem}"))?,
        identity: table
            .identity
            .as_ref()
            .map(|table| identity(table, kind))
            .transpose()
            .map_err(|problem| format!("[identity] {problem}"))?,
        items: items(table.for_each.as_ref()).map_err(|problem| format!("[for_each] {problem}"))?,
        concurrency: table.for_each.as_ref().and_then(|table| table.concurrency),
        setup: table.setup.as_ref().map(request).transpose().map_err(|problem| format!("[setup] {problem}"))?,
    };
    sense::pages(table)?;
    let is_asked = spec.transport.contains(&Transport::Http);
    whole(&stream, is_asked)?;
    sense::cursor(&table.cursor)?;
    sense::stream(&stream, is_asked)?;
    if table.cursor.inclusive == Some(false) {
        stream.time.before = before(&stream)?;
    }
    Ok(stream)
}

/// How much earlier a log is asked for that leaves out the very second, or the very day, that it is asked for.
fn before(stream: &Stream) -> Result<i64, String> {
    // From the second page on such a log is asked for what follows the last record, and leaves out what happened with it.
    if stream.pages.kind == PageType::LastRecord && stream.request.has_start_in(&stream.pages.param) {
        return Err(format!(
            "[cursor] inclusive = false: pages that go on from the time of the last record (`{}`) lose what happened in the same second; [paginate] must go on from what is unique, such as an id",
            stream.pages.param
        ));
    }
    Ok(if stream.templates().iter().any(|text| text.starts_with_day()) { DAY } else { 1 })
}

/// With the window in the query, where `[cursor]` says under which names.
fn windowed(mut request: Request, cursor: &tables::Cursor) -> Result<Request, String> {
    let format = cursor.field_format.as_deref().unwrap_or("rfc3339");
    for (side, name) in [("start", &cursor.start), ("end", &cursor.end)] {
        let Some(name) = name else { continue };
        if name.contains("${") || request.query.iter().any(|(known, _)| known == name) {
            return Err(format!("`{side}` is the name of a parameter of the query that [request] does not have"));
        }
        request.query.push((name.clone(), Template::parse(&format!("${{window.{side}:{format}}}"))?));
    }
    Ok(request)
}

/// What must fit together.
fn whole(stream: &Stream, is_asked: bool) -> Result<(), String> {
    let templates = stream.templates();
    let is_child = matches!(stream.items, Items::From { .. });
    if matches!(stream.items, Items::Whole) && templates.iter().any(|text| text.needs_item()) {
        return Err("[request] has ${item}, but there is no [for_each]".into());
    }
    let has_window =
        matches!(stream.mode, Some(Mode::Window | Mode::Since | Mode::Feed)) || (is_child && stream.mode.is_none());
    if !has_window && templates.iter().any(|text| text.needs_window()) {
        return Err("[request] has ${window.…}, but [cursor] has no mode with a window: window, since".into());
    }
    match (stream.kind, stream.mode) {
        (Kind::State, None | Some(Mode::Snapshot)) => {}
        (Kind::State, Some(_)) => {
            return Err("[cursor] a stream of objects (kind state) is read whole: mode = \"snapshot\"".into());
        }
        (Kind::Events, Some(Mode::Snapshot)) => {
            return Err("[cursor] mode = \"snapshot\" is for kind = \"state\"".into());
        }
        (Kind::Events, None) if !is_child && is_asked => {
            return Err("[cursor] mode is missing: window, since, feed or checkpoint".into());
        }
        (Kind::Events, _) => {}
    }
    if stream.mode == Some(Mode::Window) && is_asked && !templates.iter().any(|text| text.needs_window()) {
        return Err("[cursor] mode = \"window\" asks for a time, and [request] has no ${window.…} (nor [cursor] `start` and `end`); a log that cannot be asked for a time is read with mode feed or checkpoint".into());
    }
    if stream.mode == Some(Mode::Feed) && stream.time.is_ascending {
        return Err("[cursor] a feed is newest first: order = \"asc\" is read with mode window or since".into());
    }
    if stream.mode == Some(Mode::Feed) && stream.time.fields.is_empty() {
        return Err("[cursor] a feed is read until its records are old enough: `field` is missing".into());
    }
    if (stream.mode == Some(Mode::Checkpoint)) != stream.pages.persist {
        return Err("[cursor] mode = \"checkpoint\" and [paginate] persist = true go together".into());
    }
    Ok(())
}

/// What `[auth]` uses must be declared too.
pub(super) fn auth(spec: &Spec, auth: &Auth) -> Vec<String> {
    let mut problems = Vec::new();
    for template in auth.templates() {
        for name in template.params().filter(|name| !spec.params.contains_key(*name)) {
            problems.push(format!("[auth] the parameter `{name}` is not declared"));
        }
        for name in template.secrets().filter(|name| !spec.secrets.iter().any(|known| known == name)) {
            problems.push(format!("[auth] the secret `{name}` is not declared in `secrets`"));
        }
    }
    problems
}

/// Checks and reads a request.
pub(super) fn request(table: &tables::Request) -> Result<Request, String> {
    let mut query = Vec::new();
    for (name, value) in &table.query {
        for text in value.texts() {
            query.push((name.clone(), Template::parse(&text)?));
        }
    }
    let mut headers = Vec::new();
    for (name, text) in &table.headers {
        let name = name.parse().map_err(|_| format!("`{name}` is no name of a header"))?;
        headers.push((name, Template::parse(text)?));
    }
    let body = match &table.body {
        None => None,
        Some(toml::Value::String(text)) => Some(Body::Text(Template::parse(text)?)),
        Some(value) => {
            let value = serde_json::to_value(value).map_err(|error| format!("body: {error}"))?;
            let mut texts = Vec::new();
            templates_in(&value, "", &mut texts)?;
            Some(Body::Json { value, texts })
        }
    };
    let method = match table.method.as_deref().map(str::to_ascii_uppercase).as_deref() {
        None if body.is_none() => reqwest::Method::GET,
        None | Some("POST") => reqwest::Method::POST,
        Some("GET") => reqwest::Method::GET,
        Some(other) => return Err(format!("`{other}` is no method of a request that reads; known are GET, POST")),
    };
    let path = Template::parse(&table.path)?;
    if !table.path.starts_with('/') && !path.begins_with_value() {
        return Err("path must begin with /, or with ${item} or ${param.x} where that is an address".into());
    }
    Ok(Request { method, path, query, headers, body, ok_if: table.ok_if.clone() })
}

/// The texts with placeholders in a JSON value.
fn templates_in(value: &serde_json::Value, place: &str, texts: &mut Vec<(String, Template)>) -> Result<(), String> {
    let step = |key: &str| format!("{place}/{}", key.replace('~', "~0").replace('/', "~1"));
    match value {
        serde_json::Value::String(text) if text.contains("${") => {
            texts.push((place.to_owned(), Template::parse(text)?));
        }
        serde_json::Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                templates_in(item, &step(&index.to_string()), texts)?;
            }
        }
        serde_json::Value::Object(members) => {
            for (key, member) in members {
                templates_in(member, &step(key), texts)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn records(table: &tables::Records) -> Result<Records, String> {
    check_pointer(&table.pointer)?;
    let steps = table.pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
    let key = table.key.clone();
    if key.is_some() && table.each != tables::Each::Object {
        return Err("`key` is for each = \"object\"".into());
    }
    Ok(Records { steps, format: table.format, each: table.each, key, may_lack: table.may_lack })
}

fn pages(table: &tables::Paginate) -> Result<Pages, String> {
    let need = |found: bool, key: &str| if found { Ok(()) } else { Err(format!("type needs `{key}`")) };
    for pointer in [&table.pointer, &table.total, &table.total_pages, &table.more].into_iter().flatten() {
        check_pointer(pointer)?;
    }
    match table.kind {
        PageType::None | PageType::LinkHeader => {}
        PageType::NextUrl => need(table.pointer.is_some() || table.header.is_some(), "pointer` or `header")?,
        PageType::Token => {
            need(table.pointer.is_some() || table.header.is_some(), "pointer` or `header")?;
            need(table.param.is_some(), "param")?;
        }
        PageType::LastRecord => {
            need(table.pointer.is_some(), "pointer")?;
            need(table.param.is_some(), "param")?;
        }
        PageType::Page | PageType::Offset => need(table.param.is_some(), "param")?,
    }
    if table.persist && matches!(table.kind, PageType::None | PageType::Page | PageType::Offset) {
        return Err(
            "persist = true keeps what names the next page: type = link_header, next_url, token or last_record".into(),
        );
    }
    if table.stop == Some(tables::Stop::ShortPage) && table.size.is_none() {
        return Err("stop = \"short_page\" needs `size`: the number of records of a full page".into());
    }
    // Where pages are counted a pointer can only lead to the number of records.
    let is_counted = matches!(table.kind, PageType::Page | PageType::Offset);
    let total = table.total.as_ref().or(table.pointer.as_ref().filter(|_| is_counted));
    if table.stop == Some(tables::Stop::Total) && total.is_none() {
        return Err("stop = \"total\" needs `total`: a pointer to the number of records".into());
    }
    let size = table
        .size_param
        .as_ref()
        .map(|name| table.size.map(|size| (name.clone(), size)).ok_or("`size_param` needs `size`"));
    Ok(Pages {
        kind: table.kind,
        pointer: table.pointer.clone(),
        header: table.header.clone(),
        param: table.param.clone().unwrap_or_default(),
        size: size.transpose()?,
        full: table.size,
        start: table.start.unwrap_or(u64::from(table.kind == PageType::Page)),
        stop: table.stop,
        total: total.cloned(),
        page_count: table.total_pages.clone(),
        more: table.more.clone(),
        persist: table.persist,
    })
}

fn time(table: &tables::Cursor, spec: &Spec) -> Result<Time, String> {
    let fields = table.field.as_ref().map(OneOrMany::texts).unwrap_or_default();
    fields.iter().try_for_each(|pointer| check_pointer(pointer))?;
    let length = |text: &Option<String>, default: i64| text.as_deref().map_or(Ok(default), seconds);
    let kept = spec.kept().map_or(i64::MAX, |kept| kept.as_secs());
    Ok(Time {
        fields,
        format: table.field_format.as_deref().map_or(Ok(TimeFormat::Rfc3339), TimeFormat::parse)?,
        initial: length(&table.initial, 30 * 86_400)?.min(kept),
        max_window: table.max_window.as_deref().map(hours).transpose()?,
        overlap: length(&table.overlap, 3_600)?,
        before: 0,
        is_ascending: table.order == Some(tables::Order::Asc),
        settle: length(&table.settle, 0)?,
    })
}

/// A length of time in whole hours.
fn hours(text: &str) -> Result<i64, String> {
    let whole = |seconds: &i64| *seconds > 0 && seconds % HOUR == 0;
    seconds(text)
        .ok()
        .filter(whole)
        .ok_or_else(|| format!("max_window: `{text}` is no number of hours or days: write 6h or 1d"))
}

fn identity(table: &tables::Identity, kind: Kind) -> Result<Identity, String> {
    let texts = |value: &Option<OneOrMany>| value.as_ref().map(OneOrMany::texts).unwrap_or_default();
    let (event, object, version) = (texts(&table.event_id), texts(&table.object_id), texts(&table.version));
    for pointer in event.iter().chain(&object).filter(|pointer| *pointer != ITEM).chain(&version).chain(&table.volatile)
    {
        check_pointer(pointer)?;
    }
    let volatile = table.volatile.clone();
    let named = [("event_id", &event), ("version", &version)];
    if let Some((key, _)) = named.iter().find(|(_, pointers)| !pointers.is_empty() && !volatile.is_empty()) {
        return Err(format!(
            "volatile does nothing beside `{key}`: it is left out of the hash that takes the place of `{key}` where none is said; leave out one of the two"
        ));
    }
    match kind {
        Kind::State if object.is_empty() => {
            Err("`object_id` is missing: what names an object (kind = \"state\")".into())
        }
        Kind::State if !event.is_empty() => Err("`event_id` is for kind = \"events\"".into()),
        Kind::State => Ok(Identity::Object { object, version, volatile }),
        Kind::Events if !object.is_empty() || !version.is_empty() => {
            Err("`object_id` and `version` are for kind = \"state\"".into())
        }
        Kind::Events if event.is_empty() => Ok(Identity::Hash { volatile }),
        Kind::Events => Ok(Identity::Event(event)),
    }
}

fn items(table: Option<&tables::ForEach>) -> Result<Items, String> {
    let Some(table) = table else { return Ok(Items::Whole) };
    match (&table.from, &table.list) {
        (Some(stream), None) => {
            let pointer =
                table.pointer.clone().ok_or("`pointer` is missing: where a record of the other stream has the item")?;
            check_pointer(&pointer)?;
            Ok(Items::From { stream: stream.clone(), pointer })
        }
        (None, Some(OneOrMany::One(name))) => Ok(Items::Param(name.clone())),
        (None, Some(OneOrMany::Many(list))) => Ok(Items::List(list.clone())),
        _ => Err("it needs `from` (a stream) or `list` (a parameter, or a list of texts)".into()),
    }
}

pub(super) fn check_pointer(pointer: &str) -> Result<(), String> {
    if !pointer.is_empty() && !pointer.starts_with('/') {
        return Err(format!("`{pointer}` is no JSON Pointer: it is empty or begins with /"));
    }
    if pointer.split('~').skip(1).any(|rest| !rest.starts_with(['0', '1'])) {
        return Err(format!("`{pointer}` is no JSON Pointer: in a key / is written ~1, and ~ is written ~0"));
    }
    Ok(())
}

/// A length of time, such as `30d`, `2h` or `0s`.
pub(crate) fn seconds(text: &str) -> Result<i64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => 0,
    };
    let number: Option<i64> = digits.parse().ok().filter(|number| *number >= 0 && unit > 0);
    number
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| format!("`{text}` is no length of time: write 30s, 5m, 2h or 7d"))
}
