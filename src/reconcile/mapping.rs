//! Runs a connector's `map.sql` over the records that came in since it was last run, and everything again when the
//! mapping has changed.
//!
//! A log is mapped in slices, so that a year of it takes no more memory than a month.
//!
//! The surprising fact: a run of a pipeline is told by several records, which come at different times (the deployment,
//! its statuses, its approvals, its definition), and a mapping may join them. So a source that emits these is mapped
//! over all of its records whenever one came, or over those that belong together with what came, where its mapping says
//! which do (`-- together`): then whatever it emits.

use std::ops::RangeInclusive;

use changetrail_connectors::{Catalog, Connector, hex, spec};
use sha2::{Digest, Sha256};

use super::raw::{self, Records};
use super::relation::{RELATIONS, Relation, check_all, emitted, is_joined, parts};
use super::sandbox::{self, Statement};
use super::{Error, Options};
use crate::config::Source;
use crate::store::{Db, Value, sql, written};

/// What every mapping is made with.
const SHARED: [&str; 9] = [
    sql!("schema/macros.sql"),
    sql!("map/raw.sql"),
    sql!("map/raw_left_out.sql"),
    sql!("map/previous.sql"),
    sql!("map/no_previous.sql"),
    sql!("map/several.sql"),
    sql!("map/came_back.sql"),
    sql!("map/contradicting.sql"),
    sql!("map/told_otherwise.sql"),
];

/// How many records a mapping sees at once: enough that planning it costs nothing beside, and some 600 MB at work.
const SLICE: i64 = 200_000;

/// What a source says of itself, for mappings that go by it: (key, text), a list as one row for each of its texts.
pub(super) fn settings(params: &toml::Table) -> Vec<(String, String)> {
    let mut settings = Vec::new();
    for (key, value) in params {
        // References to secrets are tables: they are nobody's business here.
        match value {
            toml::Value::String(text) => settings.push((key.clone(), text.clone())),
            toml::Value::Array(items) => {
                settings.extend(items.iter().filter_map(|item| Some((key.clone(), item.as_str()?.to_owned()))));
            }
            _ => {}
        }
    }
    settings
}

/// Loads what a source says of itself.
fn load_settings(db: &Db, settings: &[(String, String)]) -> Result<(), Error> {
    let text = |text: &str| Value::Text(text.to_owned());
    let rows: Vec<Vec<Value>> = settings.iter().map(|(key, value)| vec![text(key), text(value)]).collect();
    Ok(db.load("setting", &["key", "value"].map(str::to_owned), &rows)?)
}

/// What is to be mapped of a source, and how.
pub(super) struct Prepared<'c> {
    pub(super) params: Vec<(&'static str, Value)>,
    statements: Vec<Statement<'c>>,
    together: Option<Statement<'c>>,
    /// The batch up to which it was mapped before.
    pub(super) through: i64,
    /// It was mapped before by this very mapping, which was found to be one that may run.
    known: bool,
    /// What belongs together with new records is older than they are.
    after_batch: i64,
    records: Records,
}

impl Prepared<'_> {
    /// The records that the mapping sees.
    pub(super) fn records(&self) -> Records {
        self.records
    }

    /// The batch after which these records came.
    fn after(&self, records: Records) -> i64 {
        if records == Records::Contradicting { 0 } else { self.after_batch }
    }
}

