//! What the tests of collectors share: a world without a store, and real data where there is some.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::{Collector, Connector, Error, Redactor, Run, Seen, Sink, Source, Unit};

/// Etags of units that were read.
#[derive(Debug, Default)]
pub(crate) struct Known(pub(crate) HashMap<String, String>);

impl Seen for Known {
    fn etags(&self, units: &[String]) -> Result<Vec<Option<String>>, Error> {
        Ok(units.iter().map(|unit| self.0.get(unit).cloned()).collect())
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

/// A run at `now`, with nothing read before.
pub(crate) fn run_at(now: &str) -> Run {
    let now: Timestamp = now.parse().expect("a time");
    let (seen, redactor) = (Arc::new(Known::default()), Arc::new(Redactor::new([7; 32])));
    Run { now, since: None, cursors: HashMap::new(), seen, redactor, heard: Arc::default() }
}

/// A collector of a source with these parameters.
pub(crate) fn collector(connector: &dyn Connector, base: &Path, params: &str) -> Box<dyn Collector> {
    let params = toml::from_str(params).expect("valid TOML");
    connector.configure(&Source { name: "test".into(), params, base: base.to_owned() }).expect("a valid source")
}

/// All units of a collection and how it ended.
pub(crate) async fn collect(collector: &dyn Collector, run: &Run) -> (Vec<Unit>, Result<(), Error>) {
    collect_by(async |sink: Sink| collector.collect(run, &sink).await).await
}

/// All units that `read` hands over and how it ended.
pub(crate) async fn collect_by(read: impl AsyncFnOnce(Sink) -> Result<(), Error>) -> (Vec<Unit>, Result<(), Error>) {
    let (sink, mut receiver) = Sink::channel(2);
    let keep = async {
        let mut units = Vec::new();
        while let Some(unit) = receiver.recv().await {
            if let Some(receipt) = &unit.receipt {
                receipt.sign();
            }
            units.push(unit);
        }
        units
    };
    // The sink goes with the reading, which ends the keeping.
    let (result, units) = tokio::join!(read(sink), keep);
    (units, result)
}

/// A folder of shared data; says so and gives nothing where it is absent.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(name);
    if !path.exists() {
        skipped(&format!("{} is absent", path.display()));
        return None;
    }
    Some(path)
}

/// Says that a test did not run, past the test harness, which shows nothing of tests that pass.
pub(crate) fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}
