//! What can go wrong, in words that every connector shares.
//!
//! A message says what was being done to what; its cause is the error's source and is printed by whoever walks the
//! chain; [`Error::hint`] says what the user can do about it. The surprising fact: a bad record or file is no error,
//! but a [`crate::Rejected`] or an incomplete [`crate::Unit`]. An error means that a source was not read to its end.

use std::path::PathBuf;

use jiff::Timestamp;

pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A source that is not configured properly; found before anything is asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A key that the connector does not know.
    #[error("unknown key `{key}` in source `{source_name}`")]
    UnknownKey {
        /// Name of the source.
        source_name: String,
        /// The key as written.
        key: String,
        /// The known key that looks most like it.
        nearest: Option<String>,
        /// All keys that the connector knows.
        known: Vec<String>,
    },
    /// A key that the connector needs.
    #[error("missing key `{key}` in source `{source_name}`")]
    MissingKey {
        /// Name of the source.
        source_name: String,
        /// The key, or the keys of which one is needed.
        key: String,
        /// What the key is for.
        help: String,
    },
    /// A value that cannot be used.
    #[error("unusable value of `{key}` in source `{source_name}`: {problem}")]
    BadValue {
        /// Name of the source.
        source_name: String,
        /// The key.
        key: String,
        /// What is wrong with the value.
        problem: String,
        /// What would be right.
        help: String,
    },
    /// A connector that does not exist.
    #[error("unknown connector `{name}`")]
    UnknownConnector {
        /// The name as written.
        name: String,
        /// The connector whose name looks most like it.
        nearest: Option<String>,
        /// All connectors.
        known: Vec<String>,
    },
    /// A connector folder that cannot be used.
    #[error("connector `{name}` cannot be used: {error}")]
    Folder {
        /// The connector.
        name: String,
        /// What is wrong with its folder.
        error: std::sync::Arc<crate::FolderError>,
    },
}

impl ConfigError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownKey { nearest: Some(near), .. } | Self::UnknownConnector { nearest: Some(near), .. } => {
                Some(format!("did you mean `{near}`?"))
            }
            Self::UnknownKey { known, .. } => Some(format!("known keys: {}", known.join(", "))),
            Self::UnknownConnector { known, .. } => Some(format!("known connectors: {}", known.join(", "))),
            Self::Folder { name, .. } => {
                Some(format!("`changetrail connectors test` with the folder of {name} says more"))
            }
            Self::MissingKey { help, .. } | Self::BadValue { help, .. } => (!help.is_empty()).then(|| help.clone()),
        }
    }
}

/// Why a source was not read to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The source is not configured properly.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No credentials, or ones that the system does not accept.
    #[error("cannot authenticate to {target}")]
    Auth {
        /// System and place.
        target: String,
        /// How to give credentials.
        help: String,
        /// What the system said.
        source: Cause,
    },
    /// A secret that cannot be read.
    #[error("cannot read the secret `{name}`: {problem}")]
    Secret {
        /// Its key in the source.
        name: String,
        /// Why not; never what it is.
        problem: String,
    },
    /// Known credentials that may not do this.
    #[error("not allowed to read {target}: permission {permission} is missing")]
    Forbidden {
        /// System and place.
        target: String,
        /// The permission to grant.
        permission: String,
        /// What the system said.
        source: Cause,
    },
    /// The system kept refusing for too many requests.
    #[error("{target} still refuses for too many requests after {attempts} attempts")]
    RateLimited {
        /// System and place.
        target: String,
        /// How often it was asked.
        attempts: u32,
        /// What the system said.
        source: Cause,
    },
    /// No answer at all.
    #[error("cannot reach {target}")]
    Unreachable {
        /// System and place.
        target: String,
        /// What to check.
        help: String,
        /// What the transport said.
        source: Cause,
    },
    /// An answer that is an error, or no sense.
    #[error("unusable answer from {target}: {problem}")]
    BadResponse {
        /// System and place.
        target: String,
        /// What is wrong with it.
        problem: String,
        /// What the system said, if it said something.
        source: Option<Cause>,
    },
    /// An answer whose status is an error that has no kind of its own here.
    #[error("unusable answer from {target}: status {status}")]
    Status {
        /// System and place.
        target: String,
        /// The status of HTTP.
        status: u16,
        /// What the system said.
        source: Cause,
    },
    /// A list of objects that has none, and had some.
    #[error("the list `{target}` is empty, and had {objects} objects: they are not taken for deleted")]
    Emptied {
        /// The stream, and the item that it was read for.
        target: String,
        /// How many there were.
        objects: usize,
    },
    /// A list of objects that lacks some, and has records that may be those.
    #[error(
        "{objects} objects of the list `{target}` are missing, and some of its records name none: nobody can tell which are gone"
    )]
    Untold {
        /// The stream.
        target: String,
        /// How many are missing.
        objects: usize,
    },
    /// Log files were to be held against digests, and there is none.
    #[error("there is no digest in {place}: nothing vouches for its log files")]
    NoDigest {
        /// Folder or bucket, and from when on.
        place: String,
    },
    /// An answer that is not in the expected form.
    #[error("cannot decode {what}")]
    Decode {
        /// What was being decoded.
        what: String,
        /// What the decoder said.
        source: Cause,
    },
    /// A file or folder that cannot be read.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was being done: `read`, `list`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The provider has thrown away what would have to be read.
    #[error("{target} keeps nothing from before {oldest}, asked from {asked}")]
    WindowTooOld {
        /// System and place.
        target: String,
        /// The oldest time that can be asked for.
        oldest: Timestamp,
        /// The time from which records are needed.
        asked: Timestamp,
    },
    /// It was asked for some time, and no answer could be used.
    #[error("no answer that can be used came within {seconds} s")]
    Unheard {
        /// How long it was asked.
        seconds: u64,
        /// What came last.
        source: Cause,
    },
    /// Several streams of one source failed; each is told.
    #[error("{failed} of {streams} streams failed: {}", summary(errors))]
    Several {
        /// How many streams failed.
        failed: usize,
        /// How many there are.
        streams: usize,
        /// Stream and its error.
        errors: Vec<(String, Error)>,
    },
    /// The writer went away: the run is being stopped.
    #[error("the writer has stopped")]
    WriterStopped,
    /// A thread of the collector ended unexpectedly.
    #[error("a reading thread ended unexpectedly")]
    Worker {
        /// What the runtime said.
        source: Cause,
    },
    /// The store could not be asked or written.
    #[error("cannot {action} the store")]
    Store {
        /// What was being done: `ask`, `write`.
        action: &'static str,
        /// What the store said.
        source: Cause,
    },
}

