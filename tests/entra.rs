//! Entra ID: its folder as it is (but for the credentials), read over HTTP, and what it tells of a change in Azure.

use changetrail::contract::{Answer, Asked, Server};
use serde_json::{Value, json};

use crate::support::{Place, checkout};

const FOLDER: &str = "connectors/entra-id";

/// The folder with no credentials, and in no hurry to spare anybody.
fn place(server: &Server) -> Place {
    let read = |name: &str| std::fs::read_to_string(checkout(FOLDER).join(name)).expect(name);
    let place = Place::new(&format!(
        "[extend]\nconnectors = ['mine']\n[[source]]\nname = 'entra'\nconnector = 'entra'\nbase_url = '{}'\nsign_ins = true\n{}",
        server.url(),
        CONFIGURATION
    ));
    let description = read("connector.toml").replace("name = \"entra-id\"", "name = \"entra\"");
    let description =
        description.replace("type = \"azure\"\nscope = \"${param.base_url}/.default\"", "type = \"none\"");
    // Nothing else uses the tenant, and what nothing uses is refused.
    let description: String =
        description.lines().filter(|line| !line.starts_with("tenant_id")).flat_map(|line| [line, "\n"]).collect();
    place.write("mine/entra/connector.toml", description.replace("rps = 0.5", "rps = 1000"));
    place.write("mine/entra/map.sql", read("map.sql"));
    place.write("mine/entra/action_class.csv", read("action_class.csv"));
    place
}

const CONFIGURATION: &str = r#"
[[source]]
name = "azure"
connector = "azure-activity-log"
path = "azure"

[[source]]
name = "release-log"
connector = "release-log"
path = "releases"
approvals = "evidence"

[[service]]
name = "register"
type = "deployed"
pipelines = ["register-release"]

[[scope]]
service = "register"
environment = "live"
azure_subscriptions = ["aaaaaaaa-0000-4000-8000-000000000001"]

[[pipeline_identity]]
pipeline = "register-release"
environment = "live"
azure_app_ids = ["cccccccc-0000-4000-8000-000000000001"]
oidc_subjects = ["repo:org/register:environment:prod"]
"#;

