//! Fetches what a queue names, round by round, and deletes a message only when the store has what it named.

use std::collections::{HashMap, HashSet};

use tokio::task::JoinSet;

use super::Fetcher;
use super::bucket::{Object, etag};
use super::notice::Named;
use super::queue::{Queue, Round, Understood};
use crate::aws_cloudtrail::Log;
use crate::log::{Format as _, reader};
use crate::{Error, Receipt, Unit};

/// Reads the queue to its end.
pub(super) async fn read(queue: &Queue, fetcher: &Fetcher, prefix: &str) -> Result<(), Error> {
    let (mut failed, mut left) = (None, 0);
    loop {
        let Round { messages, unknown, last } = queue.round().await?;
        left += unknown;
        let (ours, others): (Vec<Understood>, Vec<Understood>) = messages
            .into_iter()
            .partition(|message| message.objects.iter().all(|object| object.bucket == fetcher.bucket.name));
        left += others.len();
        let error = one_round(queue, fetcher, prefix, ours).await?;
        failed = failed.or(error);
        if last {
            break;
        }
    }
    if left > 0 {
        // Whoever put them there may need them; the queue's own redrive policy takes them away.
        tracing::warn!(messages = left, "messages that name no object of the bucket were left in the queue");
    }
    failed.map_or(Ok(()), Err)
}

/// Fetches what the messages name; gives the first error of those that stay in the queue.
async fn one_round(
    queue: &Queue,
    fetcher: &Fetcher,
    prefix: &str,
    messages: Vec<Understood>,
) -> Result<Option<Error>, Error> {
    if messages.is_empty() {
        return Ok(None);
    }
    let is_wanted = |key: &str| key.starts_with(prefix) && Log.is_wanted(&key.to_lowercase()) && Log.is_log(key);
    // The same object may be named many times.
    let mut wanted: HashMap<&str, &Named> = HashMap::new();
    for object in messages.iter().flat_map(|message| &message.objects).filter(|object| is_wanted(&object.key)) {
        wanted.insert(&object.key, object);
    }
    let (mut objects, mut failed, mut unread) = (Vec::new(), None, HashSet::new());
    for named in wanted.into_values() {
        match known(fetcher, named).await {
            Ok(object) => objects.extend(object),
            Err(error) => {
                unread.insert(named.key.clone());
                failed = failed.or(Some(error));
            }
        }
    }
    let objects = fetcher.unseen(objects).await?;
    let tried: HashMap<String, String> =
        objects.iter().map(|object| (object.key.clone(), object.etag.clone())).collect();
    for (key, error) in fetch_all(fetcher, objects).await? {
        // A message may be older than the object: what is there now counts.
        let error = match fetcher.bucket.object(&key).await {
            Ok(Some((now, _))) if tried.get(&key) != Some(&now.etag) => {
                fetch_all(fetcher, vec![now]).await?.pop().map(|(_, error)| error)
            }
            _ => Some(error),
        };
        if let Some(error) = error {
            unread.insert(key);
            failed = failed.or(Some(error));
        }
    }
    let receipt = Receipt::default();
    let unit = Unit { key: queue.url.clone(), last: true, receipt: Some(receipt.clone()), ..Unit::default() };
    fetcher.sink.send(unit).await?;
    receipt.signed().await;
    let is_done = |message: &Understood| message.objects.iter().all(|object| !unread.contains(&object.key));
    queue.delete(messages.into_iter().filter(is_done).collect()).await?;
    Ok(failed)
}

/// Fetches objects; gives those that failed, with their errors.
async fn fetch_all(fetcher: &Fetcher, objects: Vec<Object>) -> Result<Vec<(String, Error)>, Error> {
    let (mut fetching, mut failed) = (JoinSet::new(), Vec::new());
    for object in objects {
        fetcher.fetch(object, &mut fetching).await;
    }
    while let Some(ended) = fetching.join_next().await {
        match ended.map_err(|source| Error::Worker { source: source.into() })? {
            (_, Ok(())) => {}
            (_, Err(Error::WriterStopped)) => return Err(Error::WriterStopped),
            (key, Err(error)) => failed.push((key, error)),
        }
    }
    Ok(failed)
}

/// The object that is named; one that is gone already is noted as such.
async fn known(fetcher: &Fetcher, named: &Named) -> Result<Option<Object>, Error> {
    if let Some((tag, size)) = &named.known {
        return Ok(Some(Object { key: named.key.clone(), etag: etag(Some(tag), *size), size: *size, modified: None }));
    }
    let object = fetcher.bucket.object(&named.key).await?;
    if object.is_none() {
        let unit = Unit { day: reader::day(&named.key, None), key: named.key.clone(), ..Unit::default() };
        fetcher.sink.send(reader::unreadable(unit, "it was deleted before it was read".into())).await?;
    }
    Ok(object.map(|(object, _)| object))
}
