//! What a description cannot mean, although each of its keys may stand there.
//!
//! The surprising fact: none of it would fail when it runs. A limit of no requests would be none, a size that nobody asks
//! for would end the pages after the first, and an error would pass for an empty answer.

use super::check::check_pointer;
use super::stream::{ITEM, Identity, Items, Stream};
use super::tables::{self, Action, Errors, Limits, Mode, PageType, Rule, Stop};

/// Answers that a description may take for "there is nothing": a refusal or a failure is none of them, for whatever was
/// not read would look as if it did not exist.
pub(super) fn errors(errors: &Errors) -> Vec<String> {
    let mut problems: Vec<String> = errors.on.iter().filter_map(|rule| refused(rule).err()).collect();
    let names = errors.retry_after.iter().filter(|name| name.parse::<reqwest::header::HeaderName>().is_err());
    problems.extend(names.map(|name| format!("[errors] retry_after: `{name}` is no name of a header")));
    problems
}

fn refused(rule: &Rule) -> Result<(), String> {
    let Rule { status, body_contains, action } = rule;
    let hides = matches!(action, Action::Skip | Action::Stop);
    if !(100..600).contains(status) {
        return Err(format!("[errors] status {status} is none of HTTP: 100 to 599"));
    }
    if hides && (matches!(status, 401 | 403 | 407 | 408 | 429) || *status >= 500) {
        return Err(format!(
            "[errors] status {status} is a refusal or a failure: skip and stop would hide what was not read; fail and retry are left"
        ));
    }
    if hides && *status < 300 && *status != 204 && body_contains.as_deref().is_none_or(str::is_empty) {
        return Err(format!(
            "[errors] status {status} is that of every good answer: skip and stop need `body_contains`"
        ));
    }
    Ok(())
}

/// Limits by which nothing could be asked.
pub(super) fn limits(limits: &Limits) -> Vec<String> {
    let mut problems = Vec::new();
    if limits.rps.is_some_and(|rps| !rps.is_finite() || rps <= 0.0) {
        problems.push("[limits] rps is a number of requests in a second: more than 0".into());
    }
    for (key, is_zero) in [
        ("burst", limits.burst == Some(0)),
        ("concurrency", limits.concurrency == Some(0)),
        ("max_pages", limits.max_pages == Some(0)),
        ("max_bytes", limits.max_bytes == Some(0)),
    ] {
        if is_zero {
            problems.push(format!("[limits] {key} = 0 would read nothing"));
        }
    }
    problems
}

/// What is taken out of records must be told by its place: else it would be stored.
pub(super) fn redacted(pointers: &[String]) -> Vec<String> {
    let problem = |pointer: &String| match pointer.as_str() {
        "" => Some("the empty pointer is the whole record".to_owned()),
        pointer => check_pointer(pointer).err(),
    };
    pointers.iter().filter_map(problem).map(|problem| format!("redact: {problem}")).collect()
}

/// Keys of `[paginate]` that contradict each other, or the request.
pub(super) fn pages(table: &tables::Stream) -> Result<(), String> {
    let pages = &table.paginate;
    if pages.kind == PageType::None && pages.param.is_some() {
        return Err("[paginate] type = \"none\" has one page: `param` would name the next one".into());
    }
    if pages.pointer.is_some() && pages.header.is_some() {
        return Err("[paginate] the next page is named by `pointer` or by `header`, not by both".into());
    }
    if pages.size == Some(0) {
        return Err("[paginate] size = 0 would read nothing".into());
    }
    if pages.size.is_some()
        && pages.size_param.is_none()
        && pages.stop != Some(Stop::ShortPage)
        && pages.kind != PageType::None
    {
        return Err("[paginate] size: nothing asks for so many, and no page ends by it; say `size_param`, the parameter that asks for them, or leave it out".into());
    }
    if pages.total.is_some() && pages.stop != Some(Stop::Total) {
        return Err("[paginate] total: no page ends by it; say stop = \"total\", or leave it out".into());
    }
    if let Some(size) = pages.size
        && pages.stop == Some(Stop::ShortPage)
        && pages.size_param.is_none()
        && pages.kind != PageType::None
        && !table.request.as_ref().is_some_and(|request| says(request, &size.to_string()))
    {
        return Err(format!(
            "[paginate] stop = \"short_page\": nothing asks for {size} records, and a page of fewer would be the last; say `size_param`, or stop = \"empty\""
        ));
    }
    Ok(())
}

