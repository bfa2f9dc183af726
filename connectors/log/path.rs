//! Reads log files of a folder, of any layout.
//!
//! One thread walks, several read, one hands over: units leave in the order of the walk, whatever thread read them, so
//! two runs over the same folder give the same. The surprising fact: a thread that is ahead waits with one part in its
//! hands, and that is all the memory that order costs.

use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::reader::{self, Format, Limits};
use crate::files::{Found, Walk, unreadable};
use crate::{Collector, Error, Redactor, Run, Sink, Unit};

/// Units whose etags are asked for at once.
const CHUNK: usize = 1_000;
/// Files that are read or wait to be handed over; each may hold two parts.
const AHEAD: usize = 8;

/// A source with `path`.
#[derive(Debug)]
pub(crate) struct PathCollector {
    pub(crate) root: PathBuf,
    pub(crate) format: Arc<dyn Format>,
}

/// One file to be read, and where its parts go.
struct Job {
    found: Found,
    parts: SyncSender<Unit>,
}

#[async_trait]
impl Collector for PathCollector {
    async fn collect(&self, run: &Run, sink: &Sink) -> Result<(), Error> {
        let (root, format, run, sink) = (self.root.clone(), Arc::clone(&self.format), run.clone(), sink.clone());
        let task = tokio::task::spawn_blocking(move || collect(&root, &format, &run, &sink));
        task.await.map_err(|source| Error::Worker { source: source.into() })?
    }

    fn plan(&self, _run: &Run) -> Vec<String> {
        vec![format!("every *.json, *.jsonl and *.gz file under {} that is new or has changed", self.root.display())]
    }

    fn is_path(&self) -> bool {
        true
    }

    fn unreadable(&self) -> Result<Vec<String>, Error> {
        Ok(unreadable(walk(&self.root, &self.format)?))
    }

    fn passed_over(&self) -> Result<Vec<String>, Error> {
        let mut walk = walk(&self.root, &self.format)?;
        walk.by_ref().for_each(drop);
        Ok(walk.passed_over)
    }
}

fn walk(root: &std::path::Path, format: &Arc<dyn Format>) -> Result<Walk, Error> {
    let format = Arc::clone(format);
    Walk::new(root, move |name| format.is_wanted(name))
}

fn collect(root: &std::path::Path, format: &Arc<dyn Format>, run: &Run, sink: &Sink) -> Result<(), Error> {
    let mut walk = walk(root, format)?;
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let (job_sender, jobs) = sync_channel::<Job>(0);
    let jobs = Arc::new(Mutex::new(jobs));
    // Bounds how far reading may be ahead of handing over.
    let (order_sender, order) = sync_channel::<Receiver<Unit>>(AHEAD.max(threads));
    let result = std::thread::scope(|scope| {
        for _ in 0..threads {
            let (jobs, redactor) = (Arc::clone(&jobs), Arc::clone(&run.redactor));
            let format = &**format;
            scope.spawn(move || work(&jobs, format, &redactor));
        }
        drop(jobs);
        let walker = scope.spawn(|| {
            let (job_sender, order_sender) = (job_sender, order_sender);
            dispatch(&mut walk, &**format, run, &job_sender, &order_sender)
        });
        let handed_over = hand_over(order, sink);
        let found = walker.join().map_err(|_| Error::Worker { source: "the walk panicked".into() })?;
        // A walk that stopped because nobody listens any more is not the cause.
        handed_over.and(found)
    });
    if let Some(first) = walk.passed_over.first() {
        tracing::warn!(path = %root.display(), files = walk.others, first, "files that are named as no log files were left out");
    }
    result
}

/// Finds the files that are new, and gives them to the readers in order.
fn dispatch(
    walk: &mut Walk,
    format: &dyn Format,
    run: &Run,
    jobs: &SyncSender<Job>,
    order: &SyncSender<Receiver<Unit>>,
) -> Result<(), Error> {
    loop {
        let named = |found: Found| Found { key: format.key(&found.key), ..found };
        let chunk: Vec<Found> = walk.by_ref().take(CHUNK).map(named).collect();
        if chunk.is_empty() {
            return Ok(());
        }
        let seen = if run.since.is_some() {
            vec![None; chunk.len()]
        } else {
            let keys: Vec<String> = chunk.iter().map(|found| found.key.clone()).collect();
            run.seen.etags(&keys)?
        };
        for (found, seen) in chunk.into_iter().zip(seen) {
            if found.problem.is_none() && seen.as_ref() == Some(&found.etag) {
                continue;
            }
            let (parts, unit) = sync_channel(1);
            if order.send(unit).is_err() || jobs.send(Job { found, parts }).is_err() {
                return Ok(());
            }
        }
    }
}

/// Reads files until there are no more.
fn work(jobs: &Mutex<Receiver<Job>>, format: &dyn Format, redactor: &Redactor) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { found, parts }) = job else { return };
        // An error means that nobody listens; the next job, if there is one, will tell.
        let _ = read_file(found, format, redactor, &mut |unit| parts.send(unit).map_err(|_| Error::WriterStopped));
    }
}

fn read_file(
    found: Found,
    format: &dyn Format,
    redactor: &Redactor,
    emit: &mut dyn FnMut(Unit) -> Result<(), Error>,
) -> Result<(), Error> {
    let day = reader::day(&found.key, found.modified);
    let unit = Unit { key: found.key, etag: found.etag, day, ..Unit::default() };
    if let Some(problem) = found.problem {
        return emit(reader::unreadable(unit, problem));
    }
    match File::open(&found.path) {
        Ok(file) => reader::read(file, unit, format, Limits::default(), redactor, emit),
        Err(error) => emit(reader::unreadable(unit, format!("cannot read the file: {error}"))),
    }
}

/// Passes the parts of one unit after the other on to the sink.
fn hand_over(order: Receiver<Receiver<Unit>>, sink: &Sink) -> Result<(), Error> {
    for parts in order {
        let mut ended = false;
        for unit in parts {
            ended = unit.last;
            sink.send_blocking(unit)?;
        }
        if !ended {
            return Err(Error::Worker { source: "a file was not read to its end".into() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
