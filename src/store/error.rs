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
    #[error("the store `{}` is a folder", path.display())]
    IsFolder { path: PathBuf },
    #[error("the store `{}` may not be opened", path.display())]
    Forbidden {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the folder `{}` for the store cannot be written", path.display())]
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
            Self::IsFolder { path } => {
                Some(format!("name a file, for example {}", path.join("changetrail.duckdb").display()))
            }
            Self::Forbidden { .. } | Self::Folder { .. } => Some(
                "who collects and judges must be allowed to read and write the store and to make files in its folder; \
                 who only reads reports, to read both"
                    .into(),
            ),
            Self::Query { source } if source.to_string().contains("Catalog Error") => Some(
                "the judgements are made by `changetrail reconcile`: run it once; \
                     `changetrail query \"from duckdb_tables() select table_name\"` lists the tables"
                    .into(),
            ),
            Self::Statement { source, .. } | Self::Query { source } | Self::Open { source, .. }
                if is_full(&source.to_string()) =>
            {
                Some(
                    "nothing that was committed before is lost: make room where the store lies, and run it again"
                        .into(),
                )
            }
            Self::Statement { source, .. } | Self::Query { source } if is_out_of_memory(&source.to_string()) => Some(
                "nothing that was committed before is lost: it needs more memory, or more room where the store lies"
                    .into(),
            ),
            Self::Query { .. }
            | Self::Parameter { .. }
            | Self::Open { .. }
            | Self::Statement { .. }
            | Self::Output { .. } => None,
        }
    }

    /// Whether it was no fault of the statement: the machine had no room, or could not read or write.
    #[must_use]
    pub fn is_of_the_machine(&self) -> bool {
        match self {
            Self::Statement { source, .. } | Self::Query { source } | Self::Open { source, .. } => {
                let said = source.to_string();
                is_full(&said) || is_out_of_memory(&said) || said.starts_with("IO Error")
            }
            _ => false,
        }
    }

    /// Whether the reader of the output went away (`| head`): not a failure.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output { source } if source.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

/// Whether the engine says that its memory, and the room for what does not fit there, were not enough.
fn is_out_of_memory(message: &str) -> bool {
    message.starts_with("Out of Memory Error")
}

/// Whether the engine says that it could not write: it tells of a full disk in several ways, and gives up the database as
/// it is in memory where a commit fails.
fn is_full(message: &str) -> bool {
    ["No space left", "Failed to commit", "has been invalidated"].iter().any(|said| message.contains(said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_the_machine_is_none_of_the_statement() {
        let said = |text: &str| Error::Statement {
            step: "automated".to_owned(),
            source: duckdb::Error::DuckDBFailure(duckdb::ffi::Error::new(1), Some(text.to_owned())),
        };
        for (text, hint) in [
            ("IO Error: Could not write all bytes to file \"x\": No space left on device", "make room"),
            ("Out of Memory Error: failed to allocate data of size 16 MiB", "more memory"),
        ] {
            let error = said(text);
            assert!(error.is_of_the_machine(), "{text}");
            assert!(error.hint().is_some_and(|said| said.contains(hint)), "{text}");
        }
        assert!(!said("Binder Error: Referenced column \"IO Error\" not found").is_of_the_machine());
    }
}
