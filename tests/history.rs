//! Verdicts that become others: what was judged before stays visible, with when and why; and what would become another.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::Place;
use crate::support::world::{deploy, log, place, release, verdict};

const HISTORY: &str =
    "select verdict, became, array_to_string(because, ' ') as because from verdict_history order by until, verdict";

fn history(place: &Place) -> Vec<Vec<String>> {
    place.query(HISTORY).rows
}

fn judgements(place: &Place) -> usize {
    place.query("from judgement").rows.len()
}

#[test]
fn late_evidence_leaves_the_old_verdict_visible() {
    let place = place();
    log(&place, "1", deploy());
    place.ran(1, &["audit"]);
    assert!(history(&place).is_empty(), "a first verdict replaces none");
    release(&place, "1", json!([{"release": "r1", "live": "10:00-10:20"}]));
    place.ran(0, &["audit"]);
    let became = [["unrecorded", "released", "evidence"]];
    assert_eq!(history(&place), became);
    let said = place.ran(0, &["explain", "c"]).stdout;
    for word in ["Verdicts before", "pipeline-identity-no-run", "changed", "evidence"] {
        assert!(said.contains(word), "{word}\n{said}");
    }

    // Nothing new: no row. And what was is no evidence: it cannot be made again, so it stays.
    let judged = judgements(&place);
    place.ran(0, &["audit"]);
    place.ran(0, &["reconcile", "--rebuild"]);
    assert_eq!(history(&place), became);
    assert_eq!(judgements(&place), judged);
    place.checks_hold();
}

#[test]
fn a_changed_configuration_and_new_evidence_are_told_apart() {
    let place = place();
    log(&place, "1", deploy());
    place.ran(1, &["audit"]);
    let world = std::fs::read_to_string(place.path("changetrail.toml")).expect("the world");
    let automation = "\n[[automation]]\naws_roles = [\"arn:aws:iam::{live}:role/register-deploy\"]\nreason = \"r\"\n";
    // The pipeline's identity goes, the automation comes.
    let without = world.replace("role/register-deploy", "role/other");
    place.write("changetrail.toml", format!("{without}{}", crate::support::shorthand::with_accounts(automation)));
    place.run(&["audit"]);
    assert_eq!(verdict(&place), "platform");
    place.write("changetrail.toml", &world);
    release(&place, "1", json!([{"release": "r1", "live": "10:00-10:20"}]));
    place.ran(0, &["audit"]);
    assert_eq!(
        history(&place),
        [["unrecorded", "platform", "configuration"], ["platform", "released", "configuration evidence"]]
    );
    place.checks_hold();
}

/// What would be others, and the store as it was before and after the question.
fn what_if(place: &Place, proposed: &str) -> Value {
    let hash = || Sha256::digest(std::fs::read(place.store()).expect("the store"));
    let before = hash();
    let output = place.ran(0, &["reconcile", "--what-if", proposed, "-o", "json"]);
    assert_eq!(hash(), before, "the store was written");
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output}"))
}

#[test]
fn what_another_configuration_would_judge() {
    let place = place();
    log(&place, "1", deploy());
    release(&place, "1", json!([{"release": "r1", "live": "10:00-10:20"}]));
    place.ran(0, &["audit"]);
    assert_eq!(what_if(&place, "changetrail.toml"), json!({"verdicts": [], "findings": []}));

    let world = std::fs::read_to_string(place.path("changetrail.toml")).expect("the world");
    place.write("proposed.toml", world.replace("roles = [\"manager\"]", "roles = []"));
    let said = what_if(&place, "proposed.toml");
    let flip = &said["verdicts"][0];
    assert_eq!(
        ["is_now", "would_be", "reason_now", "would_be_reason"].map(|key| flip[key].as_str().unwrap_or_default()),
        ["released", "unapproved", "released-identity", "approver-without-role"]
    );
    let finding = &said["findings"][0];
    assert_eq!(["is_now", "would_be"].map(|key| finding[key].as_str().unwrap_or_default()), ["", "open"]);
    assert_eq!(verdict(&place), "released");
    let for_people = place.ran(0, &["reconcile", "--what-if", "proposed.toml"]).stdout;
    assert!(for_people.contains("Verdicts") && for_people.contains("unapproved"), "{for_people}");
}

