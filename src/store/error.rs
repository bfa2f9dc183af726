//! What can go wrong with the store, and what to do about it.

use std::path::PathBuf;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum Error {
    #[error("store `{}` does not exist", path.display())]
    Missing { path: PathBuf },
    #[error("store `{}` was made by a newer changetrail (schema {found}, this one knows {known})", path.display())]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("store `{}` has an older schema ({found} of {known})", path.display())]
    Older { path: PathBuf, found: i64, known: i64 },
    #[error("store `{}` is in use by {holder}", path.display())]
    Locked { path: PathBuf, holder: String },
    #[error("could not open store `{}`", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: duckdb::Error,
    },
    #[error("`{}` is not a changetrail store", path.display())]
    Foreign { path: PathBuf },
    #[error("could not create the folder `{}` for the store", path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the store failed at {step}")]
    Statement {
        step: String,
        #[source]
        source: duckdb::Error,
    },
    #[error("query failed")]
    Query {
        #[source]
        source: duckdb::Error,
    },
    #[error("query needs a value for `${name}`")]
    Parameter { name: String },
    #[error("could not write the result")]
    Output {
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { .. } => {
                Some("run `changetrail collect` or `changetrail audit` first, or name the store with --store".into())
            }
            Self::Newer { .. } => {
                Some("use the changetrail version that made it, or a newer one; the store was not touched".into())
            }
            Self::Older { .. } => Some("run `changetrail reconcile` once: it brings the store up to date".into()),
            Self::Locked { .. } => Some(
                "wait for it to end, or give --wait a longer time; the store allows one writer or many readers".into(),
            ),
            Self::Foreign { .. } => Some("give --store another path".into()),
            Self::Query { source } if source.to_string().contains("Catalog Error") => Some(
                "the judgements are made by `changetrail reconcile`: run it once; \
                     `changetrail query \"from duckdb_tables() select table_name\"` lists the tables"
                    .into(),
            ),
            Self::Query { .. }
            | Self::Parameter { .. }
            | Self::Open { .. }
            | Self::Folder { .. }
            | Self::Statement { .. }
            | Self::Output { .. } => None,
        }
    }

    /// Whether the reader of the output went away (`| head`): not a failure.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output { source } if source.kind() == std::io::ErrorKind::BrokenPipe)
    }
}
