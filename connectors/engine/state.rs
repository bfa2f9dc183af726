//! Reads lists of current objects, and compares each with the last one.
//!
//! What is stored is itself the memory: an object is new or changed where the store has no record of that version, and
//! gone where a whole snapshot lacks it (`snapshot.rs`). The surprising fact: what is read for the objects of a list is one
//! snapshot, so that it can only say what is gone where all of it was read.

use std::collections::HashSet;

use futures::StreamExt;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::value::RawValue;

use super::collect::{Found, Parent, Reach, Session, several};
use super::pages::Walk;
use super::parts::{Parts, short};
use super::records::{self, Reader, Version};
use super::snapshot::{Snapshot, meet};
use super::source::key;
use super::stream::{Identity, Items, Stream};
use super::template::Values;
use crate::log::{Outcome, streams};
use crate::spec::Kind;
use crate::{Error, Unit};

/// The window of a stream's very first snapshot: an inventory, no changes.
const FIRST: &str = "first";

/// Reads a stream, or one item of a list.
pub(super) async fn read(session: &Session<'_>, stream: &Stream, item: Option<&str>) -> Result<Found, Error> {
    let key = key(stream, item);
    let cursor = streams::cursor(session.run, &key)?;
    let tag = cursor.map_or_else(|| FIRST.to_owned(), |cursor| cursor.to_string());
    let snapshot = Snapshot::load(session, format!("{key}/")).await?;
    let mut parts = Parts::new(unit(session, format!("{key}/{tag}"), String::new(), cursor));
    let values = Values { item: item.map(str::to_owned), ..session.values.clone() };
    let listed = objects(session, stream, &values, &snapshot, &mut parts).await;
    let listed = listed.and_then(|found| snapshot.not_emptied(session, stream, item, false).map(|()| found));
    if listed.is_err() {
        session.lists().unread.insert(stream.name.clone());
    }
    let parents = listed?;
    let reach = if snapshot.known().partial { Reach::Damaged } else { Reach::All };
    let problem = snapshot.deletions(session, stream, &[values], &mut parts).await?;
    session.send(parts.finish(Some((key, session.run.now.to_string())))).await?;
    Ok(Found { parents, reach, problem })
}

/// Reads a stream for each record of another. Where that is a list of objects it names all of them each time, and what
/// follows from it is one snapshot, taken each time too; a record of a log is named once, and has a snapshot of its own.
pub(super) async fn pass(
    session: &Session<'_>,
    parent: &Stream,
    child: &Stream,
    found: &[Parent],
    reach: Reach,
) -> Result<(), Error> {
    let is_list = parent.kind == Kind::State;
    let whole_key = key(child, None);
    let cursor = streams::cursor(session.run, &whole_key)?;
    let mut met = HashSet::new();
    let items: Vec<&Parent> = found.iter().filter(|parent| met.insert(parent.item.as_str())).collect();
    let asked = tags(session, child, &items).await?;
    let count = items.len();
    let prefix = format!("{}/", child.name);
    let shared = if is_list { Some(Snapshot::load(session, prefix).await?) } else { None };
    let shared = shared.as_ref();
    let mut reads = futures::stream::iter(items.iter().copied().cloned().zip(asked).collect::<Vec<(Parent, _)>>())
        .map(|(parent, (first, own))| async move {
            let etag = parent.record_id.clone().unwrap_or_default();
            if !is_list && session.run.since.is_none() && [&first, &own].contains(&&Some(etag.clone())) {
                return (parent.item, Ok((Vec::new(), None)));
            }
            let tag = match (first.is_none() && cursor.is_none(), is_list, cursor) {
                (true, ..) => FIRST.to_owned(),
                (_, false, _) => short(&etag),
                (_, true, Some(cursor)) => cursor.to_string(),
                (_, true, None) => session.run.now.to_string(),
            };
            let unit = unit(session, format!("{}/{tag}", key(child, Some(&parent.item))), etag, cursor);
            let found = one(session, child, &parent, unit, shared).await;
            (parent.item, found)
        })
        .buffer_unordered(session.reading.concurrency(child));
    let (mut failed, mut parents, mut unfinished) = (Vec::new(), Vec::new(), Vec::new());
    while let Some((item, result)) = reads.next().await {
        match result {
            Ok((found, parts)) => {
                parents.extend(found);
                unfinished.extend(parts);
            }
            Err(error) => session.note(&mut failed, &item, error)?,
        }
    }
    drop(reads);
    if let Some(shared) = shared {
        shared.known().partial |= reach != Reach::All;
    }
    if failed.is_empty() && reach != Reach::Failed {
        match gone(session, parent, child, &items, shared, cursor).await {
            Ok(problems) => {
                for (item, problem) in problems {
                    session.note(&mut failed, &item, problem)?;
                }
            }
            Err(error) => session.note(&mut failed, &child.name, error)?,
        }
    }
    let is_whole = failed.is_empty() && reach != Reach::Failed;
    if !is_whole {
        session.lists().unread.insert(child.name.clone());
    }
    let reach = match shared {
        _ if !is_whole => Reach::Failed,
        Some(shared) if shared.known().partial => Reach::Damaged,
        _ => Reach::All,
    };
    match session.children(child, parents, None, reach).await {
        Ok(()) => {
            for parts in unfinished {
                session.send(parts.finish(None)).await?;
            }
        }
        // What was read once for all stays unfinished, so that it is read again, and what follows from it.
        Err(error) => session.note(&mut failed, &child.name, error)?,
    }
    several(failed, count)
}