/// Keys of `[cursor]` that its mode has no use for: whoever writes an overlap relies on it for what comes late.
pub(super) fn cursor(cursor: &tables::Cursor) -> Result<(), String> {
    let times = [
        ("overlap", cursor.overlap.is_some()),
        ("initial", cursor.initial.is_some()),
        ("settle", cursor.settle.is_some()),
        ("order", cursor.order.is_some()),
        ("inclusive", cursor.inclusive.is_some()),
    ];
    let window = ("max_window", cursor.max_window.is_some());
    let (of_no_use, why) = match cursor.mode {
        Some(Mode::Window) => return Ok(()),
        Some(Mode::Since | Mode::Feed) => (
            &[][..],
            "only mode = \"window\" asks for one part of the time after the other, and [limits] max_pages is what bounds this one",
        ),
        Some(Mode::Checkpoint) => (
            &times[..],
            "mode = \"checkpoint\" reads on from a place that the system keeps, and asks for no time; a log whose records may come late behind that place is read with mode window, since or feed",
        ),
        Some(Mode::Snapshot) => (&times[..], "mode = \"snapshot\" reads all that there is, and asks for no time"),
        None => (
            &times[..],
            "a stream without `mode` asks for no time of its own; what is read for a log is read in that one's window",
        ),
    };
    match of_no_use.iter().chain([&window]).find(|(_, is_said)| *is_said) {
        Some((key, _)) => Err(format!("[cursor] {key} does nothing here: {why}; leave it out")),
        None => Ok(()),
    }
}

/// Whether the request says this anywhere.
fn says(request: &tables::Request, text: &str) -> bool {
    let of_query = request.query.values().any(|value| value.texts().iter().any(|value| value == text));
    of_query || request.path.contains(text) || request.body.as_ref().is_some_and(|body| body.to_string().contains(text))
}

