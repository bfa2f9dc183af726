//! Against a real `WordPress`: what two people do through its own API, changetrail says with who, what, when, old and new.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::{Place, Table, checkout, skip};

/// The site; it stops when this goes, whatever the test came to.
struct Site {
    server: Child,
    url: String,
    passwords: BTreeMap<String, String>,
}

impl Site {
    /// `None` where it is not installed.
    fn start(place: &Place) -> Option<Self> {
        let missing: Vec<&str> =
            ["php", "mariadbd", "mariadb-install-db", "curl"].into_iter().filter(|name| !is_command(name)).collect();
        if !missing.is_empty() || !Path::new("/usr/share/wordpress/wp-load.php").exists() {
            skip(
                "WordPress",
                &format!(
                    "install Debian's packages wordpress, php-cli, php-mysql, mariadb-server and curl; missing: wordpress or {missing:?}"
                ),
            );
            return None;
        }
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port().to_string();
        drop(free);
        let mut server = Command::new(checkout("tests/wordpress/start"))
            .arg(place.path("wordpress"))
            .arg(&port)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash runs");
        let mut said = String::new();
        BufReader::new(server.stdout.take().expect("its output")).read_line(&mut said).expect("a line");
        let passwords = serde_json::from_str(&said).unwrap_or_else(|_| {
            let log = std::fs::read_to_string(place.path("wordpress/log")).unwrap_or_default();
            panic!("WordPress does not start:\n{log}")
        });
        Some(Self { server, url: format!("http://127.0.0.1:{port}"), passwords })
    }