#[test]
fn what_other_rules_would_judge() {
    let place = place();
    log(&place, "1", deploy());
    release(&place, "1", json!([{"release": "r1", "live": "10:00-10:20"}]));
    place.ran(0, &["audit"]);
    let nothing_repeats = "-- title: Nothing repeats\n\
        select 'deployment' as subject_kind, deployment_id as subject_id, service, environment, 'fail' as result,\n\
        'different-steps' as reason\nfrom deployment where environment = 'live' and ran";
    place.write("rules/controls/repeatable.sql", nothing_repeats);
    let said = what_if(&place, "rules");
    assert_eq!(said["verdicts"][0]["would_be_reason"], "different-steps");
    assert_eq!(said["findings"][0]["control"], "repeatable");
    assert_eq!(verdict(&place), "released");

    place.write("more/reconcile/stage_names.csv", "stage,environment\nprod,dev\n");
    assert_eq!(what_if(&place, "more")["verdicts"][0]["would_be"], "unrecorded");
    place.write("wrong/reconcile/07_link.sql", "select 1");
    place.ran(2, &["reconcile", "--what-if", "wrong"]).says(&["07_link.sql", "stands in for no rule"]);
    place.ran(2, &["reconcile", "--what-if", "absent"]).says(&["absent"]);
    // Whoever misplaces a file is not told that it changes nothing.
    place.write("misplaced/07_links.sql", "select 1");
    place.ran(2, &["reconcile", "--what-if", "misplaced"]).says(&[
        "07_links.sql",
        "stands in for no rule",
        "reconcile/",
    ]);
    for misspelt in ["controls/prod-aproval.sql", "standards/ofq-0005.toml", "control/prod-approval.sql"] {
        let folder = misspelt.replace(['/', '.'], "-");
        place.write(&format!("{folder}/controls/repeatable.sql"), nothing_repeats);
        place.write(&format!("{folder}/{misspelt}"), nothing_repeats);
        let named = misspelt.strip_suffix("/prod-approval.sql").unwrap_or(misspelt);
        place.ran(2, &["reconcile", "--what-if", &folder]).says(&[named, "stands in for no rule", "hint: "]);
    }
    place.write("empty/notes/read.me", "");
    place.ran(2, &["reconcile", "--what-if", "empty"]).says(&["empty", "stands in for no rule"]);
}

#[test]
fn a_release_log_under_another_name_says_the_same() {
    let place = place();
    log(&place, "1", deploy());
    release(&place, "1", json!([{"release": "r1", "live": "10:00-10:20"}]));
    place.run(&["audit"]);
    assert_eq!(verdict(&place), "released");
    let world = std::fs::read_to_string(place.path("changetrail.toml")).expect("the world");
    place.write("changetrail.toml", world.replace("name = \"release-log\"", "name = \"central-log\""));
    place.run(&["audit"]);
    assert_eq!(verdict(&place), "released");
}

/// The world, in which the release log has another name, and perhaps lies elsewhere.
fn rename_log(place: &Place, path: &str) {
    let world = std::fs::read_to_string(place.path("changetrail.toml")).expect("the world");
    let renamed = world.replace("name = \"release-log\"", "name = \"central-log\"");
    place.write("changetrail.toml", renamed.replace("path = \"releases\"", &format!("path = \"{path}\"")));
}

#[test]
fn what_a_release_log_told_is_worth_the_same_when_another_takes_its_place() {
    let place = place();
    log(&place, "1", deploy());
    release(&place, "1", json!([{"release": "r1", "live": "10:00-10:20"}]));
    place.ran(0, &["audit"]);
    rename_log(&place, "elsewhere");
    place.write("elsewhere/1.jsonl", "");
    place.ran(0, &["audit"]).says(&[
        "source `release-log` is not in the configuration any more",
        "2 deployments",
        "give it its old name",
    ]);
    assert_eq!(verdict(&place), "released");
}

#[test]
fn a_release_log_under_another_name_does_not_hide_that_it_was_rewritten() {
    let place = place();
    log(&place, "1", deploy());
    let told = |with: Value| {
        release(&place, "1", json!([{"release": "r1", "live": "10:00-10:20", "live_record": with}]));
    };
    told(json!({"recorded_at": null, "approvals": []}));
    place.ran(1, &["audit"]);
    told(json!({"recorded_at": null}));
    place.run(&["audit"]);
    let open =
        "select finding_id, severity, contains(summary, 'changed-after-the-start') from finding where status = 'open'";
    let before = place.query(open).rows;
    assert_eq!(before.iter().map(|row| &row[1..]).collect::<Vec<_>>(), [["high", "true"]]);
    rename_log(&place, "releases");
    place.run(&["audit"]);
    assert_eq!(place.query(open).rows, before);
}
