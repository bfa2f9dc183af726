//! Whether a mapping is what it may be: one SELECT over `raw`, the folder's own tables, and what follows from them alone.
//!
//! `DuckDB` itself takes the statement apart (`json_serialize_sql`), so that nothing hides in a spelling; a mapping that is
//! good is then described, and its columns held against those of the relation. The surprising fact: what tells the time
//! is refused too. A mapping is run again over all history, and must say the same each time.

use changetrail_connectors::{Connector, nearest};
use serde_json::Value as Json;

use super::Error;
use crate::error::with_causes;
use crate::store::{self, Db, Value, sql};

/// Functions that make rows of what a record holds.
pub(super) const ROW_FUNCTIONS: &[&str] =
    &["unnest", "generate_series", "range", "json_each", "json_tree", "generate_subscripts"];

/// Functions that look outside of the records, or say something else each time.
pub(super) const OUTSIDE: &[&str] = &[
    "getenv",
    "current_setting",
    "getvariable",
    "query",
    "query_table",
    "nextval",
    "currval",
    "read_text",
    "read_blob",
    "glob",
    "now",
    "get_current_timestamp",
    "current_timestamp",
    "transaction_timestamp",
    "current_date",
    "today",
    "current_time",
    "get_current_time",
    "current_localtime",
    "current_localtimestamp",
    "localtime",
    "localtimestamp",
    "ago",
    "pg_conf_load_time",
    "pg_postmaster_start_time",
    "current_connection_id",
    "current_query_id",
    "current_transaction_id",
    "version",
    "stats",
    "sleep_ms",
    "random",
    "setseed",
    "uuid",
    "uuidv4",
    "uuidv7",
    "gen_random_uuid",
    "write_log",
    "txid_current",
    "current_user",
    "current_query",
    "json_execute_serialized_sql",
    "error",
];

/// One SELECT of a `map.sql`.
pub(super) struct Statement<'a> {
    pub(super) relation: &'a str,
    pub(super) select: &'a str,
    /// Line of `map.sql` on which the SELECT begins.
    pub(super) line: usize,
}

/// Refuses a mapping that is anything else. `columns` is a SELECT with the relation's columns; the required ones must be there.
pub(super) fn check(
    db: &Db,
    connector: &dyn Connector,
    statement: &Statement<'_>,
    columns: &str,
    required: &[&str],
) -> Result<(), Error> {
    let refused = |line: usize, problem: String| refused(connector, line, &problem);
    let tree = parse(db, statement.select).map_err(|problem| refused(statement.line, problem))?;
    let tables: Vec<String> = connector.tables().iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut search = Search { known: tables, found: None };
    search.known.extend(["raw", "setting"].map(str::to_owned));
    search.name_parts(&tree);
    search.look(&tree);
    if let Some((place, problem)) = search.found {
        let before = statement.select.as_bytes().iter().take(place);
        return Err(refused(statement.line + before.filter(|byte| **byte == b'\n').count(), problem));
    }
    self::columns(db, statement, columns, required).map_err(|problem| refused(statement.line, problem))
}

/// Says which value of a column that knows a few is none of them, for the records that the mapping sees now.
///
/// # Errors
/// There is such a value, or the store fails.
pub(super) fn known_values(
    db: &Db,
    connector: &dyn Connector,
    statement: &Statement<'_>,
    table: &str,
) -> Result<(), Error> {
    let table = [("table", Value::Text(table.to_owned()))];
    let (_, columns) = db.rows(sql!("map/known_values.sql"), &table)?;
    let emitted = described(db, statement.select)?;
    for row in &columns {
        let [Value::Text(column), Value::Text(known)] = row.as_slice() else { continue };
        if !emitted.iter().any(|(name, _)| name == column) {
            continue;
        }
        let sql = sql!("map/unknown_value.sql").replace("{mapping}", statement.select).replace("{column}", column);
        let (_, rows) = db.rows(&sql, &[("known", Value::Text(known.clone()))])?;
        if let Some([Value::Text(value)]) = rows.first().map(Vec::as_slice) {
            let known: Vec<String> = serde_json::from_str(known).unwrap_or_default();
            let meant = match nearest(&value.to_lowercase(), known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known are {}", known.join(", ")),
            };
            let problem = format!("the column `{column}` of `{}` knows no `{value}`; {meant}", statement.relation);
            return Err(refused(connector, statement.line, &problem));
        }
    }
    Ok(())
}

fn refused(connector: &dyn Connector, line: usize, problem: &str) -> Error {
    Error::Mapping { connector: connector.spec().name.clone(), problem: format!("map.sql line {line}: {problem}") }
}

/// The statement taken apart.
fn parse(db: &Db, select: &str) -> Result<Json, String> {
    let asked = db.rows(
        "select json_serialize_sql($statement::varchar)::varchar",
        &[("statement", Value::Text(select.to_owned()))],
    );
    let (_, rows) = asked.map_err(|error| with_causes(&error))?;
    let Some([Value::Text(text)]) = rows.first().map(Vec::as_slice) else { return Err("it cannot be parsed".into()) };
    let tree: Json = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if tree["error"] == Json::Bool(true) {
        let said = tree["error_message"].as_str().unwrap_or_default();
        if said.starts_with("Only SELECT") {
            return Err("only a SELECT is allowed: no COPY, ATTACH, INSTALL, SET or anything that writes".into());
        }
        return Err(said.to_owned());
    }
    match tree["statements"].as_array().map(Vec::len) {
        Some(1) => Ok(tree),
        Some(0) | None => Err("there is no statement".into()),
        Some(_) => Err("a second statement: each relation has one SELECT".into()),
    }
}

/// Looks for what is not allowed.
struct Search {
    known: Vec<String>,
    /// Place in the statement, and what is wrong there.
    found: Option<(usize, String)>,
}

