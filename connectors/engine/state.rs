//! Reads lists of current objects, and compares each with the last one.
//!
//! What is stored is itself the memory: an object is new or changed where the store has no record of that version, and
//! gone where a whole snapshot lacks it. The surprising fact: content may return to what it was before, and an object may
//! come back from the dead; either gets a name of its own, or the store would take it for what it has already.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::collect::{Parent, Session, several};
use super::pages::Walk;
use super::parts::{Parts, short};
use super::records::{self, Reader, Version};
use super::source::key;
use super::stream::{Identity, Stream};
use super::template::Values;
use crate::log::{Outcome, streams};
use crate::{Error, Record, Unit};

/// The window of a stream's very first snapshot: an inventory, no changes.
const FIRST: &str = "first";
/// What the version of a record begins with that says that its object is gone.
const DELETED: &str = "deleted-";
/// Between a version and the time at which it came back.
const AGAIN: char = '@';

/// A snapshot that is being taken, held against what is stored. Several items may be read into it at once.
struct Snapshot {
    time: Timestamp,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The latest record of each object.
    latest: HashMap<String, String>,
    met: HashSet<String>,
    /// Something was left out that may have been an object.
    partial: bool,
    /// Something was read in more than one page.
    paged: bool,
}

/// Reads a stream, or one item of a list.
pub(super) async fn read(session: &Session<'_>, stream: &Stream, item: Option<&str>) -> Result<(), Error> {
    let key = key(stream, item);
    let cursor = streams::cursor(session.run, &key)?;
    let tag = cursor.map_or_else(|| FIRST.to_owned(), |cursor| cursor.to_string());
    let snapshot = Snapshot::load(session, format!("{key}/")).await?;
    let mut parts = Parts::new(unit(session, format!("{key}/{tag}"), String::new(), cursor));
    let values = Values { item: item.map(str::to_owned), ..session.values.clone() };
    let found = objects(session, stream, &values, &snapshot, &mut parts).await?;
    // Whoever lost a permission is often told of nothing rather than refused: that would accuse of deleting everything.
    let gone = snapshot.gone(stream).len();
    if gone > 1 && snapshot.known().met.is_empty() && session.run.since.is_none() {
        let target = item.map_or_else(|| stream.name.clone(), |item| format!("{}/{item}", stream.name));
        return Err(Error::Emptied { target, objects: gone });
    }
    snapshot.deletions(session, stream, &[values], &mut parts).await?;
    session.send(parts.finish(Some((key, session.run.now.to_string())))).await?;
    session.children(stream, found, None).await
}

/// Reads a stream for each object of another.
pub(super) async fn pass(session: &Session<'_>, child: &Stream, found: &[Parent], stored: bool) -> Result<(), Error> {
    let whole_key = key(child, None);
    let cursor = streams::cursor(session.run, &whole_key)?;
    let mut met = HashSet::new();
    let items: Vec<&Parent> = found.iter().filter(|parent| met.insert(parent.item.as_str())).collect();
    let asked = tags(session, child, &items).await?;
    let count = items.len();
    // What follows from a list that is not stored is one snapshot; else each object has its own.
    let prefix = format!("{}/", child.name);
    let shared = if stored { None } else { Some(Snapshot::load(session, prefix).await?) };
    let shared = shared.as_ref();
    let mut reads = futures::stream::iter(items.iter().copied().cloned().zip(asked).collect::<Vec<(Parent, _)>>())
        .map(|(parent, (first, own))| async move {
            let etag = parent.record_id.clone().unwrap_or_default();
            if stored && session.run.since.is_none() && [&first, &own].contains(&&Some(etag.clone())) {
                return (parent.item, Ok(Vec::new()));
            }
            let tag = match (first.is_none() && cursor.is_none(), stored, cursor) {
                (true, ..) => FIRST.to_owned(),
                (_, true, _) => short(&etag),
                (_, false, Some(cursor)) => cursor.to_string(),
                (_, false, None) => session.run.now.to_string(),
            };
            let unit = unit(session, format!("{}/{tag}", key(child, Some(&parent.item))), etag, cursor);
            let found = one(session, child, &parent, unit, shared).await;
            (parent.item, found)
        })
        .buffer_unordered(session.reading.concurrency(child));
    let (mut failed, mut parents) = (Vec::new(), Vec::new());
    while let Some((item, result)) = reads.next().await {
        match result {
            Ok(found) => parents.extend(found),
            Err(error) => session.note(&mut failed, &item, error)?,
        }
    }
    drop(reads);
    if failed.is_empty() {
        let tag = cursor.map_or_else(|| FIRST.to_owned(), |cursor| cursor.to_string());
        let mut parts = Parts::new(unit(session, format!("{whole_key}/{tag}"), String::new(), cursor));
        if let Some(snapshot) = shared {
            let walks: Vec<Values> = items.iter().map(|parent| values(session, parent)).collect();
            snapshot.deletions(session, child, &walks, &mut parts).await?;
        }
        session.send(parts.finish(Some((whole_key, session.run.now.to_string())))).await?;
    }
    session.children(child, parents, None).await?;
    several(failed, count)
}

