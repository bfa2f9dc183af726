//! What can be wrong with a configuration, told with the line and the nearest known key.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use changetrail_connectors::nearest;

use crate::error::Hint;
use crate::standard;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no configuration found")]
    NotFound { looked_in: Vec<PathBuf> },
    #[error("reading the configuration {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("configuration {}: {}", path.display(), list(problems))]
    Invalid { path: PathBuf, problems: Vec<Problem> },
    #[error(transparent)]
    Standard(#[from] standard::Error),
    #[error("`[extend] queries`: {}: {problem}", path.display())]
    Extend { path: PathBuf, problem: String, hint: String },
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { looked_in } => {
                let places: Vec<_> = looked_in.iter().map(|path| path.display().to_string()).collect();
                Some(format!(
                    "`changetrail init` writes one here, --config FILE names another, `changetrail demo` needs none; looked for {}",
                    places.join(", ")
                ))
            }
            Self::Read { source, path } if source.kind() == io::ErrorKind::NotFound => {
                Some(format!("check the path; `changetrail --config {} init` writes one there", path.display()))
            }
            Self::Standard(error) => error.hint(),
            Self::Extend { hint, .. } => Some(hint.clone()),
            Self::Read { .. } | Self::Invalid { .. } => None,
        }
    }
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line in the file, from 1; absent for what concerns the whole.
    pub line: Option<usize>,
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

fn list(problems: &[Problem]) -> String {
    if let [problem] = problems {
        return problem.to_string();
    }
    let mut text = format!("{} problems", problems.len());
    for problem in problems {
        text.push_str("\n  ");
        text.push_str(&problem.to_string());
    }
    text
}

/// Line numbers of byte offsets.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|byte| **byte == b'\n').count()
}

/// What the parser said, in our words.
pub(super) fn from_toml(path: &Path, text: &str, error: &serde_path_to_error::Error<toml::de::Error>) -> Error {
    let line = error.inner().span().map(|span| line_of(text, span.start));
    let place = Place::of(error.path());
    let problem = Problem { line, text: describe(error.inner().message(), &place) };
    Error::Invalid { path: path.to_owned(), problems: vec![problem] }
}

/// Where in the configuration: the table, and the key in it.
struct Place {
    table: String,
    key: String,
}

impl Place {
    fn of(path: &serde_path_to_error::Path) -> Self {
        use serde_path_to_error::Segment;
        let mut segments = path.iter().filter_map(|segment| match segment {
            // How `toml::Spanned` passes through serde.
            Segment::Map { key } if key.starts_with("$__") => None,
            Segment::Map { key } => Some(key.clone()),
            Segment::Seq { index } => Some(format!("[{index}]")),
            Segment::Enum { .. } | Segment::Unknown => None,
        });
        let first = segments.next().unwrap_or_default();
        let rest: Vec<String> = segments.collect();
        match rest.split_first() {
            None => Self { table: "at top level".to_owned(), key: first },
            Some((index, keys)) if index.starts_with('[') => {
                Self { table: format!("in [[{first}]]"), key: keys.concat_keys() }
            }
            Some(_) => Self { table: format!("in [{first}]"), key: rest.concat_keys() },
        }
    }
}

trait ConcatKeys {
    fn concat_keys(&self) -> String;
}

impl ConcatKeys for [String] {
    /// `["roles", "[0]", "from"]` as `roles[0].from`.
    fn concat_keys(&self) -> String {
        let mut joined = String::new();
        for segment in self {
            if !joined.is_empty() && !segment.starts_with('[') {
                joined.push('.');
            }
            joined.push_str(segment);
        }
        joined
    }
}

fn describe(message: &str, place: &Place) -> String {
    let Place { table, key } = place;
    let words: Vec<&str> = quoted(message).collect();
    if message.starts_with("unknown field")
        && let Some((unknown, known)) = words.split_first()
    {
        return unknown_key(unknown, known, table);
    }
    if message.starts_with("unknown variant")
        && let Some((unknown, known)) = words.split_first()
    {
        return format!("`{unknown}` is no value of `{key}` {table}; known are {}", known.join(", "));
    }
    if message.starts_with("missing field")
        && let Some(missing) = words.first()
    {
        return format!("key `{missing}` is missing {table}");
    }
    if key.is_empty() || table == "at top level" && !message.starts_with("invalid") {
        return message.trim().replace('\n', "; ");
    }
    format!("`{key}` {table}: {}", message.trim().replace('\n', "; "))
}

/// What is said of a key that is not known, here and for `[[source]]`.
pub(super) fn unknown_key(unknown: &str, known: &[&str], table: &str) -> String {
    let meant = match nearest(unknown, known.iter().copied()) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("known are {}", known.join(", ")),
    };
    format!("unknown key `{unknown}` {table}; {meant}")
}

/// The words between backticks.
fn quoted(message: &str) -> impl Iterator<Item = &str> {
    message.split('`').skip(1).step_by(2)
}
