//! The release logs of other systems: each is a fake on the loopback that answers with its folder's fixtures, read by the
//! program as it is, and explains a change in a cloud by the key that only its run has.

mod azure_devops;
mod codepipeline;
mod disturbed;
mod drops;
mod github;
mod groups;
mod hcp_terraform;
mod states;

use std::path::PathBuf;
use std::time::Duration;

use changetrail::config::Config;
use changetrail::contract::{Answer, Asked, Server};
use changetrail::progress::Silent;
use changetrail::store::{Access, Db, Value, Visits};
use changetrail::{collect, reconcile};
use serde_json::{Value as Json, json};

use crate::support::shorthand::{events, with_accounts};
use crate::support::{Place, checkout};

const NOW: &str = "2026-11-10T00:00:00Z";
const WAIT: Duration = Duration::from_secs(10);

/// Which folder of the fixtures answers a path: the first of several that has pages. `*` is one segment; the item is a
/// segment's number, a parameter of the query, or the address without so many segments.
struct Route(&'static str, &'static str, Item);

#[derive(Clone, Copy)]
enum Item {
    None,
    Fixed(&'static str),
    Segment(usize),
    Param(&'static str),
    Address(usize),
}

struct System {
    folder: &'static str,
    /// Addresses in the fixtures that are the fake's.
    vendors: &'static [&'static str],
    /// What the source says.
    source: &'static str,
    routes: &'static [Route],
}

const GITHUB: System = System {
    folder: "github",
    vendors: &["https://api.github.com"],
    source: "base_url = '{url}'\nrepositories = ['example/register']\norganization = 'example'\nteams = true",
    routes: &[
        Route("/repos/*/*/teams", "teams", Item::Fixed("example/register")),
        Route("/organizations/*/team/*/members", "team_members", Item::Address(1)),
        Route("/repos/*/*/deployments", "deployments", Item::Fixed("example/register")),
        Route("/repos/*/*/deployments/*/statuses", "statuses", Item::Address(0)),
        Route("/repos/*/*/actions/runs", "runs", Item::Fixed("example/register")),
        Route("/repos/*/*/actions/runs/*", "attempts", Item::Address(0)),
        Route("/repos/*/*/actions/runs/*/attempts/*", "attempts", Item::Address(2)),
        Route("/repos/*/*/actions/runs/*/approvals", "decisions", Item::Address(1)),
        Route("/repos/*/*/environments", "environments", Item::Fixed("example/register")),
        Route("/repos/*/*/pulls", "pulls", Item::Fixed("example/register")),
        Route("/repos/*/*/pulls/*/reviews", "reviews", Item::Address(1)),
        Route("/repos/*/*/rulesets", "ruleset_list", Item::Fixed("example/register")),
        Route("/repos/*/*/rulesets/*", "rulesets", Item::Address(0)),
        Route("/orgs/*/audit-log", "audit", Item::None),
    ],
};

const AZURE_DEVOPS: System = System {
    folder: "azure-devops",
    vendors: &["https://dev.azure.com", "https://vsrm.dev.azure.com"],
    source: "base_url = '{url}'\nrelease_url = '{url}'\naudit_url = '{url}'\norganization = 'example'\nproject = 'register'\nenvironments = true\naudit = true",
    routes: &[
        Route("/*/*/_apis/release/deployments", "deployments", Item::None),
        Route("/*/*/_apis/release/definitions", "definitions", Item::None),
        Route("/*/*/_apis/build/builds", "active", Item::Param("statusFilter")),
        Route("/*/*/_apis/build/builds", "builds", Item::None),
        Route("/*/*/_apis/build/builds/*/timeline", "timelines active_timelines", Item::Segment(5)),
        Route("/*/*/_apis/build/builds/*/timeline/*", "attempts active_attempts", Item::Segment(7)),
        Route("/*/*/_apis/pipelines/approvals", "decisions", Item::None),
        Route("/*/*/_apis/distributedtask/environments", "environments", Item::None),
        Route("/*/*/_apis/pipelines/checks/configurations", "checks", Item::Fixed("5")),
        Route(
            "/*/*/_apis/distributedtask/environments/*/environmentdeploymentrecords",
            "environment_runs",
            Item::Segment(5),
        ),
        Route("/*/*/_apis/serviceendpoint/endpoints", "connections", Item::None),
        Route("/*/*/_apis/serviceendpoint/*/executionhistory", "executions", Item::Segment(4)),
        Route("/*/*/_apis/git/pullrequests", "pull_requests", Item::None),
        Route("/*/*/_apis/git/repositories/*/pullRequests/*/threads", "votes", Item::Address(1)),
        Route("/*/_apis/audit/auditlog", "audit", Item::None),
    ],
};

const GITLAB: System = System {
    folder: "gitlab",
    vendors: &[],
    source: "base_url = '{url}'\nproject = 'example/register'",
    routes: &[
        Route("/api/v4/projects/*/deployments", "deployments", Item::None),
        Route("/api/v4/projects/*/deployments/*", "details", Item::Segment(5)),
        Route("/api/v4/projects/*/merge_requests", "merge_requests", Item::None),
        Route("/api/v4/projects/*/protected_environments", "protected_environments", Item::None),
    ],
};

const HCP_TERRAFORM: System = System {
    folder: "hcp-terraform",
    vendors: &[],
    source: "base_url = '{url}'\norganization = 'example'\naudit = true",
    routes: &[
        Route("/api/v2/organizations/*/organization-memberships", "members", Item::None),
        Route("/api/v2/organizations/*/workspaces", "workspaces", Item::None),
        Route("/api/v2/workspaces/*/runs", "runs", Item::Segment(3)),
        Route("/api/v2/organization/audit-trail", "audit", Item::None),
    ],
};

const SERVICENOW: System = System {
    folder: "servicenow",
    vendors: &[],
    source: "base_url = '{url}'\nusername = 'collector'",
    routes: &[
        Route("/api/now/table/change_request", "changes", Item::None),
        Route("/api/now/table/sysapproval_approver", "decisions", Item::None),
    ],
};

const JIRA: System = System {
    folder: "jira",
    vendors: &[],
    source: "base_url = '{url}'\nemail = 'collector@example.org'\nprojects = ['REL']",
    routes: &[Route("/rest/api/3/search/jql", "main", Item::Fixed("REL"))],
};

const ARGO_CD: System = System {
    folder: "argo-cd",
    vendors: &[],
    source: "base_url = '{url}'",
    routes: &[Route("/api/v1/applications", "main", Item::None)],
};

impl Route {
    fn takes(&self, asked: &Asked) -> bool {
        let (own, theirs): (Vec<&str>, Vec<&str>) = (self.0.split('/').collect(), asked.path.split('/').collect());
        let has_item = if let Item::Param(name) = self.2 { asked.param(name).is_some() } else { true };
        has_item
            && own.len() == theirs.len()
            && own.iter().zip(&theirs).all(|(own, theirs)| *own == "*" || own == theirs)
    }

