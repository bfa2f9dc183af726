//! Collecting: every source at once into one channel with room for so many bytes, one writer that commits and lets go of
//! the store.
//!
//! Sources never wait for each other and never fail each other. What surprises: the writer opens the store for each
//! commit and closes it again, because only a closed store lets ad-hoc queries in.

mod error;
mod import;
mod key;
mod known;
mod probe;
mod writer;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use changetrail_connectors::{Catalog, Collector, Error as SourceError, Redactor, Run, Seen, Sink};
use jiff::Timestamp;
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::config::{Config, Source};
use crate::progress::Progress;
use crate::store::{Access, Db, Incoming, Value, Visits, sql};

pub use error::Error;
pub use import::Import;
use import::Prefixed;
pub(crate) use key::{Key, has_evidence};
use known::Known;
use writer::Writer;

/// Kilobytes of units that wait for the writer, over all sources: what can be read while it commits. Not so much that
/// there is long to write when everything has been read.
const WAITING: u32 = 24 << 10;

/// What to collect.
#[derive(Debug, Clone)]
pub struct Options {
    /// Names of the sources; all if empty.
    pub sources: Vec<String>,
    /// Read again from here; without it, from the cursors.
    pub since: Option<Timestamp>,
    /// Hold the logs against the systems' own digests too.
    pub validate: bool,
    pub now: Timestamp,
    /// How long to wait for a store that others read.
    pub wait: Duration,
    /// What is collected is judged next, by this process: it keeps the store for that, and puts the file in order once, at
    /// the end.
    pub judged_next: bool,
}

impl Options {
    /// Everything new of every source.
    #[must_use]
    pub fn new(now: Timestamp, wait: Duration) -> Self {
        Self { sources: Vec::new(), since: None, validate: false, now, wait, judged_next: false }
    }
}

/// What came of one source. Counts are records.
#[derive(Debug, Clone, Default)]
pub struct SourceOutcome {
    pub source: String,
    pub units: u64,
    pub seen: u64,
    pub stored: u64,
    pub duplicates: u64,
    pub quarantined: u64,
    /// Why it was not read to its end.
    pub error: Option<String>,
    pub hint: Option<String>,
    /// Units that cannot be read to their end, and of which nobody has been told yet: `unit: why`.
    pub incomplete: Vec<String>,
}

/// What came of a collection.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    pub sources: Vec<SourceOutcome>,
}

impl Outcome {
    /// Whether every source was read to its end, and somebody has been told before of every unit that cannot be.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.sources.iter().all(|source| source.error.is_none() && source.incomplete.is_empty())
    }
}

/// What a source hands to the writer.
pub(crate) enum Message {
    /// With the room that it takes until the writer has it.
    Unit(usize, Box<Incoming>, OwnedSemaphorePermit),
    End(usize, Result<(), SourceError>),
}

/// Reads the sources and stores what is new.
///
/// # Errors
/// The store cannot be opened or written, or a source is named that is not configured. A source that fails is no
/// error but a [`SourceOutcome::error`].
pub fn run(config: &Config, store: &Visits, options: &Options, progress: &dyn Progress) -> Result<Outcome, Error> {
    read(config, store, options, None, progress)
}

/// Reads files for a source, whatever the source itself reads, and stores what is new.
///
/// # Errors
/// As [`run`]; also where the source's connector reads no files.
pub fn import(
    config: &Config,
    store: &Visits,
    options: &Options,
    import: &Import,
    progress: &dyn Progress,
) -> Result<Outcome, Error> {
    read(config, store, options, Some(import), progress)
}

fn read(
    config: &Config,
    store: &Visits,
    options: &Options,
    import: Option<&Import>,
    progress: &dyn Progress,
) -> Result<Outcome, Error> {
    let sources = selected(config, options)?;
    let catalog = config.connectors();
    let (cursors, evidence) = store.visit(Access::Write, options.wait, |db| {
        let cursors = sources.iter().map(|source| cursors(db, &source.name)).collect::<Result<Vec<_>, Error>>()?;
        Ok::<_, Error>((cursors, has_evidence(db)?))
    })?;
    let key = Key::of(store.path())?;
    if let Some(lost) = key.lost(evidence) {
        progress.warn(&lost);
    }
    let redactor = Arc::new(Redactor::new(key.bytes));
    let runtime = runtime()?;
    let (sender, receiver) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(WAITING as usize));
    for (index, (source, cursors)) in sources.iter().zip(cursors).enumerate() {
        let mut seen: Arc<dyn Seen> = Arc::new(Known::new(store.clone(), source.name.clone(), options.wait));
        let (mut source, mut prefix) = ((*source).clone(), String::new());
        if let Some(import) = import {
            (source, prefix) = import.prepare(&catalog, &source)?;
            seen = Arc::new(Prefixed { prefix: prefix.clone(), seen });
        }
        let (redactor, heard) = (Arc::clone(&redactor), Arc::default());
        let run = Run { now: options.now, since: options.since, cursors, seen, redactor, heard };
        let collector = collector(&catalog, config, &source);
        progress.begin(&source.name, None);
        runtime.spawn(feed(index, collector, run, prefix, options.validate, sender.clone(), Arc::clone(&room)));
    }
    drop(sender);
    let names: Vec<String> = sources.iter().map(|source| source.name.clone()).collect();
    let operator = import.map(|import| import.operator.as_str());
    let writer = Writer::new(store, names, operator, options, progress);
    let outcome = writer.drain(&runtime, receiver);
    // Collectors that still run have nobody to hand anything to.
    runtime.shutdown_background();
    outcome
}

