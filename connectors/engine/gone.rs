//! Reads the logs of objects that are gone once more: their ends, which say who took the objects away.
//!
//! The surprising fact: nobody says that an object is gone. A log has a cursor, its list was read whole, and names the
//! object no more; an object that only seems to be gone has its log read, which loses nothing.

use std::collections::HashSet;

use futures::StreamExt;

use super::collect::{Session, several};
use super::events;
use super::parts::Parts;
use super::source::{item_of, key};
use super::stream::{Items, Stream};
use super::tables::Mode;
use super::template::Values;
use crate::log::streams;
use crate::spec::Kind;
use crate::{Error, Unit};

/// Name of the cursor that says when the log of an object that is gone was read for the last time.
fn gone_of(key: &str) -> String {
    format!("{key}#gone")
}

/// Reads the end of each log whose object is not in its list any more.
pub(super) async fn read_ends(session: &Session<'_>) -> Result<(), Error> {
    let last = session.of_the_gone();
    let (mut failed, mut count) = (Vec::new(), 0);
    for stream in &session.reading.streams {
        let Some(met) = met(session, stream) else { continue };
        let items = unmet(session, stream, &met)?;
        count += items.len();
        let mut reads = futures::stream::iter(items)
            .map(|item| {
                let last = &last;
                async move {
                    let result = read_end(last, stream, &item).await;
                    (item, result)
                }
            })
            .buffer_unordered(session.reading.concurrency(stream));
        while let Some((item, result)) = reads.next().await {
            if let Err(error) = result {
                session.note(&mut failed, &item, error)?;
            }
        }
    }
    several(failed, count)
}

/// The items of a stream that has a log for each object of a list, where all of that list was read.
fn met(session: &Session<'_>, stream: &Stream) -> Option<HashSet<String>> {
    // What an item itself was read for is not kept.
    if stream.kind != Kind::Events || stream.mode.is_none() || stream.templates().iter().any(|text| text.needs_parent())
    {
        return None;
    }
    let lists = session.lists();
    let mut above = stream;
    while let Items::From { stream: parent, .. } = &above.items {
        above = session.reading.streams.iter().find(|known| known.name == *parent)?;
        if lists.unread.contains(&above.name) {
            return None;
        }
    }
    lists.met.get(&stream.name).cloned()
}

/// Items whose logs have been read, but not since their objects are gone.
fn unmet(session: &Session<'_>, stream: &Stream, met: &HashSet<String>) -> Result<Vec<String>, Error> {
    let prefix = format!("{}/", stream.name);
    let logs = session.run.cursors.keys().filter_map(|key| item_of(key.strip_prefix(&prefix)?));
    let mut items: Vec<String> = logs.filter(|item| !met.contains(item)).collect();
    items.sort_unstable();
    let mut unread = Vec::new();
    for item in items {
        let key = key(stream, Some(&item));
        let read = if stream.mode == Some(Mode::Checkpoint) {
            streams::cursor(session.run, &streams::read_of(&key))?
        } else {
            let settle = jiff::SignedDuration::from_secs(stream.time.settle);
            streams::cursor(session.run, &key)?.map(|cursor| cursor + settle)
        };
        let last = streams::cursor(session.run, &gone_of(&key))?;
        if read.is_some_and(|read| last.is_none_or(|last| read > last)) {
            unread.push(item);
        }
    }
    Ok(unread)
}

/// Reads the end of one log. What is refused for good is told once.
async fn read_end(session: &Session<'_>, stream: &Stream, item: &str) -> Result<(), Error> {
    let values = Values { item: Some(item.to_owned()), ..session.values.clone() };
    let result = match session.set_up(stream, &values).await {
        Ok(()) => events::read(session, stream, values).await,
        Err(error) => Err(error),
    };
    let is_final = match &result {
        Ok(()) | Err(Error::Forbidden { .. }) => true,
        Err(Error::Status { status, .. }) => *status < 500,
        Err(_) => false,
    };
    if is_final {
        let key = key(stream, Some(item));
        let day = Some(session.run.now.to_zoned(jiff::tz::TimeZone::UTC).date());
        let end = Parts::new(Unit { key: format!("{key}/gone"), day, ..Unit::default() });
        session.send(end.finish(Some((gone_of(&key), session.run.now.to_string())))).await?;
    }
    result
}