    /// The folders, below those of the polls, of the pages that may answer.
    fn folders(&self, asked: &Asked, vendor: &str) -> Vec<String> {
        let segments: Vec<&str> = asked.path.split('/').collect();
        let item = match self.2 {
            Item::None => return vec![self.1.to_owned()],
            Item::Fixed(item) => item.to_owned(),
            Item::Segment(number) => segments[number + 1].to_owned(),
            Item::Param(name) => asked.param(name).unwrap_or_default().to_owned(),
            Item::Address(drop) => format!("{vendor}{}", segments[..segments.len() - drop].join("/")),
        };
        let encoded: String = item
            .bytes()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect();
        self.1.split(' ').map(|stream| format!("{stream}/{encoded}")).collect()
    }
}

/// The fake, as it is at one poll; `edit` changes what it says.
fn answer(system: &System, poll: u32, url: &str, asked: &Asked, edit: &dyn Fn(&str, String) -> String) -> Answer {
    let Some(route) = system.routes.iter().find(|route| route.takes(asked)) else {
        return Answer::status(404, format!("{} is not asked for", asked.path));
    };
    let vendor = system.vendors.first().copied().unwrap_or_default();
    let fixtures = checkout("connectors").join(system.folder).join("fixtures");
    let folders = route.folders(asked, vendor);
    let (stream, folder) = route
        .1
        .split(' ')
        .zip(folders.iter().map(|folder| fixtures.join(format!("{poll}/{folder}"))))
        .find(|(_, folder)| folder.exists())
        .unwrap_or_else(|| (route.1, fixtures.join(format!("{poll}/{}", folders[0]))));
    let token = |name: &str| asked.param(name).and_then(|text| text.parse::<usize>().ok());
    let in_body = || {
        serde_json::from_str::<Json>(&asked.body).ok()?.get("nextPageToken")?.as_str()?.strip_prefix('t')?.parse().ok()
    };
    // Attempts are told one after the other, beginning with the last.
    let attempt = || {
        let wanted = format!("\"run_attempt\": {},", asked.path.rsplit_once("/attempts/")?.1);
        (1..10).find(|page| {
            std::fs::read_to_string(folder.join(format!("{page}.json"))).is_ok_and(|text| text.contains(&wanted))
        })
    };
    let numbered = || token("continuationToken").or_else(|| token("page")).or_else(|| token("page[number]"));
    // What one page has is behind the next one's beginning.
    let behind = || token("sysparm_offset").filter(|&first| first > 0).map(|_| 2);
    let page = numbered().or_else(in_body).or_else(attempt).or_else(behind).unwrap_or(1);
    let text = std::fs::read_to_string(folder.join(format!("{page}.json")));
    // Polls in which nothing is new.
    let Ok(text) = text else {
        let first = fixtures.join(format!("1/{}/1.json", folders[0]));
        let shape: Json =
            std::fs::read_to_string(first).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        return Answer::ok(emptied(shape).to_string());
    };
    let mut text = edit(stream, text);
    for vendor in system.vendors {
        text = text.replace(vendor, url);
    }
    let mut answer = Answer::ok(text);
    if folder.join(format!("{}.json", page + 1)).exists() {
        answer = answer.header("x-ms-continuationtoken", (page + 1).to_string());
        let query = asked
            .query
            .iter()
            .filter(|(name, _)| name != "page")
            .map(|(name, value)| format!("{name}={}&", value.replace(' ', "%20").replace('&', "%26")));
        let query: String = query.collect();
        answer = answer.header("link", format!("<{url}{}?{query}page={}>; rel=\"next\"", asked.path, page + 1));
    }
    answer
}

fn emptied(shape: Json) -> Json {
    match shape {
        Json::Object(members) => members
            .into_iter()
            .filter(|(name, _)| name != "nextPageToken" && name != "continuationToken")
            .map(|(name, value)| match value {
                Json::Array(_) => (name, json!([])),
                // There is no more of nothing.
                Json::Bool(_) => (name, json!(false)),
                value => (name, value),
            })
            .collect(),
        _ => json!([]),
    }
}

/// The world of the cases, with this system as its release log, read and judged.
struct Audited {
    place: Place,
    server: Server,
    system: &'static System,
}

impl Audited {
    fn new(system: &'static System, config: &str, trail: Json) -> Self {
        Self::edited(system, config, trail, |_, text| text)
    }

