//! Asks a source what the next collection asks, and keeps nothing: whether credentials and permissions do is known only
//! by asking.
//!
//! The surprising fact: a probe reads along for some seconds, for what is forbidden is seldom what is asked first.

use std::time::Duration;

use changetrail_connectors::{Collector, Error, Run, Seen, Sink};

/// How long a source is read; long enough for a request of each stream, short enough to wait for.
const LONG_ENOUGH: Duration = Duration::from_secs(10);

/// A store that knows nothing: what was read before is read once more, and the store is left alone.
pub(super) struct Unread;

impl Seen for Unread {
    fn etags(&self, units: &[String]) -> Result<Vec<Option<String>>, Error> {
        Ok(vec![None; units.len()])
    }

    fn objects(&self, _prefix: &str) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    fn stored(&self, ids: &[String]) -> Result<Vec<bool>, Error> {
        Ok(vec![false; ids.len()])
    }

    fn bodies(&self, ids: &[String]) -> Result<Vec<Option<String>>, Error> {
        Ok(vec![None; ids.len()])
    }

    fn prefixed(&self, _prefix: &str) -> Result<Option<bool>, Error> {
        Ok(None)
    }
}

/// The plan of the next collection, and what came of beginning it.
///
/// # Errors
/// Whatever would have stopped the collection.
pub(super) async fn ask(collector: &dyn Collector, run: &Run) -> Result<Vec<String>, Error> {
    let mut lines = collector.survey(run).await?;
    let (sink, mut units) = Sink::channel(1);
    let count = async {
        let mut records: u64 = 0;
        while let Some(unit) = units.recv().await {
            records += unit.records.len() as u64 + unit.reads.values().sum::<u64>();
        }
        records
    };
    let collect = async move { collector.collect(run, &sink).await };
    match tokio::time::timeout(LONG_ENOUGH, async { tokio::join!(collect, count) }).await {
        Ok((Ok(()), records)) => lines.push(format!("asked: it can be read to its end, {records} records")),
        Ok((Err(error), _)) => return Err(error),
        Err(_) => match run.heard.nothing() {
            Some(last) => {
                return Err(Error::Unheard { seconds: LONG_ENOUGH.as_secs(), source: last.into() });
            }
            None => lines.push(format!("asked: it answers; not read to its end within {} s", LONG_ENOUGH.as_secs())),
        },
    }
    Ok(lines)
}
