//! Reads logs: window by window, every page of each; the cursor moves with the last unit of a window that was read whole.
//!
//! Late records are found by reading again what lies shortly before the cursor. A record counts as read only when all
//! that is read for it has been. The surprising fact: a page's token is never kept for the next collection, unless the
//! system says that it is made for that (mode `checkpoint`).

use futures::StreamExt;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::collect::{Parent, Reach, Session, Window, several};
use super::pages::{Page, Walk};
use super::parts::{Parts, short};
use super::records::{self, Reader};
use super::source::key;
use super::stream::Stream;
use super::tables::{Mode, PageType};
use super::template::Values;
use crate::log::{Hours, Outcome, streams, windows};
use crate::{Error, Unit};

/// Items that are read before what follows from them is: more of them would be read again where that fails.
const BATCH: usize = 64;

/// Reads a stream, or the item of it that `values` name.
pub(super) async fn read(session: &Session<'_>, stream: &Stream, values: Values) -> Result<(), Error> {
    let key = key(stream, values.item.as_deref());
    if stream.mode == Some(Mode::Checkpoint) {
        return from_checkpoint(session, stream, &key, values).await;
    }
    let cursor = streams::cursor(session.run, &key)?;
    let reach = session.reading.reach(stream, values.item.is_some());
    let end = session.run.now - jiff::SignedDuration::from_secs(stream.time.settle);
    let span = reach.span(cursor, None, session.run.since, end);
    if let Some(gap) = span.gap {
        session.send(streams::gap_unit(&key, format!("{} of {}", stream.name, session.reading.source), gap)).await?;
    }
    let pieces = match stream.mode {
        Some(Mode::Window) => windows::pieces(span.start, span.end, stream.time.max_window.unwrap_or(windows::DAY)),
        _ => vec![(span.start, span.end)],
    };
    for (start, end) in pieces.into_iter().filter(|(start, end)| start < end) {
        let mut hours = Hours::of(&key, windows::pieces(start, end, reach.unit));
        let asked = start - jiff::SignedDuration::from_secs(stream.time.before);
        let values = Values { window: Some((asked, end)), ..values.clone() };
        let parents = window(session, stream, &values, &mut hours, start).await?;
        session.children(stream, parents, Some((start, end)), Reach::All).await?;
        // Reading again what lies before the cursor does not move it back.
        let is_new = cursor.is_none_or(|cursor| cursor < end || windows::is_ahead(cursor, session.run.now));
        let moved = is_new.then(|| (key.clone(), end.to_string()));
        for unit in hours.finish(moved.into_iter().collect()) {
            session.send(unit).await?;
        }
    }
    Ok(())
}

/// Reads the pages of one window; gives the records that others are read for.
async fn window(
    session: &Session<'_>,
    stream: &Stream,
    values: &Values,
    hours: &mut Hours,
    start: Timestamp,
) -> Result<Vec<Parent>, Error> {
    let prefix = session.prefix(stream);
    let reader = Reader { item: values.item.as_deref(), ..session.reader(stream, prefix) };
    let wanted = session.parents_in(stream);
    let (mut parents, mut old_pages) = (Vec::new(), 0);
    let mut walk = Walk::new(&session.connection, stream, values, session.reading.max_pages())?;
    while let Some(Page { records, damaged, .. }) = walk.next().await? {
        let (mut old, count) = (0, records.len());
        for text in &records {
            let text = text.get();
            let outcome = reader.read(text).0;
            let time = match &outcome {
                Outcome::Keep(record) => record.occurred_at,
                _ => None,
            };
            old += usize::from(time.is_some_and(|time| time < start));
            parents.extend(parents_of(text, wanted, &outcome, values.item.as_deref()));
            // What is rejected is kept as well.
            let kept = matches!(outcome, Outcome::Rejected(_)).then(|| reader.scrub(text));
            let text = kept.as_deref().unwrap_or(text);
            hours.put(outcome, text.as_bytes(), start, "record of a page", &session.run.redactor);
        }
        for (text, why) in damaged {
            let text = reader.scrub(&text);
            hours.put(Outcome::Rejected(why.into()), text.as_bytes(), start, "record of a page", &session.run.redactor);
        }
        for unit in hours.overflow() {
            session.send(unit).await?;
        }
        // Newest first: what follows is older still. A page may be full of what came late and is shown where it came.
        old_pages = if count > 0 && old == count { old_pages + 1 } else { 0 };
        if stream.mode == Some(Mode::Feed) && old_pages > 1 {
            break;
        }
    }
    Ok(parents)
}