impl Search {
    /// Parts that the statement names itself (`with … as`).
    fn name_parts(&mut self, node: &Json) {
        match node {
            Json::Object(members) => {
                let parts = members.get("cte_map").and_then(|map| map["map"].as_array()).into_iter().flatten();
                self.known.extend(parts.filter_map(|part| part["key"].as_str()).map(str::to_lowercase));
                members.values().for_each(|member| self.name_parts(member));
            }
            Json::Array(items) => items.iter().for_each(|item| self.name_parts(item)),
            _ => {}
        }
    }

    fn look(&mut self, node: &Json) {
        match node {
            Json::Object(members) => {
                if self.found.is_none()
                    && let Some(problem) = self.problem(node)
                {
                    let place = node["query_location"].as_u64().and_then(|place| usize::try_from(place).ok());
                    // The parser gives no place to some parts.
                    self.found = Some((place.filter(|place| *place < usize::MAX / 2).unwrap_or(0), problem));
                }
                members.values().for_each(|member| self.look(member));
            }
            Json::Array(items) => items.iter().for_each(|item| self.look(item)),
            _ => {}
        }
    }

    fn problem(&self, node: &Json) -> Option<String> {
        let text = |key: &str| node[key].as_str().unwrap_or_default();
        match text("type") {
            "BASE_TABLE" => {
                let name = text("table_name");
                let is_plain = text("schema_name").is_empty() && text("catalog_name").is_empty();
                let known = self.known.iter().any(|known| *known == name.to_lowercase());
                (!is_plain || !known).then(|| self.unknown_table(&[text("catalog_name"), text("schema_name"), name]))
            }
            "TABLE_FUNCTION" => {
                let name = node["function"]["function_name"].as_str().unwrap_or_default();
                let allowed = ROW_FUNCTIONS.contains(&name.to_lowercase().as_str());
                (!allowed).then(|| {
                    format!(
                        "{name}() reads what is no record; rows come from raw, the folder's tables, or {}",
                        ROW_FUNCTIONS.join(", ")
                    )
                })
            }
            "FUNCTION" | "WINDOW_AGGREGATE" => {
                let name = text("function_name").to_lowercase();
                // With one argument it counts up to today.
                let is_refused = OUTSIDE.contains(&name.as_str())
                    || (name == "age" && node["children"].as_array().is_some_and(|children| children.len() == 1));
                is_refused.then(|| format!("{name}() is not allowed: a mapping sees the record and nothing else, and says the same each time"))
            }
            // Some of these may be written without brackets.
            "COLUMN_REF" => match node["column_names"].as_array().map(Vec::as_slice) {
                Some([Json::String(name)])
                    if (name.starts_with("current_") || name.starts_with("local"))
                        && OUTSIDE.contains(&name.to_lowercase().as_str()) =>
                {
                    Some(format!("{name} is not allowed: a mapping says the same each time"))
                }
                _ => None,
            },
            "SHOW_REF" => Some("only a SELECT is allowed: no DESCRIBE, SHOW or SUMMARIZE".into()),
            "VALUE_PARAMETER" | "PARAMETER" => {
                Some("a parameter ($name) is not allowed: a mapping sees the record and nothing else".into())
            }
            _ => None,
        }
    }

    fn unknown_table(&self, path: &[&str]) -> String {
        let name: Vec<&str> = path.iter().copied().filter(|part| !part.is_empty()).collect();
        let meant = nearest(&name.join("."), self.known.iter().map(String::as_str))
            .map(|near| format!("; did you mean `{near}`?"));
        format!(
            "`{}` is no table that a mapping sees: raw, the folder's data tables, and its own parts{}",
            name.join("."),
            meant.unwrap_or_default()
        )
    }
}

/// The columns of a SELECT, each with its type.
fn described(db: &Db, select: &str) -> Result<Vec<(String, String)>, store::Error> {
    let (_, rows) = db.rows(&format!("describe {select}"), &[])?;
    let pair = |row: &Vec<Value>| match row.as_slice() {
        [Value::Text(name), Value::Text(kind), ..] => Some((name.to_lowercase(), kind.clone())),
        _ => None,
    };
    Ok(rows.iter().filter_map(pair).collect())
}

/// Holds the columns that come out against those of the relation.
fn columns(db: &Db, statement: &Statement<'_>, columns: &str, required: &[&str]) -> Result<(), String> {
    let described = |select: &str| described(db, select).map_err(|error| with_causes(&error));
    let known = described(columns)?;
    let emitted = described(statement.select)?;
    // Where it has the types of the relation it fits; a literal null takes them, so else both are described as one.
    let fits = emitted.iter().all(|column| known.contains(column));
    let as_one = || described(&format!("{columns} union all by name (\n{}\n)", statement.select));
    for (name, kind) in if fits { Vec::new() } else { as_one()? } {
        let Some((_, expected)) = known.iter().find(|(known, _)| *known == name) else {
            let names = || known.iter().map(|(known, _)| known.as_str());
            let meant = match nearest(&name, names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known are {}", names().collect::<Vec<_>>().join(", ")),
            };
            return Err(format!("`{}` has no column `{name}`; {meant}", statement.relation));
        };
        if kind != *expected && !(kind == "JSON" && expected == "VARCHAR") {
            return Err(format!(
                "the column `{name}` of `{}` is {expected}, and what comes out is {kind}",
                statement.relation
            ));
        }
    }
    if let Some(missing) = required.iter().find(|name| !emitted.iter().any(|(emitted, _)| emitted == *name)) {
        return Err(format!(
            "a `{}` needs the column `{missing}`, which it does not have; it needs {}",
            statement.relation,
            required.join(", ")
        ));
    }
    Ok(())
}