/// A page of the fixtures, whichever window is asked for; `{URL}` is where the next one is.
fn fixture(poll: u32, asked: &Asked, url: &str) -> Answer {
    let stream = match asked.path.rsplit('/').next() {
        Some("directoryAudits") => "audits",
        Some("signIns") => "sign-ins",
        Some("servicePrincipals") => "service-principals",
        _ => "applications",
    };
    let page = asked.param("$skiptoken").unwrap_or("1");
    let path = checkout(FOLDER).join(format!("fixtures/{poll}/{stream}/{page}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Answer::ok(text.replace("https://graph.microsoft.com", url))
}

fn server() -> Server {
    let server = Server::start(|_| Answer::status(500, "not yet")).expect("a port");
    answer(&server, 1, None);
    server
}

/// Answers with the fixtures of a poll; `late` is one more sign-in.
fn answer(server: &Server, poll: u32, late: Option<Value>) {
    let url = server.url().trim_end_matches('/').to_owned();
    server.answer_by(move |asked| match &late {
        Some(late) if asked.path.ends_with("/signIns") => Answer::ok(json!({ "value": [late] }).to_string()),
        _ => fixture(poll, asked, &url),
    });
}

/// A write by the pipeline's application, with a token.
fn write(id: &str, token: &str, time: &str) -> Value {
    let resource =
        "/subscriptions/aaaaaaaa-0000-4000-8000-000000000001/resourceGroups/rg/providers/Microsoft.Web/sites/app";
    json!({
        "eventDataId": id, "eventTimestamp": time, "operationId": id, "correlationId": format!("c-{id}"),
        "operationName": {"value": "Microsoft.Web/sites/write"}, "status": {"value": "Succeeded"},
        "category": {"value": "Administrative"}, "resourceId": resource, "caller": "sp-1",
        "claims": {"appid": "cccccccc-0000-4000-8000-000000000001", "idtyp": "app", "uti": token},
    })
}

#[test]
fn the_audit_log_becomes_changes_with_what_was_and_what_is() {
    let server = server();
    let place = place(&server);
    place.ran(0, &["collect", "--source", "entra"]).says(&["18 stored"]);
    place.ran(0, &["collect", "--source", "entra"]).says(&["0 stored"]);
    place.ran(0, &["reconcile"]);
    let told = place.query(
        "select split_part(record_id, '_', 2) as n, category, outcome, actor_type, actor_name, action, operation, resource
         from event where record_id like 'audits/%' order by record_id",
    );
    let rows: Vec<String> = told.rows.iter().map(|row| row.join("|")).collect();
    assert_eq!(
        rows,
        [
            "1|change|succeeded|person|alice@example.org|Add group|create|entra:group/g-1",
            "2|change|succeeded|person|alice@example.org|Add member to group|permission|entra:group/g-1",
            "3|change|succeeded|person|alice@example.org|Remove member from role|permission|entra:role/r-1",
            "4|change|succeeded|application|deploy|Update application - Certificates and secrets management|permission|entra:application/a-1",
            "5|change|failed|person|carol@example.org|Update conditional access policy|update|entra:policy/p-1",
            "6|business|succeeded|person|carol@example.org|Reset user password|update|entra:user/u-2",
            "7|business|succeeded|service|Device Registration Service|Add device|create|entra:device/d-1",
            "8|change|succeeded|service|Device Registration Service|Frobnicate tenant|update|entra:directory/t-1",
            "9|change|succeeded|unknown||Delete application|delete|entra:directory/",
            "a|change|succeeded|application|register-deploy|Update application|update|entra:application/a-1",
            "b|change|succeeded|application|Device Registration Service|Add member to role|permission|entra:application/a-1",
        ]
    );
    let said = place.ran(0, &["explain", "audits/Directory_3_role"]).stdout;
    for words in [["Role.DisplayName", "Global Administrator"], ["user", "bob@example.org"]] {
        assert!(said.lines().any(|line| words.iter().all(|word| line.contains(word))), "{words:?}\n{said}");
    }
    let said = place.ran(0, &["explain", "audits/Directory_8_unknown"]).stdout;
    assert!(said.contains("=cmd()") && !said.contains('\u{1b}'), "{said}");
}

#[test]
fn a_change_in_azure_leads_through_the_sign_in_to_the_subject() {
    let server = server();
    let place = place(&server);
    place.write(
        "releases/releases.jsonl",
        r#"{"schema":"changetrail.deployment/1","id":"d-1","release_id":"r-1","pipeline":"register-release","stage":"live","environment":"live","requested_by":"a","started_at":"2026-11-03T10:55:00Z","finished_at":"2026-11-03T11:30:00Z","outcome":"succeeded"}"#,
    );
    let (federated, secret, unseen) = ("AAAAAAAAAAAAAAAAAAAAAQ", "pJdJ4ZL4C0uwUf6-BcKkmw", "AAAAAAAAAAAAAAAAAAAAAw");
    let now = jiff::Timestamp::now();
    let later = now + jiff::SignedDuration::from_hours(1);
    let page = json!([
        write("federated", federated, "2026-11-03T11:01:00Z"),
        write("secret", secret, "2026-11-03T11:06:00Z"),
        write("unseen", unseen, "2026-11-03T11:11:00Z"),
        write("later", "late", &later.to_string()),
    ]);
    place.write("azure/page.json", page.to_string());
    place.ran(0, &["collect"]);
    // Somebody else's repository is let in, and signs in.
    let sign_in = json!({
        "id": "s-late", "createdDateTime": later.to_string(), "appId": "cccccccc-0000-4000-8000-000000000001",
        "servicePrincipalId": "sp-1", "uniqueTokenIdentifier": "late", "status": {"errorCode": 0},
        "federatedCredentialId": "729ab02a-edd5-4ef5-a285-2d91a3c772ab",
    });
    answer(&server, 2, Some(sign_in));
    place.ran(0, &["collect"]);
    place.ran(0, &["reconcile"]);
    let told = place.query(
        "select c.record_id, c.verdict in ('unrecorded') as unrecorded, c.reason, c.link_tier, a.root_type, coalesce(a.subject, '') as subject
         from change c join attributed t using (change_id) join actor a using (appearance_id) where c.system = 'azure' order by c.record_id",
    );
    let rows: Vec<String> = told.rows.iter().map(|row| row.join("|")).collect();
    let own = "repo:org/register:environment:prod";
    assert_eq!(rows[0], format!("federated|false|{}|identity|federated|{own}", told.cell(&told.rows[0], "reason")));
    assert_eq!(rows[1], "later|true|subject-undeclared||federated|repo:org/other:environment:prod");
    assert!(rows[2].ends_with("|identity|application|") && rows[3].ends_with("|identity|application|"), "{rows:?}");
    let said = place.ran(0, &["explain", "federated"]).stdout;
    assert!(said.contains(own) && said.contains("sign-ins/s-1"), "{said}");
}

#[test]
fn until_sign_ins_have_been_read_a_verdict_on_azure_may_change() {
    let server = server();
    let place = place(&server);
    place.write("releases/releases.jsonl", "");
    place.write("azure/page.json", json!([write("own", "AAAAAAAAAAAAAAAAAAAAAQ", "2026-11-03T11:01:00Z")]).to_string());
    let judged = || {
        place.ran(0, &["reconcile"]);
        let told = place.query(
            "select c.verdict, c.state, count(f.finding_id) filter (f.severity = 'high') as high
             from change c left join finding f on f.subject_id = c.case_id where c.system = 'azure' group by all",
        );
        told.rows.iter().map(|row| row.join("|")).collect::<Vec<_>>()
    };
    // The source of sign-ins is configured and was never reached: nothing has come of it, and it may still say who it was.
    place.ran(0, &["collect", "--source", "azure", "--source", "release-log"]);
    assert_eq!(judged(), ["unrecorded|provisional|0"]);
    place.ran(0, &["collect", "--source", "entra"]);
    let told = judged();
    assert!(told.len() == 1 && told[0].starts_with("unrecorded|final|"), "{told:?}");
}

#[test]
fn without_sign_ins_the_audit_log_holds_no_verdict_back() {
    let server = server();
    let place = place(&server);
    let configuration = std::fs::read_to_string(place.path("changetrail.toml")).expect("changetrail.toml");
    place.write("changetrail.toml", configuration.replace("sign_ins = true\n", ""));
    place.write("releases/releases.jsonl", "");
    place.write("azure/page.json", json!([write("own", "AAAAAAAAAAAAAAAAAAAAAQ", "2026-11-03T11:01:00Z")]).to_string());
    place.ran(0, &["collect", "--source", "azure", "--source", "release-log"]);
    place.ran(0, &["reconcile"]);
    let told = place.query("select verdict, state from change where system = 'azure'");
    assert_eq!(told.rows, [["unrecorded", "final"]]);
}