fn parents_of(text: &str, wanted: Option<&str>, outcome: &Outcome, of: Option<&str>) -> Vec<Parent> {
    let record_id = if let Outcome::Keep(record) = outcome { Some(record.record_id.clone()) } else { None };
    let items = wanted.map(|pointer| records::items(text, pointer)).unwrap_or_default();
    items.into_iter().map(|item| Parent { item, of: of.map(str::to_owned), record_id: record_id.clone() }).collect()
}

/// Reads on from where the system said that the last page ended. A log whose system does not know that place any more is
/// read from its beginning, as at first; so is, after what is new, one that was left too long ago, or is to be read again.
async fn from_checkpoint(session: &Session<'_>, stream: &Stream, key: &str, values: Values) -> Result<(), Error> {
    let read = streams::read_of(key);
    let read_at = streams::cursor(session.run, &read)?;
    let place = session.run.cursors.get(key).cloned();
    let begun = place.is_some();
    let again = format!("again-{}", session.run.now);
    let mut from = Start { tag: place.as_deref().map_or_else(|| "start".to_owned(), short), place, moves: true };
    let mut walk = walk_from(session, stream, &values, &from)?;
    let mut first = walk.next().await;
    let is_forgotten = begun && first.as_ref().is_err_and(is_about_the_place);
    if is_forgotten {
        tracing::warn!(stream = key, "the place where it was left is not known any more, read from the beginning");
        from = Start { place: None, tag: again.clone(), moves: true };
        walk = walk_from(session, stream, &values, &from)?;
        first = walk.next().await;
    }
    let first = first?;
    // A place says nothing of when it was reached.
    let gap = match read_at {
        Some(read_at) if is_forgotten => {
            let kept = first.as_ref().and_then(|page| oldest(session, stream, page)).unwrap_or(session.run.now);
            (read_at < kept).then_some((read_at, kept))
        }
        _ => session.reading.reach(stream, false).span(read_at, None, None, session.run.now).gap,
    };
    if let Some(gap) = gap {
        session.send(streams::gap_unit(key, format!("{} of {}", stream.name, session.reading.source), gap)).await?;
    }
    pages(session, stream, key, &values, from, walk, first).await?;
    // No system tells whether a place from before what it keeps still leads on.
    if begun && !is_forgotten && (gap.is_some() || session.run.since.is_some()) {
        let from = Start { place: None, tag: again, moves: gap.is_some() };
        let mut walk = walk_from(session, stream, &values, &from)?;
        let first = walk.next().await?;
        pages(session, stream, key, &values, from, walk, first).await?;
    }
    let day = Some(session.run.now.to_zoned(TimeZone::UTC).date());
    let end = Parts::new(Unit { key: format!("{key}/end"), day, ..Unit::default() });
    session.send(end.finish(Some((read, session.run.now.to_string())))).await
}

/// Where a log is read on.
struct Start {
    /// What the system called it; none is the beginning.
    place: Option<String>,
    /// What the unit of the first page is called.
    tag: String,
    /// Reading again what lies before the place that is kept does not move it back.
    moves: bool,
}

fn walk_from<'a>(
    session: &'a Session<'_>,
    stream: &'a Stream,
    values: &Values,
    from: &Start,
) -> Result<Walk<'a>, Error> {
    let values = Values { checkpoint: from.place.clone(), ..values.clone() };
    let mut walk = Walk::new(&session.connection, stream, &values, session.reading.max_pages())?;
    if matches!(stream.pages.kind, PageType::LinkHeader | PageType::NextUrl)
        && let Some(address) = &from.place
    {
        walk.begin_at(address)?;
    }
    Ok(walk)
}

/// Whether a system that answers so may mean the place from which it was asked to go on: each says in its own words that
/// it has expired. If something else is wrong, the same answer comes without one.
fn is_about_the_place(error: &Error) -> bool {
    matches!(error, Error::Status { status: 400 | 404 | 410 | 422, .. })
}