/// What a stream would ask for, or be named by, in vain.
pub(super) fn stream(stream: &Stream, is_asked: bool) -> Result<(), String> {
    let names = match &stream.identity {
        Some(Identity::Event(names) | Identity::Object { object: names, .. }) => names.as_slice(),
        _ => &[],
    };
    if matches!(stream.items, Items::Whole) && names.iter().any(|name| name == ITEM) {
        return Err("[identity] has ${item}, but there is no [for_each]".into());
    }
    if stream.mode == Some(Mode::Window) && is_asked && !stream.templates().iter().any(|text| text.needs_end()) {
        return Err("[cursor] mode = \"window\" asks for a time and its end, and [request] has no ${window.end:…} (nor [cursor] `end`): a log that is asked for all since a time has mode = \"since\"".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::engine::Folder;

    const HEAD: &str = "name = 'x'\nvendor = 'X'\ndocs = ''\nkind = 'events'\nemits = []\npermission = ''\nlag = ''\nparams = { base_url = { required = true } }\n";
    const RETENTION: &str = "retention = 'none'\n";
    const REQUEST: &str =
        "[request]\npath = '/x'\nquery = { a = '${window.start:rfc3339}', b = '${window.end:rfc3339}', n = '50' }\n";
    const CURSOR: &str = "[cursor]\nmode = 'window'\nfield = '/t'\n";
    const IDENTITY: &str = "[identity]\nevent_id = '/id'\n";
    const CHECKPOINT: &str = "[request]\npath = '/x'\n[paginate]\ntype = 'last_record'\npointer = '/id'\nparam = 'since_id'\npersist = true\n[cursor]\nmode = 'checkpoint'\nfield = '/t'\n";
    const FEED: &str = "[request]\npath = '/x'\n[cursor]\nmode = 'feed'\nfield = '/t'\n";
    const LIST: &str = "[request]\npath = '/x'\n[identity]\nobject_id = '/id'\n";

    fn folder(parts: &[&str]) -> Result<Folder, String> {
        let files = [("connector.toml", parts.concat()), ("map.sql", String::new())];
        Folder::parse("x", files.map(|(name, text)| (name.to_owned(), text)).into())
            .map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let usual = [HEAD, RETENTION, REQUEST, CURSOR, IDENTITY];
        folder(&usual).expect("a good description");
        for good in [
            "[paginate]\ntype = 'page'\nparam = 'p'\nsize = 50\nstop = 'short_page'",
            "[errors]\non = [{ status = 204, action = 'skip' }, { status = 200, body_contains = 'x', action = 'skip' }]",
            "[limits]\nrps = 0.1\nmax_pages = 1",
        ] {
            folder(&[&usual.concat(), good]).expect(good);
        }
        for (bad, expected) in [
            ("[errors]\non = [{ status = 200, action = 'skip' }]", "need `body_contains`"),
            ("[errors]\non = [{ status = 999, action = 'fail' }]", "status 999 is none of HTTP"),
            ("[paginate]\ntype = 'none'\nparam = 'p'", "has one page"),
            ("[paginate]\ntype = 'page'\nparam = 'p'\nsize = 60\nstop = 'short_page'", "nothing asks for 60 records"),
            ("[paginate]\ntype = 'page'\nparam = 'p'\nsize = 0\nsize_param = 'n'", "size = 0 would read nothing"),
            ("[paginate]\ntype = 'token'\nparam = 'p'\npointer = '/n'\nheader = 'N'", "not by both"),
            ("[limits]\nrps = 0", "more than 0"),
            ("[limits]\nrps = -1", "more than 0"),
            ("[limits]\nmax_pages = 0", "max_pages = 0 would read nothing"),
        ] {
            let problem = folder(&[&usual.concat(), bad]).expect_err(bad);
            assert!(problem.contains(expected), "{bad}: {problem}");
        }
        let open = REQUEST.replace(", b = '${window.end:rfc3339}'", "");
        for (parts, expected) in [
            ([HEAD, RETENTION, &open, CURSOR, IDENTITY], "has mode = \\\"since\\\""),
            (
                [HEAD, RETENTION, REQUEST, CURSOR, "[identity]\nevent_id = ['${item}', '/id']\n"],
                "there is no [for_each]",
            ),
            ([HEAD, "retention = '1 week'\n", REQUEST, CURSOR, IDENTITY], "is no length of time"),
            ([HEAD, "retention = 'none'\nredact = ['token']\n", REQUEST, CURSOR, IDENTITY], "is no JSON Pointer"),
            ([HEAD, "retention = 'none'\nredact = ['/a~b']\n", REQUEST, CURSOR, IDENTITY], "is no JSON Pointer"),
        ] {
            let problem = folder(&parts).expect_err(expected);
            assert!(problem.contains(expected), "{expected}: {problem}");
        }
    }

    #[test]
    fn what_is_said_for_nothing_is_refused() {
        let list = HEAD.replace("'events'", "'state'");
        for good in [
            [HEAD, CHECKPOINT, IDENTITY, ""],
            [HEAD, FEED, "overlap = '2d'\ninitial = '7d'\nsettle = '1m'\norder = 'desc'\n", IDENTITY],
            [HEAD, FEED, IDENTITY, "[paginate]\ntype = 'page'\nparam = 'p'\nsize = 50\nsize_param = 'n'"],
            [HEAD, FEED, IDENTITY, "[paginate]\ntype = 'none'\nsize = 50"],
            [HEAD, FEED, IDENTITY, "[paginate]\ntype = 'page'\nparam = 'p'\ntotal = '/n'\nstop = 'total'"],
            [HEAD, FEED, "[identity]\nvolatile = ['/seen']\n", ""],
            [&list, LIST, "volatile = ['/seen']\n", ""],
        ] {
            folder(&[RETENTION, &good.concat()]).unwrap_or_else(|problem| panic!("{good:?}: {problem}"));
        }
        for (parts, expected) in [
            ([HEAD, CHECKPOINT, "overlap = '2h'\n", IDENTITY], "overlap does nothing here: mode = \\\"checkpoint\\\""),
            ([HEAD, CHECKPOINT, "initial = '7d'\n", IDENTITY], "initial does nothing here"),
            ([HEAD, CHECKPOINT, "max_window = '1d'\n", IDENTITY], "max_window does nothing here"),
            ([HEAD, CHECKPOINT, "settle = '1h'\n", IDENTITY], "settle does nothing here"),
            ([HEAD, CHECKPOINT, "order = 'asc'\n", IDENTITY], "order does nothing here"),
            ([HEAD, CHECKPOINT, "inclusive = true\n", IDENTITY], "inclusive does nothing here"),
            ([HEAD, FEED, "max_window = '1d'\n", IDENTITY], "only mode = \\\"window\\\" asks"),
            ([&list, LIST, "[cursor]\nmode = 'snapshot'\noverlap = '2h'\n", ""], "reads all that there is"),
            ([&list, LIST, "[cursor]\nsettle = '2h'\n", ""], "without `mode`"),
            ([HEAD, FEED, IDENTITY, "volatile = ['/seen']\n"], "volatile does nothing beside `event_id`"),
            ([&list, LIST, "version = '/v'\nvolatile = ['/seen']\n", ""], "volatile does nothing beside `version`"),
            ([HEAD, FEED, IDENTITY, "[paginate]\ntype = 'page'\nparam = 'p'\nsize = 50"], "nothing asks for so many"),
            (
                [HEAD, FEED, IDENTITY, "[paginate]\ntype = 'page'\nparam = 'p'\nsize = 50\nstop = 'empty'"],
                "nothing asks for so many",
            ),
            (
                [HEAD, FEED, IDENTITY, "[paginate]\ntype = 'page'\nparam = 'p'\ntotal = '/n'"],
                "say stop = \\\"total\\\"",
            ),
        ] {
            let problem = folder(&[RETENTION, &parts.concat()]).expect_err(expected);
            assert!(problem.contains(expected), "{expected}: {problem}");
        }
    }

    #[test]
    fn a_sign_in_says_nothing_twice() {
        let head = HEAD.replace("permission", "secrets = ['client_secret']\npermission");
        let auth = |extra: &str| {
            let auth = "[auth]\ntype = 'oauth2_client_credentials'\ntoken_url = 'https://example.org/token'\nclient_id = 'me'\n";
            folder(&[&head, RETENTION, FEED, IDENTITY, auth, "extra = { ", extra, " = 'x' }\n"])
        };
        for good in ["grant_type", "audience"] {
            auth(good).expect(good);
        }
        for bad in ["client_id", "client_secret", "scope"] {
            let problem = auth(bad).expect_err(bad);
            assert!(problem.contains(&format!("`{bad}` is a key of its own")), "{bad}: {problem}");
        }
    }
}
