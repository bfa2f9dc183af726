//! Collections of the program that are refused, made to wait, repeated and killed, held against one that nothing disturbed.

use std::process::Stdio;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use changetrail::contract::{Answer, Asked, Server};

use super::{AZURE_DEVOPS, GITHUB, GITLAB, HCP_TERRAFORM, System, answer};
use crate::support::{Place, Table};

/// How often each system is killed.
const KILLS: usize = 3;

const COLLECT: [&str; 4] = ["-q", "collect", "--since", "2026-11-01"];

/// The system with all that it has, and a configuration with nothing but it.
fn start(system: &'static System) -> (Server, Place) {
    let server = Server::start(|_| Answer::status(503, "not yet")).expect("a port");
    let url = server.url();
    // Its audit log is read day by day, which takes long.
    let source = system.source.replace("{url}", &url).replace("\norganization = 'example'\nteams", "\nteams");
    server.answer_by(move |asked| plain(system, &url, asked));
    let place = Place::new(&format!(
        "[[source]]\nname = '{folder}'\nconnector = '{folder}'\ntoken = {{ file = 'secret' }}\n{source}\n",
        folder = system.folder
    ));
    place.write("secret", "s3cret-of-the-fake");
    (server, place)
}

fn plain(system: &System, url: &str, asked: &Asked) -> Answer {
    answer(system, 1, url, asked, &|_, text| text)
}

/// What is stored, without the address of this fake and what is made of it.
fn stored(place: &Place, server: &Server) -> Table {
    let sql = format!(
        "select regexp_replace(replace(replace(record_id, '{url}', ''), '{escaped}', ''), '@[0-9a-f]{{64}}$', '') as id, sha256(replace(record::varchar, '{url}', '')) as hash, count(*) as times
         from raw_record group by all order by all",
        url = server.url(),
        escaped = server.url().replace(':', "%3A"),
    );
    let table = place.query(&sql);
    assert!(table.rows.iter().all(|row| row[2] == "1"), "a record is stored twice");
    assert_eq!(place.query("select count(*) from quarantine").rows, [["0"]]);
    table
}

/// What a collection that nothing disturbs leaves, and what it asked.
fn undisturbed(system: &'static System) -> (Table, Vec<Asked>) {
    let (server, place) = start(system);
    place.ran(0, &COLLECT);
    let (first, asked) = (stored(&place, &server), server.asked());
    assert!(first.rows.len() > 5, "{} records", first.rows.len());
    place.ran(0, &COLLECT);
    assert_eq!(stored(&place, &server), first, "{}: collected twice", system.folder);
    // Whatever has pages was read to the last of them.
    let paged = asked
        .iter()
        .filter(|asked| asked.query.iter().any(|(name, _)| name.contains("page") || name == "continuationToken"));
    assert!(paged.count() > 0, "{} has no second page", system.folder);
    (first, asked)
}

/// A collection of which some requests are refused once.
fn refused(system: &'static System, expected: &Table, refusal: fn(usize) -> Option<Answer>) {
    let (server, place) = start(system);
    let (url, mut count) = (server.url(), 0);
    server.answer_by(move |asked| {
        count += 1;
        refusal(count).unwrap_or_else(|| plain(system, &url, asked))
    });
    place.ran(0, &COLLECT);
    assert_eq!(&stored(&place, &server), expected, "{}: refused", system.folder);
}

/// Collections that die at a request, each begun again.
fn killed(system: &'static System, expected: &Table, requests: usize) {
    for kill in 0..KILLS {
        let at = requests * kill / KILLS;
        let (server, place) = start(system);
        let url = server.url();
        // From this request on nobody answers until the process is dead.
        let (reached, dead) = (Arc::new(Gate::default()), Arc::new(Gate::default()));
        let (tell, wait, mut count) = (Arc::clone(&reached), Arc::clone(&dead), 0);
        server.answer_by(move |asked| {
            if count == at {
                tell.open();
                wait.wait();
            }
            count += 1;
            plain(system, &url, asked)
        });
        let mut child = place.command(&COLLECT).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        reached.wait();
        child.kill().expect("it can be killed");
        child.wait().expect("it ended");
        dead.open();
        place.ran(0, &COLLECT);
        assert_eq!(&stored(&place, &server), expected, "{}: killed at request {at}", system.folder);
    }
}

