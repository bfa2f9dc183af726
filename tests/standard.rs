//! A standard of an organisation's own, with controls of its own, outside any checkout and without compiling.

use serde_json::json;

use crate::support::world::{deploy, log, place, release, verdict};
use crate::support::{Place, Table, checkout};

const STANDARD: &str = r#"
id = "ACME-1"
title = "Releases at Acme"
version = "3"

[[control]]
id = "no-friday"
title = "No release on a Friday"
severity = { deployment = "low" }
references = ["SOC2 CC8.1"]
reasons = { on-a-friday = "The release was made on a Friday." }

[[control]]
id = "prod-approval"
title = "Live is approved"
severity = { deployment = "high", pipeline = "low" }
authorisation = true

[[control]]
id = "no-policies"
title = "Policies are not for pipelines"
severity = { change = "medium" }

[[exception]]
id = "no-sites"
service_type = "static-app"
controls = ["no-friday"]
reason = "Sites may go out on any day."

[[requirement]]
section = "1"
text = "We do not release on Fridays."
controls = ["no-friday"]

[[requirement]]
section = "2"
text = "We are careful."
not_checked = "nobody knows how"
"#;

/// 3 November 2026, the day of the cases, is a Tuesday: to Acme it counts as a Friday.
const NO_FRIDAY: &str = "-- title: No release on a Friday
select 'deployment' as subject_kind, deployment_id as subject_id, service, environment,
       case when dayofweek(started_at) = 2 then 'fail' else 'pass' end as result,
       case when dayofweek(started_at) = 2 then 'on-a-friday' else 'on-another-day' end as reason
from deployment
where environment = 'live' and ran
-- the end";

const NO_POLICIES: &str = "-- title: Policies are not for pipelines
select 'change' as subject_kind, change_id as subject_id, service, environment,
       case when action like '%Policy' then 'fail' else 'pass' end as result, 'policy' as reason, occurred_at
from change
where actor_kind = 'pipeline'";

fn acme() -> Place {
    let place = place();
    let world = std::fs::read_to_string(place.path("changetrail.toml")).expect("the world");
    let mut config: toml::Table = world.parse().expect("the world");
    config
        .insert("standard".to_owned(), toml::Value::Table([("name".to_owned(), "acme".into())].into_iter().collect()));
    let folders = toml::Value::Array(vec!["acme".into()]);
    config.insert("extend".to_owned(), toml::Value::Table([("queries".to_owned(), folders)].into_iter().collect()));
    place.write("changetrail.toml", config.to_string());
    place.write("acme/standards/acme.toml", STANDARD);
    place.write("acme/controls/no-friday.sql", NO_FRIDAY);
    place.write("acme/controls/no-policies.sql", NO_POLICIES);
    log(&place, "1", deploy());
    release(&place, "1", json!([{"release": "r1", "live": "10:00-10:20"}]));
    place
}

#[test]
fn it_is_what_changes_are_judged_by() {
    let place = acme();
    place.ran(0, &["audit"]);
    assert_eq!(verdict(&place), "nonconforming");
    let controls = place.report("controls").select(&["service", "control", "result"].map(str::to_owned));
    assert_eq!(
        controls.rows,
        [
            ["register", "no-friday", "fail"],
            // Nothing is recorded of how its pipeline is set up.
            ["register", "prod-approval", "no-evidence"],
            ["register", "no-policies", "fail"],
            ["site", "no-friday", "not-applicable"],
            ["site", "prod-approval", "no-evidence"],
            ["site", "no-policies", "no-evidence"],
        ]
    );
    let findings = place.report("findings").select(&["control", "severity", "subject_kind"].map(str::to_owned));
    let mut found = findings.rows;
    found.sort();
    assert_eq!(found, [["no-friday", "low", "deployment"], ["no-policies", "medium", "case"]]);
    let sentences = place.report("standard").select(&["standard", "text", "result", "not_checked"].map(str::to_owned));
    assert_eq!(
        sentences.rows,
        [
            ["ACME-1", "We do not release on Fridays.", "fail", ""],
            ["ACME-1", "We are careful.", "not-checked", "nobody knows how"],
        ]
    );
    let said = place.ran(0, &["explain", "c"]).stdout;
    for word in
        ["The release was made on a Friday.", "acme/controls/no-friday.sql", "queries/controls/prod-approval.sql"]
    {
        assert!(said.contains(word), "{word}\n{said}");
    }
}

#[test]
fn a_control_that_changes_is_a_rule_that_changed() {
    let place = acme();
    place.ran(0, &["audit"]);
    place.write("acme/controls/no-friday.sql", NO_FRIDAY.replace("= 2", "= 5"));
    place.ran(0, &["audit"]);
    assert_eq!(verdict(&place), "released");
    let history = place.query("select verdict, became, because[1] as why from verdict_history");
    assert_eq!(history.rows, [["nonconforming", "released", "rules"]]);
}

