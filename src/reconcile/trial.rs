//! What judging would make of records that are not stored yet, and of a mapping that has none: in a store that is gone
//! afterwards.

use std::time::Duration;

use changetrail_connectors::{Connector, Unit};
use jiff::Timestamp;

use super::{Error, Options, mapping, unmappable};
use crate::store::{Db, sql};

/// Maps the records of a unit as if they were all that a source ever told.
///
/// # Errors
/// The mapping cannot be used.
pub fn map_alone(source: &str, connector: &dyn Connector, unit: Unit, now: Timestamp) -> Result<Db, Error> {
    let options = Options { now, rebuild: false, wait: Duration::ZERO, instead: None };
    let db = Db::scratch()?;
    db.commit(source, None, now, &[unit.into()])?;
    db.batch("run", "create temporary table run as select true as everything")?;
    db.batch("what is touched", sql!("reconcile/00_touched.sql"))?;
    loop {
        db.batch("begin", "begin transaction")?;
        match mapping::run(&db, source, &[], connector, &options) {
            Ok(()) => {
                db.batch("commit", "commit")?;
                return Ok(db);
            }
            Err(error) => {
                // The first error is the one to tell.
                let _ = db.batch("rollback", "rollback");
                if let Some(error) = unmappable::note(&db, source, &[], connector, &options, error)? {
                    return Err(error);
                }
            }
        }
    }
}

/// Whether the mapping of a connector is one that can be run, so that it is found before the night.
///
/// # Errors
/// It cannot.
pub fn try_mapping(connector: &dyn Connector, now: Timestamp) -> Result<(), Error> {
    let db = Db::scratch()?;
    db.sandbox()?;
    let options = Options { now, rebuild: false, wait: Duration::ZERO, instead: None };
    mapping::check(&db, connector, &options)
}

#[cfg(test)]
mod tests {
    use changetrail_connectors::Catalog;
    use jiff::Timestamp;

    use super::try_mapping;

    /// They are not examined when they run.
    #[test]
    fn the_mappings_that_come_with_the_program_may_run() {
        let catalog = Catalog::new(&[]);
        assert!(catalog.all().all(|connector| connector.is_built_in()));
        for connector in catalog.all() {
            try_mapping(&**connector, Timestamp::UNIX_EPOCH)
                .unwrap_or_else(|error| panic!("{}: {error}", connector.spec().name));
        }
    }
}