/// When the first of the records of a page happened.
fn oldest(session: &Session<'_>, stream: &Stream, page: &Page) -> Option<Timestamp> {
    let prefix = session.prefix(stream);
    let reader = session.reader(stream, prefix);
    let times = page.records.iter().filter_map(|text| match reader.read(text.get()).0 {
        Outcome::Keep(record) => record.occurred_at,
        _ => None,
    });
    times.min()
}

/// Hands over the pages of a walk that has begun; every page is a unit with a cursor of its own.
async fn pages(
    session: &Session<'_>,
    stream: &Stream,
    key: &str,
    values: &Values,
    from: Start,
    mut walk: Walk<'_>,
    first: Option<Page>,
) -> Result<(), Error> {
    let prefix = session.prefix(stream);
    let reader = Reader { item: values.item.as_deref(), ..session.reader(stream, prefix) };
    let wanted = session.parents_in(stream);
    let Start { mut place, mut tag, moves } = from;
    let mut next = first;
    while let Some(page) = next {
        let day = session.run.now.to_zoned(TimeZone::UTC).date();
        let mut parts = Parts::new(Unit { key: format!("{key}/{tag}"), day: Some(day), ..Unit::default() });
        let mut parents = Vec::new();
        for text in &page.records {
            let outcome = reader.read(text.get()).0;
            parents.extend(parents_of(text.get(), wanted, &outcome, values.item.as_deref()));
            if let Some(unit) = parts.add(outcome, text.get(), &reader) {
                session.send(unit).await?;
            }
        }
        for (text, why) in &page.damaged {
            if let Some(unit) = parts.add(Outcome::Rejected((*why).into()), text, &reader) {
                session.send(unit).await?;
            }
        }
        session.children(stream, parents, None, Reach::All).await?;
        let moved = page.checkpoint.filter(|next| Some(next) != place.as_ref());
        if moved.is_some() || !page.records.is_empty() || !page.damaged.is_empty() {
            let cursor = moved.clone().filter(|_| moves);
            session.send(parts.finish(cursor.map(|next| (key.to_owned(), next)))).await?;
        }
        if let Some(moved) = moved {
            tag = short(&moved);
            place = Some(moved);
        }
        next = walk.next().await?;
    }
    Ok(())
}

/// Reads the log of each object of a list, which has a cursor of its own.
pub(super) async fn each(session: &Session<'_>, child: &Stream, found: &[Parent]) -> Result<(), Error> {
    session.lists().met.entry(child.name.clone()).or_default().extend(found.iter().map(|parent| parent.item.clone()));
    let mut met = std::collections::HashSet::new();
    let items: Vec<Parent> = found.iter().filter(|parent| met.insert(parent.item.as_str())).cloned().collect();
    let (count, mut failed) = (items.len(), Vec::new());
    let mut reads = futures::stream::iter(items)
        .map(|Parent { item, of, .. }| async move {
            let values = Values { item: Some(item.clone()), parent: of, ..session.values.clone() };
            let result = if let Some(problem) = session.unfit(child, &values) {
                set_aside(session, child, &item, problem).await
            } else {
                match session.set_up(child, &values).await {
                    Ok(()) => read(session, child, values).await,
                    Err(error) => Err(error),
                }
            };
            (item, result)
        })
        .buffer_unordered(session.reading.concurrency(child));
    while let Some((item, result)) = reads.next().await {
        if let Err(error) = result {
            session.note(&mut failed, &item, error)?;
        }
    }
    several(failed, count)
}

/// Sets an object aside for whose log nothing can be asked.
async fn set_aside(session: &Session<'_>, child: &Stream, item: &str, problem: String) -> Result<(), Error> {
    let day = Some(session.run.now.to_zoned(TimeZone::UTC).date());
    let unit = Unit { key: format!("{}/unfit", key(child, Some(item))), day, ..Unit::default() };
    let reader = session.reader(child, session.prefix(child));
    session.send(Parts::new(unit).aside(problem, item, &reader)).await
}