fn values(session: &Session<'_>, Parent { item, of, .. }: &Parent) -> Values {
    Values { item: Some(item.clone()), parent: of.clone(), ..session.values.clone() }
}

/// Reads what belongs to one item, to its end.
async fn one(
    session: &Session<'_>,
    child: &Stream,
    parent: &Parent,
    unit: Unit,
    shared: Option<&Snapshot>,
) -> Result<Vec<Parent>, Error> {
    let values = values(session, parent);
    let mut parts = Parts::new(unit);
    let found = if let Some(shared) = shared {
        objects(session, child, &values, shared, &mut parts).await?
    } else {
        let own = Snapshot::load(session, format!("{}/", key(child, Some(&parent.item)))).await?;
        let found = objects(session, child, &values, &own, &mut parts).await?;
        own.deletions(session, child, &[values], &mut parts).await?;
        found
    };
    session.send(parts.finish(None)).await?;
    Ok(found)
}

/// Reads every page, and hands over what is new, what has changed, and what is as it was.
async fn objects(
    session: &Session<'_>,
    stream: &Stream,
    values: &Values,
    snapshot: &Snapshot,
    parts: &mut Parts,
) -> Result<Vec<Parent>, Error> {
    let prefix = session.reading.prefix(stream);
    let reader = Reader { item: values.item.as_deref(), ..session.reader(stream, &prefix) };
    let wanted = session.parents_in(stream);
    let may_differ = matches!(&stream.identity, Some(Identity::Object { version, volatile, .. }) if !version.is_empty() || !volatile.is_empty());
    let mut found = Vec::new();
    let mut walk = Walk::new(&session.connection, stream, values, session.reading.max_pages())?;
    let mut pages = 0;
    while let Some(page) = walk.next().await? {
        pages += 1;
        snapshot.known().paged |= pages > 1;
        let read: Vec<(Outcome, Option<Version>)> = page.records.iter().map(|text| reader.read(text.get())).collect();
        let names = snapshot.names(session, read.iter().map(|(_, version)| version.clone()).collect()).await?;
        for ((text, (mut outcome, _)), name) in page.records.iter().zip(read).zip(names) {
            if let (Outcome::Keep(record), Some(name)) = (&mut outcome, &name) {
                record.record_id.clone_from(&name.record_id);
            }
            let record_id = name.as_ref().map(|name| name.record_id.clone());
            let items = wanted.map(|pointer| records::items(text.get(), pointer)).unwrap_or_default();
            let parent = |item| Parent { item, of: values.item.clone(), record_id: record_id.clone() };
            found.extend(items.into_iter().map(parent));
            if may_differ && name.is_some_and(|name| name.is_known) {
                // Only what says nothing of its version can differ: stored again, it would look like a change.
                outcome = Outcome::Read(None);
            }
            snapshot.known().partial |= matches!(outcome, Outcome::Rejected(_));
            if let Some(unit) = parts.add(outcome, text.get(), &reader) {
                session.send(unit).await?;
            }
        }
        for (text, why) in &page.damaged {
            snapshot.known().partial = true;
            if let Some(unit) = parts.add(Outcome::Rejected((*why).into()), text, &reader) {
                session.send(unit).await?;
            }
        }
    }
    Ok(found)
}

/// What a version of an object is stored as.
struct Name {
    record_id: String,
    /// It is what the object was when it was last seen.
    is_known: bool,
}

