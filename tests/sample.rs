//! The sample organisation: what `demo` shows is what is true of it.

use std::fs;

use changetrail::report::Catalog;

use crate::support::{Output, Place, Table, checkout, truth};

const SAMPLE: &str = "src/cli/demo/sample";

#[test]
fn every_record_of_the_sample_is_judged_as_its_truth_says() {
    let place = Place::empty();
    place.copy(&checkout(SAMPLE), "");
    place.ran(1, &["audit"]);
    let known = fs::read_to_string(place.path("truth.csv")).expect("the truth");
    truth::check(&Table::parse(&known), &place.report("changes"), &place.report("attempts"));
    place.checks_hold();
}

#[test]
fn the_demo_needs_nothing_and_writes_every_report() {
    let place = Place::empty();
    let mut command = place.command(&["demo"]);
    // No home, no user, no way out: only what the loader needs to find the library.
    command.env_clear().env("TMPDIR", place.path(""));
    for proxy in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
        command.env(proxy, "http://127.0.0.1:9");
    }
    if let Some(library) = std::env::var_os("LD_LIBRARY_PATH") {
        command.env("LD_LIBRARY_PATH", library);
    }
    let output = Output::of(&mut command);
    assert_eq!(output.code, Some(0), "{output}");
    for word in ["Summary", "released", "manual", "unrecorded"] {
        assert!(output.stdout.contains(word), "{word}\n{output}");
    }
    let reports = output
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("reports"))
        .unwrap_or_else(|| panic!("it is not said where the reports are\n{output}"))
        .trim();
    for report in Catalog::load(&[]).expect("reports").iter() {
        let path = format!("{reports}/{}.csv", report.name);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(!Table::parse(&text).columns.is_empty(), "{path}");
    }
    let changes = fs::read_to_string(format!("{reports}/changes.csv")).expect("changes");
    assert!(Table::parse(&changes).rows.len() > 50);
}

#[test]
fn the_demo_invents_nothing_in_a_store_that_is_there() {
    let place = Place::empty();
    place.write("real.duckdb", "evidence");
    let demo = |store: &str| {
        let mut command = place.command(&["--store", store, "demo"]);
        Output::of(command.env("TMPDIR", place.path("")))
    };
    let refused = demo("real.duckdb");
    assert_eq!(refused.code, Some(2), "{refused}");
    refused.says(&["real.duckdb", "is there already", "hint: "]);
    assert_eq!(fs::read(place.path("real.duckdb")).expect("the store"), b"evidence");
    let output = demo("new.duckdb");
    assert_eq!(output.code, Some(0), "{output}");
    let go_on = output.stdout.lines().find(|line| line.ends_with("report manual-changes")).expect("what to go on with");
    assert!(go_on.contains(" --store new.duckdb "), "{go_on}");
}

#[test]
fn the_demo_finds_the_same_each_time() {
    let summaries: Vec<String> = (0..2)
        .map(|_| {
            let place = Place::empty();
            let mut command = place.command(&["-q", "demo"]);
            command.env("TMPDIR", place.path(""));
            let output = Output::of(&mut command);
            assert_eq!(output.code, Some(0), "{output}");
            let end = output.stdout.find("Where it lies").expect("the places");
            output.stdout[..end].to_owned()
        })
        .collect();
    assert_eq!(summaries[0], summaries[1]);
}

#[test]
fn every_kind_of_verdict_is_explained() {
    let place = Place::empty();
    place.copy(&checkout(SAMPLE), "");
    place.ran(1, &["-q", "audit"]);
    let one_of_each = place.query(
        "select verdict, reason, min_by(change_id, occurred_at) as change_id, any_value(record_id) as record_id
         from change group by all order by all",
    );
    let sentences = fs::read_to_string(checkout("queries/reconcile/reasons.csv")).expect("reasons");
    let sentences = Table::parse(&sentences);
    assert!(one_of_each.rows.len() > 15);
    for row in &one_of_each.rows {
        let cell = |column: &str| one_of_each.cell(row, column);
        let said = place.ran(0, &["explain", cell("change_id")]).stdout;
        let sentence = sentences.row("reason", cell("reason"));
        assert_eq!(sentences.cell(sentence, "verdict"), cell("verdict"));
        for word in [cell("verdict"), cell("reason"), sentences.cell(sentence, "sentence")] {
            assert!(said.contains(word), "`{word}` is not said\n{said}");
        }
    }
    // The provider's id will do as well.
    let record = one_of_each.cell(&one_of_each.rows[0], "record_id");
    place.ran(0, &["explain", record]);
}
