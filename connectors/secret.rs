//! Secrets: references in the configuration, values only while a source is read.
//!
//! `{ env = "X" }`, `{ file = "/run/secrets/x" }` or `{ exec = ["vault", "read", "…"] }`; a secret that stands in the
//! configuration itself is an error. The surprising fact: a system may send our own secret back, in an error or in a
//! record, so whatever it says goes through [`Secrets::mask`] before anybody sees or keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands where a secret was.
const MASK: &str = "***";
/// A shorter text is too likely to stand in a record by chance.
const MASKED_FROM: usize = 6;
/// What may stand in an address as it is: as a part of a path, as a path, in a form.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH: &AsciiSet = &SEGMENT.remove(b'/');
const FORM: &AsciiSet = &SEGMENT.remove(b'*').add(b'~');
/// Credentials that are remembered as sent: more would be of requests that were answered long ago.
const SENT: usize = 8;
/// A command that takes longer waits for somebody, and at night nobody is there.
const COMMAND_TIME: Duration = Duration::from_mins(1);
/// A longer text is no secret.
const LONGEST: u64 = 1 << 20;

/// Where a secret is to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    Env(String),
    File(PathBuf),
    Exec(Vec<String>),
}

impl Reference {
    /// Reads a reference; says what is wrong with anything else.
    pub(crate) fn parse(value: &toml::Value) -> Result<Self, String> {
        let wrong = "write { env = \"NAME\" }, { file = \"PATH\" } or { exec = [\"COMMAND\", \"ARGUMENT\"] }";
        let toml::Value::Table(table) = value else {
            return Err(format!("a secret must not stand in the configuration: {wrong}"));
        };
        let words = |items: &Vec<toml::Value>| {
            items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
        };
        let mut entries = table.iter();
        let reference = match (entries.next(), entries.next()) {
            (Some((key, toml::Value::String(name))), None) if key == "env" => Self::Env(name.clone()),
            (Some((key, toml::Value::String(path))), None) if key == "file" => Self::File(path.into()),
            (Some((key, toml::Value::Array(items))), None) if key == "exec" => {
                Self::Exec(words(items).filter(|words| !words.is_empty()).ok_or_else(|| wrong.to_owned())?)
            }
            _ => return Err(wrong.to_owned()),
        };
        Ok(reference)
    }

    /// Whether reading it starts a command, which may ask others and take its time.
    pub(crate) fn starts_a_command(&self) -> bool {
        matches!(self, Self::Exec(_))
    }

    /// Reads the secret; relative paths start at `base`.
    pub(crate) fn read(&self, base: &Path) -> Result<String, String> {
        let text = match self {
            Self::Env(name) => {
                std::env::var(name).map_err(|_| format!("the variable {name} is not set, or no text"))?
            }
            Self::File(path) => {
                let path = base.join(path);
                std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?
            }
            Self::Exec(words) => Self::run(words, base, COMMAND_TIME)?,
        };
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(format!("{} is empty", self.name()));
        }
        Ok(text.to_owned())
    }

    /// What a command writes. What it complains of is nobody's to read: it may repeat the secret, and errors are kept.
    fn run(words: &[String], base: &Path, time: Duration) -> Result<String, String> {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        if !base.as_os_str().is_empty() {
            command.current_dir(base);
        }
        let started = Instant::now();
        let mut child = command.spawn().map_err(|error| format!("`{}` does not start: {error}", words[0]))?;
        let written = child.stdout.take().map(read_aside);
        let status = loop {
            match child.try_wait().map_err(|error| format!("`{}`: {error}", words[0]))? {
                Some(status) => break status,
                None if started.elapsed() >= time => {
                    stop(&mut child);
                    return Err(format!("`{}` did not end in {} seconds, and was stopped", words[0], time.as_secs()));
                }
                None => thread::sleep(Duration::from_millis(10)),
            }
        };
        if !status.success() {
            return Err(format!("`{}` ended with {status}: run it by hand to see what it says", words[0]));
        }
        // What it started may go on, and hold what it writes open.
        let left = time.saturating_sub(started.elapsed());
        let bytes = written.and_then(|written| written.recv_timeout(left).ok()).unwrap_or_default();
        String::from_utf8(bytes).map_err(|_| format!("what `{}` writes is no text", words[0]))
    }

    fn name(&self) -> String {
        match self {
            Self::Env(name) => format!("the variable {name}"),
            Self::File(path) => path.display().to_string(),
            Self::Exec(words) => format!("what `{}` writes", words[0]),
        }
    }
}

