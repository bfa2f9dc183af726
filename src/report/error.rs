//! Why a report cannot be made.

use std::io;
use std::path::PathBuf;

use super::header::HeaderError;
use changetrail_connectors::nearest;

use crate::error::Hint;
use crate::store;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no report `{name}`")]
    Unknown { name: String, known: Vec<String> },
    #[error("report `{name}` does not take --{option}")]
    Option { name: String, option: &'static str, takes: Vec<String> },
    #[error("report `{name}` needs --{option}")]
    Needed { name: String, option: String },
    #[error("report `{name}` has no severity, so --fail-on has nothing to go by")]
    NoSeverity { name: String },
    #[error("reading the header of {place}")]
    Header { place: String, source: HeaderError },
    #[error("{place} takes the parameter `{param}`, which no option gives")]
    Param { place: String, param: String },
    #[error("report `{name}` is there twice; the second is {place}")]
    Twice { name: String, place: String },
    #[error("reading {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("making the report `{name}`")]
    Store { name: String, source: store::Error },
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { name, known } => Some(match nearest(name, known.iter().map(String::as_str)) {
                Some(near) => {
                    format!("did you mean `{near}`? `changetrail report` lists them all")
                }
                None => format!("known are {}", known.join(", ")),
            }),
            Self::Option { takes, .. } if takes.is_empty() => Some("it takes no option".to_owned()),
            Self::Option { takes, .. } => Some(format!("it takes {}", takes.join(", "))),
            Self::Param { .. } => Some("known are since, until, environment, service, verdict".to_owned()),
            Self::Twice { .. } => Some("give your own report another name".to_owned()),
            Self::Needed { .. } | Self::NoSeverity { .. } | Self::Header { .. } | Self::Read { .. } => None,
            Self::Store { source, .. } => source.hint(),
        }
    }
}
