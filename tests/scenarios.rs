//! The labelled scenarios: an organisation with the truth about each of its records, checked by a program of its own.

use std::process::Command;

use crate::support::{Place, checkout};

#[test]
fn nothing_is_wrong_with_public_1() {
    let scenarios = checkout("../shared/scenarios");
    if !scenarios.join("check.py").exists() {
        eprintln!("skipped: {} is absent", scenarios.display());
        return;
    }
    let place = Place::empty();
    let output = Command::new("python3")
        .arg(scenarios.join("check.py"))
        .arg(scenarios.join("public-1"))
        .args(["--bin", env!("CARGO_BIN_EXE_changetrail"), "--all", "--keep"])
        .arg(place.path("kept"))
        .env("TMPDIR", place.path(""))
        .output()
        .expect("python3 runs: the scenarios are checked by a Python program");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with("accuracy "), "check.py did not run to its end\n{said}\n{errors}");
    assert!(output.status.success(), "{said}\n{errors}");
    // What must never be, in the store that the program has kept.
    std::fs::rename(place.path("kept/store.duckdb"), place.store()).expect("the store");
    place.write("changetrail.toml", "");
    place.checks_hold();
}
