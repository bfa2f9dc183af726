//! Reads a source: its streams one after the other, each for all that it is read for.
//!
//! One stream or item that fails does not stop the others; it makes the source fail in the end. The surprising fact: what
//! follows from a record (`for_each.from`) is read before the cursor of that record's stream moves, unless that stream
//! is a list of objects, which tells everything again next time, and whose objects may have logs with cursors of their own.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use jiff::Timestamp;

use super::auth::Clock;
use super::check::seconds;
use super::records::Reader;
use super::snapshot::Met;
use super::source::{Reading, prefixes};
use super::stream::{Items, Stream};
use super::tables::Action as Told;
use super::template::Values;
use super::{ask, events, gone, state};
use crate::http::{Action, Connection, Patience, Reply, Rules};
use crate::limiter::{Limiter, Pace};
use crate::secret::Secrets;
use crate::spec::Kind;
use crate::{Collector, Error, Run, Seen, Sink, Unit};

/// One collection of a source.
pub(super) struct Session<'a> {
    pub(super) reading: &'a Reading,
    pub(super) connection: Connection,
    pub(super) values: Values,
    pub(super) run: &'a Run,
    sink: &'a Sink,
    /// What record ids of each stream begin with.
    prefixes: BTreeMap<String, String>,
    /// What was found of lists of objects.
    lists: Mutex<Lists>,
}

/// A record that others are read for.
#[derive(Debug, Clone)]
pub(super) struct Parent {
    pub(super) item: String,
    /// The item that the record itself was read for.
    pub(super) of: Option<String>,
    /// `None`: it is not stored.
    pub(super) record_id: Option<String>,
}

/// What was read of a list.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) parents: Vec<Parent>,
    pub(super) reach: Reach,
    /// Why it cannot be told what is gone.
    pub(super) problem: Option<Error>,
}

/// How much of what names items was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    #[default]
    All,
    /// All, but something was no record, and may have named an item.
    Damaged,
    /// Something could not be read this time.
    Failed,
}

/// What was found of lists of objects.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// The items of each stream that has a log for each of them.
    pub(super) met: HashMap<String, HashSet<String>>,
    /// Lists of which something could not be read.
    pub(super) unread: HashSet<String>,
    /// Lists that have pages: one that is changed while they are read may lack what it has.
    pub(super) paged: HashSet<String>,
    /// The objects of each stream whose items are told by the source, whatever their item.
    pub(super) named: HashMap<String, Met>,
}

/// A time that is read.
pub(super) type Window = Option<(Timestamp, Timestamp)>;

#[async_trait]
impl Collector for Reading {
    async fn collect(&self, run: &Run, sink: &Sink) -> Result<(), Error> {
        let session = self.session(run, sink).await?;
        let mut failed = Vec::new();
        let roots = || self.streams.iter().filter(|stream| !matches!(stream.items, Items::From { .. }));
        for stream in roots() {
            if let Err(error) = session.root(stream).await {
                session.note(&mut failed, &stream.name, error)?;
            }
        }
        if let Err(error) = gone::read_ends(&session).await {
            session.note(&mut failed, "logs of what is gone", error)?;
        }
        let count = roots().count().max(failed.len());
        several(failed, count)
    }

    fn ready(&self) -> Result<(), Error> {
        for (name, reference) in self.secrets.iter().filter(|(_, reference)| !reference.starts_a_command()) {
            reference.read(&self.base).map_err(|problem| Error::Secret { name: name.clone(), problem })?;
        }
        Ok(())
    }

    fn plan(&self, run: &Run) -> Vec<String> {
        Reading::plan(self, run)
    }

    fn is_path(&self) -> bool {
        false
    }
}

