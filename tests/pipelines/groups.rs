//! Roles that people have because they are in a group, as the system that knows the group tells it.

use serde_json::json;

use super::{Audited, GITHUB, VERDICT, change, released_by};

const GROUP: &str = "[[group]]\nsource = 'github'\nname = 'release-managers'\nrole = 'manager'\n";

/// A run that `mona` let through; the roster has nobody of that name.
fn approved_by_mona(config: &str, members: fn(&str, String) -> String) -> Audited {
    let config = format!("{}{config}", released_by("example/register/release.yml"));
    Audited::edited(&GITHUB, &config, change("GitHubActions", Some("7001")), members)
}

/// The approver, at the gate and in the audit log; nobody else looked at the code.
fn mona(stream: &str, text: String) -> String {
    match stream {
        "decisions" | "audit" => text.replace("dwhite", "mona"),
        "reviews" => "[]".to_owned(),
        _ => text,
    }
}

#[test]
fn a_member_of_the_group_is_a_manager_and_nobody_else_is() {
    let member = |stream: &str, text: String| match stream {
        "team_members" => text.replace("dwhite", "Mona"),
        _ => mona(stream, text),
    };
    let audited = approved_by_mona(GROUP, member);
    assert_eq!(audited.says(VERDICT)[0][..2], ["released", "released-exact"]);
    audited.polls_again();

    // The group is not named in the configuration: its members are nobody in particular.
    let audited = approved_by_mona("", member);
    assert_eq!(audited.says(VERDICT)[0][..2], ["unapproved", "approver-without-role"]);

    // The group is, but she is not in it.
    let audited = approved_by_mona(GROUP, mona);
    assert_eq!(audited.says(VERDICT)[0][..2], ["unapproved", "approver-without-role"]);
}

#[test]
fn who_joined_after_the_approval_had_no_role_when_it_was_given() {
    let audited = approved_by_mona(GROUP, |stream, text| match stream {
        "team_members" => text.replace("dwhite", "mona"),
        // In the audit log: put into the team when the run was over.
        "audit" => {
            let mut entries: Vec<serde_json::Value> = serde_json::from_str(&mona(stream, text)).expect("entries");
            entries.push(json!({"@timestamp": 1_793_707_200_000_i64, "_document_id": "joined", "action": "team.add_member", "actor": "mona",
                "org": "example", "team": "example/release-managers", "user": "mona"}));
            json!(entries).to_string()
        }
        _ => mona(stream, text),
    });
    assert_eq!(audited.says(VERDICT)[0][..2], ["unapproved", "approver-without-role"]);
    let span = audited.says("select told_at::varchar from membership_told where member_id = 'mona' and not is_first");
    assert_eq!(span, [["2026-11-03 12:00:00"]]);
}

#[test]
fn a_group_that_may_approve_is_its_members() {
    let eligible = |audited: &Audited| {
        audited.says("select distinct unnest(approvers) from pipeline_stage where stage = 'production' order by all")
    };
    let known = approved_by_mona(GROUP, |stream, text| match stream {
        "team_members" => text.replace("dwhite", "mona"),
        _ => mona(stream, text),
    });
    assert_eq!(eligible(&known), [["dwhite"], ["erin"], ["mona"]]);
    let unknown = approved_by_mona("", mona);
    assert_eq!(eligible(&unknown), [["dwhite"], ["team:release-managers"]]);
}
