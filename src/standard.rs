//! A release standard: its sentences, the controls that check them, how bad a failure is, and where a control is not
//! asked. One TOML file, `queries/standards/NAME.toml`, and one query for each control, `queries/controls/ID.sql`.
//!
//! An organisation's own standard lies in the same two folders under one of its `[extend].queries`, beside controls of
//! its own; controls that are built in can be named there too. Rust reads and checks what is written; what it means for
//! a change is SQL, which gets all of it as tables.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use serde::{Deserialize, Serialize};

use changetrail_connectors::nearest;

use crate::error::Hint;
use crate::report::{Each, header};

static STANDARDS: Dir = include_dir!("$CARGO_MANIFEST_DIR/queries/standards");
static CONTROLS: Dir = include_dir!("$CARGO_MANIFEST_DIR/queries/controls");

/// A standard and the controls that it names.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Standard {
    /// As it is referred to: `OFQ-00005`.
    pub id: String,
    pub title: String,
    pub version: String,
    /// In the order in which reports have them.
    #[serde(rename = "control", default)]
    pub controls: Vec<Control>,
    #[serde(rename = "exception", default)]
    pub exceptions: Vec<Exception>,
    #[serde(rename = "requirement", default)]
    pub requirements: Vec<Requirement>,
}

/// `[[control]]`: one thing that can be checked.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    pub id: String,
    pub title: String,
    /// Of a finding in live, by the kind of subject that the control judges.
    pub severity: BTreeMap<Subject, Severity>,
    /// Whether it is about who let a release happen.
    #[serde(default)]
    pub authorisation: bool,
    /// Requirements of other standards that it serves.
    #[serde(default)]
    pub references: Vec<String>,
    /// A sentence for each reason that the query of an own control gives.
    #[serde(default)]
    pub reasons: BTreeMap<String, String>,
    /// Where its query stands.
    #[serde(skip_deserializing)]
    pub file: String,
    #[serde(skip)]
    pub sql: String,
    /// Not one of an organisation's own.
    #[serde(skip)]
    pub built_in: bool,
    /// What it says of one of these follows from that one alone, or from the deployments of the same release.
    #[serde(skip)]
    pub each: Option<Each>,
}

/// What a control judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    Deployment,
    Pipeline,
    Change,
    Service,
}

/// How bad a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Low,
    Medium,
    High,
}

/// `[[exception]]`: where controls are not asked.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// The reason code of the results that it leaves out.
    pub id: String,
    pub service_type: Option<crate::config::ServiceType>,
    pub service: Option<String>,
    pub subject: Option<Subject>,
    /// What makes the control asked all the same.
    pub unless: Option<Unless>,
    pub controls: Vec<String>,
    /// Stage name to environment, where the service's own map is silent.
    #[serde(default)]
    pub stages: BTreeMap<String, crate::config::Environment>,
    pub reason: String,
}

/// What a service may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unless {
    /// Pre-production deployments.
    Preprod,
    /// Pipeline stages.
    Stages,
}

/// `[[requirement]]`: one sentence of the standard.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    pub section: String,
    pub text: String,
    #[serde(default)]
    pub controls: Vec<String>,
    /// What no control can check, and why.
    pub not_checked: Option<String>,
    pub service: Option<String>,
}

/// Why a standard cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("unknown standard `{name}` in [standard]")]
    Unknown { name: String, known: Vec<String> },
    #[error("{place} is there twice: it is built in, or in another folder of [extend].queries")]
    Twice { place: String },
    #[error("reading {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("reading the standard {place}")]
    Toml {
        place: String,
        #[source]
        source: Box<toml::de::Error>,
    },
    #[error("standard {place}: {problem}")]
    Wrong { place: String, problem: String },
    #[error("reading the header of {place}")]
    Header {
        place: String,
        #[source]
        source: header::HeaderError,
    },
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { name, known } => Some(match nearest(name, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!(
                    "known are {}; your own is a file standards/{name}.toml in a folder of [extend].queries",
                    known.join(", ")
                ),
            }),
            Self::Twice { .. } => Some("give your own another name".to_owned()),
            Self::Read { .. } | Self::Toml { .. } | Self::Wrong { .. } | Self::Header { .. } => None,
        }
    }
}

