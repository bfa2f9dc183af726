//! Checks what the streams and tables of a description are to each other: names that must be known, streams that are read
//! for others, and what is said for nothing.
//!
//! The surprising fact: what does nothing is an error too. Whoever wrote it believes that it does something.

use std::collections::{BTreeMap, BTreeSet};

use super::auth::Auth;
use super::stream::{Items, Stream};
use super::tables::AuthType;
use super::template::Template;
use crate::Spec;
use crate::catalog::nearest;
use crate::spec::{Kind, Transport};

/// Names that a placeholder, `when` or `list` uses must be declared.
pub(super) fn names(spec: &Spec, streams: &[Stream], problems: &mut Vec<String>) {
    let params: Vec<&str> = spec.params.keys().map(String::as_str).collect();
    let secrets: Vec<&str> = spec.secrets.iter().map(String::as_str).collect();
    let mut check = |kind: &str, name: &str, known: &[&str]| {
        if !known.contains(&name) {
            let meant = nearest(name, known.iter().copied()).map(|near| format!("; did you mean `{near}`?"));
            let problem = format!("the {kind} `{name}` is not declared{}", meant.unwrap_or_default());
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    };
    for stream in streams {
        for template in stream.templates() {
            template.params().for_each(|name| check("parameter", name, &params));
            template.secrets().for_each(|name| check("secret", name, &secrets));
        }
        stream.when.iter().for_each(|name| check("parameter", name, &params));
        if let Items::Param(name) = &stream.items {
            check("parameter", name, &params);
        }
    }
    spec.sessions_when.iter().for_each(|name| check("parameter", name, &params));
    if spec.tells_of_no_session() {
        problems.push("sessions_of and sessions_when are for what emits `session`".into());
    }
    if spec.transport.contains(&Transport::Files) && !params.contains(&"path") {
        problems
            .push("[params] path is missing: a source says there where the files of transport = \"files\" are".into());
    }
    if spec.transport.contains(&Transport::Http) && !params.contains(&"base_url") {
        problems.push("[params] base_url is missing: it is the place of every request".into());
    }
}

/// Parents before children.
pub(super) fn in_order(mut streams: Vec<Stream>, problems: &mut Vec<String>) -> Vec<Stream> {
    let mut ordered: Vec<Stream> = Vec::with_capacity(streams.len());
    while !streams.is_empty() {
        let ready = |stream: &Stream| match &stream.items {
            Items::From { stream: parent, .. } => ordered.iter().any(|known| known.name == *parent),
            _ => true,
        };
        let Some(next) = streams.iter().position(ready) else {
            let names: Vec<&str> = streams.iter().map(|stream| stream.name.as_str()).collect();
            problems.push(format!(
                "[for_each] from: {} wait for a stream that does not exist, or for each other",
                names.join(", ")
            ));
            break;
        };
        ordered.push(streams.remove(next));
    }
    for stream in &ordered {
        let Items::From { stream: name, .. } = &stream.items else { continue };
        let Some(parent) = ordered.iter().find(|known| known.name == *name) else { continue };
        let has_window = stream.templates().iter().any(|text| text.needs_window());
        match (parent.kind, stream.mode) {
            (Kind::Events, Some(_)) => problems.push(format!(
                "[cursor] {} is read for each record of {name}, in the window of that one: it has no mode",
                stream.name
            )),
            (Kind::State, None) if has_window => problems.push(format!(
                "[request] {} has ${{window.…}}, but {name} is a list of objects, without a window: [cursor] mode is missing: window, since or feed",
                stream.name
            )),
            (Kind::Events, None) if stream.kind == Kind::State && parent.identity.is_none() => problems.push(format!(
                "[for_each] {} is a list of objects (kind state) for each record of the log {name}, which is not stored: what is gone could not be told; give {name} an [identity]",
                stream.name
            )),
            _ => {}
        }
    }
    // What a stream is read for is taken out of a record once.
    let mut pointers = BTreeMap::new();
    for stream in &ordered {
        let is_grandchild = ordered.iter().any(|known| {
            matches!(&stream.items, Items::From { stream: parent, .. } if *parent == known.name)
                && !matches!(known.items, Items::Whole)
        });
        if !is_grandchild && stream.templates().iter().any(|text| text.needs_parent()) {
            problems.push(format!(
                "[request] {} has ${{parent}}, but is not read for a stream that has a [for_each] itself",
                stream.name
            ));
        }
        if let Items::From { stream: parent, pointer } = &stream.items
            && *pointers.entry(parent).or_insert(pointer) != pointer
        {
            problems
                .push(format!("[for_each] {}: all streams that are read for {parent} take one pointer", stream.name));
        }
    }
    ordered
}

/// A stream that is not stored is there for others.
pub(super) fn nothing_for_nothing(streams: &[Stream], problems: &mut Vec<String>) {
    let is_used =
        |name: &str| streams.iter().any(|stream| matches!(&stream.items, Items::From { stream, .. } if stream == name));
    for stream in streams.iter().filter(|stream| stream.identity.is_none() && !is_used(&stream.name)) {
        let key = if stream.kind == Kind::State { "object_id" } else { "event_id" };
        problems.push(format!(
            "[identity] {} has none, so nothing of it is stored, and no stream is read for its records (for_each.from): say `{key}`, a pointer to what names a record",
            stream.name
        ));
    }
}

/// Parameters and secrets that nothing uses.
pub(super) fn unused(spec: &Spec, streams: &[Stream], auth: &Auth) -> Vec<String> {
    let of_streams = streams.iter().flat_map(Stream::templates);
    let texts: Vec<Template> = spec
        .params
        .values()
        .filter_map(|param| param.default.as_ref()?.as_str())
        .chain(spec.allowed_hosts.iter().map(String::as_str))
        .filter_map(|text| Template::parse(text).ok())
        .collect();
    let mut used: BTreeSet<&str> = BTreeSet::new();
    for template in of_streams.chain(auth.templates()).chain(&texts) {
        used.extend(template.params());
        used.extend(template.secrets());
    }
    used.extend(spec.sessions_when.as_deref());
    for stream in streams {
        used.extend(stream.when.as_deref());
        if let Items::Param(name) = &stream.items {
            used.insert(name);
        }
    }
    if spec.transport.contains(&Transport::Http) {
        used.insert("base_url");
    }
    if spec.transport.contains(&Transport::Files) {
        used.insert("path");
    }
    match spec.auth.kind {
        AuthType::Azure => used.extend(["tenant_id"]),
        AuthType::AwsSigv4 => used.extend(["profile", "role_arn"]),
        _ => {}
    }
    // An address may be asked by being there.
    let is_address = |name: &str| {
        let default = spec.params.get(name).and_then(|param| param.default.as_ref()?.as_str());
        default.is_some_and(|text| text.starts_with("https://") || text.starts_with("http://"))
    };
    let params = spec.params.keys().map(|name| ("parameter", name)).filter(|(_, name)| !is_address(name));
    let named = params.chain(spec.secrets.iter().map(|name| ("secret", name)));
    let unused = named.filter(|(_, name)| !used.contains(name.as_str()));
    unused.map(|(kind, name)| format!("the {kind} `{name}` is declared, and nothing uses it")).collect()
}