impl Reading {
    async fn session<'a>(&'a self, run: &'a Run, sink: &'a Sink) -> Result<Session<'a>, Error> {
        let secrets = self.read_secrets().await?;
        let values = Values { params: self.params.clone(), secrets: secrets.clone(), ..Values::default() };
        let (streams, otherwise) = (self.streams.clone(), self.has_prefix);
        let prefixes = asked(run, move |seen| prefixes(&streams, otherwise, seen)).await?;
        let longest =
            self.errors.max_wait.as_deref().and_then(|text| seconds(text).ok()).and_then(|s| u64::try_from(s).ok());
        let patience = Patience { longest: Duration::from_secs(longest.unwrap_or(900)), ..Patience::default() };
        let bare = Connection::new(self.place.clone(), None, patience, self.permission.clone())?
            .with_hosts(self.hosts.clone())
            .with_secrets(secrets)
            .with_heard(Arc::clone(&run.heard))
            .with_redact(&self.redact)
            .with_waits(self.errors.retry_after.iter().filter_map(|name| name.parse().ok()).collect())
            .with_limits(self.limits.max_bytes, self.silence())?;
        let authority = self.auth.authority(&values, &bare, Clock::at(run.now))?;
        let mut connection = bare.with_authority(authority).with_rules(self.rules(false));
        if let Some(rps) = self.limits.rps.filter(|rps| *rps > 0.0) {
            connection =
                connection.with_limiter(Arc::new(Limiter::new(Pace::of_rate(rps, self.limits.burst.unwrap_or(1)))));
        }
        Ok(Session { reading: self, connection, values, run, sink, prefixes, lists: Mutex::default() })
    }

    /// What the description makes of answers; of what may be gone, that there is nothing any more.
    fn rules(&self, may_be_gone: bool) -> Arc<Rules> {
        let rules = self.errors.on.clone();
        Arc::new(move |status, body| {
            let told = |contains: &Option<String>| {
                contains.as_ref().is_none_or(|text| memchr::memmem::find(body, text.as_bytes()).is_some())
            };
            let Some(rule) = rules.iter().find(|rule| rule.status == status && told(&rule.body_contains)) else {
                return (may_be_gone && matches!(status, 404 | 410)).then_some(Action::Stop);
            };
            Some(match rule.action {
                Told::Retry => Action::Retry,
                Told::Skip => Action::Skip,
                Told::Stop => Action::Stop,
                Told::Fail => Action::Fail,
                Told::RefreshAuth => Action::RefreshAuth,
            })
        })
    }

    async fn read_secrets(&self) -> Result<Secrets, Error> {
        let (references, base) = (self.secrets.clone(), self.base.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let read = |(name, reference): (String, crate::secret::Reference)| match reference.read(&base) {
                Ok(secret) => Ok((name, secret)),
                Err(problem) => Err(Error::Secret { name, problem }),
            };
            references.into_iter().map(read).collect::<Result<BTreeMap<_, _>, Error>>()
        });
        reading.await.map_err(|source| Error::Worker { source: source.into() })?.map(Secrets::new)
    }
}

impl<'a> Session<'a> {
    /// The same, for what may be gone.
    pub(super) fn of_the_gone(&self) -> Session<'a> {
        Session {
            connection: self.connection.clone().with_rules(self.reading.rules(true)),
            values: self.values.clone(),
            prefixes: self.prefixes.clone(),
            lists: Mutex::default(),
            ..*self
        }
    }
}