#[test]
fn a_control_reaches_nothing_and_does_nothing_else() {
    let place = acme();
    place.ran(0, &["audit"]);
    let judged = place.report("changes");
    let evidence = "select count(*) from raw_record";
    let stored = place.query(evidence);
    let head = "-- title: Bad\n";
    let refused = |sql: &str, why: &str| {
        place.write("acme/controls/no-friday.sql", format!("{head}{sql}"));
        place.ran(2, &["reconcile"]).says(&["no-friday", why]);
        let checked = place.ran(2, &["check"]);
        assert!(checked.stdout.contains("fail  rules: the control acme/controls/no-friday.sql"), "{sql}\n{checked}");
        assert_eq!(place.report("changes"), judged, "the judgement before stays");
        assert_eq!(place.query(evidence), stored);
    };
    refused("select 1; drop table raw_record", "unusable");
    refused("select 1 as x) ; delete from raw_record; select * from (select 1", "unusable");
    refused("drop table raw_record", "Only SELECT");
    refused("copy raw_record to 'out.csv'", "Only SELECT");
    refused("", "it is more than one statement, or none");
    refused("select content from read_text('changetrail.toml')", "disabled");
    refused("select * from read_csv('/etc/passwd')", "disabled");
    refused("select 'deployment' as subject_kind, 1 as subject", "subject");
    let of = |kind: &str, id: &str| {
        format!(
            "select '{kind}' as subject_kind, {id} as subject_id, service, environment, 'fail' as result, 'x' as reason from deployment"
        )
    };
    refused(&of("deployment", "upper(deployment_id)"), "it speaks of deployment `R1:LIVE`, and there is none");
    refused(&of("change", "deployment_id"), "it speaks of change `r1:live`, and there is none");
    refused(
        "select 'change' as subject_kind, change_id as subject_id, service, environment, 'fail' as result, 'x' as reason from attributed",
        "and its `severity` in the standard names no such kind, only deployment",
    );
    refused(
        &of("deployment", "deployment_id").replace("environment, 'fail'", "'production' as environment, 'fail'"),
        "it says the environment `production`; known are live, preprod and dev",
    );
    refused(
        "select 'deployment' as subject_kind, deployment_id as subject_id, service, environment, 'perhaps' as result, '' as reason from deployment",
        "CHECK constraint",
    );
    refused("select $since", "needs a value");
    assert!(!place.path("out.csv").exists());
}

#[test]
fn what_is_wrong_with_it_is_said() {
    let place = acme();
    let wrong = |from: &str, to: &str, why: &[&str]| {
        place.write("acme/standards/acme.toml", STANDARD.replace(from, to));
        place.ran(2, &["check"]);
        place.ran(2, &["audit"]).says(why);
    };
    wrong("id = \"no-policies\"", "id = \"no-roles\"", &["acme.toml", "there is no controls/no-roles.sql"]);
    wrong("controls = [\"no-friday\"]\nreason", "controls = [\"no-monday\"]\nreason", &["no-monday"]);
    wrong("severity = { change", "severty = { change", &["acme.toml", "severty"]);
    place.write("acme/standards/acme.toml", STANDARD);
    let config = std::fs::read_to_string(place.path("changetrail.toml")).expect("the configuration");
    place.write("changetrail.toml", config.replace("name = \"acme\"", "name = \"acne\""));
    place.ran(2, &["audit"]).says(&["unknown standard `acne`", "did you mean `acme`?"]);
}

/// Every reason that a built-in control or rule gives is explained: the codes stand in the SQL, in `case … end as reason` or as
/// a literal beside a result.
#[test]
fn every_reason_has_a_sentence() {
    let sentences = std::fs::read_to_string(checkout("queries/reconcile/reasons.csv")).expect("the sentences");
    let sentences = Table::parse(&sentences);
    let known: Vec<&str> = sentences.rows.iter().map(|row| sentences.cell(row, "reason")).collect();
    let controls = std::fs::read_dir(checkout("queries/controls")).expect("the controls");
    let mut files: Vec<_> = controls.map(|entry| entry.expect("an entry").path()).collect();
    files.push(checkout("queries/reconcile/11_told_failures.sql"));
    let mut given = 0;
    for path in files {
        let sql = std::fs::read_to_string(&path).expect("a rule");
        for code in reasons(&sql) {
            given += 1;
            assert!(known.contains(&code), "{}: `{code}` has no sentence", path.display());
        }
    }
    assert!(given > 60, "{given}");
}

/// What a control says besides its results: the codes after `then`, `else` and after a result.
fn reasons(sql: &str) -> Vec<&str> {
    const RESULTS: &[&str] = &["pass", "fail", "no-evidence", "not-applicable"];
    // Words that are compared, or name the kind of a subject.
    const WORDS: &[&str] = &["approval", "trigger"];
    let mut codes = Vec::new();
    for line in sql.lines().filter(|line| !line.trim_start().starts_with("--")) {
        let parts: Vec<&str> = line.split('\'').collect();
        for place in (1..parts.len()).step_by(2) {
            let (before, code) = (parts[place - 1].trim_end(), parts[place]);
            let after_result = place >= 2 && before == "," && RESULTS.contains(&parts[place - 2]);
            if (before.ends_with("then") || before.ends_with("else") || after_result)
                && !RESULTS.contains(&code)
                && !WORDS.contains(&code)
            {
                codes.push(code);
            }
        }
    }
    codes
}