impl Error {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Config(error) => error.hint(),
            Self::Auth { help, .. } | Self::Unreachable { help, .. } => (!help.is_empty()).then(|| help.clone()),
            Self::Forbidden { permission, .. } => Some(format!("grant {permission} to the collector's identity")),
            Self::RateLimited { .. } => Some(
                "others use the same limit: try again later, or ask more slowly: with `share` of the source where its \
                 connector has that, else with `rps` in [limits] of its connector.toml"
                    .into(),
            ),
            Self::Status { status, .. } if *status >= 500 => Some(
                "it is the system that fails: try again later, and look whether its vendor tells of an outage".into(),
            ),
            Self::Status { .. } => Some(
                "look at the address and the names of things in the source; if they are right, the system wants to be \
                 asked otherwise than [request] of the connector does"
                    .into(),
            ),
            Self::BadResponse { .. } | Self::Unheard { .. } => Some(
                "look whether the address of the source leads to the interface and not to a page for people; if it \
                 does, the system answers otherwise than the connector's description says"
                    .into(),
            ),
            Self::Io { path, source, .. } => io_hint(path, source),
            Self::WindowTooOld { .. } => {
                Some("read the time before from an archive: a source with `path`, or `import`".into())
            }
            Self::Several { errors, .. } => {
                let mut hints: Vec<String> = Vec::new();
                for hint in errors.iter().filter_map(|(_, error)| error.hint()) {
                    if !hints.contains(&hint) {
                        hints.push(hint);
                    }
                }
                (!hints.is_empty()).then(|| hints.join("; "))
            }
            Self::Emptied { .. } => Some(
                "look whether the credentials may still see them; if all are really gone, say so by collecting once \
                 with `--since 1h`"
                    .into(),
            ),
            Self::Untold { .. } => Some(
                "look at what was set aside (`changetrail query 'select * from quarantine'`): `object_id` of the \
                 connector must name every record; if those are none of the missing, say so by collecting once with \
                 `--since 1h`"
                    .into(),
            ),
            Self::NoDigest { .. } => Some(
                "switch log file validation on for the trail, and copy `CloudTrail-Digest` with the logs; without \
                 `--validate` they are believed"
                    .into(),
            ),
            Self::Secret { .. }
            | Self::Decode { .. }
            | Self::WriterStopped
            | Self::Worker { .. }
            | Self::Store { .. } => None,
        }
    }
}

fn io_hint(path: &std::path::Path, source: &std::io::Error) -> Option<String> {
    use std::io::ErrorKind;
    match source.kind() {
        ErrorKind::NotFound => Some(format!(
            "correct `path` of the source: relative paths start at the configuration file's folder; looked for {}",
            path.display()
        )),
        ErrorKind::PermissionDenied => Some("let the collector's user read it".into()),
        _ => None,
    }
}

/// Each stream with the innermost words of its error: there is more than one chain, so no single source to walk.
fn summary(errors: &[(String, Error)]) -> String {
    let mut parts = Vec::new();
    for (stream, error) in errors {
        let mut text = format!("{stream}: {error}");
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        parts.push(text);
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_lowercase_and_leave_the_source_out() {
        let error = Error::Forbidden {
            target: "CloudTrail in eu-west-2".into(),
            permission: "cloudtrail:LookupEvents".into(),
            source: "AccessDenied".into(),
        };
        let text = error.to_string();
        assert_eq!(text, "not allowed to read CloudTrail in eu-west-2: permission cloudtrail:LookupEvents is missing");
        assert!(error.hint().expect("a hint").contains("cloudtrail:LookupEvents"));
    }

    #[test]
    fn several_lists_every_stream_and_each_hint_once() {
        let one = |stream: &str| {
            let source = "no route to host".into();
            (stream.to_owned(), Error::Unreachable { target: stream.into(), help: "check the network".into(), source })
        };
        let error = Error::Several { failed: 2, streams: 3, errors: vec![one("eu-west-1"), one("eu-west-2")] };
        let text = error.to_string();
        assert!(text.contains("eu-west-1") && text.contains("eu-west-2") && text.contains("no route to host"));
        assert_eq!(error.hint().as_deref(), Some("check the network"));
    }
}
