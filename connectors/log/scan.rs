//! Finds the elements of a log file in a stream, without understanding them and without holding more than one.
//!
//! Brackets and quotes are counted in a sliding buffer; the caller decides what an element is worth. Known shapes: an
//! array under `Records` (or `records`, `Events`, `events`), a bare array, values one after the other (JSON Lines), one
//! object. The surprising fact: a damaged element can swallow the rest of the file, since a missing quote turns
//! everything inside out. So after damage the scan goes on at the next place that begins as elements begin.

mod recover;
mod value;

use std::io::Read;
use std::ops::Range;

use value::{Broken, Nest, Progress, advance, start_of};

/// Deeper elements are not handed out: what reads them later has limits of its own.
const MAX_DEPTH: u32 = 100;
/// Bytes looked at together: as many as stay near the processor, and as come from the allocator without new pages.
const BUFFER: usize = 64 * 1024;
/// Names under which the array of elements is found.
const ARRAY_KEYS: [&[u8]; 5] = [b"\"Records\"", b"\"records\"", b"\"Events\"", b"\"events\"", b"\"value\""];

/// What was found; ranges are places in [`Scanner::bytes`], valid until the next call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A whole element.
    Element(Range<usize>),
    /// Bytes that are no element; reading goes on behind them.
    Malformed(Range<usize>, String),
    /// The input ended inside something, or cannot be read on; nothing follows.
    Cut(Range<usize>, String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between values.
    Top,
    /// In an array of elements; `true` if an object is around it.
    Elements(bool),
    /// In an object, behind its array of elements.
    Tail,
    /// Behind damage, before the next start of an element.
    Lost {
        in_array: Option<bool>,
    },
    Done,
}

/// The text, where an object begins.
fn object(text: &str) -> Option<&str> {
    Some(text).filter(|text| text.starts_with('{'))
}

/// Whether an element has too few brackets to be nested too deep: most have, and then nobody need measure it.
fn is_shallow(element: &str) -> bool {
    // Counted in bytes, of which a processor adds many at once.
    let opened = |part: &[u8]| part.iter().map(|byte| u8::from(byte | 0x20 == b'{')).sum::<u8>();
    element.as_bytes().chunks(usize::from(u8::MAX)).map(|part| u32::from(opened(part))).sum::<u32>() <= MAX_DEPTH
}

/// A stream of elements.
pub(crate) struct Scanner<R> {
    input: R,
    buffer: Vec<u8>,
    filled: usize,
    /// Place in the stream of the buffer's first byte.
    base: u64,
    /// The next byte to look at.
    at: usize,
    /// Start of the element being scanned: bytes from here on are kept.
    pin: usize,
    limit: usize,
    state: State,
    /// How the first element began, up to its first key.
    start: Option<Vec<u8>>,
    /// Elements handed out, whole or not.
    count: u64,
    /// Whether there was anything but space.
    opened: bool,
    ended: bool,
    failure: Option<String>,
}

impl<R: Read> Scanner<R> {
    /// An element may have `limit` bytes.
    pub(crate) fn new(input: R, limit: usize) -> Self {
        let buffer = vec![0; limit.min(BUFFER)];
        Self {
            input,
            buffer,
            filled: 0,
            base: 0,
            at: 0,
            pin: 0,
            limit,
            state: State::Top,
            start: None,
            count: 0,
            opened: false,
            ended: false,
            failure: None,
        }
    }

    pub(crate) fn bytes(&self, range: &Range<usize>) -> &[u8] {
        &self.buffer[range.clone()]
    }

    /// Place of a range in the stream.
    pub(crate) fn offset(&self, range: &Range<usize>) -> u64 {
        self.base + range.start as u64
    }

    /// How many elements were handed out before the last one.
    pub(crate) fn index(&self) -> u64 {
        self.count.saturating_sub(1)
    }

    pub(crate) fn into_input(self) -> R {
        self.input
    }

