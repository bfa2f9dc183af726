//! Runs a connector's `map.sql` over the records that came in since it was last run, and everything again when the
//! mapping has changed.

use changetrail_connectors::Connector;
use sha2::{Digest, Sha256};

use super::{Error, Options};
use crate::store::{Db, Value, sql};

/// The statements that take in one relation: with defaults, and what is set aside.
const RELATIONS: &[(&str, &str, Option<&str>)] = &[
    ("change", sql!("map/change.sql"), Some(sql!("map/change_rejected.sql"))),
    ("session", sql!("map/session.sql"), None),
    ("deployment", sql!("map/deployment.sql"), Some(sql!("map/deployment_rejected.sql"))),
    ("pipeline_stage", sql!("map/pipeline_stage.sql"), None),
];

pub(super) fn run(db: &Db, source: &str, connector: &dyn Connector, options: &Options) -> Result<(), Error> {
    let text = |text: &str| Value::Text(text.to_owned());
    let version = version(connector);
    let mut params = vec![
        ("source", text(source)),
        ("system", text(&connector.spec().name)),
        ("now", Value::Time(options.now)),
        ("mapping_hash", text(&version)),
    ];
    let (_, rows) = db.rows(sql!("map/progress.sql"), &params)?;
    let through = match rows.first().and_then(|row| row.first()) {
        Some(Value::Int(batch)) if !options.rebuild => *batch,
        _ => 0,
    };
    // A view and a script take no parameters.
    let quoted = source.replace('\'', "''");
    if through == 0 {
        db.batch("forget", &sql!("map/forget_source.sql").replace("{source}", &quoted))?;
    }
    params.push(("after_batch", Value::Int(through)));
    db.run("replaced records", sql!("map/replaced.sql"), &params)?;
    let view = sql!("map/raw.sql").replace("{source}", &quoted).replace("{after_batch}", &through.to_string());
    db.batch("raw records", &view)?;
    let (_, rows) = db.rows("select count(*) from raw", &[])?;
    if rows.first().and_then(|row| row.first()) != Some(&Value::Int(0)) {
        forget(db, &params)?;
        for (name, csv) in connector.tables() {
            load_table(db, name, csv)?;
        }
        for (relation, select) in statements(connector)? {
            take_in(db, connector, relation, select, &params)?;
        }
    }
    db.run("mapped", sql!("map/mapped.sql"), &params)?;
    Ok(())
}

/// What these records meant before is forgotten, relation by relation.
fn forget(db: &Db, params: &[(&str, Value)]) -> Result<(), Error> {
    for statement in sql!("map/forget.sql").split_inclusive(';').filter(|statement| statement.contains("delete")) {
        db.run("forget", statement, params)?;
    }
    Ok(())
}

fn take_in(
    db: &Db,
    connector: &dyn Connector,
    relation: &str,
    select: &str,
    params: &[(&str, Value)],
) -> Result<(), Error> {
    let name = &connector.spec().name;
    let unusable = |problem: String| Error::Mapping { connector: name.clone(), problem };
    let Some((_, insert, rejected)) = RELATIONS.iter().find(|(known, ..)| *known == relation) else {
        let known: Vec<&str> = RELATIONS.iter().map(|(known, ..)| *known).collect();
        return Err(unusable(format!("it emits `{relation}`; known relations: {}", known.join(", "))));
    };
    let step = format!("mapping {name}/{relation}");
    let started = std::time::Instant::now();
    db.batch(&step, &format!("create or replace temporary table mapping as\n{select}"))?;
    db.run(&step, insert, params)?;
    if let Some(rejected) = rejected {
        db.run(&step, rejected, params)?;
    }
    tracing::debug!(step, elapsed = ?started.elapsed(), "mapped");
    Ok(())
}

/// The SELECTs of a `map.sql`, each with the relation that it emits.
fn statements(connector: &dyn Connector) -> Result<Vec<(&str, &str)>, Error> {
    let mut statements = Vec::new();
    let mut parts = connector.mapping().split("\n-- emits: ");
    // What stands before the first marker is the file's own comment.
    parts.next();
    for part in parts {
        let Some((relation, select)) = part.split_once('\n') else {
            let problem = "a relation without a statement".to_owned();
            return Err(Error::Mapping { connector: connector.spec().name.clone(), problem });
        };
        statements.push((relation.trim(), select.trim_end().trim_end_matches(';')));
    }
    Ok(statements)
}

/// Changes when the mapping, its tables or what takes them in do: then everything is mapped again.
fn version(connector: &dyn Connector) -> String {
    let mut hash = Sha256::new();
    hash.update(connector.mapping());
    for (name, csv) in connector.tables() {
        hash.update(name);
        hash.update(csv);
    }
    for (_, insert, _) in RELATIONS {
        hash.update(insert);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Loads a data table, all columns text, empty cells null.
pub(super) fn load_table(db: &Db, name: &str, csv: &str) -> Result<(), Error> {
    let unusable = |source| Error::Table { table: name.to_owned(), source };
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let columns: Vec<String> = reader.headers().map_err(unusable)?.iter().map(str::to_owned).collect();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(unusable)?;
        rows.push(
            record
                .iter()
                .map(|cell| if cell.is_empty() { Value::Null } else { Value::Text(cell.to_owned()) })
                .collect(),
        );
    }
    db.load(name, &columns, &rows)?;
    Ok(())
}

/// Which connector emits what: the rules ask which sources could still explain a change.
pub(super) fn load_relations(db: &Db) -> Result<(), Error> {
    let columns = ["connector", "relation"].map(str::to_owned);
    let mut rows = Vec::new();
    for connector in changetrail_connectors::all() {
        for (relation, _) in statements(*connector)? {
            rows.push(vec![Value::Text(connector.spec().name.clone()), Value::Text(relation.to_owned())]);
        }
    }
    db.load("connector_relation", &columns, &rows)?;
    Ok(())
}