/// What [`run`] would ask of one source.
#[derive(Debug)]
pub struct Plan {
    pub source: String,
    /// In words, line by line; why it cannot be told.
    pub lines: Result<Vec<String>, SourceError>,
    /// That this machine's clock should be set, where the system was asked and says so.
    pub clock: Option<String>,
}

/// What [`run`] would ask of each source. Asks nothing itself, unless `online`: then what the plan depends on, and
/// what the next collection asks first, to see whether it is answered.
///
/// # Errors
/// As [`run`].
pub fn plan(config: &Config, store: &Path, options: &Options, online: bool) -> Result<Vec<Plan>, Error> {
    let mut plans = Vec::new();
    let catalog = config.connectors();
    let redactor = Arc::new(Redactor::new([0; 32]));
    let runtime = runtime()?;
    for source in selected(config, options)? {
        let cursors = match Db::open(store, Access::Read, options.wait) {
            Ok(db) => cursors(&db, &source.name)?,
            Err(crate::store::Error::Missing { .. }) => HashMap::new(),
            Err(error) => return Err(error.into()),
        };
        let heard = Arc::default();
        let lines = collector(&catalog, config, source).and_then(|collector| {
            collector.ready()?;
            let (seen, redactor) = (Arc::new(probe::Unread), Arc::clone(&redactor));
            let run =
                Run { now: options.now, since: options.since, cursors, seen, redactor, heard: Arc::clone(&heard) };
            if online { runtime.block_on(probe::ask(collector.as_ref(), &run)) } else { Ok(collector.plan(&run)) }
        });
        plans.push(Plan { source: source.name.clone(), lines, clock: heard.clock() });
    }
    Ok(plans)
}

fn runtime() -> Result<Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|source| Error::Runtime { source })
}

fn selected<'c>(config: &'c Config, options: &Options) -> Result<Vec<&'c Source>, Error> {
    for name in &options.sources {
        if !config.sources.iter().any(|source| source.name == *name) {
            let known = config.sources.iter().map(|source| source.name.clone()).collect();
            return Err(Error::UnknownSource { name: name.clone(), known });
        }
    }
    Ok(config
        .sources
        .iter()
        .filter(|source| options.sources.is_empty() || options.sources.contains(&source.name))
        .collect())
}

fn collector(catalog: &Catalog, config: &Config, source: &Source) -> Result<Box<dyn Collector>, SourceError> {
    let configured =
        catalog.find(&source.connector).and_then(|connector| connector.configure(&source.for_connector(config.base())));
    configured.map_err(SourceError::Config)
}

/// Runs one collector and hands on what it finds, marked with the source's index, the names of units with a prefix.
async fn feed(
    index: usize,
    collector: Result<Box<dyn Collector>, SourceError>,
    run: Run,
    prefix: String,
    validate: bool,
    sender: mpsc::UnboundedSender<Message>,
    room: Arc<Semaphore>,
) {
    let result = match collector {
        Ok(collector) => {
            let (sink, mut units) = Sink::channel(1);
            let forward = async {
                while let Some(unit) = units.recv().await {
                    let unit = Prefixed::rename(&prefix, unit);
                    let kilobytes = u32::try_from(unit.weight() / 1024).unwrap_or(WAITING).clamp(1, WAITING);
                    let Ok(place) = Arc::clone(&room).acquire_many_owned(kilobytes).await else { break };
                    if sender.send(Message::Unit(index, Box::new(unit.into()), place)).is_err() {
                        break;
                    }
                }
            };
            let collect = async move {
                let collected = collector.collect(&run, &sink).await;
                // What could be read is worth a check, whatever could not.
                let validated = if validate { collector.validate(&run, &sink).await } else { Ok(()) };
                collected.and(validated)
            };
            let (result, ()) = tokio::join!(collect, forward);
            result
        }
        Err(error) => Err(error),
    };
    // A writer that went away has said why already.
    let _ = sender.send(Message::End(index, result));
}

fn cursors(db: &Db, source: &str) -> Result<HashMap<String, String>, Error> {
    let (_, rows) = db.rows(sql!("store/cursors.sql"), &[("source", Value::Text(source.to_owned()))])?;
    Ok(rows
        .into_iter()
        .filter_map(|row| match <[Value; 2]>::try_from(row) {
            Ok([Value::Text(stream), Value::Text(value)]) => Some((stream, value)),
            _ => None,
        })
        .collect())
}