    /// The next element or damage.
    pub(crate) fn next(&mut self) -> Option<Item> {
        loop {
            let item = match self.state {
                State::Top => self.top(),
                State::Elements(wrapped) => self.in_array(wrapped),
                State::Tail => self.tail(),
                State::Lost { in_array } => self.find_way(in_array),
                State::Done => return None,
            };
            if item.is_some() {
                self.count += 1;
                return item;
            }
        }
    }

    /// Elements of an array that `look` knows from the text that follows, and their place: what each is, and how long.
    /// Where it knows none, [`Scanner::next`] measures it first.
    pub(crate) fn known<T, E>(
        &mut self,
        look: impl Fn(&str, u64) -> Option<(T, usize)>,
        mut take: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        while matches!(self.state, State::Elements(_)) && self.seek(b",") == Some(b'{') {
            let bytes = &self.buffer[self.at..self.filled];
            let text = match std::str::from_utf8(bytes) {
                Ok(text) => text,
                Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
            };
            let mut rest = text;
            while let Some((known, length)) = object(rest).and_then(|rest| look(rest, self.count)) {
                if !is_shallow(&rest[..length]) {
                    break;
                }
                if self.start.is_none() {
                    self.start = start_of(&rest.as_bytes()[..length]);
                }
                self.count += 1;
                rest = rest[length..].trim_start_matches([',', ' ', '\t', '\r', '\n']);
                take(known)?;
            }
            let (known, is_cut) = (text.len() - rest.len(), object(rest).is_some());
            let is_done = rest.is_empty();
            self.at += known;
            self.pin = self.at;
            // What the end of the buffer has cut may be known with more of it; whatever else is left has to be measured.
            let goes_on = is_done || (is_cut && known >= self.filled - self.at && self.fill());
            if !goes_on {
                break;
            }
        }
        Ok(())
    }

    fn top(&mut self) -> Option<Item> {
        if !self.opened && self.peek() == Some(0xef) {
            self.skip_mark();
        }
        match self.seek(b"") {
            None => {
                self.state = State::Done;
                let empty = (!self.opened).then(|| "the file is empty".to_owned());
                let reason = self.failure.take().or(empty);
                reason.map(|reason| Item::Cut(self.at..self.at, reason))
            }
            Some(b'{') => {
                self.opened = true;
                self.object()
            }
            Some(b'[') => {
                self.opened = true;
                self.at += 1;
                self.state = State::Elements(false);
                None
            }
            Some(_) => Some(self.garbage()),
        }
    }

    /// An object that is a record, or has an array of records.
    fn object(&mut self) -> Option<Item> {
        self.at += 1;
        let mut deepest = 1;
        loop {
            match self.peek_past(b",") {
                None => return Some(self.broken(&Broken::End, None)),
                Some(b'}') => {
                    self.at += 1;
                    return Some(self.element(deepest));
                }
                Some(b'"') => {}
                Some(_) => return Some(self.broken(&Broken::Syntax("a key is expected"), None)),
            }
            let key = self.at - self.pin;
            if let Err(broken) = self.value() {
                return Some(self.broken(&broken, None));
            }
            let is_array = ARRAY_KEYS.contains(&&self.buffer[self.pin + key..self.at]);
            if self.peek() != Some(b':') {
                let broken = if self.ended { Broken::End } else { Broken::Syntax("a colon is expected") };
                return Some(self.broken(&broken, None));
            }
            self.at += 1;
            if self.peek() == Some(b'[') && is_array {
                self.at += 1;
                self.state = State::Elements(true);
                return None;
            }
            match self.value() {
                Ok(depth) => deepest = deepest.max(depth + 1),
                Err(broken) => return Some(self.broken(&broken, None)),
            }
        }
    }

    fn in_array(&mut self, wrapped: bool) -> Option<Item> {
        match self.seek(b",") {
            None => return Some(self.broken(&Broken::End, Some(wrapped))),
            Some(b']') => {
                self.at += 1;
                self.state = if wrapped { State::Tail } else { State::Top };
                return None;
            }
            Some(b'}' | b':') => {
                self.peek_past(b"}:,");
                return Some(Item::Malformed(self.pin..self.at, "a record is expected".into()));
            }
            Some(_) => {}
        }
        match self.value() {
            Ok(deepest) => {
                if self.start.is_none() {
                    self.start = start_of(&self.buffer[self.pin..self.at]);
                }
                Some(self.element(deepest))
            }
            Err(broken) => Some(self.broken(&broken, Some(wrapped))),
        }
    }