    fn edited(system: &'static System, config: &str, trail: Json, edit: fn(&str, String) -> String) -> Self {
        let server = Server::start(|_| Answer::status(503, "not yet")).expect("a port");
        let url = server.url();
        server.answer_by({
            let url = url.clone();
            move |asked| answer(system, 1, &url, asked, &edit)
        });
        let world = std::fs::read_to_string(checkout("tests/cases/world.toml")).expect("the world");
        let secret = if system.folder == "servicenow" { "password" } else { "token" };
        let source = system.source.replace("{url}", &url);
        let place = Place::new(&format!(
            "{}\n[[source]]\nname = '{folder}'\nconnector = '{folder}'\napprovals = 'evidence'\n{secret} = {{ file = 'secret' }}\n{source}\n{}",
            with_accounts(&world),
            with_accounts(config),
            folder = system.folder,
        ));
        place.write("secret", "s3cret-of-the-fake");
        for folder in ["releases", "azure"] {
            std::fs::create_dir_all(place.path(folder)).expect("a folder");
        }
        place.write("trail/1.json", json!({ "Records": events::records(trail) }).to_string());
        let audited = Self { place, server, system };
        audited.audit(Some("2026-11-01T00:00:00Z"));
        audited
    }

    fn config(&self) -> Config {
        Config::load(Some(&self.place.path("changetrail.toml"))).unwrap_or_else(|error| panic!("{error:?}"))
    }

