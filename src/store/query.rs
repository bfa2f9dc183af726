//! Queries: named parameters in, rows of our own kind out.

use changetrail_connectors::hex;
use duckdb::core::LogicalTypeId;
use duckdb::types::{TimeUnit, ToSql, Value as Cell, ValueRef};
use duckdb::{Connection, Statement};
use jiff::Timestamp;

use super::{Column, Db, Error, Kind, RowSink, Value};

impl Db {
    /// Runs one query and hands its rows to `sink`, one at a time. Returns their number.
    ///
    /// # Errors
    /// The query is wrong, needs a parameter that is not given, or the sink cannot write.
    pub fn stream(&self, sql: &str, params: &[(&str, Value)], sink: &mut dyn RowSink) -> Result<u64, Error> {
        let mut statement = prepare(&self.connection, sql, params)?;
        let mut rows = {
            statement.raw_execute().map_err(|source| Error::Query { source })?;
            statement.raw_query()
        };
        let columns = rows.as_ref().map(columns).unwrap_or_default();
        let output = |source| Error::Output { source };
        sink.begin(&columns).map_err(output)?;
        let mut cells = Vec::with_capacity(columns.len());
        let mut count = 0;
        while let Some(row) = rows.next().map_err(|source| Error::Query { source })? {
            cells.clear();
            for index in 0..columns.len() {
                cells.push(from_cell(row.get_ref(index).map_err(|source| Error::Query { source })?));
            }
            sink.row(&cells).map_err(output)?;
            count += 1;
        }
        sink.end().map_err(output)?;
        Ok(count)
    }

    /// Runs one query and keeps its rows: for small results.
    ///
    /// # Errors
    /// As [`Db::stream`].
    pub fn rows(&self, sql: &str, params: &[(&str, Value)]) -> Result<(Vec<Column>, Vec<Vec<Value>>), Error> {
        let mut kept = Kept::default();
        self.stream(sql, params, &mut kept)?;
        Ok((kept.columns, kept.rows))
    }

    /// Runs one statement for what it does. Returns the number of rows that it changed.
    pub(crate) fn run(&self, step: &str, sql: &str, params: &[(&str, Value)]) -> Result<usize, Error> {
        let named = |error| match error {
            Error::Query { source } => Error::Statement { step: step.to_owned(), source },
            other => other,
        };
        let mut statement = prepare(&self.connection, sql, params).map_err(named)?;
        statement.raw_execute().map_err(|source| Error::Statement { step: step.to_owned(), source })
    }

    /// Runs the statements of a script, with parameters [`written`] into it.
    pub(crate) fn script(&self, step: &str, sql: &str, params: &[(&str, Value)]) -> Result<(), Error> {
        self.batch(step, &written(sql, params))
    }
}

/// The statement with its parameters written into it: for long statements, and values of our own. One that has parameters is
/// bound twice, once without their values and once with them. Names that no parameter has are left as they are.
pub(crate) fn written(sql: &str, params: &[(&str, Value)]) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut parts = sql.split('$');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(part.len());
        if let Some((_, value)) = params.iter().find(|(known, _)| *known == &part[..end]) {
            text.push_str(&literal(value));
            text.push_str(&part[end..]);
        } else {
            text.push('$');
            text.push_str(part);
        }
    }
    text
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => format!("'{value}'::double"),
        Value::Text(value) => format!("'{}'", value.replace('\'', "''")),
        Value::Time(value) => format!("make_timestamp({})", value.as_microsecond()),
    }
}

#[derive(Default)]
struct Kept {
    columns: Vec<Column>,
    rows: Vec<Vec<Value>>,
}

impl RowSink for Kept {
    fn begin(&mut self, columns: &[Column]) -> std::io::Result<()> {
        self.columns = columns.to_vec();
        Ok(())
    }

    fn row(&mut self, cells: &[Value]) -> std::io::Result<()> {
        self.rows.push(cells.to_vec());
        Ok(())
    }

    fn end(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn prepare<'c>(connection: &'c Connection, sql: &str, params: &[(&str, Value)]) -> Result<Statement<'c>, Error> {
    let failed = |source| Error::Query { source };
    let mut statement = connection.prepare(sql).map_err(failed)?;
    for index in 1..=statement.parameter_count() {
        let name = statement.parameter_name(index).map_err(failed)?;
        let Some((_, value)) = params.iter().find(|(known, _)| *known == name) else {
            return Err(Error::Parameter { name });
        };
        statement.raw_bind_parameter(index, to_cell(value)).map_err(failed)?;
    }
    Ok(statement)
}