/// Something that is waited for, but not for ever.
#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.is_open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.opened.notify_all();
    }

    fn wait(&self) {
        let is_open = self.is_open.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.opened.wait_timeout_while(is_open, Duration::from_mins(2), |is_open| !*is_open);
        assert!(!waited.unwrap_or_else(PoisonError::into_inner).1.timed_out(), "it never came to that");
    }
}

#[test]
fn azure_devops() {
    let (expected, asked) = undisturbed(&AZURE_DEVOPS);
    refused(&AZURE_DEVOPS, &expected, |count| {
        (count % 9 == 2).then(|| {
            Answer::status(
                429,
                r#"{"message":"TF400733: The request has been canceled: Request was blocked due to exceeding usage"}"#,
            )
            .header("Retry-After", "0")
        })
    });
    killed(&AZURE_DEVOPS, &expected, asked.len());
}

#[test]
fn azure_devops_is_left_alone_when_it_says_so_with_a_good_answer() {
    let (server, place) = start(&AZURE_DEVOPS);
    let (url, times) = (server.url(), Arc::new(Mutex::new(Vec::new())));
    let told = Arc::clone(&times);
    server.answer_by(move |asked| {
        let mut told = told.lock().expect("no panic");
        told.push(Instant::now());
        let answer = plain(&AZURE_DEVOPS, &url, asked);
        // The first request is alone: those that follow from it have not been asked yet.
        if told.len() == 1 { answer.header("Retry-After", "2").header("X-RateLimit-Delay", "2") } else { answer }
    });
    place.ran(0, &COLLECT);
    let times = times.lock().expect("no panic").clone();
    // Three items of a list are asked for at once; nobody else before the time is over.
    let early = times.iter().filter(|time| time.duration_since(times[0]) < Duration::from_millis(1900)).count();
    assert!(early <= 3, "{early} requests came at once");
    assert!(times.len() > 10);
}

#[test]
fn github() {
    let (expected, asked) = undisturbed(&GITHUB);
    refused(&GITHUB, &expected, |count| match count {
        // The hour's requests are used up, by GitHub's clock.
        3 => Some(
            Answer::status(403, r#"{"message":"API rate limit exceeded for installation"}"#)
                .header("x-ratelimit-remaining", "0")
                .header("x-ratelimit-reset", "1793700001")
                .header("date", "Tue, 03 Nov 2026 10:00:00 GMT"),
        ),
        // Too many at once: sometimes with the time to wait, sometimes without.
        9 => Some(
            Answer::status(403, r#"{"message":"You have exceeded a secondary rate limit"}"#).header("retry-after", "0"),
        ),
        15 => Some(Answer::status(
            403,
            r#"{"message":"You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}"#,
        )),
        20 => Some(Answer::status(429, r#"{"message":"Too many requests"}"#).header("retry-after", "0")),
        _ => None,
    });
    killed(&GITHUB, &expected, asked.len());
}

#[test]
fn what_github_refuses_for_good_is_not_tried_again() {
    let (server, place) = start(&GITHUB);
    server.answer_by(|_| Answer::status(403, r#"{"message":"Resource not accessible by personal access token"}"#));
    let output = place.run(&COLLECT);
    assert_eq!(output.code, Some(2), "{output}");
    output.says(&["Resource not accessible by personal access token", "Deployments"]);
}

#[test]
fn gitlab() {
    let (expected, asked) = undisturbed(&GITLAB);
    refused(&GITLAB, &expected, |count| {
        (count % 3 == 2)
            .then(|| Answer::status(429, "Retry later").header("Retry-After", "0").header("RateLimit-Remaining", "0"))
    });
    killed(&GITLAB, &expected, asked.len());
}

#[test]
fn hcp_terraform() {
    let (expected, asked) = undisturbed(&HCP_TERRAFORM);
    refused(&HCP_TERRAFORM, &expected, |count| {
        (count % 3 == 2).then(|| {
            Answer::status(429, r#"{"errors":[{"status":"429","title":"Too many requests"}]}"#)
                .header("x-ratelimit-reset", "0.5")
        })
    });
    killed(&HCP_TERRAFORM, &expected, asked.len());
}
