//! A folder of its own for each test, and the program run in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{Table, checkout};

/// A temporary folder with a configuration; gone when the test ends.
pub(crate) struct Place {
    folder: TempDir,
}

/// What a run of the program left.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    /// A folder with nothing in it.
    pub(crate) fn empty() -> Self {
        let folder = tempfile::Builder::new().prefix("changetrail-test-").tempdir().expect("a temporary folder");
        Self { folder }
    }

    /// A folder with this `changetrail.toml`.
    pub(crate) fn new(config: &str) -> Self {
        let place = Self::empty();
        place.write("changetrail.toml", config);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path("changetrail.duckdb")
    }

    /// Writes a file and the folders above it.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        std::fs::write(&path, content).expect("a file");
        path
    }

    /// Copies a folder of the checkout.
    pub(crate) fn copy(&self, from: &Path, name: &str) {
        copy_folder(from, &self.path(name));
    }

    /// The program, to be run in this folder: without the user's configuration, credentials or colours.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_changetrail"));
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy().into_owned();
            let ours = ["AWS_", "XDG_", "GITHUB_", "GITLAB_", "CI_", "JENKINS_", "RELEASE_", "TF_BUILD", "RUST_LOG"];
            if ours.iter().any(|ours| text.starts_with(ours)) {
                command.env_remove(name);
            }
        }
        command.env("HOME", self.path("home")).env("NO_COLOR", "1").env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }

    /// Runs the program in this folder.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        Output::of(&mut self.command(args))
    }

    /// Runs the program; any other exit code than `code` fails the test.
    pub(crate) fn ran(&self, code: i32, args: &[&str]) -> Output {
        let output = self.run(args);
        assert_eq!(output.code, Some(code), "{args:?}\n{output}");
        output
    }

    /// A report, as CSV.
    pub(crate) fn report(&self, name: &str) -> Table {
        Table::parse(&self.ran(0, &["report", name, "-o", "csv"]).stdout)
    }

    /// Fails unless the checks return no row.
    pub(crate) fn checks_hold(&self) {
        for check in std::fs::read_dir(checkout("queries/checks")).expect("the checks") {
            let path = check.expect("an entry").path();
            let path = path.to_str().expect("a path");
            let said = Table::parse(&self.ran(0, &["query", "-f", path, "-o", "csv"]).stdout);
            assert!(said.rows.is_empty(), "{path}: {said:?}");
        }
    }

    /// The result of a query.
    pub(crate) fn query(&self, sql: &str) -> Table {
        Table::parse(&self.ran(0, &["query", sql, "-o", "csv"]).stdout)
    }
}

impl Output {
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().expect("the program starts");
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8 on stdout"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8 on stderr"),
        }
    }

    /// Fails unless stderr says all of this.
    pub(crate) fn says(&self, words: &[&str]) -> &Self {
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is not said\n{self}");
        }
        self
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, stdout, stderr } = self;
        write!(f, "exit code {code:?}\n--- stdout\n{stdout}--- stderr\n{stderr}---")
    }
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder to copy") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// Credentials that nobody checks.
pub(crate) fn with_credentials(command: &mut Command) -> &mut Command {
    command
        .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "no secret")
        .env("AWS_REGION", "eu-west-2")
}
