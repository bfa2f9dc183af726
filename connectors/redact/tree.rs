//! JSON as a tree of places in its text, made from whatever text there is.
//!
//! Places instead of values, so that what is not replaced stays byte for byte as it was received: numbers of any
//! length, repeated keys, spaces. The parser never fails: text that is cut short or no JSON gives the tree of what
//! could be understood.

use std::borrow::Cow;
use std::ops::Range;

/// Deeper values are not looked into; whoever gets one must treat it as a whole.
const MAX_DEPTH: usize = 200;

/// A value, with the places of its text.
#[derive(Debug)]
pub(super) enum Node<'a> {
    Object(Range<usize>, Vec<Member<'a>>),
    Array(Range<usize>, Vec<Node<'a>>),
    /// With its quotes; the closing one may be missing at the end of the text.
    Text(Range<usize>),
    /// Number, true, false, null, or any run of bytes that is none of the others.
    Scalar(Range<usize>),
    /// Too deep to look into.
    Deep(Range<usize>),
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct Member<'a> {
    pub(super) key: Cow<'a, str>,
    pub(super) value: Node<'a>,
}

impl Node<'_> {
    pub(super) fn place(&self) -> Range<usize> {
        match self {
            Self::Object(place, _)
            | Self::Array(place, _)
            | Self::Text(place)
            | Self::Scalar(place)
            | Self::Deep(place) => place.clone(),
        }
    }
}

/// The values of a text, one after the other.
pub(super) fn parse(text: &str) -> Vec<Node<'_>> {
    let mut parser = Parser { source: text, text: text.as_bytes(), at: 0 };
    let mut nodes = Vec::new();
    while parser.peek().is_some() {
        let before = parser.at;
        nodes.push(parser.value(0));
        // A stray closing bracket is a value of no length: step over it.
        parser.at = parser.at.max(before + 1);
    }
    nodes
}

/// The text that a string literal stands for; broken escapes stay as they are.
pub(super) fn unescape(literal: &str) -> Cow<'_, str> {
    let inner = literal.strip_prefix('"').unwrap_or(literal);
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    serde_json::from_str::<String>(literal).unwrap_or_else(|_| inner.replace("\\\"", "\"")).into()
}

struct Parser<'a> {
    source: &'a str,
    text: &'a [u8],
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.text.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    fn value(&mut self, depth: usize) -> Node<'a> {
        let start = self.at;
        match self.peek() {
            Some(b'{' | b'[') if depth >= MAX_DEPTH => {
                self.skip();
                Node::Deep(start..self.at)
            }
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Node::Text(self.literal()),
            _ => {
                let start = self.at;
                while self.text.get(self.at).is_some_and(|byte| !b",:{}[]\" \t\r\n".contains(byte)) {
                    self.at += 1;
                }
                Node::Scalar(start..self.at)
            }
        }
    }

    fn object(&mut self, depth: usize) -> Node<'a> {
        let start = self.at;
        let mut members = Vec::new();
        self.at += 1;
        while let Some(byte) = self.peek() {
            match byte {
                b'}' => {
                    self.at += 1;
                    break;
                }
                b'"' => {
                    let place = self.literal();
                    let key = unescape(&self.source[place]);
                    if self.peek() == Some(b':') {
                        self.at += 1;
                        let value = self.value(depth + 1);
                        members.push(Member { key, value });
                    }
                }
                // Anything else has no place here; nested values are still looked into.
                b'{' | b'[' => members.push(Member { key: Cow::Borrowed(""), value: self.value(depth + 1) }),
                _ => self.at += 1,
            }
        }
        Node::Object(start..self.at, members)
    }

    fn array(&mut self, depth: usize) -> Node<'a> {
        let start = self.at;
        let mut items = Vec::new();
        self.at += 1;
        while let Some(byte) = self.peek() {
            match byte {
                b']' => {
                    self.at += 1;
                    break;
                }
                b',' | b':' | b'}' => self.at += 1,
                _ => items.push(self.value(depth + 1)),
            }
        }
        Node::Array(start..self.at, items)
    }

    /// A string literal, to its closing quote or the end of the text.
    fn literal(&mut self) -> Range<usize> {
        let start = self.at;
        self.at += 1;
        loop {
            let Some(found) = memchr::memchr2(b'"', b'\\', &self.text[self.at..]) else {
                self.at = self.text.len();
                break;
            };
            self.at += found;
            if self.text[self.at] == b'"' {
                self.at += 1;
                break;
            }
            self.at = (self.at + 2).min(self.text.len());
        }
        // An escaped character may be longer than one byte: the text must not be cut inside it.
        while self.at < self.text.len() && (self.text[self.at] & 0xc0) == 0x80 {
            self.at += 1;
        }
        start..self.at
    }

    /// Steps over a nested value without keeping its parts.
    fn skip(&mut self) {
        let mut depth = 0usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.literal();
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                break;
            }
        }
    }
}
