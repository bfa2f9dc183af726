//! Replaces secrets before a record is stored.
//!
//! A secret is known by the name of its key. A quick search for the names goes first; only a text that has one is
//! looked at value by value, and only the secret's own bytes are replaced: everything else stays as it was received.
//! The surprising fact: JSON is often a text inside JSON, several times over, so texts are looked into as well.
//! Access key ids are no secrets; they are the evidence that tells sessions apart.

pub(crate) mod exact;
pub(crate) mod places;
mod tree;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use tree::{Member, Node};

/// What stands where a secret was.
const REPLACED: &str = "***redacted***";

/// A key is a secret's if it ends in the words of one of these; letter case and what is between the words aside.
const SECRET_NAMES: &[&str] = &[
    "access token",
    "api secret",
    "api token",
    "auth token",
    "authorization token",
    "bearer token",
    "client secret",
    "id token",
    "key material",
    "oauth token",
    "pass phrase",
    "passwd",
    "password",
    "plain text",
    "pre shared key",
    "private key",
    "refresh token",
    "saml assertion",
    "secret access key",
    "secret binary",
    "secret key",
    "secret string",
    "security token",
    "session token",
    "shared secret",
    "signing secret",
    "user data",
    "web identity token",
];

/// Keys that end like a secret's and hold none: whom the token was about is the evidence.
const NO_SECRETS: &[&str] = &["subjectfromwebidentitytoken"];

/// What tells tokens apart, where `token` is an object that describes one; the rest of it goes.
const TOKEN_FACTS: &[&str] = &["id", "name", "kind", "type", "servicetoken"];

/// An escape may hide a name.
const ESCAPE: &str = "\\u";

/// Other traces of a secret.
const OTHER_TRACES: &[&str] = &["\"token", "x-amz-signature", "environment", "putparameter"];

/// Texts that a provider puts where it has removed a secret itself.
const ALREADY_REMOVED: &[&str] = &["", REPLACED, "HIDDEN_DUE_TO_SECURITY_REASONS", "<sensitiveDataRemoved>", "****"];

/// How often JSON inside a text is looked into.
const MAX_NESTING: usize = 6;

/// Words that few texts without a secret have: a trace with one of them is looked for by it.
const TELLING_WORDS: &[&str] = &["token", "secret", "passw", "phrase", "plain", "assertion"];

/// The names without anything between their words.
static FOLDED_NAMES: LazyLock<Vec<String>> = LazyLock::new(|| SECRET_NAMES.iter().map(|name| fold(name)).collect());

/// What may stand between the words of a name.
const BETWEEN: [&str; 5] = ["", " ", "_", "-", "."];

/// A part of every trace, in lower case, too seldom found to cost much: few and long enough to be looked for many bytes
/// at a time, which the automaton does only where the leftmost counts.
static HINT_FINDER: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let all = SECRET_NAMES.iter().chain(OTHER_TRACES);
    let hints = all.flat_map(|trace| match TELLING_WORDS.iter().find(|word| trace.contains(**word)) {
        Some(word) => vec![(*word).to_owned()],
        None => BETWEEN.map(|between| trace.replace(' ', between)).to_vec(),
    });
    let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(hints);
    finder.expect("a short list of short words")
});

/// Finds traces in text in lower case.
static TRACE_FINDER: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let names = SECRET_NAMES.iter().flat_map(|name| BETWEEN.map(|between| name.replace(' ', between)));
    let traces: Vec<String> = names.chain(OTHER_TRACES.iter().map(|&trace| trace.to_owned())).collect();
    let finder = AhoCorasick::builder().kind(Some(AhoCorasickKind::DFA)).build(traces);
    finder.expect("a short list of short words")
});

/// Bytes of the longest trace, and some more.
const NEAR: usize = 24;

/// Where names of secrets and other traces begin, in order.
fn traces(text: &str) -> Vec<usize> {
    let text = text.to_ascii_lowercase();
    let mut traces: Vec<usize> = memchr::memmem::find_iter(text.as_bytes(), ESCAPE).collect();
    for hint in HINT_FINDER.find_iter(&text) {
        let near = hint.start().saturating_sub(NEAR)..text.len().min(hint.end() + NEAR);
        let found = TRACE_FINDER.find_iter(&text.as_bytes()[near.clone()]);
        traces.extend(found.map(|found| near.start + found.start()));
    }
    traces.sort_unstable();
    traces
}

/// Replaces secrets, and keeps a keyed hash of what was received.
#[derive(Clone)]
pub struct Redactor {
    key: [u8; 32],
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Redactor")
    }
}