    fn element(&self, deepest: u32) -> Item {
        if deepest > MAX_DEPTH {
            let reason = format!("the record is nested more than {MAX_DEPTH} deep");
            return Item::Malformed(self.pin..self.at, reason);
        }
        Item::Element(self.pin..self.at)
    }

    /// The rest of an object, of no interest, but it has to end.
    fn tail(&mut self) -> Option<Item> {
        loop {
            match self.seek(b",:") {
                None => return Some(self.broken(&Broken::End, None)),
                Some(b'}') => {
                    self.at += 1;
                    self.state = State::Top;
                    return None;
                }
                Some(_) => {
                    if let Err(broken) = self.value() {
                        return Some(self.broken(&broken, None));
                    }
                }
            }
        }
    }

    /// Scans one value of any kind; gives how deep it goes.
    fn value(&mut self) -> Result<u32, Broken> {
        match self.peek() {
            None => return Err(Broken::End),
            Some(b'{' | b'[' | b'"') => {}
            Some(_) => return self.bare(),
        }
        let mut nest = Nest::default();
        loop {
            match advance(&self.buffer[self.at..self.filled], &mut nest) {
                Progress::Ends(length) => {
                    self.at += length;
                    return Ok(nest.deepest);
                }
                Progress::Broken => return Err(Broken::Syntax("a text is not closed before the end of its line")),
                Progress::More => self.at = self.filled,
            }
            self.more()?;
        }
    }

    /// A number, a word, or anything else up to the next separator.
    fn bare(&mut self) -> Result<u32, Broken> {
        let start = self.at - self.pin;
        loop {
            while self.at < self.filled && !b",:{}[]\" \t\r\n".contains(&self.buffer[self.at]) {
                self.at += 1;
            }
            if self.at < self.filled {
                let empty = self.at - self.pin == start;
                return if empty { Err(Broken::Syntax("a value is expected")) } else { Ok(0) };
            }
            self.more()?;
        }
    }

    fn more(&mut self) -> Result<(), Broken> {
        if self.filled - self.pin >= self.limit {
            return Err(Broken::TooLong);
        }
        if self.fill() { Ok(()) } else { Err(Broken::End) }
    }

    /// The next byte that is no space, before a value: what is stepped over is not kept.
    fn seek(&mut self, also: &[u8]) -> Option<u8> {
        loop {
            self.pin = self.at;
            let found = self.peek_past(also);
            if found.is_some() || self.ended {
                self.pin = self.at;
                return found;
            }
        }
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        self.peek_past(b"")
    }

    fn peek_past(&mut self, also: &[u8]) -> Option<u8> {
        loop {
            while self.at < self.filled {
                let byte = self.buffer[self.at];
                if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') && !also.contains(&byte) {
                    return Some(byte);
                }
                self.at += 1;
            }
            if self.more().is_err() {
                return None;
            }
        }
    }

    /// A byte order mark.
    fn skip_mark(&mut self) {
        while self.filled < 3 && self.fill() {}
        if self.buffer[..self.filled].starts_with(&[0xef, 0xbb, 0xbf]) {
            self.at = 3;
        }
    }

    /// Reads more; drops what lies before `pin`. False at the end of the input.
    fn fill(&mut self) -> bool {
        if self.ended {
            return false;
        }
        if self.filled == self.buffer.len() {
            if self.pin > 0 {
                self.buffer.copy_within(self.pin..self.filled, 0);
                self.base += self.pin as u64;
                self.filled -= self.pin;
                self.at -= self.pin;
                self.pin = 0;
            }
            if self.filled * 2 > self.buffer.len() {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        }
        loop {
            match self.input.read(&mut self.buffer[self.filled..]) {
                Ok(0) => break,
                Ok(count) => {
                    self.filled += count;
                    return true;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failure = Some(error.to_string());
                    break;
                }
            }
        }
        self.ended = true;
        false
    }
}

#[cfg(test)]
mod tests;