    /// One request of a person, with their application password.
    fn ask(&self, who: &str, method: &str, path: &str, body: &serde_json::Value) -> serde_json::Value {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--fail-with-body", "--request", method])
            .args(["--user", &format!("{who}:{}", self.passwords[who])])
            .args(["--header", "Content-Type: application/json", "--data", &body.to_string()])
            .arg(format!("{}/wp-json/wp/v2/{path}", self.url))
            .output()
            .expect("curl runs");
        assert!(output.status.success(), "{who}: {method} {path}: {output:?}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// The id of what a person makes.
    fn make(&self, who: &str, path: &str, title: &str, content: &str, status: &str) -> i64 {
        let made =
            self.ask(who, "POST", path, &serde_json::json!({"title": title, "content": content, "status": status}));
        made["id"].as_i64().expect("an id")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // It ends with its input. Best effort: a test that failed has said why.
        drop(self.server.stdin.take());
        let _ = self.server.wait();
    }
}

fn is_command(name: &str) -> bool {
    Command::new("sh").args(["-c", &format!("command -v {name}")]).output().is_ok_and(|output| output.status.success())
}

fn config(site: &Site) -> String {
    format!(
        r#"
[store]
path = "changetrail.duckdb"

[[source]]
name = "council"
connector = "wordpress"
base_url = "{}"
username = "collector"
password = {{ file = "password" }}
simple_history = true

[[service]]
name = "website"
type = "third-party"

[[scope]]
service = "website"
environment = "live"
sources = ["council"]

[[person]]
name = "Alice Green"
roles = ["senior"]
identities = ["alice@example.gov.uk"]

[[person]]
name = "Dana White"
roles = ["senior"]
identities = ["dana@example.gov.uk"]
"#,
        site.url
    )
}

fn collect(place: &Place) -> Table {
    place.ran(0, &["collect"]);
    place.ran(0, &["reconcile"]);
    place.report("changes")
}

#[test]
fn what_two_people_do_in_wordpress() {
    let place = Place::empty();
    let Some(site) = Site::start(&place) else { return };
    place.write("changetrail.toml", config(&site));
    place.write("password", &site.passwords["collector"]);

    let bins = site.make("alice", "posts", "Bins", "Mondays", "publish");
    let tax = site.make("alice", "posts", "Tax", "Bands A to H", "draft");
    let news = site.make("dana", "posts", "News", "Gone soon", "publish");
    let contact = site.make("dana", "pages", "Contact", "Call 1234", "publish");
    let before = collect(&place);

    // Alice alone; Alice's words, let out by Dana; taken away; not yet public; a plugin; a right.
    site.ask("alice", "POST", &format!("posts/{bins}"), &serde_json::json!({"content": "Tuesdays"}));
    site.ask("dana", "POST", &format!("posts/{tax}"), &serde_json::json!({"status": "publish"}));
    site.ask("dana", "DELETE", &format!("posts/{news}?force=true"), &serde_json::json!({}));
    site.ask("alice", "DELETE", &format!("pages/{contact}"), &serde_json::json!({}));
    let secret = site.make("alice", "posts", "Budget", "Not before noon", "draft");
    // Whom a draft names as its author has written nothing by that.
    let levy = site.make("alice", "posts", "Levy", "Two percent", "draft");
    let named = site.ask("dana", "GET", "users?context=edit&search=dana", &serde_json::json!({}));
    site.ask("alice", "POST", &format!("posts/{levy}"), &serde_json::json!({"author": named[0]["id"]}));
    site.ask("alice", "POST", &format!("posts/{levy}"), &serde_json::json!({"status": "publish"}));
    site.ask("dana", "POST", "plugins/akismet/akismet", &serde_json::json!({"status": "active"}));
    let users = site.ask("dana", "GET", "users?context=edit&search=alice", &serde_json::json!({}));
    site.ask("dana", "POST", &format!("users/{}", users[0]["id"]), &serde_json::json!({"roles": ["administrator"]}));
    let after = collect(&place);

    let known = before.column("change_id");
    let fresh: Vec<&Vec<String>> =
        after.rows.iter().filter(|row| !known.contains(&after.cell(row, "change_id"))).collect();
    let mut told: Vec<[&str; 3]> =
        fresh.iter().map(|row| ["resource", "operation", "actor"].map(|column| after.cell(row, column))).collect();
    let (alice, dana) = ("alice@example.gov.uk", "dana@example.gov.uk");
    let resource = |kind: &str, id: i64| format!("wordpress:{kind}/{id}");
    let (bins, tax, news, contact) =
        (resource("post", bins), resource("post", tax), resource("post", news), resource("page", contact));
    let levy = resource("post", levy);
    let user = resource("user", users[0]["id"].as_i64().expect("an id"));
    let mut expected = vec![
        [bins.as_str(), "update", alice],
        [tax.as_str(), "publish", dana],
        [levy.as_str(), "publish", alice],
        // the history does not say that it was a draft then
        [levy.as_str(), "update", alice],
        [news.as_str(), "delete", dana],
        [contact.as_str(), "delete", alice],
        ["wordpress:plugin/akismet", "update", dana],
        [user.as_str(), "permission", dana],
    ];
    told.sort_unstable();
    expected.sort_unstable();
    assert_eq!(told, expected);
    assert!(!after.column("resource").contains(&resource("post", secret).as_str()), "a draft is not live");

    // What one wrote and another let out is a release; what one did alone is none.
    for row in &fresh {
        let is_tax = after.cell(row, "resource") == tax;
        assert_eq!(after.cell(row, "verdict"), if is_tax { "released" } else { "manual" }, "{row:?}");
    }
    let releases = place.report("releases");
    // Its id begins with the source, for another site may have a post of that number.
    let id = tax.replace("wordpress:", "council:");
    let of_tax =
        releases.rows.iter().find(|row| releases.cell(row, "deployment_id").starts_with(&id)).expect("a release");
    assert_eq!(["requested_by", "approved_by"].map(|column| releases.cell(of_tax, column)), [alice, dana]);

    // Who, what, when, old and new: none of them may be missing.
    let ids: Vec<String> = fresh.iter().map(|row| format!("'{}'", after.cell(row, "change_id"))).collect();
    let sql = format!(
        "select c.resource, c.actor, c.occurred_at, d->>'old' as old, d->>'new' as new
         from change c join event e using (record_id), unnest(from_json(e.diffs, '[\"JSON\"]')) as x(d)
         where c.change_id in ({}) order by all",
        ids.join(", ")
    );
    let values = place.query(&sql);
    let value = |resource: &str| -> Vec<[&str; 2]> {
        let rows = values.rows.iter().filter(|row| values.cell(row, "resource") == resource);
        rows.map(|row| [values.cell(row, "old"), values.cell(row, "new")]).collect()
    };
    assert_eq!(value(&bins), [["Mondays", "Tuesdays"]]);
    assert_eq!(value(&tax), [["draft", "publish"]]);
    assert_eq!(value(&news), [["News", ""]]);
    assert_eq!(value(&contact), [["Contact", ""]]);
    assert_eq!(value("wordpress:plugin/akismet"), [["inactive", "active"]]);
    assert_eq!(value(&user), [["editor", "administrator"]]);

    // Asked again, it tells nothing new of what was done.
    assert_eq!(collect(&place), after);
}
