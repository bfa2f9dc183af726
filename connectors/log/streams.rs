//! Reads streams: each a log of its own with its own cursor, several at once.
//!
//! A stream reads windows of at most a day, oldest first, and its cursor moves only with the last unit of a window that
//! was read whole. The surprising fact: one that fails does not stop the others, so all that is wrong is told at once.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::windows::Reach;
use super::{Hours, windows};
use crate::{Error, Run, Sink, Unit};

/// A log that can be asked for a time.
#[async_trait]
pub(crate) trait Stream: Send + Sync + 'static {
    /// Under which its cursor is kept.
    fn name(&self) -> &str;

    /// What fails with it, where several streams lead to one place.
    fn place(&self) -> &str;

    /// What is asked, for messages.
    fn target(&self) -> String;

    /// How far back it is read.
    fn reach(&self) -> Reach {
        windows::CLOUD
    }

    /// Reads one window whole.
    async fn window(&self, start: Timestamp, end: Timestamp, run: &Run, sink: &Sink) -> Result<Hours, Error>;
}

/// Name of the cursor that says when the stream was last read again.
pub(crate) fn sweep_of(stream: &str) -> String {
    format!("{stream}#sweep")
}

/// Name of the cursor that says when a stream was read to its end whose own cursor is a place.
pub(crate) fn read_of(stream: &str) -> String {
    format!("{stream}#read")
}

/// Reads all streams, at most so many at once; `unasked` are places whose streams could not be found out, and why.
pub(crate) async fn read_all(
    streams: Vec<Box<dyn Stream>>,
    unasked: Vec<(String, Error)>,
    at_once: usize,
    run: &Run,
    sink: &Sink,
) -> Result<(), Error> {
    let places = streams.iter().map(|stream| stream.place()).collect::<HashSet<_>>().len() + unasked.len();
    let permits = Arc::new(Semaphore::new(at_once));
    let mut tasks = JoinSet::new();
    for (place, error) in unasked {
        tasks.spawn(async move { (place, Err(error)) });
    }
    for stream in streams {
        let (permits, run, sink) = (Arc::clone(&permits), run.clone(), sink.clone());
        tasks.spawn(async move {
            let _permit = permits.acquire_owned().await;
            let result = read(stream.as_ref(), &run, &sink).await;
            (stream.place().to_owned(), result)
        });
    }
    gather(tasks, places).await
}

/// Waits for tasks, each with the place that it reads, and tells of all that failed; `places` is how many there are.
pub(crate) async fn gather(mut tasks: JoinSet<(String, Result<(), Error>)>, places: usize) -> Result<(), Error> {
    let mut failed = BTreeMap::new();
    while let Some(ended) = tasks.join_next().await {
        match ended.map_err(|source| Error::Worker { source: source.into() })? {
            (_, Ok(())) => {}
            (_, Err(Error::WriterStopped)) => return Err(Error::WriterStopped),
            (place, Err(error)) => {
                tracing::warn!(%place, %error, "stream failed, others go on");
                failed.entry(place).or_insert(error);
            }
        }
    }
    match failed.len() {
        0 => Ok(()),
        1 if places == 1 => failed.into_values().next().map_or(Ok(()), Err),
        count => Err(Error::Several { failed: count, streams: places, errors: failed.into_iter().collect() }),
    }
}

async fn read(stream: &dyn Stream, run: &Run, sink: &Sink) -> Result<(), Error> {
    let sweep = sweep_of(stream.name());
    let (cursor, swept) = (cursor(run, stream.name())?, cursor(run, &sweep)?);
    let span = stream.reach().span(cursor, swept, run.since, run.now);
    if let Some(gap) = span.gap {
        sink.send(gap_unit(stream.name(), stream.target(), gap)).await?;
    }
    for (start, end) in windows::requests(span.start, span.end) {
        let mut cursors = Vec::new();
        if end == span.end && span.sweeps {
            cursors.push((sweep.clone(), run.now.to_string()));
        }
        // Reading again what lies before the cursor does not move it back.
        if cursor.is_none_or(|cursor| cursor < end || windows::is_ahead(cursor, run.now)) {
            cursors.push((stream.name().to_owned(), end.to_string()));
        }
        for unit in stream.window(start, end, run, sink).await?.finish(cursors) {
            sink.send(unit).await?;
        }
    }
    Ok(())
}

/// The unit that says that a time cannot be read any more.
pub(crate) fn gap_unit(stream: &str, target: String, (start, end): (Timestamp, Timestamp)) -> Unit {
    let lost = Error::WindowTooOld { target, oldest: end, asked: start };
    let hint = lost.hint().unwrap_or_default();
    tracing::warn!(stream, %start, %end, "not kept any more, a gap remains: {hint}");
    Unit {
        key: format!("{stream}/gap-{}", start.strftime("%Y-%m-%dT%H")),
        window: Some((start, end)),
        last: true,
        incomplete: Some(lost.to_string()),
        ..Unit::default()
    }
}

/// The time that a cursor holds.
pub(crate) fn cursor(run: &Run, stream: &str) -> Result<Option<Timestamp>, Error> {
    let parse = |value: &String| {
        let what = format!("the cursor of {stream}, `{value}`");
        value.parse().map_err(|error: jiff::Error| Error::Decode { what, source: error.into() })
    };
    run.cursors.get(stream).map(parse).transpose()
}