/// Reads to the end while others wait for something else, or no longer wait.
fn read_aside(output: ChildStdout) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // Half a secret is none.
        if output.take(LONGEST + 1).read_to_end(&mut bytes).is_ok_and(|length| length as u64 <= LONGEST) {
            // Whoever waited may have given up.
            let _ = sender.send(bytes);
        }
    });
    receiver
}

/// Ends a command that did not end by itself.
fn stop(child: &mut Child) {
    // One that has ended meanwhile cannot be stopped any more; either way it is waited for, or it would stay as a zombie.
    let _ = child.kill();
    let _ = child.wait();
}

/// The secrets of one source, for one collection, and what was last sent in their place: tokens that were issued for them.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    values: BTreeMap<String, String>,
    sent: Arc<Mutex<Sent>>,
}

/// What is looked for in what comes back. Clones share it: whoever reads records knows what was sent for them.
#[derive(Default)]
struct Sent {
    /// The last credentials, newest first.
    credentials: Vec<String>,
    /// Every form of each secret; `None`: there is none, or not yet.
    finder: Option<Arc<AhoCorasick>>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secrets")
    }
}

impl Secrets {
    pub(crate) fn new(values: BTreeMap<String, String>) -> Self {
        let finder = finder(values.values());
        Self { values, sent: Arc::new(Mutex::new(Sent { credentials: Vec::new(), finder })) }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Notes what goes out as credentials: it may come back.
    pub(crate) fn note_sent(&self, credentials: &[String]) {
        let mut sent = self.sent();
        if credentials.iter().all(|credential| sent.credentials.contains(credential)) {
            return;
        }
        sent.credentials.retain(|known| !credentials.contains(known));
        sent.credentials.splice(0..0, credentials.iter().cloned());
        sent.credentials.truncate(SENT);
        sent.finder = finder(self.values.values().chain(&sent.credentials));
    }

    /// The text without any secret, however it is written; `None` if it has none.
    pub(crate) fn mask(&self, text: &str) -> Option<String> {
        let finder = self.sent().finder.clone()?;
        let (mut masked, mut done) = (String::new(), 0);
        for found in finder.find_iter(text) {
            masked.push_str(&text[done..found.start()]);
            masked.push_str(MASK);
            done = found.end();
        }
        (done > 0).then(|| masked + &text[done..])
    }

    fn sent(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Finds secrets, of several forms at one place the longest.
fn finder<'a>(secrets: impl Iterator<Item = &'a String>) -> Option<Arc<AhoCorasick>> {
    let lines = secrets.flat_map(|secret| secret.lines()).filter(|line| line.len() >= MASKED_FROM);
    let forms: BTreeSet<String> = lines.flat_map(forms).collect();
    if forms.is_empty() {
        return None;
    }
    let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(forms);
    Some(Arc::new(finder.expect("a secret is no longer than a secret can be")))
}

/// The ways in which systems write a text: as it is, in an address or a form, in Base64, and each of these within JSON, whose
/// writers differ in what they escape, and within JSON in JSON.
fn forms(secret: &str) -> Vec<String> {
    let percent = |kept: &'static AsciiSet| utf8_percent_encode(secret, kept).to_string();
    let encoded = [percent(NON_ALPHANUMERIC), percent(SEGMENT), percent(PATH)];
    let form = percent(FORM).replace("%20", "+");
    let base64 = [STANDARD.encode(secret), STANDARD_NO_PAD.encode(secret), URL_SAFE_NO_PAD.encode(secret)];
    let plain: Vec<String> = [secret.to_owned(), form.clone(), lower_hex(&form)]
        .into_iter()
        .chain(encoded.iter().map(|text| lower_hex(text)))
        .chain(encoded.clone())
        .chain(base64)
        .collect();
    let once: Vec<String> = plain.iter().flat_map(|text| in_json(text)).collect();
    let twice: Vec<String> = once.iter().flat_map(|text| in_json(text)).collect();
    plain.into_iter().chain(once).chain(twice).collect()
}

/// Percent-encoded text with its digits in lower case.
fn lower_hex(text: &str) -> String {
    let mut parts = text.split('%');
    let mut lower = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at(part.len().min(2));
        lower.extend(["%", &digits.to_ascii_lowercase(), rest]);
    }
    lower
}

/// A text within JSON: as most write it, with `/` escaped (PHP), and with what could be markup in numbers (Go, .NET).
fn in_json(text: &str) -> [String; 4] {
    let plain = serde_json::Value::from(text).to_string();
    let plain = plain.trim_start_matches('"').strip_suffix('"').unwrap_or_default().to_owned();
    let numbered = |letters: &str, upper: bool| {
        let mut result = String::new();
        for letter in text.chars() {
            let code = u32::from(letter);
            // Writing to a text cannot fail.
            let _ = match letters.contains(letter) {
                true if upper => write!(result, "\\u{code:04X}"),
                true => write!(result, "\\u{code:04x}"),
                false => write!(result, "{letter}"),
            };
        }
        result
    };
    [plain.replace('/', "\\/"), plain, numbered("<>&", false), numbered("<>&+'\"`", true)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Reference, String> {
        let table: toml::Table = toml::from_str(text).expect("valid TOML");
        Reference::parse(&table["token"])
    }

    #[test]
    fn a_secret_in_the_configuration_is_refused_without_being_repeated() {
        let error = parse("token = 'hunter2hunter2'").expect_err("a literal");
        assert!(error.contains("env = ") && !error.contains("hunter2"), "{error}");
        for odd in [
            "token = 7",
            "token = {}",
            "token = { evn = 'X' }",
            "token = { exec = [] }",
            "token = { exec = [1] }",
            "token = { env = 'X', file = 'y' }",
        ] {
            parse(odd).expect_err(odd);
        }
    }

    #[test]
    fn secrets_come_from_a_variable_a_file_or_a_command() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("token"), "from a file\n").expect("a file");
        let read = |text: &str| parse(text).expect("a reference").read(folder.path());
        assert_eq!(read("token = { file = 'token' }").as_deref(), Ok("from a file"));
        assert_eq!(read("token = { exec = ['cat', 'token'] }").as_deref(), Ok("from a file"));
        assert!(read("token = { env = 'PATH' }").is_ok());
        for (bad, words) in [
            ("token = { env = 'CHANGETRAIL_NO_SUCH_VARIABLE' }", "is not set"),
            ("token = { file = 'nowhere' }", "nowhere"),
            ("token = { exec = ['false'] }", "ended with"),
            ("token = { exec = ['true'] }", "is empty"),
            ("token = { exec = ['changetrail-no-such-command'] }", "does not start"),
        ] {
            let error = read(bad).expect_err(bad);
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_command_that_does_not_end_is_stopped_and_what_it_complains_of_is_not_repeated() {
        let run = |script: &str, time: u64| {
            let words = ["sh", "-c", script].map(str::to_owned);
            Reference::run(&words, Path::new(""), Duration::from_millis(time))
        };
        let error = run("sleep 600", 50).expect_err("stopped");
        assert!(error.contains("did not end"), "{error}");
        let error = run("echo token=hunter2hunter2 >&2; exit 3", 60_000).expect_err("failed");
        assert!(error.contains("exit status: 3") && !error.contains("hunter2"), "{error}");
        // Longer than a pipe holds.
        let long = run("head -c 200000 /dev/zero | tr '\\0' x", 60_000).expect("a long text");
        assert_eq!(long.len(), 200_000);
    }

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let secrets =
            Secrets::new([("token".to_owned(), "s3cret-value".to_owned()), ("pin".to_owned(), "1".to_owned())].into());
        assert_eq!(secrets.mask("bad token s3cret-value, s3cret-value!").as_deref(), Some("bad token ***, ***!"));
        assert_eq!(secrets.mask("1 is too short to be masked"), None);
        secrets.clone().note_sent(&["issued-token".to_owned()]);
        assert_eq!(secrets.mask("s3cret-value for issued-token").as_deref(), Some("*** for ***"));
        assert_eq!(format!("{secrets:?}"), "Secrets");
    }

    #[test]
    fn secrets_are_masked_however_they_are_written() {
        let secrets = Secrets::new([("token".to_owned(), "AbC/dE+12 \"é==".to_owned())].into());
        for written in [
            "AbC/dE+12 \"é==",
            "AbC%2FdE%2B12%20%22%C3%A9%3D%3D",
            "AbC%2fdE%2b12%20%22%c3%a9%3d%3d",
            "AbC/dE%2B12%20%22%C3%A9%3D%3D",
            "AbC%2FdE%2B12+%22%C3%A9%3D%3D",
            "AbC/dE+12 \\\"é==",
            "AbC\\/dE+12 \\\"é==",
            "AbC\\\\/dE+12 \\\\\\\"é==",
            "AbC/dE\\u002B12 \\u0022é==",
            "QWJDL2RFKzEyICLDqT09",
        ] {
            assert_eq!(secrets.mask(&format!("<{written}>")).as_deref(), Some("<***>"), "{written}");
        }
    }
}
