//! Against an AWS on this machine: what the seed says of its own story is what changetrail says.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::support::place::with_credentials;
use crate::support::{Output, Place, Table, checkout, skip, truth};

fn table(path: &Path) -> Table {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Table::parse(&text)
}

/// Audits what the seed wrote, against its truth.
fn audit_as_the_truth_says(place: &Place) {
    let output = place.run(&["audit"]);
    // One file is cut short on purpose: the first run says that it could not do all.
    assert_eq!(output.code, Some(2), "{output}");
    let known = table(&place.path("truth.csv"));
    truth::check(&known, &place.report("changes"), &place.report("attempts"));
    let lost = known.column("verdict").iter().filter(|verdict| **verdict == "cut-off").count();
    let set_aside = place.query("select count(*) from quarantine");
    assert_eq!(set_aside.rows, [[lost.to_string()]]);
    // An audit that was not whole does not count: what it found is new in the first that is.
    place.ran(1, &["audit"]);
    place.ran(0, &["audit"]);
}

#[test]
fn the_seeded_log_files_without_an_emulator() {
    let place = Place::empty();
    let seed = Command::new("python3")
        .arg(checkout("localstack/seed"))
        .args(["--offline", "--out"])
        .arg(place.path(""))
        .output()
        .expect("python3 runs: the seed is a Python program");
    assert!(seed.status.success(), "{seed:?}");
    audit_as_the_truth_says(&place);
}

/// The emulator; it stops when this goes, whatever the test came to.
struct Emulator {
    place: Place,
    port: String,
}

impl Emulator {
    /// `None` where it cannot be installed.
    fn start() -> Option<Self> {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port().to_string();
        drop(free);
        let emulator = Self { place: Place::empty(), port };
        let started = emulator.script("start").output().expect("bash runs");
        if started.status.success() {
            return Some(emulator);
        }
        let said = String::from_utf8_lossy(&started.stderr).into_owned();
        // What is there and does not start is broken; what cannot be had is skipped.
        assert!(!checkout("localstack/.venv/bin/ministack").exists(), "{said}");
        skip("the emulator", &said);
        None
    }

    fn script(&self, name: &str) -> Command {
        let mut command = Command::new(checkout("localstack").join(name));
        command.env("CHANGETRAIL_AWS_PORT", &self.port).env("CHANGETRAIL_AWS_STATE", self.place.path(""));
        command
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // Best effort: a test that failed has said why.
        let _ = self.script("stop").output();
    }
}

#[test]
fn the_seeded_emulator() {
    let Some(emulator) = Emulator::start() else { return };
    let place = &emulator.place;
    let seed = emulator.script("seed").output().expect("the seed runs");
    assert!(seed.status.success(), "{seed:?}");

    // The log files that it delivered: for meaning.
    audit_as_the_truth_says(place);

    // What LookupEvents says of the calls that were really made: for the API.
    let lookup = ["--config", "lookup.toml"];
    let args = |rest: &[&'static str]| [&lookup[..], rest].concat();
    let collected = Output::of(with_credentials(&mut place.command(&args(&["collect", "--since", "1h"]))));
    assert_eq!(collected.code, Some(0), "{collected}");
    place.ran(0, &args(&["reconcile"]));
    let report = |name: &'static str| Table::parse(&place.ran(0, &args(&["report", name, "-o", "csv"])).stdout);
    truth::check(&table(&place.path("lookup-truth.csv")), &report("changes"), &report("attempts"));
    // Asked again, it tells nothing new of what was done.
    let before = report("changes");
    let again = Output::of(with_credentials(&mut place.command(&args(&["collect", "--since", "1h"]))));
    assert_eq!(again.code, Some(0), "{again}");
    place.ran(0, &args(&["reconcile"]));
    assert_eq!(report("changes"), before);
}
