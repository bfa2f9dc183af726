//! Brings a store to the schema of this program: numbered files, each run once, in one transaction.

use super::{Access, Db, Error, sql};

/// The schema, as steps. A step that was released is never changed, only followed by another.
const STEPS: &[&str] = &[
    sql!("schema/0001_init.sql"),
    sql!("schema/0002_approvals.sql"),
    sql!("schema/0003_late_and_standing.sql"),
    sql!("schema/0004_standard.sql"),
    sql!("schema/0005_content.sql"),
    sql!("schema/0006_managed.sql"),
    sql!("schema/0007_change_id.sql"),
    sql!("schema/0008_digest.sql"),
    sql!("schema/0009_membership.sql"),
    sql!("schema/0010_batch_of_meaning.sql"),
    sql!("schema/0011_batch_of_releases.sql"),
    sql!("schema/0012_ended.sql"),
    sql!("schema/0013_unmappable.sql"),
    sql!("schema/0014_retelling.sql"),
    sql!("schema/0015_told_otherwise.sql"),
    sql!("schema/0016_findings_of_releases.sql"),
    sql!("schema/0017_batch_of_approvals.sql"),
    sql!("schema/0018_further_resources.sql"),
    sql!("schema/0019_parts_of_findings.sql"),
    sql!("schema/0020_source_as_configured.sql"),
    sql!("schema/0021_untold_units.sql"),
    sql!("schema/0022_corrections.sql"),
];

pub(super) fn bring_up_to_date(db: &Db, access: Access) -> Result<(), Error> {
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    let found = version(db)?;
    if found > known {
        return Err(Error::Newer { path: db.path().to_owned(), found, known });
    }
    if found == known {
        return Ok(());
    }
    if access == Access::Read {
        return Err(Error::Older { path: db.path().to_owned(), found, known });
    }
    db.batch("migration", "begin transaction")?;
    if found == 0 {
        db.batch("migration", "create table schema_version (version bigint not null)")?;
    }
    for (step, sql) in STEPS.iter().enumerate().skip(usize::try_from(found).unwrap_or(0)) {
        db.batch(&format!("migration {}", step + 1), sql)?;
    }
    db.batch("migration", &format!("delete from schema_version; insert into schema_version values ({known})"))?;
    db.batch("migration", "commit")
}

/// The schema version of an open store, 0 for an empty one.
fn version(db: &Db) -> Result<i64, Error> {
    // Asked on every visit: the tables are looked through only where the answer is not in its place.
    let asked = db.connection.query_row("select max(version) from schema_version", [], |row| row.get(0));
    let failed = |source| Error::Statement { step: "schema version".into(), source };
    asked.or_else(|source| {
        let (tables, ours): (i64, i64) = db
            .connection
            .query_row(
                "select count(*), count(*) filter (table_name = 'schema_version') from duckdb_tables() \
                 where database_name = 'store'",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .map_err(failed)?;
        match (tables, ours) {
            (0, _) => Ok(0),
            (_, 0) => Err(Error::Foreign { path: db.path().to_owned() }),
            _ => Err(failed(source)),
        }
    })
}
