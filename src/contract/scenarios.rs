//! What every folder is put through: a system that misbehaves in all the ways that systems do.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use changetrail_connectors::{Catalog, Collector, Error, Source, Unit};
use jiff::{SignedDuration, Timestamp};

use super::Report;
use super::copy::Copy;
use super::fixtures::{Fixtures, Poll};
use super::memory::Memory;
use super::server::Server;
use super::system::{self, Mishap, System};
use crate::error::with_causes;

/// Places at which a collection is killed, besides those where it goes on to another stream.
const KILLS: usize = 12;

/// A folder that asks our system.
pub(super) struct Stage<'a> {
    pub(super) server: &'a Server,
    pub(super) elsewhere: &'a Server,
    pub(super) copy: &'a Copy,
    pub(super) fixtures: &'a Fixtures,
    pub(super) place: &'a Path,
}

/// When the collection of that number takes place; the first is 0.
pub(super) fn time_of(poll: usize) -> Timestamp {
    let first: Timestamp = "2026-11-20T00:00:00Z".parse().unwrap_or_default();
    first + SignedDuration::from_hours(24 * i64::try_from(poll).unwrap_or_default())
}

/// After how many units a collection is killed: wherever it goes on to another stream, and in between.
fn kills(units: &[Unit]) -> BTreeSet<usize> {
    let stream = |at: usize| units[at].key.split('/').next();
    let turns = (1..units.len()).filter(|at| stream(at - 1) != stream(*at));
    turns.chain((0..units.len()).step_by(units.len().div_ceil(KILLS).max(1))).collect()
}

