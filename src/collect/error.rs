//! What can keep a collection from running at all.

use std::path::PathBuf;
use thiserror::Error;

use crate::store;

#[derive(Debug, Error)]
pub enum Error {
    #[error("no source is called `{name}`")]
    UnknownSource { name: String, known: Vec<String> },
    #[error("source `{name}` reads no files: connector `{connector}` only asks its system")]
    NoFiles { name: String, connector: String },
    #[error("could not read `{}`", path.display())]
    Import {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("could not start the readers")]
    Runtime {
        #[source]
        source: std::io::Error,
    },
    #[error("could not read or make the key file `{}`", path.display())]
    Key {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the key file `{}` does not hold 32 bytes", path.display())]
    KeyLength { path: PathBuf },
}

impl Error {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownSource { name, known } => {
                Some(match changetrail_connectors::nearest(name, known.iter().map(String::as_str)) {
                    Some(nearest) => format!("did you mean `{nearest}`?"),
                    None => format!("configured sources: {}", known.join(", ")),
                })
            }
            Self::Store(error) => error.hint(),
            Self::Key { .. } => Some("the folder of the store must be readable and writable".into()),
            Self::KeyLength { .. } => {
                Some("restore it from a backup; a new one makes hashes of redacted records incomparable".into())
            }
            Self::Runtime { .. } | Self::NoFiles { .. } | Self::Import { .. } => None,
        }
    }
}