impl Snapshot {
    /// Beginning with what the store has of the units whose keys begin so.
    async fn load(session: &Session<'_>, prefix: String) -> Result<Self, Error> {
        let ids = session.asked(move |seen| seen.objects(&prefix)).await?;
        let latest = ids.into_iter().map(|id| (object_of(&id).to_owned(), id)).collect();
        Ok(Self { time: session.run.now, known: Mutex::new(Known { latest, ..Known::default() }) })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names versions, in their order, and notes that their objects are there.
    async fn names(&self, session: &Session<'_>, versions: Vec<Option<Version>>) -> Result<Vec<Option<Name>>, Error> {
        let plain = |version: &Version| format!("{}@{}", version.object, version.version);
        let is_changed = |version: &&Version| {
            self.known().latest.get(&version.object).is_some_and(|id| version_of(id) != version.version)
        };
        let changed: Vec<String> = versions.iter().flatten().filter(is_changed).map(plain).collect();
        let asked = changed.clone();
        let stored = if asked.is_empty() { Vec::new() } else { session.asked(move |seen| seen.stored(&asked)).await? };
        let returned: HashSet<String> =
            changed.into_iter().zip(stored).filter(|(_, stored)| *stored).map(|(id, _)| id).collect();
        let mut known = self.known();
        let mut name = |version: Version| {
            known.met.insert(version.object.clone());
            if let Some(id) = known.latest.get(&version.object).filter(|id| version_of(id) == version.version) {
                return Name { record_id: id.clone(), is_known: true };
            }
            let mut record_id = plain(&version);
            if returned.contains(&record_id) {
                record_id = format!("{record_id}{AGAIN}{}", self.time);
            }
            known.latest.insert(version.object, record_id.clone());
            Name { record_id, is_known: false }
        };
        Ok(versions.into_iter().map(|version| version.map(&mut name)).collect())
    }

    /// Objects that were known and not met.
    fn gone(&self, stream: &Stream) -> Vec<String> {
        let known = self.known();
        if known.partial || stream.identity.is_none() {
            return Vec::new();
        }
        let is_gone =
            |(object, id): &(&String, &String)| !known.met.contains(*object) && !version_of(id).starts_with(DELETED);
        let mut gone: Vec<String> = known.latest.iter().filter(is_gone).map(|(object, _)| object.clone()).collect();
        gone.sort_unstable();
        gone
    }

    /// Reads a list once more, only for which objects there are.
    async fn look_again(&self, session: &Session<'_>, stream: &Stream, values: &Values) -> Result<(), Error> {
        let prefix = session.reading.prefix(stream);
        let reader = Reader { item: values.item.as_deref(), ..session.reader(stream, &prefix) };
        let mut walk = Walk::new(&session.connection, stream, values, session.reading.max_pages())?;
        while let Some(page) = walk.next().await? {
            let mut known = self.known();
            known.partial |= !page.damaged.is_empty();
            for text in &page.records {
                match reader.read(text.get()).1 {
                    Some(version) => drop(known.met.insert(version.object)),
                    None => known.partial = true,
                }
            }
        }
        Ok(())
    }

    /// After a whole snapshot, of these walks: a record for each object that is gone.
    async fn deletions(
        &self,
        session: &Session<'_>,
        stream: &Stream,
        walks: &[Values],
        parts: &mut Parts,
    ) -> Result<(), Error> {
        // A list that is changed while its pages are read moves objects over their edges: gone is what is missed twice.
        if self.known().paged && !self.gone(stream).is_empty() {
            for values in walks {
                self.look_again(session, stream, values).await?;
            }
        }
        let gone = self.gone(stream);
        let prefix = session.reading.prefix(stream);
        let reader = session.reader(stream, &prefix);
        for object in gone {
            let name = object.strip_prefix(&prefix).unwrap_or(&object);
            let body = serde_json::json!({"deleted": true, "object": name.replace("%40", "@").replace("%25", "%")})
                .to_string();
            let record_id = format!("{object}@{DELETED}{}", self.time);
            let record = Record { record_id, occurred_at: Some(self.time), body, received_hmac: None, position: 0 };
            if let Some(unit) = parts.add(Outcome::Keep(record), "", &reader) {
                session.send(unit).await?;
            }
        }
        Ok(())
    }
}

/// For each item, the etag of its first unit, and of the one that its parent's record would have.
async fn tags(
    session: &Session<'_>,
    child: &Stream,
    items: &[&Parent],
) -> Result<Vec<(Option<String>, Option<String>)>, Error> {
    let keys = items.iter().flat_map(|parent| {
        let key = key(child, Some(&parent.item));
        let own = short(parent.record_id.as_deref().unwrap_or_default());
        [format!("{key}/{FIRST}"), format!("{key}/{own}")]
    });
    let keys: Vec<String> = keys.collect();
    let etags = session.asked(move |seen| seen.etags(&keys)).await?;
    Ok(etags.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
}

fn unit(session: &Session<'_>, key: String, etag: String, cursor: Option<Timestamp>) -> Unit {
    let day = session.run.now.to_zoned(TimeZone::UTC).date();
    let window = cursor.filter(|cursor| *cursor <= session.run.now).map(|cursor| (cursor, session.run.now));
    Unit { key, etag, day: Some(day), window, ..Unit::default() }
}

fn object_of(record_id: &str) -> &str {
    record_id.split_once('@').map_or(record_id, |(object, _)| object)
}

/// Without the time at which it came back.
fn version_of(record_id: &str) -> &str {
    let version = record_id.split_once('@').map_or("", |(_, version)| version);
    version.split_once(AGAIN).map_or(version, |(version, _)| version)
}