/// After a stream was read for each of these items: a record for each object that is gone. Gives what keeps that from
/// being told.
async fn gone(
    session: &Session<'_>,
    parent: &Stream,
    child: &Stream,
    items: &[&Parent],
    shared: Option<&Snapshot>,
    cursor: Option<Timestamp>,
) -> Result<Vec<(String, Error)>, Error> {
    let whole_key = key(child, None);
    let tag = cursor.map_or_else(|| FIRST.to_owned(), |cursor| cursor.to_string());
    let mut parts = Parts::new(unit(session, format!("{whole_key}/{tag}"), String::new(), cursor));
    let mut problems = Vec::new();
    if let Some(snapshot) = shared {
        meet_again(session, parent, child, items, snapshot).await?;
        // A list that is stored and told of nothing was asked about that itself.
        snapshot.not_emptied(session, child, None, items.is_empty() && parent.identity.is_some())?;
        let names = items.iter().map(|parent| parent.item.as_str());
        problems = snapshot.emptied_items(session, child, names).await?;
        let walks: Vec<Values> = items.iter().map(|parent| values(session, parent)).collect();
        let untold = snapshot.deletions(session, child, &walks, &mut parts).await?;
        problems.extend(untold.map(|problem| (child.name.clone(), problem)));
    }
    session.send(parts.finish(Some((whole_key, session.run.now.to_string())))).await?;
    Ok(problems)
}

/// A list of items that is changed while its pages are read may lack some of them, and what is read for those is not
/// gone: it is read once more for which items there are.
async fn meet_again(
    session: &Session<'_>,
    parent: &Stream,
    child: &Stream,
    items: &[&Parent],
    snapshot: &Snapshot,
) -> Result<(), Error> {
    let is_paged = |stream: &Stream| session.lists().paged.contains(&stream.name);
    let mut above = std::iter::successors(Some(parent), |stream| session.above(stream));
    if !snapshot.misses(child) || !above.any(is_paged) {
        return Ok(());
    }
    let mut met: HashSet<String> = items.iter().map(|parent| parent.item.clone()).collect();
    for parent in named_now(session, parent, snapshot).await? {
        if met.insert(parent.item.clone()) {
            snapshot.look_again(session, child, &values(session, &parent)).await?;
        }
    }
    Ok(())
}

