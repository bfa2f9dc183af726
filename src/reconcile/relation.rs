//! What a `map.sql` is made of: SELECTs, each with the relation that it emits, and how the rows of each relation are taken
//! in.
//!
//! The surprising fact: a run of a pipeline is told by several records, so some relations are made of all records of a
//! source, others of those that are new.

use changetrail_connectors::Connector;

use super::Error;
use super::sandbox::{self, Statement};
use crate::store::{Db, sql};

/// What a mapping says of the records that belong together.
const TOGETHER: &str = "select null::varchar as record_id, null::varchar as key";
const TOGETHER_NEEDS: &[&str] = &["record_id", "key"];

/// How one relation is taken in. `{mapping}` stands for the connector's SELECT.
pub(super) struct Relation {
    pub(super) name: &'static str,
    /// Takes the rows in, with defaults.
    pub(super) insert: &'static str,
    /// Sets aside what cannot be such a row, with the reason.
    pub(super) reject: &'static str,
    /// Columns without which every record would be set aside.
    required: &'static [&'static str],
    /// A row may take several records: the source is mapped over all of them.
    pub(super) joined: bool,
}

impl Relation {
    /// The table that the rows are taken into.
    pub(super) fn table(&self) -> &'static str {
        let (_, rest) = self.insert.split_once("insert into ").unwrap_or_default();
        rest.split_whitespace().next().unwrap_or_default()
    }
}

pub(super) const RELATIONS: &[Relation] = &[
    Relation {
        name: "change",
        insert: sql!("map/change.sql"),
        reject: sql!("map/change_rejected.sql"),
        required: &["record_id", "occurred_at", "action"],
        joined: false,
    },
    Relation {
        name: "session",
        insert: sql!("map/session.sql"),
        reject: sql!("map/session_rejected.sql"),
        required: &["record_id", "caller_type"],
        joined: false,
    },
    Relation {
        name: "deployment",
        insert: sql!("map/deployment.sql"),
        reject: sql!("map/deployment_rejected.sql"),
        required: &["record_id", "deployment_id", "pipeline", "stage", "outcome"],
        joined: true,
    },
    Relation {
        name: "approval",
        insert: sql!("map/approval.sql"),
        reject: sql!("map/approval_rejected.sql"),
        required: &["record_id", "decision"],
        joined: true,
    },
    Relation {
        name: "pipeline_stage",
        insert: sql!("map/pipeline_stage.sql"),
        reject: sql!("map/pipeline_stage_rejected.sql"),
        required: &["record_id", "pipeline", "stage"],
        joined: true,
    },
    Relation {
        name: "managed_resource",
        insert: sql!("map/managed_resource.sql"),
        reject: sql!("map/managed_resource_rejected.sql"),
        required: &["record_id", "state", "address"],
        joined: false,
    },
    Relation {
        name: "membership",
        insert: sql!("map/membership.sql"),
        reject: sql!("map/membership_rejected.sql"),
        required: &["record_id", "group_id", "member_id", "is_member", "told_at"],
        joined: false,
    },
];

pub(super) fn is_joined(relation: &str) -> bool {
    RELATIONS.iter().any(|known| known.name == relation && known.joined)
}

/// The statements of a mapping, each with the relation that it emits.
///
/// # Errors
/// One emits what is no relation.
pub(super) fn emitted<'s, 'c>(
    connector: &dyn Connector,
    statements: &'s [Statement<'c>],
) -> Result<Vec<(&'s Statement<'c>, &'static Relation)>, Error> {
    let relation = |statement: &'s Statement<'c>| {
        if let Some(relation) = RELATIONS.iter().find(|known| known.name == statement.relation) {
            return Ok((statement, relation));
        }
        let known: Vec<&str> = RELATIONS.iter().map(|known| known.name).collect();
        let problem = format!(
            "map.sql line {}: it emits `{}`; known relations: {}",
            statement.line - 1,
            statement.relation,
            known.join(", ")
        );
        Err(Error::Mapping { connector: connector.spec().name.clone(), problem })
    };
    statements.iter().map(relation).collect()
}

/// Refuses a mapping of which a statement may not run.
pub(super) fn check_all(
    db: &Db,
    connector: &dyn Connector,
    emitted: &[(&Statement<'_>, &'static Relation)],
    together: Option<&Statement<'_>>,
) -> Result<(), Error> {
    for (statement, relation) in emitted {
        // What takes the rows in begins with a SELECT of the relation's columns without rows.
        let columns = relation.insert.split_once("from (").and_then(|(_, rest)| rest.split_once("union all by name"));
        let columns = columns.map(|(columns, _)| columns.trim()).unwrap_or_default();
        sandbox::check(db, connector, statement, columns, relation.required)?;
    }
    together.map_or(Ok(()), |statement| sandbox::check(db, connector, statement, TOGETHER, TOGETHER_NEEDS))
}

/// The SELECTs of a `map.sql`, each with the relation that it emits, and the one that says which records belong together.
pub(super) fn parts(connector: &dyn Connector) -> Result<(Vec<Statement<'_>>, Option<Statement<'_>>), Error> {
    let mapping = connector.mapping();
    // What stands before the first marker is the file's own comment.
    let mut parts: Vec<(Option<&str>, usize, usize)> = Vec::new();
    let mut place = 0;
    for (index, line) in mapping.split_inclusive('\n').enumerate() {
        let relation = line.strip_prefix("-- emits: ").map(str::trim);
        if relation.is_some() || line.trim_end() == "-- together" {
            parts.push((relation, index + 2, place));
        }
        place += line.len();
    }
    let (mut statements, mut together) = (Vec::new(), None);
    for (index, (relation, line, place)) in parts.iter().enumerate() {
        let part = &mapping[*place..parts.get(index + 1).map_or(mapping.len(), |(_, _, next)| *next)];
        let Some((_, select)) = part.split_once('\n') else {
            let problem = "a relation without a statement".to_owned();
            return Err(Error::Mapping { connector: connector.spec().name.clone(), problem });
        };
        let select = select.trim_end().trim_end_matches(';');
        match *relation {
            Some(relation) => statements.push(Statement { relation, select, line: *line }),
            None => together = Some(Statement { relation: "together", select, line: *line }),
        }
    }
    Ok((statements, together))
}