impl Session<'_> {
    pub(super) fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a stream that is not read for another.
    async fn root(&self, stream: &Stream) -> Result<(), Error> {
        let mut failed = Vec::new();
        let items = self.reading.items(stream);
        let count = items.len();
        let mut all = Found::default();
        let mut reads = futures::stream::iter(items)
            .map(|item| async move {
                let result = self.whole(stream, item.as_deref()).await;
                (item.unwrap_or_default(), result)
            })
            .buffer_unordered(self.reading.concurrency(stream));
        while let Some((item, result)) = reads.next().await {
            match result {
                Ok(Found { parents, reach, problem }) => {
                    all.parents.extend(parents);
                    all.reach = all.reach.max(reach);
                    if let Some(problem) = problem {
                        self.note(&mut failed, &item, problem)?;
                    }
                }
                Err(error) => {
                    all.reach = Reach::Failed;
                    self.note(&mut failed, &item, error)?;
                }
            }
        }
        drop(reads);
        // What the lists of all items name is one list: of what is read for it, nothing is gone that another item names.
        if stream.kind == Kind::State
            && (all.reach != Reach::Failed || !all.parents.is_empty())
            && let Err(error) = self.children(stream, all.parents, None, all.reach).await
        {
            self.note(&mut failed, &stream.name, error)?;
        }
        let count = count.max(failed.len());
        several(failed, count)
    }

    async fn whole(&self, stream: &Stream, item: Option<&str>) -> Result<Found, Error> {
        let values = Values { item: item.map(str::to_owned), ..self.values.clone() };
        let ready = self.set_up(stream, &values).await;
        match (&ready, stream.kind) {
            (Err(_), _) => {
                self.lists().unread.insert(stream.name.clone());
                ready.map(|()| Found::default())
            }
            (Ok(()), Kind::State) => state::read(self, stream, item).await,
            (Ok(()), Kind::Events) => events::read(self, stream, values).await.map(|()| Found::default()),
        }
    }

    /// Makes the request that has to come before all others.
    pub(super) async fn set_up(&self, stream: &Stream, values: &Values) -> Result<(), Error> {
        let Some(request) = &stream.setup else { return Ok(()) };
        let ask = ask::first(&self.connection.place, request, values, &stream.name)?;
        let done = request.ok_if.clone();
        let connection = self
            .connection
            .clone()
            .with_rules(Arc::new(move |status, _| done.contains(&status).then_some(Action::Stop)));
        match connection.ask(&ask, |_, _, _| Ok(())).await? {
            Reply::Answer(()) | Reply::Skip | Reply::Stop => Ok(()),
        }
    }

    /// Why nothing can be asked for the item of these values.
    pub(super) fn unfit(&self, stream: &Stream, values: &Values) -> Option<String> {
        ask::unfit(&self.connection.place, stream, values)
    }

    /// Reads whatever is read for records of `parent`.
    pub(super) async fn children(
        &self,
        parent: &Stream,
        found: Vec<Parent>,
        window: Window,
        reach: Reach,
    ) -> Result<(), Error> {
        let mut failed = Vec::new();
        let is_child = |stream: &&Stream| matches!(&stream.items, Items::From { stream, .. } if *stream == parent.name);
        let children: Vec<&Stream> = self.reading.streams.iter().filter(is_child).collect();
        let count = children.len();
        for child in children {
            let read = async {
                match child.kind {
                    Kind::State => state::pass(self, parent, child, &found, reach).await,
                    Kind::Events if child.mode.is_some() => events::each(self, child, &found).await,
                    Kind::Events => events::pass(self, child, &found, window).await,
                }
            };
            // A child may have children.
            if let Err(error) = Box::pin(read).await {
                self.note(&mut failed, &child.name, error)?;
            }
        }
        several(failed, count)
    }

    /// The stream for whose records this one is read.
    pub(super) fn above(&self, stream: &Stream) -> Option<&Stream> {
        let Items::From { stream: parent, .. } = &stream.items else { return None };
        self.reading.streams.iter().find(|known| known.name == *parent)
    }

    /// The item that streams are read for, out of a record of theirs.
    pub(super) fn parents_in(&self, stream: &Stream) -> Option<&str> {
        self.reading.streams.iter().find_map(|child| match &child.items {
            Items::From { stream: parent, pointer } if *parent == stream.name => Some(pointer.as_str()),
            _ => None,
        })
    }

    /// What record ids of a stream begin with.
    pub(super) fn prefix(&self, stream: &Stream) -> &str {
        self.prefixes.get(&stream.name).map_or("", String::as_str)
    }

    pub(super) fn reader<'b>(&'b self, stream: &'b Stream, prefix: &'b str) -> Reader<'b> {
        let (redactor, secrets) = (&*self.run.redactor, &self.values.secrets);
        let wanted = self.parents_in(stream);
        Reader { stream, prefix, item: None, wanted, redact: &self.reading.redact, redactor, secrets }
    }

    pub(super) async fn send(&self, unit: Unit) -> Result<(), Error> {
        let of = unit.key.split('/').next().unwrap_or_default();
        let own_ids = self.reading.streams.iter().any(|stream| stream.name == of && stream.must_differ_by_item());
        self.sink.send(Unit { own_ids, ..unit }).await
    }

    /// Asks the store, away from the threads that read.
    pub(super) async fn asked<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn Seen) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        asked(self.run, ask).await
    }

    /// Keeps an error for the end; one that ends everything is given back.
    pub(super) fn note(&self, failed: &mut Vec<(String, Error)>, name: &str, error: Error) -> Result<(), Error> {
        if matches!(error, Error::WriterStopped | Error::Store { .. }) {
            return Err(error);
        }
        tracing::warn!(source = %self.reading.source, stream = name, %error, "could not be read, others go on");
        failed.push((name.to_owned(), error));
        Ok(())
    }
}

/// Asks the store, away from the threads that read.
pub(super) async fn asked<T: Send + 'static>(
    run: &Run,
    ask: impl FnOnce(&dyn Seen) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let seen = Arc::clone(&run.seen);
    let asked = tokio::task::spawn_blocking(move || ask(&*seen)).await;
    asked.map_err(|source| Error::Worker { source: source.into() })?
}

/// What failed, of several; where there is only one, its own error.
pub(super) fn several(mut failed: Vec<(String, Error)>, streams: usize) -> Result<(), Error> {
    match failed.len() {
        0 => Ok(()),
        1 if streams == 1 => failed.pop().map_or(Ok(()), |(_, error)| Err(error)),
        count => {
            failed.sort_by(|a, b| a.0.cmp(&b.0));
            Err(Error::Several { failed: count, streams, errors: failed })
        }
    }
}