/// Finds what is new of a source, and shows it to the mapping: the view `raw` and the tables beside it.
pub(super) fn prepare<'c>(
    db: &Db,
    source: &str,
    settings: &[(String, String)],
    connector: &'c dyn Connector,
    options: &Options,
) -> Result<Prepared<'c>, Error> {
    let text = |text: &str| Value::Text(text.to_owned());
    // A setting that the mapping goes by is part of it.
    let version = format!("{} {}", version(connector), hex(&Sha256::digest(format!("{settings:?}"))));
    let mut params = vec![
        ("source", text(source)),
        ("system", text(&connector.spec().name)),
        ("now", Value::Time(options.now)),
        ("mapping_hash", text(&version)),
    ];
    let (statements, together) = parts(connector)?;
    let joined = joins(&statements, together.as_ref());
    let (_, rows) = db.rows(sql!("map/progress.sql"), &params)?;
    let (through, known, regroup) = match rows.first().map(Vec::as_slice) {
        Some([Value::Int(through), Value::Int(latest)]) if !options.rebuild => {
            let known = *through > 0;
            let again = joined && latest > through && known;
            (if again && together.is_none() { 0 } else { *through }, known, together.as_ref().filter(|_| again))
        }
        _ => (0, false, None),
    };
    for (name, csv) in connector.tables() {
        load_table(db, name, csv)?;
    }
    load_settings(db, settings)?;
    let another = "delete from unmappable where source = $source and mapping_hash <> $mapping_hash";
    db.script("another mapping", another, &params)?;
    let (after_batch, records) = if regroup.is_some() { (0, Records::Together) } else { (through, Records::New) };
    if let Some(statement) = regroup {
        group(db, source, statement, through)?;
    }
    params.push(("after_batch", Value::Int(after_batch)));
    raw::prepare(db, source, connector, after_batch, records)?;
    let again = match (through, records) {
        (0, _) => "create or replace temporary table retold (record_id varchar)",
        (_, Records::Together) => sql!("map/retold_together.sql"),
        _ => sql!("map/retold.sql"),
    };
    db.script("told again", again, &params)?;
    params.push(("no_logs", text(&serde_json::json!(connector.spec().no_logs()).to_string())));
    db.script("told in several ways", sql!("map/contradicting.sql"), &params)?;
    Ok(Prepared { params, statements, together, through, known, after_batch, records })
}

pub(super) fn run(
    db: &Db,
    source: &str,
    settings: &[(String, String)],
    connector: &dyn Connector,
    options: &Options,
) -> Result<(), Error> {
    let Prepared { params, statements, together, through, known, after_batch, records: seen } =
        prepare(db, source, settings, connector, options)?;
    let joined = joins(&statements, together.as_ref());
    let emitted = emitted(connector, &statements)?;
    let (_, rows) = db.rows("select count(*) from raw", &[])?;
    let records = match rows.first().and_then(|row| row.first()) {
        Some(Value::Int(records)) => records.unsigned_abs(),
        _ => 0,
    };
    if through == 0 {
        db.script("touched", sql!("map/touched.sql"), &params)?;
        db.script("forget", sql!("map/forget_source.sql"), &params)?;
    }
    db.script("set aside", sql!("map/unmappable.sql"), &params)?;
    if records > 0 {
        if through > 0 {
            db.script("touched", sql!("map/touched_again.sql"), &params)?;
            db.script("forget", sql!("map/forget.sql"), &params)?;
        }
        if !known && !connector.is_built_in() {
            // Whoever writes one is told of a slip in `together` the first night, though it is not needed before the second.
            check_all(db, connector, &emitted, together.as_ref())?;
        }
        let mut after = after_batch;
        for last in if joined { vec![i64::MAX] } else { slices(db, &params)? } {
            raw::show(db, source, after..=last, seen, "")?;
            for (statement, relation) in &emitted {
                take_in(db, connector, statement, relation, &params)?;
            }
            db.script("several changes", sql!("map/several.sql"), &params)?;
            if connector.spec().has_objects() {
                db.script("what came back", sql!("map/came_back.sql"), &params)?;
            }
            after = last;
        }
        raw::show(db, source, after_batch..=i64::MAX, seen, "")?;
        db.script("unmapped", sql!("map/left_over.sql"), &params)?;
        db.script("unmapped", sql!("map/unmapped.sql"), &params)?;
        db.script("touched", sql!("map/touched.sql"), &params)?;
    }
    note_told_otherwise(db, source, connector, &emitted, &params)?;
    db.script("mapped", sql!("map/mapped.sql"), &params)?;
    Ok(())
}

/// Whether a mapping is one that may run; nothing is mapped.
///
/// # Errors
/// It is not.
pub(super) fn check(db: &Db, connector: &dyn Connector, options: &Options) -> Result<(), Error> {
    let prepared = prepare(db, "", &[], connector, options)?;
    check_all(db, connector, &emitted(connector, &prepared.statements)?, prepared.together.as_ref())
}