pub(super) fn to_cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Bool(value) => Cell::Boolean(*value),
        Value::Int(value) => Cell::BigInt(*value),
        Value::Float(value) => Cell::Double(*value),
        Value::Text(value) => Cell::Text(value.clone()),
        Value::Time(value) => Cell::Timestamp(TimeUnit::Microsecond, value.as_microsecond()),
    }
}

fn columns(statement: &Statement<'_>) -> Vec<Column> {
    (0..statement.column_count())
        .map(|index| Column {
            name: statement.column_name(index).map_or_else(|_| String::new(), ToString::to_string),
            kind: kind(statement.column_logical_type(index).id()),
        })
        .collect()
}

fn kind(id: LogicalTypeId) -> Kind {
    match id {
        LogicalTypeId::Boolean => Kind::Bool,
        LogicalTypeId::Tinyint
        | LogicalTypeId::Smallint
        | LogicalTypeId::Integer
        | LogicalTypeId::Bigint
        | LogicalTypeId::UTinyint
        | LogicalTypeId::USmallint
        | LogicalTypeId::UInteger
        | LogicalTypeId::UBigint
        | LogicalTypeId::Hugeint
        | LogicalTypeId::UHugeint => Kind::Integer,
        LogicalTypeId::Float | LogicalTypeId::Double | LogicalTypeId::Decimal => Kind::Number,
        LogicalTypeId::Timestamp
        | LogicalTypeId::TimestampS
        | LogicalTypeId::TimestampMs
        | LogicalTypeId::TimestampNs
        | LogicalTypeId::TimestampTZ => Kind::Time,
        LogicalTypeId::List
        | LogicalTypeId::Struct
        | LogicalTypeId::Map
        | LogicalTypeId::Array
        | LogicalTypeId::Union => Kind::Json,
        _ => Kind::Text,
    }
}

fn from_cell(cell: ValueRef<'_>) -> Value {
    match cell {
        ValueRef::Null => Value::Null,
        ValueRef::Boolean(value) => Value::Bool(value),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Float(value) => Value::Float(f64::from(value)),
        ValueRef::Double(value) => Value::Float(value),
        ValueRef::Timestamp(unit, value) => {
            Timestamp::from_microsecond(unit.to_micros(value)).map_or(Value::Null, Value::Time)
        }
        other => from_owned(&other.to_owned()),
    }
}

/// The rarer types, as text where we have no kind of our own.
fn from_owned(cell: &Cell) -> Value {
    match cell {
        Cell::TinyInt(value) => Value::Int(i64::from(*value)),
        Cell::SmallInt(value) => Value::Int(i64::from(*value)),
        Cell::Int(value) => Value::Int(i64::from(*value)),
        Cell::BigInt(value) => Value::Int(*value),
        Cell::UTinyInt(value) => Value::Int(i64::from(*value)),
        Cell::USmallInt(value) => Value::Int(i64::from(*value)),
        Cell::UInt(value) => Value::Int(i64::from(*value)),
        Cell::UBigInt(value) => i64::try_from(*value).map_or_else(|_| Value::Text(value.to_string()), Value::Int),
        Cell::HugeInt(value) => i64::try_from(*value).map_or_else(|_| Value::Text(value.to_string()), Value::Int),
        Cell::Decimal(value) => Value::Text(value.to_string()),
        Cell::UHugeInt(value) => Value::Text(value.to_string()),
        Cell::Enum(text) => Value::Text(text.clone()),
        Cell::Date32(days) => Value::Text(date(*days)),
        Cell::Time64(unit, value) => Value::Text(time_of_day(unit.to_micros(*value))),
        Cell::Interval { months, days, nanos } => Value::Text(interval(*months, *days, *nanos)),
        Cell::List(_) | Cell::Array(_) | Cell::Struct(_) | Cell::Map(_) => Value::Text(to_json(cell).to_string()),
        Cell::Blob(bytes) => Value::Text(hex(bytes)),
        other => Value::Text(format!("{other:?}")),
    }
}

fn date(days: i32) -> String {
    jiff::civil::date(1970, 1, 1)
        .checked_add(jiff::Span::new().days(days))
        .map_or_else(|_| days.to_string(), |date| date.to_string())
}

