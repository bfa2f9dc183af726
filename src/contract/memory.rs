//! A store without a file: what a collection leaves, and what the next one asks of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use changetrail_connectors::{Collector, Error, Redactor, Run, Seen, Sink, Unit};
use jiff::Timestamp;

/// What is stored.
#[derive(Debug, Default, Clone)]
pub(super) struct Memory {
    /// Record id, body, unit; in order.
    pub(super) records: Vec<(String, String, String)>,
    known: HashSet<(String, String)>,
    etags: HashMap<String, String>,
    cursors: HashMap<String, String>,
    pub(super) rejected: Vec<String>,
}

impl Memory {
    pub(super) fn apply(&mut self, units: &[Unit]) {
        for unit in units {
            for record in &unit.records {
                if self.known.insert((record.record_id.clone(), record.body.clone())) {
                    self.records.push((record.record_id.clone(), record.body.clone(), unit.key.clone()));
                }
            }
            self.rejected.extend(unit.rejected.iter().map(|rejected| format!("{}: {}", rejected.error, rejected.body)));
            if unit.last {
                self.etags.insert(unit.key.clone(), unit.etag.clone());
            }
            self.cursors.extend(unit.cursor.clone());
        }
    }

    /// Record ids and bodies, in order.
    pub(super) fn content(&self) -> BTreeSet<(&str, &str)> {
        self.records.iter().map(|(id, body, _)| (id.as_str(), body.as_str())).collect()
    }

    /// Asks the source; nothing of what it says is kept yet.
    pub(super) fn ask(&self, collector: &dyn Collector, now: Timestamp) -> (Vec<Unit>, Result<(), Error>) {
        let run = Run {
            now,
            since: None,
            cursors: self.cursors.clone(),
            seen: Arc::new(Shared(Mutex::new(self.clone()))),
            redactor: Arc::new(Redactor::new([7; 32])),
            heard: Arc::default(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(source) => return (Vec::new(), Err(Error::Worker { source: source.into() })),
        };
        runtime.block_on(async {
            let (sink, mut receiver) = Sink::channel(8);
            let collect = async move { collector.collect(&run, &sink).await };
            let keep = async {
                let mut units = Vec::new();
                while let Some(unit) = receiver.recv().await {
                    units.push(unit);
                }
                units
            };
            let (result, units) = tokio::join!(collect, keep);
            (units, result)
        })
    }
}

struct Shared(Mutex<Memory>);

impl Shared {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen for Shared {
    fn etags(&self, units: &[String]) -> Result<Vec<Option<String>>, Error> {
        let memory = self.memory();
        Ok(units.iter().map(|unit| memory.etags.get(unit).cloned()).collect())
    }

    fn objects(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let memory = self.memory();
        let of_stream = memory.records.iter().filter(|(_, _, unit)| unit.starts_with(prefix));
        let object = |id: &str| id.split('@').next().unwrap_or_default().to_owned();
        let latest: BTreeMap<String, String> = of_stream.map(|(id, ..)| (object(id), id.clone())).collect();
        Ok(latest.into_values().collect())
    }

    fn stored(&self, ids: &[String]) -> Result<Vec<bool>, Error> {
        let memory = self.memory();
        Ok(ids.iter().map(|id| memory.records.iter().any(|(known, ..)| known == id)).collect())
    }

    fn bodies(&self, ids: &[String]) -> Result<Vec<Option<String>>, Error> {
        let memory = self.memory();
        let last = |id: &String| memory.records.iter().rev().find(|(known, ..)| known == id);
        Ok(ids.iter().map(|id| last(id).map(|(_, body, _)| body.clone())).collect())
    }

    fn prefixed(&self, prefix: &str) -> Result<Option<bool>, Error> {
        let memory = self.memory();
        let mut of_stream = memory.records.iter().filter(|(_, _, unit)| unit.starts_with(prefix)).peekable();
        Ok(of_stream.peek().is_some().then(|| of_stream.all(|(id, ..)| id.starts_with(prefix))))
    }
}
