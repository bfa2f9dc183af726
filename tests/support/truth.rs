//! What is known of each record of a made-up organisation (`localstack/README.md`), against the reports.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Table;

/// Compares every line of a truth file with the reports; fails with all that is wrong.
pub(crate) fn check(truth: &Table, changes: &Table, attempts: &Table) {
    let rows_of = by_record(changes);
    let attempts_of = by_record(attempts);
    let mut wrong = String::new();
    let mut say = |id: &str, note: &str, text: &str| {
        let _ = writeln!(wrong, "{id} ({note}): {text}");
    };
    for line in &truth.rows {
        let cell = |column: &str| truth.cell(line, column);
        let (id, verdict, note) = (cell("record_id"), cell("verdict"), cell("note"));
        let rows = rows_of.get(id).map_or(&[][..], Vec::as_slice);
        let attempted = attempts_of.get(id).map_or(0, Vec::len);
        let expected = match verdict {
            "attempt" => (0, 1),
            "no-change" | "cut-off" => (0, 0),
            _ => (1, 0),
        };
        if (rows.len(), attempted) != expected {
            let text = format!("{verdict}, but it is {} rows of changes and {attempted} of attempts", rows.len());
            say(id, note, &text);
            continue;
        }
        let (table, row) = match (rows.first(), attempts_of.get(id)) {
            (Some(row), _) => (changes, *row),
            (None, Some(rows)) => (attempts, rows[0]),
            (None, None) => continue,
        };
        for column in ["verdict", "actor", "actor_kind", "deployment_id", "link_tier"] {
            if !table.columns.iter().any(|known| known == column) {
                continue;
            }
            let (accepted, said) = (cell(column), table.cell(row, column));
            if accepted != "*" && !accepted.split(';').any(|one| one == said) {
                say(id, note, &format!("{column} `{said}` instead of `{accepted}`"));
            }
        }
    }
    // What the truth does not know must not be a change either.
    let known = truth.column("record_id");
    for id in rows_of.keys().filter(|id| !known.contains(*id)) {
        say(id, "not in the truth", "a row of changes");
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn by_record(table: &Table) -> BTreeMap<&str, Vec<&[String]>> {
    let mut rows: BTreeMap<&str, Vec<&[String]>> = BTreeMap::new();
    for row in &table.rows {
        rows.entry(table.cell(row, "record_id")).or_default().push(row);
    }
    rows
}