impl Redactor {
    /// A redactor whose hashes are keyed with `key`.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The text with its secrets replaced, and the HMAC-SHA-256 of the text received if there were any.
    #[must_use]
    pub fn apply<'a>(&self, body: &'a str) -> (Cow<'a, str>, Option<[u8; 32]>) {
        match replace(body, 0) {
            None => (Cow::Borrowed(body), None),
            Some(replaced) => (Cow::Owned(replaced), Some(self.hmac(body.as_bytes()))),
        }
    }

    /// As [`Redactor::apply`], for bytes that could not be read as a record: replaces too much rather than too little.
    #[must_use]
    pub fn scrub(&self, bytes: &[u8]) -> String {
        scrub(&String::from_utf8_lossy(bytes))
    }

    /// The keyed hash of bytes that were received.
    pub(crate) fn hmac(&self, bytes: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("a key of any length will do");
        mac.update(bytes);
        mac.finalize().into_bytes().into()
    }
}

/// As [`Redactor::scrub`], which needs no key for it.
pub(crate) fn scrub(text: &str) -> String {
    if traces(text).is_empty() {
        return text.to_owned();
    }
    scrub_assignments(&replace(text, 0).map_or(Cow::Borrowed(text), Cow::Owned))
}

/// The text with its secrets replaced; `None` if it has none.
fn replace(text: &str, nesting: usize) -> Option<String> {
    let mut traces = traces(text);
    if traces.is_empty() {
        return None;
    }
    // The record of an SSM `PutParameter` has its value under the plain name `value`.
    let put_parameter = memchr::memmem::find(text.as_bytes(), b"PutParameter").is_some();
    if put_parameter {
        traces.extend(memchr::memmem::find_iter(text.to_ascii_lowercase().as_bytes(), "value"));
        traces.sort_unstable();
    }
    let mut search = Search { text, nesting, traces, edits: Vec::new(), put_parameter };
    for node in &tree::parse(text) {
        search.look(node, "");
    }
    if search.edits.is_empty() {
        return None;
    }
    let mut result = String::with_capacity(text.len());
    let mut done = 0;
    for (place, replacement) in search.edits {
        result.push_str(&text[done..place.start]);
        result.push_str(&replacement);
        done = place.end;
    }
    result.push_str(&text[done..]);
    Some(result)
}

/// Looks for secrets in one text; `edits` come out in the order of the text.
struct Search<'a> {
    text: &'a str,
    nesting: usize,
    /// Where names and other traces begin, in order. None of them reaches out of the text or key that it begins in.
    traces: Vec<usize>,
    edits: Vec<(Range<usize>, String)>,
    put_parameter: bool,
}

impl Search<'_> {
    fn look(&mut self, node: &Node<'_>, parent: &str) {
        if !self.has_trace(&node.place()) {
            return;
        }
        match node {
            Node::Object(_, members) => {
                let named_secret = members.iter().any(|member| self.names_secret(member));
                for member in members {
                    self.member(member, parent, named_secret);
                }
            }
            Node::Array(_, items) => {
                for item in items {
                    self.look(item, parent);
                }
            }
            Node::Text(place) => self.look_into(place),
            Node::Scalar(_) => {}
            Node::Deep(place) => self.hide(place),
        }
    }

    fn has_trace(&self, place: &Range<usize>) -> bool {
        let next = self.traces.partition_point(|trace| *trace < place.start);
        self.traces.get(next).is_some_and(|trace| *trace < place.end)
    }

    fn member(&mut self, member: &Member<'_>, parent: &str, named_secret: bool) {
        let key = fold(&member.key);
        let hidden = is_secret(&key)
            || (named_secret && matches!(key.as_str(), "value" | "values" | "parametervalue" | "stringvalue"))
            || (self.put_parameter && key == "value" && parent == "requestparameters");
        if let (true, "token", Node::Object(_, members)) = (hidden, key.as_str(), &member.value) {
            self.describe_token(members);
        } else if hidden {
            self.hide_value(&member.value);
        } else if is_environment(&key, parent) {
            self.hide_environment(&member.value, &key);
        } else {
            self.look(&member.value, &key);
        }
    }

    fn describe_token(&mut self, members: &[Member<'_>]) {
        for member in members {
            if TOKEN_FACTS.contains(&fold(&member.key).as_str()) {
                self.look(&member.value, "");
            } else {
                self.hide_value(&member.value);
            }
        }
    }

    /// `{"name": "DB_PASSWORD", "value": "…"}`: the name is a value here.
    fn names_secret(&self, member: &Member<'_>) -> bool {
        let Node::Text(place) = &member.value else { return false };
        matches!(fold(&member.key).as_str(), "name" | "key" | "parameterkey" | "parametername" | "variable")
            && is_secret(&fold(&tree::unescape(&self.text[place.clone()])))
    }

    /// Environment variables: names stay, values go.
    fn hide_environment(&mut self, node: &Node<'_>, key: &str) {
        match node {
            // `environment` is a list of names and values, or an object that has the variables among other things.
            Node::Object(_, members) if key == "environment" => {
                for member in members {
                    self.member(member, key, false);
                }
            }
            Node::Object(_, members) => {
                for member in members {
                    self.hide_value(&member.value);
                }
            }
            Node::Array(_, items) => {
                for item in items {
                    let Node::Object(_, members) = item else {
                        self.hide_value(item);
                        continue;
                    };
                    for member in members {
                        if fold(&member.key) == "value" {
                            self.hide_value(&member.value);
                        } else {
                            self.look(&member.value, "");
                        }
                    }
                }
            }
            // The environment that a release goes to, for one.
            Node::Text(_) | Node::Scalar(_) if key == "environment" => self.look(node, ""),
            other => self.hide_value(other),
        }
    }

    fn hide_value(&mut self, node: &Node<'_>) {
        match node {
            Node::Scalar(place) if matches!(&self.text[place.clone()], "true" | "false" | "null" | "") => {}
            Node::Text(place) if ALREADY_REMOVED.contains(&self.text[place.clone()].trim_matches('"')) => {}
            other => self.hide(&other.place()),
        }
    }

    fn hide(&mut self, place: &Range<usize>) {
        self.edits.push((place.clone(), format!("\"{REPLACED}\"")));
    }

    /// A text may hold JSON, or an address whose query carries a token.
    fn look_into(&mut self, place: &Range<usize>) {
        let inner = tree::unescape(&self.text[place.clone()]);
        let replaced = if inner.trim_start().starts_with(['{', '[', '"']) {
            if self.nesting >= MAX_NESTING {
                self.hide(place);
                return;
            }
            replace(&inner, self.nesting + 1)
        } else {
            None
        };
        let replaced = replaced.or_else(|| replace_in_query(&inner));
        if let Some(replaced) = replaced {
            let literal = serde_json::Value::String(replaced).to_string();
            self.edits.push((place.clone(), literal));
        }
    }
}

