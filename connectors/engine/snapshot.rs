//! Holds a list of current objects against what is stored: which of them are new, changed, as they were, or gone.
//!
//! The surprising fact: content may return to what it was before, and an object may come back from the dead; either gets
//! a name of its own, or the store would take it for what it has already. And where a description says anew what makes a
//! version, what is stored is read again by it: nobody has edited an object that only has another version now.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::collect::Session;
use super::pages::Walk;
use super::parts::Parts;
use super::records::{Reader, Version};
use super::source::key;
use super::stream::Stream;
use super::tables::Each;
use super::template::Values;
use crate::http::bad_response;
use crate::log::Outcome;
use crate::{Error, Record};

/// What the version of a record begins with that says that its object is gone.
const DELETED: &str = "deleted-";
/// Between a version and the time at which it came back.
const AGAIN: char = '@';

/// A snapshot that is being taken, held against what is stored. Several items may be read into it at once.
pub(super) struct Snapshot {
    time: Timestamp,
    known: Mutex<Known>,
}

/// What was met, with its version, and the item that it was met in.
pub(super) type Met = HashMap<String, (String, Option<String>)>;

#[derive(Debug, Default)]
pub(super) struct Known {
    /// The latest record of each object.
    latest: HashMap<String, Latest>,
    met: Met,
    /// Items that have objects.
    filled: HashSet<String>,
    /// Something was left out that may have been an object.
    pub(super) partial: bool,
    /// Something was read in more than one page.
    pub(super) paged: bool,
}

#[derive(Debug)]
struct Latest {
    record_id: String,
    version: String,
}

/// What a version of an object is stored as.
pub(super) struct Name {
    pub(super) record_id: String,
    /// It is what the object was when it was last seen.
    pub(super) is_known: bool,
}