/// Reads a stream for records of another, which has no cursor of its own.
pub(super) async fn pass(session: &Session<'_>, child: &Stream, found: &[Parent], window: Window) -> Result<(), Error> {
    let todo = not_read(session, child, found, window).await?;
    let mut failed = Vec::new();
    let batch = if session.parents_in(child).is_some() { BATCH } else { todo.len().max(1) };
    // Whatever is read for this one is told of none too.
    let batches: Vec<_> = if todo.is_empty() { vec![&todo[..]] } else { todo.chunks(batch).collect() };
    for batch in batches {
        let (mut parents, mut read, before) = (Vec::new(), Vec::new(), failed.len());
        let mut reads = futures::stream::iter(batch.to_vec())
            .map(|(unit, parent)| async move {
                let result = one(session, child, unit, &parent, window).await;
                (parent.item, result)
            })
            .buffer_unordered(session.reading.concurrency(child));
        while let Some((item, result)) = reads.next().await {
            match result {
                Ok((found, parts)) => {
                    parents.extend(found);
                    read.extend(parts);
                }
                Err(error) => session.note(&mut failed, &item, error)?,
            }
        }
        drop(reads);
        let reach = if failed.len() == before { Reach::All } else { Reach::Failed };
        match session.children(child, parents, window, reach).await {
            Ok(()) => {
                for parts in read {
                    session.send(parts.finish(None)).await?;
                }
            }
            // What was read stays unfinished, so that the next collection reads it again, and what follows from it.
            Err(error) => session.note(&mut failed, &child.name, error)?,
        }
    }
    several(failed, todo.len())
}

/// Items that were not read yet as they are now, each with its unit.
async fn not_read(
    session: &Session<'_>,
    child: &Stream,
    found: &[Parent],
    window: Window,
) -> Result<Vec<(Unit, Parent)>, Error> {
    let mut units = Vec::new();
    let mut met = std::collections::HashSet::new();
    // Of an item that is named twice the last record counts.
    for parent in found.iter().rev().filter(|parent| met.insert(parent.item.as_str())) {
        let tag = match (&parent.record_id, window) {
            (Some(id), _) => short(id),
            (None, Some((start, _))) => start.strftime("%Y-%m-%dT%H").to_string(),
            (None, None) => "whole".to_owned(),
        };
        let day = session.run.now.to_zoned(TimeZone::UTC).date();
        let unit = Unit {
            key: format!("{}/{tag}", key(child, Some(&parent.item))),
            etag: parent.record_id.clone().unwrap_or_default(),
            day: Some(day),
            ..Unit::default()
        };
        units.push((unit, parent.clone()));
    }
    units.reverse();
    let keys: Vec<String> = units.iter().map(|(unit, _)| unit.key.clone()).collect();
    let etags = session.asked(move |seen| seen.etags(&keys)).await?;
    let again = session.run.since.is_some();
    let is_new =
        |(unit, etag): &(&Unit, &Option<String>)| again || unit.etag.is_empty() || etag.as_ref() != Some(&unit.etag);
    Ok(units
        .iter()
        .zip(&etags)
        .filter(|((unit, _), etag)| is_new(&(unit, etag)))
        .map(|(unit, _)| unit.clone())
        .collect())
}

/// Reads one item to its end: it is one unit, which is given back without its last part where others are read for it.
async fn one(
    session: &Session<'_>,
    child: &Stream,
    unit: Unit,
    Parent { item, of, .. }: &Parent,
    window: Window,
) -> Result<(Vec<Parent>, Option<Parts>), Error> {
    let values = Values { item: Some(item.clone()), parent: of.clone(), window, ..session.values.clone() };
    let prefix = session.prefix(child);
    let reader = Reader { item: Some(item), ..session.reader(child, prefix) };
    if let Some(problem) = session.unfit(child, &values) {
        session.send(Parts::new(unit).aside(problem, item, &reader)).await?;
        return Ok((Vec::new(), None));
    }
    let wanted = session.parents_in(child);
    let (mut parts, mut parents) = (Parts::new(unit), Vec::new());
    let mut walk = Walk::new(&session.connection, child, &values, session.reading.max_pages())?;
    while let Some(page) = walk.next().await? {
        for text in &page.records {
            let outcome = reader.read(text.get()).0;
            parents.extend(parents_of(text.get(), wanted, &outcome, values.item.as_deref()));
            if let Some(unit) = parts.add(outcome, text.get(), &reader) {
                session.send(unit).await?;
            }
        }
        for (text, why) in &page.damaged {
            if let Some(unit) = parts.add(Outcome::Rejected((*why).into()), text, &reader) {
                session.send(unit).await?;
            }
        }
    }
    if wanted.is_none() {
        session.send(parts.finish(None)).await?;
        return Ok((parents, None));
    }
    session.send(parts.take()).await?;
    Ok((parents, Some(parts)))
}
