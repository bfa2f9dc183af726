//! Against an AWS on this machine: what the seed says of its own story is what changetrail says.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::emulator::Emulator;
use crate::support::place::with_credentials;
use crate::support::{Output, Place, Table, checkout, truth};

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

#[test]
fn the_seeded_emulator() {
    let Some(emulator) = Emulator::start() else { return };
    let place = &emulator.place;
    let seed = emulator.script("seed").output().expect("the seed runs");
    assert!(seed.status.success(), "{seed:?}");

    // The log files that it delivered: for meaning.
    audit_as_the_truth_says(place);

    // The same files in the bucket: wherever they lie, they say the same.
    let from_files = place.report("changes");
    let text = fs::read_to_string(place.path("changetrail.toml")).expect("the seed's configuration");
    let bucket = format!("bucket = \"fenmoor-trail\"\nendpoint_url = \"{}\"", emulator.url());
    place
        .write("bucket.toml", text.replace("path = \"trail\"", &bucket).replace("changetrail.duckdb", "bucket.duckdb"));
    let args = ["--config", "bucket.toml", "collect", "--since", "2026-11-01"];
    let collected = Output::of(with_credentials(&mut place.command(&args)));
    // One file is cut short on purpose.
    assert_eq!(collected.code, Some(2), "{collected}");
    place.ran(0, &["--config", "bucket.toml", "reconcile"]);
    let from_bucket = place.ran(0, &["--config", "bucket.toml", "report", "changes", "-o", "csv"]).stdout;
    assert_eq!(Table::parse(&from_bucket).column("verdict"), from_files.column("verdict"));
    assert_eq!(Table::parse(&from_bucket), from_files);

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

#[test]
fn all_regions_of_the_emulator() {
    let Some(emulator) = Emulator::start() else { return };
    let place = Place::new(&format!(
        "[[source]]\nname = \"aws\"\nconnector = \"aws-cloudtrail\"\nregions = \"all\"\nshare = 1\nendpoint_url = \"{}\"\n",
        emulator.url()
    ));
    let check = |args: &[&str]| {
        let checked = Output::of(with_credentials(&mut place.command(args)));
        assert_eq!(checked.code, Some(0), "{checked}");
        checked.stdout
    };
    let asked = check(&["check", "--online"]);
    assert!(asked.contains("000000000000/eu-west-2: ") && asked.contains(" regions at once: at least "), "{asked}");
    let not_asked = check(&["check"]);
    assert!(not_asked.contains("account:ListRegions") && !not_asked.contains("eu-west-2"), "{not_asked}");

    let collected = Output::of(with_credentials(&mut place.command(&["collect", "--since", "1h"])));
    assert_eq!(collected.code, Some(0), "{collected}");
    let regions =
        place.query("select count(distinct split_part(stream, '/', 2)) from cursor where stream like '%/writes'");
    let asked = asked.lines().filter(|line| line.trim_start().starts_with("000000000000/")).count();
    assert_eq!(regions.rows, [[asked.to_string()]]);
    assert!(asked > 10, "the emulator has more regions than that");
    // What was read is known from then on.
    assert!(check(&["check"]).contains("000000000000/eu-west-2: "));
}