/// Tokens and signatures in the query of an address.
fn replace_in_query(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let mut edits = Vec::new();
    for name in ["x-amz-security-token=", "x-amz-signature=", "access_token=", "client_secret="] {
        for found in memchr::memmem::find_iter(lower.as_bytes(), name) {
            let start = found + name.len();
            let length = text[start..].find(|c: char| c == '&' || c.is_whitespace() || c == '"');
            let end = length.map_or(text.len(), |length| start + length);
            if &text[start..end] != REPLACED {
                edits.push(start..end);
            }
        }
    }
    edits.sort_unstable_by_key(|place| place.start);
    let mut result = text.to_owned();
    for place in edits.iter().rev() {
        result.replace_range(place.clone(), REPLACED);
    }
    (!edits.is_empty()).then_some(result)
}

/// In text that is no JSON: whatever follows a secret's name and `:` or `=`.
fn scrub_assignments(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let mut rest = text;
    while let Some(start) = rest.find(is_name) {
        let after = &rest[start..];
        let length = after.find(|c| !is_name(c)).unwrap_or(after.len());
        let (name, after) = after.split_at(length);
        result.push_str(&rest[..start + length]);
        rest = after;
        if !is_secret(&fold(name)) {
            continue;
        }
        let quotes = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\\');
        let gap = after.find(|c| !quotes(c)).unwrap_or(after.len());
        if !after[gap..].starts_with([':', '=']) {
            continue;
        }
        let value = gap + 1 + after[gap + 1..].find(|c| !quotes(c)).unwrap_or(after.len() - gap - 1);
        let ends = |c: char| matches!(c, '"' | '\'' | '\\' | ',' | '&' | '}' | ']' | ';' | '\n');
        let length = after[value..].find(ends).unwrap_or(after.len() - value);
        let secret = &after[value..value + length];
        result.push_str(&after[..value]);
        result.push_str(if matches!(secret, "null" | "true" | "false" | "") { secret } else { REPLACED });
        rest = &after[value + length..];
    }
    result.push_str(rest);
    result
}

/// A name without letter case and separators.
fn fold(name: &str) -> String {
    let mut folded = String::with_capacity(name.len());
    for character in name.chars().filter(|c| !matches!(c, '_' | '-' | ' ' | '.')) {
        if character.is_ascii() {
            folded.push(character.to_ascii_lowercase());
        } else {
            folded.extend(character.to_lowercase());
        }
    }
    folded
}

fn is_secret(folded: &str) -> bool {
    let named = folded == "token" || FOLDED_NAMES.iter().any(|name| folded.ends_with(name.as_str()));
    named && !NO_SECRETS.contains(&folded)
}

fn is_environment(folded: &str, parent: &str) -> bool {
    folded == "environment"
        || folded.starts_with("environmentvariables")
        || (folded == "variables" && parent == "environment")
}

#[cfg(test)]
mod tests;