    fn store(&self) -> PathBuf {
        self.place.store()
    }

    fn audit(&self, since: Option<&str>) {
        let since = since.map(|since| since.parse().expect("a time"));
        let (config, now) = (self.config(), NOW.parse().expect("a time"));
        let options = collect::Options { since, ..collect::Options::new(now, WAIT) };
        let outcome =
            collect::run(&config, &Visits::new(&self.store()), &options, &Silent).expect("it can be collected");
        assert!(outcome.complete(), "{}: {outcome:?}", self.system.folder);
        let options = reconcile::Options { now, rebuild: false, wait: WAIT, instead: None };
        reconcile::run(&config, &Visits::new(&self.store()), &options, &Silent).expect("it can be reconciled");
    }

    /// What a query says, cells as text.
    fn says(&self, sql: &str) -> Vec<Vec<String>> {
        let db = Db::open(&self.store(), Access::Read, WAIT).expect("a store");
        let (_, rows) = db.rows(sql, &[]).expect("an answer");
        let text = |cell: Value| match cell {
            Value::Null => String::new(),
            Value::Text(text) => text,
            Value::Bool(flag) => flag.to_string(),
            Value::Int(number) => number.to_string(),
            other => format!("{other:?}"),
        };
        rows.into_iter().map(|row| row.into_iter().map(text).collect()).collect()
    }

