//! A copy of the folder that asks our system instead of the vendor's.
//!
//! Only places change: each stream's path begins with its name and item, so that the system knows what it is asked for,
//! sign-ins and set-ups have paths of their own, nothing is spaced in time, and a week is far enough back. The surprising fact: everything else, the
//! placeholders of the path too, is the folder's own.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

/// A folder that asks our system.
#[derive(Debug)]
pub(super) struct Copy {
    /// Keys of the source.
    pub(super) source: Table,
    /// What each secret is.
    pub(super) secrets: BTreeMap<String, String>,
    /// Places of the vendor, each of which is ours now.
    pub(super) origins: Vec<String>,
    pub(super) streams: BTreeMap<String, Shape>,
    /// Where the answer to a sign-in has the token.
    pub(super) login_pointer: Option<String>,
    /// Nothing is asked: records come as files.
    pub(super) is_files: bool,
    /// The description, changed.
    pub(super) description: Table,
}

/// What the system must know of a stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Shape {
    pub(super) records: String,
    pub(super) is_ndjson: bool,
    pub(super) paging: String,
    pub(super) page_pointer: Option<String>,
    pub(super) page_header: Option<String>,
    pub(super) more: Option<String>,
    pub(super) total: Option<String>,
    /// Items are whole addresses; what comes after them in the path.
    pub(super) behind_address: Option<String>,
    /// The stream whose records it is read for, and again only when one of these has changed.
    pub(super) parent: Option<String>,
    /// Its pages hold addresses that are followed.
    pub(super) has_links: bool,
}

impl Copy {
    /// Changes a description; `url` is our system's.
    pub(super) fn of(description: &str, source: &Table, url: &str) -> Result<Self, String> {
        let mut description: Table = description.parse().map_err(|error| format!("connector.toml: {error}"))?;
        let mut copy = Self {
            source: source.clone(),
            secrets: BTreeMap::new(),
            origins: Vec::new(),
            streams: BTreeMap::new(),
            login_pointer: None,
            is_files: false,
            description: Table::new(),
        };
        let transport = description.get("transport").and_then(Value::as_array);
        copy.is_files = transport.is_some_and(|kinds| kinds.iter().all(|kind| kind.as_str() == Some("files")));
        if copy.is_files {
            copy.source.insert("path".into(), "files".into());
        }
        copy.places(&description, url);
        copy.secrets(&description);
        copy.authorise(&mut description);
        if let Some(Value::Table(streams)) = description.get_mut("stream") {
            for (name, table) in streams {
                if let Value::Table(table) = table {
                    copy.streams.insert(name.clone(), shape(name, table));
                }
            }
        } else {
            let shape = shape("main", &mut description);
            copy.streams.insert("main".into(), shape);
        }
        // Whatever one stream is read for may be an address in another.
        let parents: Vec<String> = copy.streams.values().filter_map(|shape| shape.parent.clone()).collect();
        for (name, shape) in &mut copy.streams {
            shape.has_links |= shape.parent.is_some() || parents.contains(name);
        }
        let name = format!("{}-under-test", text(&description, "name").unwrap_or_default());
        description.insert("name".into(), name.into());
        let limits = description.entry("limits").or_insert_with(|| Table::new().into());
        if let Value::Table(limits) = limits {
            limits.remove("rps");
            limits.insert("concurrency".into(), 1.into());
        }
        copy.description = description;
        Ok(copy)
    }

    /// The name of the copy's connector.
    pub(super) fn name(&self) -> &str {
        text(&self.description, "name").unwrap_or_default()
    }

    /// Writes the copy and its secrets into a folder of its own.
    pub(super) fn write(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        let folder = to.join("connectors").join(self.name());
        std::fs::create_dir_all(&folder)?;
        for entry in std::fs::read_dir(from)? {
            let file = entry?.path();
            if file.extension().is_some_and(|kind| kind == "sql" || kind == "csv") {
                std::fs::copy(&file, folder.join(file.file_name().unwrap_or_default()))?;
            }
        }
        std::fs::write(folder.join("connector.toml"), self.description.to_string())?;
        for (name, secret) in &self.secrets {
            std::fs::write(to.join(format!("secret-{name}")), secret)?;
        }
        Ok(())
    }