impl Stage<'_> {
    /// From now on the system gives this.
    pub(super) fn set(&self, poll: &Poll, mishap: Mishap) {
        if self.copy.is_files {
            return self.bring(poll);
        }
        // Another address of the same machine: a place that nobody has named.
        let elsewhere = self.elsewhere.url().replace("127.0.0.1", "localhost");
        let system = System::new(&self.server.url(), &elsewhere, self.copy, poll, mishap);
        let system = Arc::new(Mutex::new(system));
        self.server.answer_by(move |asked| system.lock().unwrap_or_else(PoisonError::into_inner).answer(asked));
    }

    /// From now on the system gives this, but for one stream.
    fn set_failing(&self, poll: &Poll, stream: &str) {
        let mut system = System::new(&self.server.url(), "", self.copy, poll, Mishap::Nothing);
        system.failing = Some(stream.to_owned());
        let system = Arc::new(Mutex::new(system));
        self.server.answer_by(move |asked| system.lock().unwrap_or_else(PoisonError::into_inner).answer(asked));
    }

    /// Puts the pages of a collection where the files are.
    fn bring(&self, poll: &Poll) {
        let number = self.fixtures.polls.iter().position(|known| known == poll).unwrap_or_default();
        for ((stream, item), pages) in poll {
            for (page, text) in pages.iter().enumerate() {
                let folder = self.place.join("files").join(number.to_string()).join(stream).join(item);
                // What could not be written is missed at once.
                let _ = std::fs::create_dir_all(&folder)
                    .and_then(|()| std::fs::write(folder.join(format!("{page}.json")), text));
            }
        }
    }

    fn collector(&self) -> Result<Box<dyn Collector>, String> {
        let catalog = Catalog::new(&[self.place.join("connectors")]);
        let connector = catalog.find(self.copy.name()).map_err(|error| error.to_string())?;
        let source = Source { name: "test".into(), params: self.copy.source.clone(), base: self.place.to_owned() };
        connector.configure(&source).map_err(|error| match error.hint() {
            Some(hint) => format!("fixtures/source.toml: {error}; {hint}"),
            None => format!("fixtures/source.toml: {error}"),
        })
    }

    fn ask(
        &self,
        memory: &Memory,
        collector: &dyn Collector,
        poll: &Poll,
        mishap: Mishap,
        now: Timestamp,
    ) -> (Vec<Unit>, Result<(), Error>) {
        self.set(poll, mishap);
        memory.ask(collector, now)
    }

    /// Puts the folder through everything.
    pub(super) fn play(&self, report: &mut Report) {
        let collector = match self.collector() {
            Ok(collector) => collector,
            Err(problem) => return report.bad("the source is accepted", problem),
        };
        let collector = &*collector;
        let Some(first) = self.fixtures.polls.first() else { return };
        let mut whole = Memory::default();
        for (number, poll) in self.fixtures.polls.iter().enumerate() {
            let (units, result) = self.ask(&whole, collector, poll, Mishap::Nothing, time_of(number));
            let killed = self.killed(&whole, collector, poll, number, &units);
            let failed = self.failed(&whole, collector, poll, number, &units);
            whole.apply(&units);
            let problem = result.err().map(|error| with_causes(&error)).or_else(|| self.leaked(&units));
            report.check(&format!("collection {} is read to its end", number + 1), problem);
            report.check(&format!("collection {} may be killed at any moment", number + 1), killed);
            report.check(&format!("collection {} may fail at any stream", number + 1), failed);
        }
        if whole.records.is_empty() {
            report.bad("records come out", "not one record was read".into());
        }
        if let Some(rejected) = whole.rejected.first() {
            report.bad("every record of the fixtures can be read", rejected.clone());
        }
        report.check("the same time twice changes nothing", self.twice(collector, first));
        if !self.copy.is_files {
            self.misbehave(report, collector, first);
        }
    }

    /// What only a system that is asked can do.
    fn misbehave(&self, report: &mut Report, collector: &dyn Collector, first: &Poll) {
        let reference = self.kept(collector, first, Mishap::Nothing);
        let same = |mishap| match (self.kept(collector, first, mishap), &reference) {
            (Ok(memory), Ok(reference)) if memory.content() == reference.content() => None,
            (Ok(memory), Ok(reference)) => {
                Some(format!("{} records, not {}", memory.records.len(), reference.records.len()))
            }
            (Err(problem), _) => Some(problem),
            (_, Err(problem)) => Some(problem.clone()),
        };
        report.check("429 is waited out", same(Mishap::Busy));
        report.check("401 in the middle is signed in again", same(Mishap::Expired));
        let empty = self.kept(collector, first, Mishap::Empty);
        let found = |memory: Memory| (!memory.records.is_empty()).then(|| "records out of nothing".to_owned());
        report.check("an empty page is no error", empty.map_or_else(Some, found));
        if system::has_lists(first, &self.copy.streams) {
            report.check("a record that is none is set aside", self.malformed(collector, first));
        }
        report.check("a late record is found", self.late(collector, first));
        let fails = |mishap| self.kept(collector, first, mishap).is_ok().then(|| "it was taken for the end".to_owned());
        let has_pages = |(key, pages): (&(String, String), &Vec<String>)| {
            pages.len() > 1
                && self
                    .copy
                    .streams
                    .get(&key.0)
                    .is_some_and(|shape| shape.paging != "none" && shape.paging != "last_record")
        };
        if first.iter().any(has_pages) {
            report.check("pages that go in a circle are an error", fails(Mishap::Loop));
        }
        report.check("what is not allowed is an error", fails(Mishap::Forbidden));
        report.check("nothing is sent to another place", self.elsewhere(collector, first));
    }

    /// What a collection into an empty store leaves.
    fn kept(&self, collector: &dyn Collector, poll: &Poll, mishap: Mishap) -> Result<Memory, String> {
        let mut memory = Memory::default();
        let (units, result) = self.ask(&memory, collector, poll, mishap, time_of(0));
        memory.apply(&units);
        result.map(|()| memory).map_err(|error| with_causes(&error))
    }

    /// Killed after each unit and begun again, a collection leaves what one that went through leaves.
    fn killed(
        &self,
        before: &Memory,
        collector: &dyn Collector,
        poll: &Poll,
        number: usize,
        units: &[Unit],
    ) -> Option<String> {
        let mut expected = before.clone();
        expected.apply(units);
        for kill in kills(units) {
            let mut memory = before.clone();
            memory.apply(&units[..kill]);
            if let Some(problem) = self.again(&mut memory, &expected, collector, poll, number) {
                return Some(format!("killed after {kill} of {} units: {problem}", units.len()));
            }
        }
        None
    }

    /// Where one stream could not be read for a while, the next collection leaves what one that went through leaves.
    fn failed(
        &self,
        before: &Memory,
        collector: &dyn Collector,
        poll: &Poll,
        number: usize,
        units: &[Unit],
    ) -> Option<String> {
        if self.copy.is_files {
            return None;
        }
        let mut expected = before.clone();
        expected.apply(units);
        let streams: BTreeSet<&String> = poll.keys().map(|(stream, _)| stream).collect();
        for stream in streams {
            let mut memory = before.clone();
            self.set_failing(poll, stream);
            let (units, _) = memory.ask(collector, time_of(number));
            memory.apply(&units);
            if let Some(problem) = self.again(&mut memory, &expected, collector, poll, number) {
                return Some(format!("while {stream} failed: {problem}"));
            }
        }
        None
    }

    /// Collects once more, all being well; what is wrong then.
    fn again(
        &self,
        memory: &mut Memory,
        expected: &Memory,
        collector: &dyn Collector,
        poll: &Poll,
        number: usize,
    ) -> Option<String> {
        let (rest, result) = self.ask(memory, collector, poll, Mishap::Nothing, time_of(number));
        memory.apply(&rest);
        if let Err(error) = result {
            return Some(with_causes(&error));
        }
        if memory.content() == expected.content() {
            return None;
        }
        let lost = expected.content().into_iter().find(|key| !memory.content().contains(key));
        Some(lost.map_or("something is there twice".to_owned(), |(id, _)| format!("{id} is lost")))
    }

    fn twice(&self, collector: &dyn Collector, poll: &Poll) -> Option<String> {
        let mut memory = self.kept(collector, poll, Mishap::Nothing).ok()?;
        let before = memory.records.clone();
        let (units, result) = self.ask(&memory, collector, poll, Mishap::Nothing, time_of(0));
        memory.apply(&units);
        if let Err(error) = result {
            return Some(with_causes(&error));
        }
        let new = memory.records.get(before.len());
        new.map(|(id, ..)| format!("{id} was stored again"))
    }

    fn malformed(&self, collector: &dyn Collector, poll: &Poll) -> Option<String> {
        match self.kept(collector, poll, Mishap::Malformed) {
            Ok(memory) if memory.rejected.is_empty() => Some("nothing was set aside".into()),
            Ok(memory) if memory.records.is_empty() => Some("the good records are gone too".into()),
            Ok(_) => None,
            Err(problem) => Some(problem),
        }
    }

    fn late(&self, collector: &dyn Collector, poll: &Poll) -> Option<String> {
        let mut memory = match self.kept(collector, poll, Mishap::Late) {
            Ok(memory) => memory,
            Err(problem) => return Some(problem),
        };
        let all = self.kept(collector, poll, Mishap::Nothing).ok()?;
        let (units, result) =
            self.ask(&memory, collector, poll, Mishap::Nothing, time_of(0) + SignedDuration::from_hours(1));
        memory.apply(&units);
        if let Err(error) = result {
            return Some(with_causes(&error));
        }
        // By name: a page that was changed on the way has another order of keys.
        let found = |id: &String| memory.records.iter().any(|(known, ..)| known == id);
        all.records.iter().find(|(id, ..)| !found(id)).map(|(id, ..)| format!("{id} was not found"))
    }

    fn elsewhere(&self, collector: &dyn Collector, poll: &Poll) -> Option<String> {
        // A request with a body is never sent on; to refuse that is an error too.
        match self.kept(collector, poll, Mishap::Elsewhere) {
            _ if !self.elsewhere.asked().is_empty() => Some("another place was asked".into()),
            Ok(_) => Some("it was taken for the end".into()),
            Err(_) => None,
        }
    }

    /// A secret in what is handed over.
    fn leaked(&self, units: &[Unit]) -> Option<String> {
        let leaks = |text: &str| self.copy.secrets.values().any(|secret| text.contains(secret.as_str()));
        let records = || units.iter().flat_map(|unit| unit.records.iter().map(|record| record.body.as_str()));
        let mut texts = units.iter().map(|unit| unit.key.as_str()).chain(records());
        texts.any(leaks).then(|| "a secret stands in a unit or a record".to_owned())
    }
}