    /// Collecting again stores nothing again; a later poll is taken in.
    fn polls_again(&self) {
        let count = "select count(*), count(distinct (record_id, hash)) from store.raw_record";
        let before = self.says(count);
        assert_eq!(before[0][0], before[0][1], "{}: a record is stored twice", self.system.folder);
        self.audit(None);
        assert_eq!(self.says(count), before, "{}: collected twice", self.system.folder);
        assert_eq!(
            self.says("select stage, error from store.quarantine"),
            Vec::<Vec<String>>::new(),
            "{}",
            self.system.folder
        );
        let (system, url) = (self.system, self.server.url());
        self.server.answer_by(move |asked| answer(system, 2, &url, asked, &|_, text| text));
        self.audit(None);
        assert_eq!(
            self.says("select stage, error from store.quarantine"),
            Vec::<Vec<String>>::new(),
            "{}",
            self.system.folder
        );
    }
}

const VERDICT: &str = "select verdict, reason, link_tier, deployment_id from change where record_id = 'c'";

/// A change in live by the pipeline's role, in a session of that name, or signed in with that run id.
fn change(session: &str, run: Option<&str>) -> Json {
    let mut issued = json!({"id": "s", "time": "10:01", "action": "sts:AssumeRoleWithWebIdentity", "who": "oidc:repo:org/register:environment:prod",
        "role": "register-deploy", "session": session, "issues": "ASIA1"});
    if let Some(run) = run {
        issued["run"] = json!(run);
    }
    json!([issued, {"id": "c", "time": "10:05", "action": "s3:PutBucketPolicy", "who": format!("role:register-deploy/{session}"), "key": "ASIA1"}])
}

/// The service is released by the pipeline of this name; people are known by the system's names for them.
fn released_by(pipeline: &str) -> String {
    format!(
        "[[service]]\nname = 'pipeline'\ntype = 'deployed'\npipelines = ['{pipeline}']\n[[scope]]\nservice = 'pipeline'\nenvironment = 'live'\naws_accounts = ['{{live}}']\naws_regions = ['eu-west-2']\n\
         [[pipeline_identity]]\npipeline = '{pipeline}'\nenvironment = 'live'\naws_roles = ['arn:aws:iam::{{live}}:role/register-deploy']\n\
         [[person]]\nname = 'alice'\nroles = ['senior']\n[[person]]\nname = 'bob'\nroles = ['senior']\n"
    )
}

/// The same where the role, and the subject that took it, are no other pipeline's.
fn with_a_role_of_its_own(text: &str) -> String {
    text.replace("register-deploy", "own-deploy")
        .replace("repo:org/register:environment:prod", "repo:org/own:ref:refs/heads/main")
}

#[test]
fn gitlab_explains_a_change_by_the_pipelines_id() {
    let audited = Audited::new(&GITLAB, &released_by("example/register"), change("gl-5", None));
    assert_eq!(
        audited.says(VERDICT),
        [["released", "released-exact", "exact", "gitlab:example/register:2:production"]]
    );
    audited.polls_again();
}

#[test]
fn argo_cd_tells_what_ran_where_and_that_nobody_is_known_to_have_approved_it() {
    let audited = Audited::new(
        &ARGO_CD,
        &with_a_role_of_its_own(&released_by("register")),
        with_a_role_of_its_own(&change("x", None).to_string()).parse().expect("JSON"),
    );
    assert_eq!(audited.says(VERDICT), [["unapproved", "approvals-unknown", "identity", "argo-cd:register-prod:u-2:4"]]);
    audited.polls_again();
}

/// A run of a release record that names a ticket.
fn with_ticket(system: &'static System, ticket: &str) -> Audited {
    let audited = Audited::new(system, "", change("x", Some("7001")));
    let mut lines = String::new();
    for (stage, from, to) in [("preprod", "08:00", "08:30"), ("prod", "10:00", "10:20")] {
        let line = json!({"schema": "changetrail.deployment/1", "id": format!("r1:{stage}"), "release_id": "r1", "pipeline": "register-release", "version": "1",
            "stage": stage, "outcome": "succeeded", "requested_by": "alice@example.org", "started_at": format!("2026-11-03T{from}:00Z"),
            "finished_at": format!("2026-11-03T{to}:00Z"), "keys": {"run_ids": ["7001"], "tickets": [ticket]}});
        lines = format!("{lines}{line}\n");
    }
    audited.place.write("releases/1.jsonl", lines);
    audited.audit(None);
    audited
}

#[test]
fn a_change_of_servicenow_signs_off_the_run_that_names_it() {
    let audited = with_ticket(&SERVICENOW, "CHG0030042");
    assert_eq!(audited.says(VERDICT)[0][0], "unapproved", "asked for, not given yet");
    audited.polls_again();
    assert_eq!(audited.says(VERDICT), [["released", "released-exact", "exact", "r1:prod"]]);
}

#[test]
fn a_change_of_servicenow_counts_as_it_stood_when_the_run_started() {
    let audited = with_ticket(&SERVICENOW, "CHG0030046");
    assert_eq!(audited.says(VERDICT), [["released", "released-exact", "exact", "r1:prod"]]);
    // Planned for another day since, and its approval cancelled.
    audited.polls_again();
    assert_eq!(audited.says(VERDICT), [["released", "released-exact", "exact", "r1:prod"]]);
    // Rejected by one of two, cancelled, closed: each of them approved by Dana before.
    for over in ["CHG0030047", "CHG0030048", "CHG0030049"] {
        assert_eq!(with_ticket(&SERVICENOW, over).says(VERDICT)[0][..2], ["unapproved", "approvals-unknown"], "{over}");
    }
}

#[test]
fn a_ticket_of_jira_stays_approved_while_it_goes_on() {
    let reasons = [
        ("REL-4", "approvals-unknown"),
        ("REL-5", "approvals-unknown"),
        ("REL-6", "released-exact"),
        ("REL-7", "approval-missing"),
    ];
    for (ticket, reason) in reasons {
        assert_eq!(with_ticket(&JIRA, ticket).says(VERDICT)[0][1], reason, "{ticket}");
    }
}

#[test]
fn a_ticket_of_jira_signs_off_the_run_that_names_it_and_not_one_that_was_taken_back() {
    let audited = with_ticket(&JIRA, "REL-1");
    assert_eq!(audited.says(VERDICT), [["released", "released-exact", "exact", "r1:prod"]]);
    audited.polls_again();
    let audited = with_ticket(&JIRA, "REL-2");
    assert_eq!(audited.says(VERDICT)[0][..2], ["unapproved", "approvals-unknown"]);
}

#[test]
fn each_system_says_what_it_takes_to_read_it_and_what_is_not_read() {
    let place = Place::empty();
    let expected = [
        ("azure-devops", ["Release (read)", "release retention, 30 days", "Azure DevOps Server"]),
        ("github", ["Actions, Deployments", "audit log 180 days", "bypass"]),
        ("gitlab", ["read_api", "as long as the project", "merge request"]),
        ("hcp-terraform", ["team token", "audit trail 14 days", "policy overrides"]),
        ("aws-codepipeline", ["codepipeline:ListActionExecutions", "365 days", "who may approve"]),
        ("argo-cd", ["applications, get", "10 syncs", "approvals"]),
        ("servicenow", ["sysapproval_approver", "archives", "approval was given"]),
        ("jira", ["browse the projects", "as long as the tickets", "change no status"]),
        ("terraform-state", ["s3:GetObject", "as long as the files", "values"]),
    ];
    for (name, words) in expected {
        let said = place.ran(0, &["connectors", name]).stdout;
        for part in ["permission ", "retention ", "lag ", "not covered"].iter().chain(&words) {
            assert!(said.contains(part), "{name} does not say {part}: {said}");
        }
    }
}

/// Attacks on the separation of duties, of which other tools let some pass.
mod separation_of_duties {
    use super::*;

