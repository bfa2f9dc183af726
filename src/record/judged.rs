//! Judges pushed records where they are judged anyway, by the mapping of the release log: whoever pushes one is told at
//! once what would be set aside in the night.

use std::collections::{HashMap, HashSet};

use changetrail_connectors::{Catalog, Rejected, Unit};
use jiff::Timestamp;

use super::{Error, SOURCE};
use crate::reconcile;
use crate::store::{Db, Value, sql};

/// A pipeline and the id of a deployment.
pub(super) type Deployment = [Value; 2];

/// Moves the records that judging would set aside to the rejected ones. Returns the deployments that are over and whose
/// records do not say when they began.
pub(super) fn refuse(unit: &mut Unit, now: Timestamp) -> Result<Vec<Deployment>, Error> {
    if unit.records.is_empty() {
        return Ok(Vec::new());
    }
    let catalog = Catalog::new(&[]);
    // Built in: it is there.
    let Ok(connector) = catalog.find("release-log") else { return Ok(Vec::new()) };
    let db = reconcile::map_alone(SOURCE, &*connector, unit.clone(), now)?;
    let (_, rows) = db.rows(sql!("record/refused.sql"), &[])?;
    let places: HashMap<u64, String> = rows
        .into_iter()
        .filter_map(|row| match <[Value; 2]>::try_from(row) {
            Ok([Value::Int(position), Value::Text(error)]) => Some((position.unsigned_abs(), error)),
            _ => None,
        })
        .collect();
    // A record that is there twice was tried once.
    let errors: HashMap<String, String> = unit
        .records
        .iter()
        .filter_map(|record| Some((record.record_id.clone(), places.get(&record.position)?.clone())))
        .collect();
    let refused: HashSet<&str> = errors.keys().map(String::as_str).collect();
    let (bad, good): (Vec<_>, Vec<_>) =
        std::mem::take(&mut unit.records).into_iter().partition(|record| refused.contains(record.record_id.as_str()));
    unit.records = good;
    unit.rejected.extend(bad.into_iter().map(|record| Rejected {
        position: format!("line {}", record.position),
        error: errors.get(&record.record_id).cloned().unwrap_or_default(),
        body: record.body,
        day: None,
    }));
    let (_, over) = db.rows(sql!("record/without_start.sql"), &[])?;
    Ok(over.into_iter().filter_map(|row| row.try_into().ok()).collect())
}

/// Of these deployments, the ids of those of which nothing that is stored says when they began.
pub(super) fn without_start(db: &Db, over: Vec<Deployment>) -> Result<Vec<String>, Error> {
    let mut without = Vec::new();
    for [pipeline, id] in over {
        let (_, rows) = db.rows(sql!("record/began.sql"), &[("pipeline", pipeline), ("id", id.clone())])?;
        if rows.first().map(Vec::as_slice) != Some(&[Value::Bool(true)])
            && let Value::Text(id) = id
        {
            without.push(id);
        }
    }
    Ok(without)
}