impl Snapshot {
    /// Beginning with what the store has of the units whose keys begin so.
    pub(super) async fn load(session: &Session<'_>, prefix: String) -> Result<Self, Error> {
        let ids = session.asked(move |seen| seen.objects(&prefix)).await?;
        let latest = |id: String| Latest { version: version_of(&id).to_owned(), record_id: id };
        let latest = ids.into_iter().map(|id| (object_of(&id).to_owned(), latest(id))).collect();
        Ok(Self { time: session.run.now, known: Mutex::new(Known { latest, ..Known::default() }) })
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that objects of a page are there.
    pub(super) fn meet(&self, stream: &Stream, item: Option<&str>, page: &[&Version]) -> Result<(), Error> {
        let mut known = self.known();
        meet(&mut known.met, stream, item, page)?;
        if !page.is_empty() {
            known.filled.extend(item.map(str::to_owned));
        }
        Ok(())
    }

    /// Names versions, in their order.
    pub(super) async fn names(
        &self,
        session: &Session<'_>,
        reader: &Reader<'_>,
        versions: Vec<Option<Version>>,
    ) -> Result<Vec<Option<Name>>, Error> {
        self.named_anew(session, reader, &versions).await?;
        let plain = |version: &Version| format!("{}@{}", version.object, version.version);
        let is_changed = |version: &&Version| {
            self.known().latest.get(&version.object).is_some_and(|latest| latest.version != version.version)
        };
        let changed: Vec<String> = versions.iter().flatten().filter(is_changed).map(plain).collect();
        let asked = changed.clone();
        let stored = if asked.is_empty() { Vec::new() } else { session.asked(move |seen| seen.stored(&asked)).await? };
        let returned: HashSet<String> =
            changed.into_iter().zip(stored).filter(|(_, stored)| *stored).map(|(id, _)| id).collect();
        let mut known = self.known();
        let mut name = |version: Version| {
            if let Some(latest) = known.latest.get(&version.object).filter(|latest| latest.version == version.version) {
                return Name { record_id: latest.record_id.clone(), is_known: true };
            }
            let mut record_id = plain(&version);
            if returned.contains(&record_id) {
                record_id = format!("{record_id}{AGAIN}{}", self.time);
            }
            let latest = Latest { record_id: record_id.clone(), version: version.version };
            known.latest.insert(version.object, latest);
            Name { record_id, is_known: false }
        };
        Ok(versions.into_iter().map(|version| version.map(&mut name)).collect())
    }

    /// Gives what is stored the version that the description says now, where that is the one that was met.
    async fn named_anew(
        &self,
        session: &Session<'_>,
        reader: &Reader<'_>,
        versions: &[Option<Version>],
    ) -> Result<(), Error> {
        let ids: Vec<String> = {
            let known = self.known();
            let other = |version: &Version| {
                let latest = known.latest.get(&version.object)?;
                let is_other = latest.version != version.version && !latest.version.starts_with(DELETED);
                is_other.then(|| latest.record_id.clone())
            };
            versions.iter().flatten().filter_map(other).collect()
        };
        if ids.is_empty() {
            return Ok(());
        }
        let bodies = session.asked(move |seen| seen.bodies(&ids)).await?;
        let stored: HashSet<(String, String)> = bodies
            .iter()
            .flatten()
            .filter_map(|body| reader.read(body).1)
            .map(|stored| (stored.object, stored.version))
            .collect();
        let mut known = self.known();
        for version in versions.iter().flatten() {
            if stored.contains(&(version.object.clone(), version.version.clone()))
                && let Some(latest) = known.latest.get_mut(&version.object)
            {
                latest.version.clone_from(&version.version);
            }
        }
        Ok(())
    }

    /// Objects that were known and not met.
    fn missed(&self, stream: &Stream) -> Vec<String> {
        let known = self.known();
        if stream.identity.is_none() {
            return Vec::new();
        }
        let is_missed = |(object, latest): &(&String, &Latest)| {
            !known.met.contains_key(*object) && !latest.version.starts_with(DELETED)
        };
        let mut missed: Vec<String> = known.latest.iter().filter(is_missed).map(|(object, _)| object.clone()).collect();
        missed.sort_unstable();
        missed
    }

    /// Whether an object was not met.
    pub(super) fn misses(&self, stream: &Stream) -> bool {
        !self.missed(stream).is_empty()
    }

    /// Whoever lost a permission is often told of nothing rather than refused: that would accuse of deleting everything.
    pub(super) fn not_emptied(
        &self,
        session: &Session<'_>,
        stream: &Stream,
        item: Option<&str>,
        is_told: bool,
    ) -> Result<(), Error> {
        let objects = self.missed(stream).len();
        // What is one record is there as long as it can be asked for.
        let few = if stream.records.each == Each::One { 1 } else { 2 };
        if objects < few || is_told || session.run.since.is_some() || !self.known().met.is_empty() {
            return Ok(());
        }
        let target = item.map_or_else(|| stream.name.clone(), |item| format!("{}/{item}", stream.name));
        Err(Error::Emptied { target, objects })
    }

    /// As [`Snapshot::not_emptied`], of each of these items; the objects of one that is empty count as there.
    pub(super) async fn emptied_items(
        &self,
        session: &Session<'_>,
        stream: &Stream,
        items: impl Iterator<Item = &str>,
    ) -> Result<Vec<(String, Error)>, Error> {
        let mut emptied = Vec::new();
        let missed: HashSet<String> = self.missed(stream).into_iter().collect();
        if missed.len() < 2 || session.run.since.is_some() {
            return Ok(emptied);
        }
        let filled = self.known().filled.clone();
        for item in items.filter(|item| !filled.contains(*item)) {
            let prefix = format!("{}/", key(stream, Some(item)));
            let ids = session.asked(move |seen| seen.objects(&prefix)).await?;
            let had: Vec<&str> = ids.iter().map(|id| object_of(id)).filter(|object| missed.contains(*object)).collect();
            if had.len() > 1 {
                let (target, objects) = (format!("{}/{item}", stream.name), had.len());
                emptied.push((item.to_owned(), Error::Emptied { target, objects }));
                let there = had.into_iter().map(|object| (object.to_owned(), (String::new(), Some(item.to_owned()))));
                self.known().met.extend(there);
            }
        }
        Ok(emptied)
    }

    /// Reads a list once more, only for which objects there are.
    pub(super) async fn look_again(
        &self,
        session: &Session<'_>,
        stream: &Stream,
        values: &Values,
    ) -> Result<(), Error> {
        // Nothing was read of what was set aside.
        if values.item.is_some() && session.unfit(stream, values).is_some() {
            return Ok(());
        }
        let prefix = session.prefix(stream);
        let reader = Reader { item: values.item.as_deref(), ..session.reader(stream, prefix) };
        let mut walk = Walk::new(&session.connection, stream, values, session.reading.max_pages())?;
        while let Some(page) = walk.next().await? {
            let mut known = self.known();
            known.partial |= !page.damaged.is_empty();
            for text in &page.records {
                match reader.read(text.get()).1 {
                    Some(version) => drop(known.met.insert(version.object, (version.version, values.item.clone()))),
                    None => known.partial = true,
                }
            }
        }
        Ok(())
    }

    /// After a whole snapshot, of these walks: a record for each object that is gone. Where something was left out that
    /// may have been an object, nobody knows which are: that is given back.
    pub(super) async fn deletions(
        &self,
        session: &Session<'_>,
        stream: &Stream,
        walks: &[Values],
        parts: &mut Parts,
    ) -> Result<Option<Error>, Error> {
        // A list that is changed while its pages are read moves objects over their edges: gone is what is missed twice.
        if self.known().paged && self.misses(stream) {
            for values in walks {
                self.look_again(session, stream, values).await?;
            }
        }
        let gone = self.missed(stream);
        if self.known().partial && session.run.since.is_none() {
            let (target, objects) = (stream.name.clone(), gone.len());
            return Ok((objects > 0).then_some(Error::Untold { target, objects }));
        }
        let prefix = session.prefix(stream);
        let reader = session.reader(stream, prefix);
        for object in gone {
            let name = object.strip_prefix(prefix).unwrap_or(&object);
            let body = serde_json::json!({"deleted": true, "object": name.replace("%40", "@").replace("%3A", ":").replace("%25", "%")})
                .to_string();
            let record_id = format!("{object}@{DELETED}{}", self.time);
            let record = Record { record_id, occurred_at: Some(self.time), body, received_hmac: None, position: 0 };
            if let Some(unit) = parts.add(Outcome::Keep(record), "", &reader) {
                session.send(unit).await?;
            }
        }
        Ok(None)
    }
}

/// Notes that objects of a page are there. Two that have one name would be taken for versions of each other; on a later
/// page of the same list it may well be one that was changed in between.
pub(super) fn meet(met: &mut Met, stream: &Stream, item: Option<&str>, page: &[&Version]) -> Result<(), Error> {
    let mut here = HashMap::new();
    for Version { object, version } in page {
        let problem = if here.insert(object, version).is_some_and(|other| other != version) {
            format!("two records of one page have the id `{object}`: object_id needs what tells them apart")
        } else if let Some((other, met_in)) = met.get(object)
            && other != version
            && met_in.as_deref() != item
        {
            format!(
                "the object `{object}` is another one for {} than for {}: ${{item}} belongs into object_id",
                item.unwrap_or_default(),
                met_in.as_deref().unwrap_or_default()
            )
        } else {
            met.insert(object.clone(), (version.clone(), item.map(str::to_owned)));
            continue;
        };
        return Err(bad_response(&stream.name, problem));
    }
    Ok(())
}

fn object_of(record_id: &str) -> &str {
    record_id.split_once('@').map_or(record_id, |(object, _)| object)
}

/// Without the time at which it came back.
fn version_of(record_id: &str) -> &str {
    let version = record_id.split_once('@').map_or("", |(_, version)| version);
    version.split_once(AGAIN).map_or(version, |(version, _)| version)
}