    fn attacked(edit: fn(&str, String) -> String) -> Audited {
        Audited::edited(
            &GITHUB,
            &released_by("example/register/release.yml"),
            change("GitHubActions", Some("7001")),
            edit,
        )
    }

    #[test]
    fn a_commit_in_a_bots_name_excuses_nobody() {
        // Alice wrote it as `renovate[bot]`, Bob starts it, and Alice approves her own work at the gate.
        let audited = attacked(|stream, text| match stream {
            "runs" | "attempts" => {
                assert!(text.contains("renovate[bot]"));
                text.replacen(r#""login": "alice""#, r#""login": "bob""#, 2)
            }
            "decisions" => text.replace("dwhite", "alice"),
            // Nobody else looked at it.
            "reviews" => "[]".to_owned(),
            _ => text,
        });
        assert_eq!(audited.says(VERDICT)[0][..2], ["unapproved", "approved-by-author"]);
    }

    #[test]
    fn a_back_dated_commit_pushed_after_the_review_makes_it_stale() {
        // The gate is open; what was reviewed is not what was merged, whatever date the commit bears.
        let audited = attacked(|stream, text| match stream {
            "runs" => {
                assert!(text.contains("2020-01-01T00:00:00Z"));
                text
            }
            "pulls" => text.replace("5eed01", "5eed02"),
            "decisions" => "[]".to_owned(),
            _ => text,
        });
        assert_eq!(audited.says(VERDICT)[0][..2], ["unapproved", "approval-stale"]);
    }

    #[test]
    fn who_deploys_cannot_approve() {
        let audited = attacked(|stream, text| match stream {
            "decisions" => text.replace("dwhite", "alice"),
            // Nobody else looked at it.
            "reviews" => "[]".to_owned(),
            _ => text,
        });
        assert_eq!(audited.says(VERDICT)[0][..2], ["unapproved", "self-approval"]);
    }

    #[test]
    fn an_approval_with_suggestions_in_azure_devops_counts_with_its_time() {
        let audited = Audited::new(&AZURE_DEVOPS, "", change("ado-rel-812-Prod", None));
        let review = audited.says("select approver_actor, decided_at::varchar, valid, stale from approval where deployment_id = 'ado:register-release:812:Prod:1' and phase = 'review' order by decided_at");
        // What he says of it two days after the release takes nothing back.
        let expected = [
            ["bob@example.org", "2026-11-02 16:00:00", "true", "false"],
            ["bob@example.org", "2026-11-05 16:00:00", "false", "false"],
        ];
        assert_eq!(review, expected);
    }
}