/// The items that a list names, read anew, as are the lists above it.
async fn named_now(session: &Session<'_>, list: &Stream, snapshot: &Snapshot) -> Result<Vec<Parent>, Error> {
    let Some(pointer) = session.parents_in(list) else { return Ok(Vec::new()) };
    let walks: Vec<Values> = match session.above(list) {
        Some(above) => {
            let mut met = HashSet::new();
            let mut named = Box::pin(named_now(session, above, snapshot)).await?;
            named.retain(|parent| met.insert(parent.item.clone()));
            named.iter().map(|parent| values(session, parent)).collect()
        }
        None => session.reading.items(list).into_iter().map(|item| Values { item, ..session.values.clone() }).collect(),
    };
    let prefix = session.prefix(list);
    let mut named = Vec::new();
    for values in walks.into_iter().filter(|values| session.unfit(list, values).is_none()) {
        let reader = Reader { item: values.item.as_deref(), ..session.reader(list, prefix) };
        let mut walk = Walk::new(&session.connection, list, &values, session.reading.max_pages())?;
        while let Some(page) = walk.next().await? {
            let is_none = |text: &RawValue| matches!(reader.read(text.get()).0, Outcome::Rejected(_));
            snapshot.known().partial |= !page.damaged.is_empty() || page.records.iter().any(|text| is_none(text));
            let items = page.records.iter().flat_map(|text| records::items(text.get(), pointer));
            named.extend(items.map(|item| Parent { item, of: values.item.clone(), record_id: None }));
        }
    }
    Ok(named)
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
) -> Result<(Vec<Parent>, Option<Parts>), Error> {
    let values = values(session, parent);
    let mut parts = Parts::new(unit);
    if let Some(problem) = session.unfit(child, &values) {
        let reader = session.reader(child, session.prefix(child));
        session.send(parts.aside(problem, &parent.item, &reader)).await?;
        return Ok((Vec::new(), None));
    }
    let found = if let Some(shared) = shared {
        objects(session, child, &values, shared, &mut parts).await?
    } else {
        let own = Snapshot::load(session, format!("{}/", key(child, Some(&parent.item)))).await?;
        let found = objects(session, child, &values, &own, &mut parts).await?;
        if let Some(problem) = own.deletions(session, child, &[values], &mut parts).await? {
            // What there is of it is kept; it is read again the next time.
            session.send(parts.take()).await?;
            return Err(problem);
        }
        found
    };
    // A list is read again each time; another is not, and must not count as read before what is read for it.
    if shared.is_some() || session.parents_in(child).is_none() {
        session.send(parts.finish(None)).await?;
        return Ok((found, None));
    }
    session.send(parts.take()).await?;
    Ok((found, Some(parts)))
}

/// Reads every page, and hands over what is new, what has changed, and what is as it was.
async fn objects(
    session: &Session<'_>,
    stream: &Stream,
    values: &Values,
    snapshot: &Snapshot,
    parts: &mut Parts,
) -> Result<Vec<Parent>, Error> {
    let prefix = session.prefix(stream);
    let reader = Reader { item: values.item.as_deref(), ..session.reader(stream, prefix) };
    let wanted = session.parents_in(stream);
    let may_differ = matches!(&stream.identity, Some(Identity::Object { version, volatile, .. }) if !version.is_empty() || !volatile.is_empty());
    let mut found = Vec::new();
    let mut walk = Walk::new(&session.connection, stream, values, session.reading.max_pages())?;
    let mut pages = 0;
    while let Some(page) = walk.next().await? {
        pages += 1;
        if pages > 1 {
            snapshot.known().paged = true;
            session.lists().paged.insert(stream.name.clone());
        }
        let read: Vec<(Outcome, Option<Version>)> = page.records.iter().map(|text| reader.read(text.get())).collect();
        let versions: Vec<Option<Version>> = read.iter().map(|(_, version)| version.clone()).collect();
        let met: Vec<&Version> = versions.iter().flatten().collect();
        snapshot.meet(stream, values.item.as_deref(), &met)?;
        if matches!(stream.items, Items::List(_) | Items::Param(_)) {
            // Each item has a snapshot of its own, and the store does not tell their objects apart.
            let mut lists = session.lists();
            meet(lists.named.entry(stream.name.clone()).or_default(), stream, values.item.as_deref(), &met)?;
        }
        let names = snapshot.names(session, &reader, versions).await?;
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