/// `04:05:06`, with parts of a second where there are any.
fn time_of_day(micros: i64) -> String {
    let (sign, micros) = (if micros < 0 { "-" } else { "" }, micros.unsigned_abs());
    let (seconds, parts) = (micros / 1_000_000, micros % 1_000_000);
    let parts = if parts == 0 { String::new() } else { format!(".{parts:06}").trim_end_matches('0').to_owned() };
    format!("{sign}{:02}:{:02}:{:02}{parts}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `1 year 2 months 3 days 04:05:06`, as the engine writes it itself.
fn interval(months: i32, days: i32, nanos: i64) -> String {
    let named = [(months / 12, "year"), (months % 12, "month"), (days, "day")];
    let mut parts: Vec<String> = named
        .iter()
        .filter(|(count, _)| *count != 0)
        .map(|(count, name)| format!("{count} {name}{}", if count.abs() == 1 { "" } else { "s" }))
        .collect();
    if nanos != 0 || parts.is_empty() {
        parts.push(time_of_day(nanos / 1000));
    }
    parts.join(" ")
}

fn to_json(cell: &Cell) -> serde_json::Value {
    use serde_json::Value as Json;
    match cell {
        Cell::Null => Json::Null,
        Cell::Boolean(value) => Json::Bool(*value),
        Cell::Text(text) => Json::String(text.clone()),
        Cell::Double(value) => Json::from(*value),
        Cell::Timestamp(unit, value) => Timestamp::from_microsecond(unit.to_micros(*value))
            .map_or(Json::Null, |time| Json::String(time.to_string())),
        Cell::List(items) | Cell::Array(items) => items.iter().map(to_json).collect(),
        Cell::Struct(fields) => {
            Json::Object(fields.iter().map(|(name, value)| (name.clone(), to_json(value))).collect())
        }
        Cell::Map(entries) => Json::Object(
            entries
                .iter()
                .map(|(key, value)| {
                    let key = match to_json(key) {
                        Json::String(text) => text,
                        other => other.to_string(),
                    };
                    (key, to_json(value))
                })
                .collect(),
        ),
        other => match from_owned(other) {
            Value::Int(value) => Json::from(value),
            Value::Float(value) => Json::from(value),
            Value::Text(text) => Json::String(text),
            Value::Bool(value) => Json::Bool(value),
            Value::Null | Value::Time(_) => Json::Null,
        },
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> duckdb::Result<duckdb::types::ToSqlOutput<'_>> {
        Ok(duckdb::types::ToSqlOutput::Owned(to_cell(self)))
    }
}

#[cfg(test)]
mod tests {
    use super::written;
    use crate::store::{Db, Value};

    #[test]
    fn what_is_written_into_a_statement_is_what_a_parameter_would_be() {
        let db = Db::scratch().expect("a store in memory");
        let time = "2026-11-03T04:05:06.000007Z".parse().expect("a time");
        let params = [
            ("text", Value::Text("it's \\' $time; -- \n/* ☃".to_owned())),
            ("time", Value::Time(time)),
            ("early", Value::Time("1969-12-31T23:59:59.5Z".parse().expect("a time"))),
            ("int", Value::Int(i64::MIN)),
            ("float", Value::Float(-1.5e-9)),
            ("is", Value::Bool(true)),
            ("none", Value::Null),
        ];
        let sql = "select $text::varchar, $time::timestamp, $early::timestamp, ($int)::bigint, $float::double, $is::boolean, $none::varchar";
        let (_, bound) = db.rows(sql, &params).expect("an answer");
        let (_, said) = db.rows(&written(sql, &params), &[]).expect("an answer");
        assert_eq!(said, bound);
        assert_eq!(written("'$.text' '$' $texts $text", &params[1..]), "'$.text' '$' $texts $text");
    }

    #[test]
    fn what_is_no_text_is_written_as_the_engine_writes_it() {
        let db = Db::scratch().expect("a store in memory");
        for sql in [
            "timestamp '2026-11-03 04:05:06.5' - timestamp '2026-11-01 00:00:00'",
            "interval '14 months -1 day'",
            "interval '-90 minutes'",
            "interval '0 days'",
            "time '04:05:06.25'",
            "'high'::enum('low', 'high')",
            "170141183460469231731687303715884105728::uhugeint",
        ] {
            let (_, rows) = db.rows(&format!("select {sql}, ({sql})::varchar"), &[]).expect(sql);
            let [cell, text] = rows[0].as_slice() else { panic!("{sql}: {rows:?}") };
            assert!(matches!(cell, Value::Text(_)), "{sql}: {cell:?}");
            assert_eq!(cell, text, "{sql}");
        }
    }
}
