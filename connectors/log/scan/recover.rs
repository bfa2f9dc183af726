//! What to do after damage: where to go on, and what to show of what was lost.

use std::io::Read;
use std::ops::Range;

use memchr::{memchr, memmem};

use super::value::Broken;
use super::{Item, Scanner, State};

/// How every record that CloudTrail writes begins.
const USUAL_START: &[u8] = b"{\"eventVersion\"";

impl<R: Read> Scanner<R> {
    /// Says that the last element was unreadable. It may have swallowed the start of the next one: then reading goes
    /// on there. Gives the bytes that are lost.
    pub(crate) fn reject(&mut self, element: Range<usize>) -> Range<usize> {
        let in_array = matches!(self.state, State::Elements(_));
        match self.next_start(element.start + 1..element.end, in_array) {
            Some(start) => {
                self.at = start;
                element.start..start
            }
            None => element,
        }
    }

    /// Something that is no JSON value: a line of it where elements were found before, else the whole file.
    pub(super) fn garbage(&mut self) -> Item {
        let reason = "not JSON";
        let end = loop {
            if !self.opened {
                while self.filled - self.pin < 1024 && self.fill() {}
                break None;
            }
            if let Some(found) = memchr(b'\n', &self.buffer[self.at..self.filled]) {
                break Some(self.at + found + 1);
            }
            self.at = self.filled;
            if self.filled - self.pin >= self.limit || !self.fill() {
                break None;
            }
        };
        if let Some(end) = end {
            self.at = end;
            return Item::Malformed(self.pin..end, reason.into());
        }
        self.state = State::Done;
        let reason = self.failure.take().unwrap_or_else(|| reason.into());
        Item::Cut(self.pin..self.filled, reason)
    }

    /// Gives up the value that starts at `pin`, and finds out where to go on.
    pub(super) fn broken(&mut self, broken: &Broken, in_array: Option<bool>) -> Item {
        if let Some(start) = self.next_start(self.pin + 1..self.filled, in_array.is_some()) {
            self.at = start;
            self.state = in_array.map_or(State::Top, State::Elements);
            return Item::Malformed(self.pin..start, broken.reason());
        }
        if matches!(broken, Broken::End) {
            self.state = State::Done;
            let reason = self.failure.take().unwrap_or_else(|| broken.reason());
            return Item::Cut(self.pin..self.filled, reason);
        }
        let lost = self.pin..self.filled;
        // Not to find the start of this very element again.
        self.pin += 1;
        self.at = self.filled;
        self.state = State::Lost { in_array };
        Item::Malformed(lost, broken.reason())
    }

    /// Reads on to the next start of an element.
    pub(super) fn find_way(&mut self, in_array: Option<bool>) -> Option<Item> {
        loop {
            // What was read last may hold the first half of a start.
            self.at = self.filled.saturating_sub(128).max(self.pin);
            self.pin = self.at;
            if !self.fill() {
                self.state = State::Done;
                let reason = self.failure.take().unwrap_or_else(|| Broken::End.reason());
                return Some(Item::Cut(self.filled..self.filled, reason));
            }
            if let Some(start) = self.next_start(self.pin..self.filled, in_array.is_some()) {
                self.at = start;
                self.state = in_array.map_or(State::Top, State::Elements);
                return None;
            }
        }
    }

    fn next_start(&self, range: Range<usize>, in_array: bool) -> Option<usize> {
        if range.is_empty() {
            return None;
        }
        let bytes = &self.buffer[range.clone()];
        let found = if in_array {
            let learned = self.start.as_ref().and_then(|start| memmem::find(bytes, start));
            let usual = memmem::find(bytes, USUAL_START);
            learned.into_iter().chain(usual).min()
        } else {
            memmem::find(bytes, b"\n{").map(|found| found + 1)
        };
        found.map(|found| range.start + found)
    }
}