    /// Every parameter that is an address leads to our system.
    fn places(&mut self, description: &Table, url: &str) {
        let Some(Value::Table(params)) = description.get("params") else { return };
        for (name, param) in params {
            let default = param.get("default").and_then(Value::as_str);
            let own = (name == "base_url").then_some("https://system.example.org");
            let Some(value) = self.source.get(name).and_then(Value::as_str).or(default).or(own) else { continue };
            let mut value = value.to_owned();
            for (other, given) in &self.source {
                value = value.replace(&format!("${{param.{other}}}"), given.as_str().unwrap_or_default());
            }
            let Some((scheme, rest)) = value.split_once("://") else { continue };
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let origin = format!("{scheme}://{host}");
            let place = format!("{url}/{path}").trim_end_matches('/').to_owned();
            self.source.insert(name.clone(), place.into());
            // The place of requests first: what our system is called is turned back into it.
            let at = if name == "base_url" { 0 } else { self.origins.len() };
            self.origins.insert(at, origin);
        }
    }

    fn secrets(&mut self, description: &Table) {
        let key = description.get("auth").and_then(|auth| auth.get("key")).and_then(Value::as_str);
        let is_rsa = description.get("auth").and_then(|auth| auth.get("type")).and_then(Value::as_str)
            == Some("jwt_bearer_rs256");
        for name in description.get("secrets").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
        {
            let is_key = is_rsa && key.is_some_and(|key| key.contains(&format!("secret.{name}")));
            // Long enough for whatever is cut out of it.
            let plain = || format!("{name}-26785a09-ab16-4eb0-8407-a37497a57506-3d844edf-8d35-48ac-975b-e847b4f122b0");
            let secret = if is_key { changetrail_connectors::throwaway_rsa_key() } else { plain() };
            self.secrets.insert(name.to_owned(), secret);
            let reference: Table = [("file".to_owned(), Value::from(format!("secret-{name}")))].into_iter().collect();
            self.source.insert(name.to_owned(), reference.into());
        }
    }

    fn authorise(&mut self, description: &mut Table) {
        let Some(Value::Table(auth)) = description.get_mut("auth") else { return };
        let mut own = [].as_slice();
        match auth.get("type").and_then(Value::as_str) {
            // Its credentials are the machine's, which a test has not.
            Some("azure" | "aws_sigv4") => {
                let bearer = [("type".to_owned(), Value::from("bearer")), ("token".to_owned(), "of-a-cloud".into())];
                *auth = bearer.into_iter().collect();
                own = &["tenant_id", "profile", "role_arn", "region"];
            }
            Some("session") => {
                self.login_pointer = auth.get("pointer").and_then(Value::as_str).map(str::to_owned);
                if let Some(Value::Table(login)) = auth.get_mut("login") {
                    login.insert("path".into(), "/@login".into());
                }
            }
            _ => {}
        }
        // What only they needed is said for nothing now.
        let text = description.to_string();
        for name in own.iter().filter(|name| !text.contains(&format!("param.{name}"))) {
            if let Some(Value::Table(params)) = description.get_mut("params") {
                params.remove(*name);
            }
            self.source.remove(*name);
        }
    }
}

/// Changes the paths of a stream, and tells its shape.
fn shape(name: &str, stream: &mut Table) -> Shape {
    let at = |table: &str, key: &str| {
        stream.get(table).and_then(|table| table.get(key)).and_then(Value::as_str).map(str::to_owned)
    };
    let shape = Shape {
        records: at("records", "pointer").unwrap_or_default(),
        is_ndjson: at("records", "format").as_deref() == Some("ndjson"),
        paging: at("paginate", "type").unwrap_or_else(|| "none".into()),
        page_pointer: at("paginate", "pointer"),
        page_header: at("paginate", "header"),
        more: at("paginate", "more"),
        total: at("paginate", "total"),
        behind_address: at("request", "path").and_then(|path| path.strip_prefix("${item}").map(str::to_owned)),
        parent: at("for_each", "from"),
        has_links: at("paginate", "type").as_deref() == Some("next_url"),
    };
    let item = if stream.contains_key("for_each") { "${item}" } else { "-" };
    if let Some(Value::Table(request)) = stream.get_mut("request")
        && let Some(Value::String(path)) = request.get_mut("path")
        && !path.starts_with("${item}")
    {
        // A stream may have a place of its own: a parameter, which leads to our system too.
        let (place, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
        *path = format!("{place}/@{name}/{item}{rest}");
    }
    if let Some(Value::Table(cursor)) = stream.get_mut("cursor") {
        match cursor.get("mode").and_then(Value::as_str) {
            // A quarter of a year would be thousands of windows, each with nothing in it.
            Some("window" | "since") => drop(cursor.insert("initial".into(), "7d".into())),
            // What the fixtures tell may be older than any overlap.
            Some("feed") => drop(cursor.insert("overlap".into(), "90d".into())),
            _ => {}
        }
    }
    if let Some(Value::Table(setup)) = stream.get_mut("setup") {
        setup.insert("path".into(), "/@setup".into());
    }
    shape
}

fn text<'t>(table: &'t Table, key: &str) -> Option<&'t str> {
    table.get(key).and_then(Value::as_str)
}