/// Maps some of the prepared records and takes it back.
///
/// # Errors
/// The mapping fails on them.
pub(super) fn try_out(
    db: &Db,
    source: &str,
    connector: &dyn Connector,
    prepared: &Prepared<'_>,
    records: Records,
    numbers: &RangeInclusive<i64>,
) -> Result<(), Error> {
    let (first, last) = (numbers.start(), numbers.end());
    let only = format!(" and r.record_id in (select record_id from tried where number between {first} and {last})");
    db.batch("begin", "begin transaction")?;
    let tried = raw::show(db, source, prepared.after(records)..=i64::MAX, records, &only).and_then(|()| {
        let emitted = emitted(connector, &prepared.statements)?;
        check_all(db, connector, &emitted, None)?;
        emitted.iter().try_for_each(|(statement, relation)| {
            if ["change", "session"].contains(&relation.name) {
                sandbox::known_values(db, connector, statement, relation.table())?;
            }
            take_in(db, connector, statement, relation, &prepared.params)
        })
    });
    db.batch("rollback", "rollback")?;
    tried
}

/// Whether a mapping joins records that come at different times.
fn joins(statements: &[Statement<'_>], together: Option<&Statement<'_>>) -> bool {
    together.is_some() || statements.iter().any(|statement| is_joined(statement.relation))
}

/// Whether the others can be judged without what is new of a source: it tells of changes alone, and nobody else's change
/// would look otherwise for the lack of it.
pub(super) fn can_wait(connector: &dyn Connector) -> bool {
    let tells =
        |relation: &spec::Relation| matches!(relation, spec::Relation::Change | spec::Relation::ManagedResource);
    connector.spec().emits.iter().all(tells)
}

/// Finds the records that belong together with those that came in after a batch: the table `together`.
fn group(db: &Db, source: &str, statement: &Statement<'_>, after_batch: i64) -> Result<(), Error> {
    db.batch("records that belong together", sql!("map/whole.sql"))?;
    raw::show(db, source, 0..=i64::MAX, Records::New, "")?;
    let params = [("source", Value::Text(source.to_owned())), ("after_batch", Value::Int(after_batch))];
    let group = written(sql!("map/together.sql"), &params).replace("{mapping}", statement.select);
    db.batch("records that belong together", &group)?;
    Ok(())
}

/// Up to which batches to map at once, one after the other.
fn slices(db: &Db, params: &[(&str, Value)]) -> Result<Vec<i64>, Error> {
    let mut params = params.to_vec();
    params.push(("records", Value::Int(SLICE)));
    let (_, rows) = db.rows(sql!("map/slices.sql"), &params)?;
    Ok(rows
        .into_iter()
        .filter_map(|row| if let Some(Value::Int(batch)) = row.first() { Some(*batch) } else { None })
        .collect())
}

/// Some columns of what the mapping makes of all that is stored of a source.
pub(super) fn rows(
    db: &Db,
    source: &str,
    connector: &dyn Connector,
    relation: &str,
    columns: &[String],
) -> Result<Vec<Vec<Value>>, Error> {
    raw::prepare(db, source, connector, 0, Records::New)?;
    load_settings(db, &[])?;
    for (name, csv) in connector.tables() {
        load_table(db, name, csv)?;
    }
    let found = parts(connector)?.0.into_iter().find(|statement| statement.relation == relation);
    let Some(Statement { select, .. }) = found else {
        let problem = format!("it emits no `{relation}`");
        return Err(Error::Mapping { connector: connector.spec().name.clone(), problem });
    };
    let columns: Vec<String> = columns.iter().map(|column| format!("\"{}\"", column.replace('"', "\"\""))).collect();
    Ok(db.rows(&format!("select {} from (\n{select}\n) order by all", columns.join(", ")), &[])?.1)
}

/// Notes the records that were told in several ways which mean something else: each content is mapped by itself.
fn note_told_otherwise(
    db: &Db,
    source: &str,
    connector: &dyn Connector,
    emitted: &[(&Statement<'_>, &'static Relation)],
    params: &[(&str, Value)],
) -> Result<(), Error> {
    let step = "told otherwise";
    let (_, rows) = db.rows("select count(*) from contradicting", &[])?;
    if matches!(rows.first().map(Vec::as_slice), Some([Value::Int(0)])) {
        return Ok(());
    }
    raw::show(db, source, 0..=i64::MAX, Records::Contradicting, "")?;
    db.batch(step, sql!("map/meant.sql"))?;
    for (statement, relation) in emitted {
        if ["change", "session"].contains(&relation.name) {
            let mean = relation.insert.replacen("insert into ", "insert into meant_", 1);
            let name = format!("{step}: {}/{}", connector.spec().name, relation.name);
            db.batch(&name, &written(&mean, params).replace("{mapping}", statement.select))?;
        }
    }
    db.script(step, sql!("map/told_otherwise.sql"), params)?;
    Ok(())
}

fn take_in(
    db: &Db,
    connector: &dyn Connector,
    statement: &Statement<'_>,
    relation: &Relation,
    params: &[(&str, Value)],
) -> Result<(), Error> {
    let name = &connector.spec().name;
    let step = format!("mapping {name}/{}", relation.name);
    let started = std::time::Instant::now();
    let mut mapping = statement.select;
    if relation.joined {
        // Read twice, made once.
        db.batch(&step, &format!("create or replace temporary table emitted as (\n{mapping}\n)"))?;
        mapping = "from emitted";
    }
    // The parameters first: a mapping has none, but may have text that looks like one.
    db.batch(&step, &written(relation.insert, params).replace("{mapping}", mapping))?;
    db.batch(&step, &written(relation.reject, params).replace("{mapping}", mapping))?;
    tracing::debug!(step, elapsed = ?started.elapsed(), "mapped");
    Ok(())
}

/// Changes when the mapping, its tables or what takes them in do: then everything is mapped again.
pub(super) fn version(connector: &dyn Connector) -> String {
    let mut hash = Sha256::new();
    hash.update(connector.mapping());
    for (name, csv) in connector.tables() {
        hash.update(name);
        hash.update(csv);
    }
    for shared in SHARED {
        hash.update(shared);
    }
    // What a mapping was found to be rests on these.
    for allowed_or_not in [sandbox::ROW_FUNCTIONS, sandbox::OUTSIDE].into_iter().flatten() {
        hash.update(allowed_or_not);
    }
    for relation in RELATIONS {
        hash.update(relation.insert);
        hash.update(relation.reject);
    }
    hex(&hash.finalize())
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

/// Which connector emits what, and whose sessions each source tells of: the rules ask which sources could still explain or
/// unmask a change.
pub(super) fn load_relations(db: &Db, catalog: &Catalog, sources: &[Source]) -> Result<(), Error> {
    let columns = ["connector", "relation"].map(str::to_owned);
    let mut rows = Vec::new();
    for connector in catalog.all() {
        for statement in parts(&**connector)?.0 {
            let (name, relation) = (connector.spec().name.clone(), statement.relation.to_owned());
            rows.push(vec![Value::Text(name), Value::Text(relation)]);
        }
    }
    db.load("connector_relation", &columns, &rows)?;
    let mut of_sessions = Vec::new();
    for source in sources {
        // A source without a connector that can be used is told elsewhere.
        let Ok(connector) = catalog.find(&source.connector) else { continue };
        for system in connector.spec().sessions_of(&source.params) {
            of_sessions.push(vec![Value::Text(source.name.clone()), Value::Text(system.to_owned())]);
        }
    }
    db.load("session_source", &["source", "system"].map(str::to_owned), &of_sessions)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{SLICE, slices};
    use crate::store::{Db, Value};

    /// Every batch is in one slice, and none is bigger than it has to be.
    #[test]
    fn slices_leave_out_no_batch() {
        let db = Db::scratch().expect("a store in memory");
        let insert = |batch: i64, source: &str, records: i64| {
            let hash = "0".repeat(64);
            let sql = format!(
                "insert into batch values ({batch}, timestamp '2026-11-29', '{source}', null, {records}, '{hash}', '{hash}')"
            );
            db.batch("a batch", &sql).expect("a batch");
        };
        for (batch, records) in [(3, SLICE / 2), (4, SLICE / 4), (6, SLICE / 2), (7, 3 * SLICE), (9, 0), (10, 1)] {
            insert(batch, "aws", records);
        }
        insert(11, "another", SLICE);

        let params = |after: i64| vec![("source", Value::Text("aws".to_owned())), ("after_batch", Value::Int(after))];
        assert_eq!(slices(&db, &params(0)).expect("slices"), [4, 6, 10]);
        assert_eq!(slices(&db, &params(7)).expect("slices"), [10]);
        assert!(slices(&db, &params(10)).expect("slices").is_empty());
    }
}
