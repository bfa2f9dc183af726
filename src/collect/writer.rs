//! The one writer: gathers units, commits them together, lets go of the store.

use std::time::{Duration, Instant};

use changetrail_connectors::Error as SourceError;
use jiff::Timestamp;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::timeout;

use super::{Error, Message, Options, Outcome, SourceOutcome};
use crate::error::with_causes;
use crate::progress::Progress;
use crate::store::{Access, Committed, Db, Incoming, Poll, Visits};

/// A commit is made at this many bytes…
const FULL: usize = 32 << 20;
/// …or this many units…
const MANY: usize = 2_000;
/// …or at this many bytes when nothing more has come yet…
const SOME: usize = 12 << 20;
/// …but not less than this part of all before: what a commit costs whatever it brings stays small beside the rest…
const PART: usize = 8;
/// …or when nothing has come for this long.
const IDLE: Duration = Duration::from_millis(300);
/// Readers get in between two commits.
const PAUSE: Duration = Duration::from_millis(50);

/// What comes after a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Another one.
    Commit,
    /// The collection ends.
    End,
    /// What was collected is judged, by this process.
    Judging,
}

pub(super) struct Writer<'a> {
    store: &'a Visits,
    /// Who pushes what is written; nobody where a source is polled.
    operator: Option<&'a str>,
    now: Timestamp,
    /// How long to wait for others that have the store.
    wait: Duration,
    /// After the last commit.
    next: Next,
    progress: &'a dyn Progress,
    outcomes: Vec<SourceOutcome>,
    waiting: Vec<Vec<Incoming>>,
    ends: Vec<Option<Result<(), SourceError>>>,
    weight: usize,
    units: usize,
    /// Bytes of all before, about.
    written: usize,
    committed: Option<Instant>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        store: &'a Visits,
        sources: Vec<String>,
        operator: Option<&'a str>,
        options: &Options,
        progress: &'a dyn Progress,
    ) -> Self {
        let count = sources.len();
        Self {
            store,
            operator,
            now: options.now,
            wait: options.wait,
            next: if options.judged_next { Next::Judging } else { Next::End },
            progress,
            outcomes: sources.into_iter().map(|source| SourceOutcome { source, ..SourceOutcome::default() }).collect(),
            waiting: vec![Vec::new(); count],
            ends: (0..count).map(|_| None).collect(),
            weight: 0,
            units: 0,
            // No store yet, nothing in it.
            written: std::fs::metadata(store.path())
                .map_or(0, |file| usize::try_from(file.len()).unwrap_or(usize::MAX)),
            committed: None,
        }
    }

    /// Commits everything that comes, until every source has ended.
    pub(super) fn drain(
        mut self,
        runtime: &Runtime,
        mut receiver: UnboundedReceiver<Message>,
    ) -> Result<Outcome, Error> {
        loop {
            let message = match self.patience() {
                Duration::ZERO => receiver.try_recv().map(Some).or_else(|error| match error {
                    TryRecvError::Empty => Err(()),
                    TryRecvError::Disconnected => Ok(None),
                }),
                patience => runtime.block_on(async { timeout(patience, receiver.recv()).await }).map_err(|_| ()),
            };
            match message {
                Ok(Some(Message::Unit(source, unit, _room))) => self.take(source, *unit)?,
                Ok(Some(Message::End(source, result))) => self.ends[source] = Some(result),
                Ok(None) => break,
                Err(()) => self.commit()?,
            }
        }
        self.finish()?;
        Ok(Outcome { sources: self.outcomes })
    }

    /// How long to wait for more before a commit.
    fn patience(&self) -> Duration {
        let enough = (self.written / PART).clamp(SOME, FULL);
        match self.units {
            0 => Duration::from_hours(24),
            _ if self.weight >= enough => self.pause(),
            _ => IDLE,
        }
    }

    /// What is left of the time that readers have for themselves.
    fn pause(&self) -> Duration {
        self.committed.map_or(Duration::ZERO, |before| PAUSE.saturating_sub(before.elapsed()))
    }

    fn take(&mut self, source: usize, incoming: Incoming) -> Result<(), Error> {
        let unit = &incoming.unit;
        let outcome = &mut self.outcomes[source];
        outcome.units += u64::from(unit.last);
        let reads: u64 = unit.reads.values().sum();
        let records = (unit.records.len() + unit.rejected.len()) as u64 + reads;
        outcome.seen += records;
        self.progress.advance(&outcome.source, records, &unit.key);
        self.weight += unit.weight();
        self.units += 1;
        self.waiting[source].push(incoming);
        if self.weight >= FULL || self.units >= MANY {
            self.commit()?;
        }
        Ok(())
    }

    /// Commits what has come.
    fn commit(&mut self) -> Result<(), Error> {
        self.write(Next::Commit, |_, _| Ok(()))
    }

    /// Commits what is left, and notes how each source ended.
    fn finish(&mut self) -> Result<(), Error> {
        for (outcome, end) in self.outcomes.iter_mut().zip(&mut self.ends) {
            match end.take() {
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    outcome.hint = error.hint();
                    outcome.error = Some(with_causes(&error));
                }
                None => outcome.error = Some("the reader ended without saying why".to_owned()),
            }
        }
        let (now, is_poll) = (self.now, self.operator.is_none());
        self.write(self.next, |db, outcome| {
            // Files that somebody brings say nothing of how far the source itself was read.
            if is_poll {
                db.note_poll(&Poll { source: &outcome.source, now, error: outcome.error.as_deref() })?;
            }
            let untold = db.untold(&outcome.source)?;
            outcome.incomplete = untold.into_iter().map(|(unit, why)| format!("{unit}: {why}")).collect();
            Ok(())
        })?;
        self.outcomes.iter().for_each(|outcome| self.progress.end(&outcome.source));
        Ok(())
    }

    /// Writes what has come, and what `more` has to say of each source, in one transaction: a store has to be put in order
    /// after each.
    fn write(&mut self, next: Next, more: impl Fn(&Db, &mut SourceOutcome) -> Result<(), Error>) -> Result<(), Error> {
        std::thread::sleep(self.pause());
        let started = Instant::now();
        let (store, wait, operator, now) = (self.store, self.wait, self.operator, self.now);
        let settings = match next {
            // The other processors read meanwhile; and the file is put in order once, at the end.
            Next::Commit => "set threads = 1; pragma disable_checkpoint_on_shutdown",
            Next::End | Next::Judging => "reset threads; pragma enable_checkpoint_on_shutdown",
        };
        let begin = |db: &Db| Ok::<_, Error>(db.batch("settings", settings)?);
        let work = |db: &Db| {
            for (outcome, units) in self.outcomes.iter_mut().zip(&self.waiting) {
                if !units.is_empty() {
                    add(outcome, &db.take_in(&outcome.source, operator, now, units)?);
                }
                more(db, outcome)?;
            }
            Ok::<_, Error>(())
        };
        if next == Next::Judging {
            store.visit_and_stay(wait, |db| begin(db).and_then(|()| db.transaction_in_log(work)))?;
        } else {
            store.visit(Access::Write, wait, |db| begin(db).and_then(|()| db.transaction(work)))?;
        }
        tracing::debug!(units = self.units, bytes = self.weight, elapsed = ?started.elapsed(), "committed");
        let written = self.waiting.iter_mut().flat_map(|units| units.drain(..));
        written.filter_map(|incoming| incoming.unit.receipt).for_each(|receipt| receipt.sign());
        self.written = self.written.saturating_add(self.weight);
        (self.weight, self.units) = (0, 0);
        self.committed = Some(Instant::now());
        Ok(())
    }
}

fn add(outcome: &mut SourceOutcome, committed: &Committed) {
    outcome.stored += committed.stored;
    outcome.duplicates += committed.duplicates;
    outcome.quarantined += committed.quarantined;
}