/// A text and where it stands.
struct Found {
    text: String,
    place: String,
    built_in: bool,
}

/// Where standards and controls are looked for: built in, in the user's own folders, and, to try something out, in a
/// folder whose files stand in for those of the same name.
#[derive(Debug, Clone, Copy)]
pub struct Shelves<'a> {
    pub own: &'a [PathBuf],
    pub instead: Option<&'a Path>,
}

impl Shelves<'_> {
    fn find(&self, built_in: &Dir, file: &Path) -> Result<Option<Found>, Error> {
        let inner = file.file_name().map_or(file, Path::new);
        if let Some(folder) = self.instead
            && let Some(found) = read(&folder.join(file))?
        {
            return Ok(Some(found));
        }
        let mut found = built_in.get_file(inner).and_then(include_dir::File::contents_utf8).map(|text| Found {
            text: text.to_owned(),
            place: format!("queries/{}", file.display()),
            built_in: true,
        });
        for folder in self.own {
            let Some(own) = read(&folder.join(file))? else {
                continue;
            };
            if found.is_some() {
                return Err(Error::Twice { place: own.place });
            }
            found = Some(own);
        }
        Ok(found)
    }

    /// The standard of this name, with its controls.
    ///
    /// # Errors
    /// There is none, a file is wrong or cannot be read, or one is there twice.
    pub fn standard(&self, name: &str) -> Result<Standard, Error> {
        let file = Path::new("standards").join(format!("{name}.toml"));
        let unknown = || Error::Unknown { name: name.to_owned(), known: self.names() };
        // A name is no path.
        if Path::new(name).components().count() != 1 || name.starts_with('.') {
            return Err(unknown());
        }
        let Found { text, place, .. } = self.find(&STANDARDS, &file)?.ok_or_else(unknown)?;
        let mut standard: Standard =
            toml::from_str(&text).map_err(|source| Error::Toml { place: place.clone(), source: Box::new(source) })?;
        check(&standard).map_err(|problem| Error::Wrong { place: place.clone(), problem })?;
        for control in &mut standard.controls {
            let file = Path::new("controls").join(format!("{}.sql", control.id));
            let Some(found) = self.find(&CONTROLS, &file)? else {
                let problem = format!("there is no controls/{}.sql", control.id);
                return Err(Error::Wrong { place, problem });
            };
            let header =
                header::parse(&found.text).map_err(|source| Error::Header { place: found.place.clone(), source })?;
            control.each = header.each;
            (control.sql, control.file, control.built_in) = (found.text, found.place, found.built_in);
        }
        Ok(standard)
    }

    /// Names of standards, for who misspelt one.
    fn names(&self) -> Vec<String> {
        let own = self.own.iter().filter_map(|folder| std::fs::read_dir(folder.join("standards")).ok());
        let own = own.flatten().filter_map(|entry| entry.ok().map(|entry| entry.path()));
        let paths = STANDARDS.files().map(|file| file.path().to_owned()).chain(own);
        let mut names: Vec<String> =
            paths.filter_map(|path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned())).collect();
        names.sort();
        names
    }
}

fn read(path: &Path) -> Result<Option<Found>, Error> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(Found { text, place: path.display().to_string(), built_in: false })),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Read { path: path.to_owned(), source }),
    }
}

