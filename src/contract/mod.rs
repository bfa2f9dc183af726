//! Holds a connector folder against its fixtures, over a system on the loopback that answers with them.
//!
//! The same suite is behind `changetrail connectors test DIR` and our own tests, so that a folder of the user's is held to
//! what ours are held to. `scenarios.rs` puts the folder through what systems do to those who ask them, with a store in
//! memory; `rows.rs` maps its fixtures in a real one. The surprising fact: what is tested is a copy of the folder, whose
//! paths begin with the stream's name, so that the system knows what it is asked for (`copy.rs`).

mod copy;
mod fixtures;
mod memory;
mod readme;
mod rows;
mod scenarios;
mod server;
mod system;

use std::path::Path;

use changetrail_connectors::Catalog;

use copy::Copy;
use fixtures::Fixtures;
use scenarios::Stage;
pub use server::{Answer, Asked, Server};

/// What came of holding a folder against its fixtures.
#[derive(Debug, Default)]
pub struct Report {
    pub checks: Vec<Check>,
}

/// One thing that was checked.
#[derive(Debug)]
pub struct Check {
    pub what: String,
    /// What is wrong, in lines; `None` if nothing is.
    pub problem: Option<String>,
}

impl Report {
    fn check(&mut self, what: &str, problem: Option<String>) {
        self.checks.push(Check { what: what.to_owned(), problem });
    }

    fn bad(&mut self, what: &str, problem: String) {
        self.check(what, Some(problem));
    }

    /// What is wrong, in lines; empty if nothing is.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let told = |check: &Check| check.problem.as_ref().map(|problem| format!("{}: {problem}", check.what));
        self.checks.iter().filter_map(told).collect()
    }
}

/// Holds the folder against its fixtures.
#[must_use]
pub fn run(folder: &Path) -> Report {
    let mut report = Report::default();
    let catalog = Catalog::of(folder);
    let broken: Vec<String> = catalog.broken().flat_map(|error| error.problems.clone()).collect();
    report.check("the description is good", (!broken.is_empty()).then(|| broken.join("\n")));
    report.check("README.md is complete", readme::problem(folder));
    if broken.is_empty()
        && let Err(problem) = play(folder, &mut report)
    {
        report.bad("the fixtures can be played", problem);
    }
    report
}

fn play(folder: &Path, report: &mut Report) -> Result<(), String> {
    let io = |error: std::io::Error| error.to_string();
    let description = std::fs::read_to_string(folder.join("connector.toml")).map_err(io)?;
    let fixtures = Fixtures::read(folder)?;
    let server = Server::start(|_| Answer::status(404, "")).map_err(io)?;
    let elsewhere = Server::start(|_| Answer::ok("[]")).map_err(io)?;
    let copy = Copy::of(&description, &fixtures.source, &server.url())?;
    let place = tempfile::Builder::new().prefix("changetrail-contract-").tempdir().map_err(io)?;
    copy.write(folder, place.path()).map_err(io)?;
    let stage = Stage { server: &server, elsewhere: &elsewhere, copy: &copy, fixtures: &fixtures, place: place.path() };
    stage.play(report);
    stage.map(report);
    Ok(())
}
