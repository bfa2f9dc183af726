//! What came of the requests of one reading so far: whoever does not wait for its end wants to know whether it will have one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::SignedDuration;

use super::clock;
use crate::Error;

/// Answers that could be used, and the last one that could not.
#[derive(Debug, Default)]
pub struct Heard(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    asked: u64,
    understood: u64,
    /// Why, in words.
    last_failure: Option<String>,
    /// How much later it is where the answers come from. What lay in a cache is older than it says, and none is newer.
    ahead: Option<SignedDuration>,
}

impl Heard {
    /// Whether requests went out and none was answered so that it could be used, with what was said last.
    #[must_use]
    pub fn nothing(&self) -> Option<String> {
        let told = self.told();
        let last = || told.last_failure.clone().unwrap_or_else(|| "nothing came back".into());
        (told.asked > 0 && told.understood == 0).then(last)
    }

    /// Whether this machine's clock is so far from that of the system that it should be set, in words.
    #[must_use]
    pub fn clock(&self) -> Option<String> {
        self.told().ahead.filter(|ahead| ahead.abs() > clock::MUCH).map(clock::words)
    }

    pub(super) fn dated(&self, ahead: SignedDuration) {
        let mut told = self.told();
        told.ahead = told.ahead.max(Some(ahead));
    }

    pub(super) fn asked(&self) {
        self.told().asked += 1;
    }

    pub(super) fn understood(&self) {
        self.told().understood += 1;
    }

    pub(super) fn failed(&self, error: &Error) {
        let mut words = error.to_string();
        if let Some(cause) = std::error::Error::source(error) {
            words = format!("{words}: {cause}");
        }
        self.told().last_failure = Some(words);
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