/// What the parts of a standard say of each other.
fn check(standard: &Standard) -> Result<(), String> {
    let mut ids: Vec<&str> = Vec::new();
    for control in &standard.controls {
        let id = control.id.as_str();
        // It is a name of a file, and a word in lists.
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
            return Err(format!("[[control]] `{id}`: an id is lower-case letters, digits and `-`"));
        }
        if ids.contains(&id) {
            return Err(format!("[[control]] `{id}` is there twice"));
        }
        ids.push(id);
        if control.severity.is_empty() {
            return Err(format!("[[control]] `{id}` judges nothing: `severity` names no kind of subject"));
        }
    }
    let known = |controls: &[String], place: &str| match controls.iter().find(|id| !ids.contains(&id.as_str())) {
        Some(id) => Err(format!("{place} names the control `{id}`, which has no [[control]]")),
        None => Ok(()),
    };
    for exception in &standard.exceptions {
        known(&exception.controls, &format!("[[exception]] `{}`", exception.id))?;
        if exception.service.is_none() && exception.service_type.is_none() {
            return Err(format!("[[exception]] `{}` needs service or service_type", exception.id));
        }
    }
    for requirement in &standard.requirements {
        known(&requirement.controls, &format!("[[requirement]] `{}`", requirement.text))?;
        if requirement.controls.is_empty() && requirement.not_checked.is_none() {
            return Err(format!(
                "[[requirement]] `{}` needs controls, or not_checked with the reason",
                requirement.text
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILT_IN: Shelves = Shelves { own: &[], instead: None };

    #[test]
    fn every_sentence_of_the_standard_has_its_row() {
        let standard = BUILT_IN.standard("ofq-00005").unwrap();
        assert_eq!(standard.controls.len(), 9);
        assert_eq!(CONTROLS.files().count(), 9, "a control that no standard names");
        // The text of the standard, where it is at hand.
        let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/standard/ofq-00005.md");
        let Ok(text) = std::fs::read_to_string(&text) else {
            eprintln!("skipped: the text of the standard is absent: {}", text.display());
            return;
        };
        for requirement in &standard.requirements {
            assert!(text.contains(&requirement.text), "{}", requirement.text);
        }
        let said: String = standard.requirements.iter().map(|requirement| requirement.text.as_str()).collect();
        for sentence in text.lines().skip(2).flat_map(|line| line.split_inclusive(". ")) {
            let sentence = sentence.trim().trim_start_matches("- ");
            assert!(sentence == "Requirement(s)" || said.contains(sentence), "`{sentence}` has no row");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("standards")).unwrap();
        std::fs::create_dir_all(folder.path().join("controls")).unwrap();
        let own = [folder.path().to_owned()];
        let shelves = Shelves { own: &own, instead: None };
        let check = |text: &str, expected: &str| {
            std::fs::write(folder.path().join("standards/own.toml"), text).unwrap();
            let error = shelves.standard("own").unwrap_err();
            let text =
                format!("{error} {}", std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default());
            assert!(text.contains(expected), "{text}");
        };
        let head = "id = \"O\"\ntitle = \"T\"\nversion = \"1\"\n";
        let control = "[[control]]\nid = \"recorded\"\ntitle = \"R\"\nseverity = { change = \"high\" }\n";
        check("id = 1", "invalid type");
        check(
            &format!("{head}[[control]]\nid = \"recorded\"\ntitle = \"R\"\nseverity = {{ changes = \"high\" }}"),
            "unknown variant `changes`",
        );
        check(
            &format!("{head}[[control]]\nid = \"../x\"\ntitle = \"R\"\nseverity = {{ change = \"high\" }}"),
            "an id is lower-case",
        );
        check(&format!("{head}{control}{control}"), "is there twice");
        check(&format!("{head}{}", control.replace("recorded", "mine")), "there is no controls/mine.sql");
        check(
            &format!("{head}{control}[[requirement]]\nsection = \"S\"\ntext = \"X\"\n"),
            "needs controls, or not_checked",
        );
        check(
            &format!("{head}{control}[[exception]]\nid = \"e\"\ncontrols = [\"automated\"]\nreason = \"r\"\n"),
            "has no [[control]]",
        );
        std::fs::write(folder.path().join("controls/mine.sql"), "select 1").unwrap();
        check(&format!("{head}{}", control.replace("recorded", "mine")), "there is no `-- title: …`");
        std::fs::write(folder.path().join("controls/recorded.sql"), "-- title: R\nselect 1").unwrap();
        check(&format!("{head}{control}"), "is there twice");
        for name in ["../own", "owm", "", "."] {
            assert!(matches!(shelves.standard(name), Err(Error::Unknown { .. })), "{name}");
        }
        assert_eq!(shelves.standard("owm").unwrap_err().hint().unwrap(), "did you mean `own`?");
    }
}
