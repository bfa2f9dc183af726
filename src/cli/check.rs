//! `check`: whether everything is in place for the nightly job. Reads only, and asks no system.

use std::io::Write;
use std::path::PathBuf;
use std::time::SystemTime;

use jiff::Timestamp;

use crate::config::{Config, Source};
use crate::error::{ExitStatus, Hint};
use crate::output::inert;
use crate::store::{self, Access, Db, Value};

use super::context::Context;

const EXAMPLES: &str = "\
Examples:
  changetrail check
  changetrail --config /etc/changetrail/changetrail.toml check";

const CLOCK: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/queries/audit/clock.sql"));

/// Check configuration, store, sources and clock
///
/// Prints everything that was checked, with what to do about what is not right. Exits 2 if anything failed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Ok,
    Warn,
    Fail,
}

/// One thing that was checked.
#[derive(Debug)]
struct Item {
    level: Level,
    what: String,
    finding: String,
    hint: Option<String>,
}

impl Item {
    fn new(level: Level, what: impl Into<String>, finding: impl Into<String>) -> Self {
        Self { level, what: what.into(), finding: finding.into(), hint: None }
    }

    fn hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}

pub(super) fn run(context: &Context) -> anyhow::Result<ExitStatus> {
    let mut items = Vec::new();
    match Config::load(context.global.config.as_deref()) {
        Ok(config) => {
            items.push(Item::new(Level::Ok, "configuration", config.path().display().to_string()));
            let warnings = config.warnings.iter();
            items.extend(warnings.map(|warning| Item::new(Level::Warn, "configuration", warning)));
            items.extend(config.sources.iter().map(|source| check_source(source, &config)));
            check_store(&context.store(&config), context, &mut items);
        }
        Err(error) => {
            let hint = error.hint();
            items.push(Item::new(Level::Fail, "configuration", chain(&error)).hint(hint));
            if let Some(store) = &context.global.store {
                check_store(store, context, &mut items);
            }
        }
    }
    print(&items, context)?;
    let failed = items.iter().any(|item| item.level == Level::Fail);
    Ok(if failed { ExitStatus::Incomplete } else { ExitStatus::Clean })
}

fn check_source(source: &Source, config: &Config) -> Item {
    let what = format!("source {}", source.name);
    let configured = changetrail_connectors::find(&source.connector)
        .and_then(|connector| connector.configure(&source.for_connector(config.base())));
    if let Err(error) = configured {
        return Item::new(Level::Fail, what, chain(&error)).hint(error.hint());
    }
    match source.params.get("path").and_then(toml::Value::as_str) {
        Some(path) => {
            let path = config.base().join(path);
            if path.exists() {
                Item::new(Level::Ok, what, format!("reads {}", path.display()))
            } else {
                let finding = format!("{} does not exist", path.display());
                Item::new(Level::Fail, what, finding)
                    .hint(Some("relative paths start at the folder of the configuration".to_owned()))
            }
        }
        None => Item::new(Level::Ok, what, format!("{} is configured", source.connector)),
    }
}

fn check_store(path: &std::path::Path, context: &Context, items: &mut Vec<Item>) {
    let place = path.display().to_string();
    match Db::open(path, Access::Read, context.reader_wait()) {
        Ok(db) => {
            items.push(Item::new(Level::Ok, "store", place));
            items.push(check_clock(&db, context.now));
        }
        Err(error @ store::Error::Missing { .. }) => {
            items.push(Item::new(Level::Warn, "store", format!("{place} is not there yet")).hint(error.hint()));
        }
        Err(error) => items.push(Item::new(Level::Fail, "store", chain(&error)).hint(error.hint())),
    }
}

/// The store was last written in the past, and not before this program was made.
fn check_clock(db: &Db, now: Timestamp) -> Item {
    let fail = |finding: String| {
        Item::new(Level::Fail, "clock", finding).hint(Some("set the clock of this machine (NTP)".to_owned()))
    };
    let made = program_made().unwrap_or(Timestamp::UNIX_EPOCH);
    match db.rows(CLOCK, &[]) {
        Ok((_, rows)) => match rows.first().and_then(|row| row.first()) {
            Some(Value::Time(last)) if *last > now => fail(format!("it is {now}, but the store was written at {last}")),
            _ if made > now => fail(format!("it is {now}, but this program was made at {made}")),
            _ => Item::new(Level::Ok, "clock", now.to_string()),
        },
        Err(error) => Item::new(Level::Fail, "store", chain(&error)).hint(error.hint()),
    }
}

fn program_made() -> Option<Timestamp> {
    let program: PathBuf = std::env::current_exe().ok()?;
    let modified: SystemTime = program.metadata().ok()?.modified().ok()?;
    Timestamp::try_from(modified).ok()
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

fn print(items: &[Item], context: &Context) -> std::io::Result<()> {
    let mut out = context.printer.stdout();
    for item in items {
        let level = match item.level {
            Level::Ok => "ok  ",
            Level::Warn => "warn",
            Level::Fail => "fail",
        };
        let mut lines = item.finding.lines();
        let first = lines.next().unwrap_or_default();
        writeln!(out, "{level}  {}: {}", inert(&item.what), inert(first))?;
        for line in lines {
            writeln!(out, "      {}", inert(line))?;
        }
        if let Some(hint) = &item.hint {
            writeln!(out, "      hint: {}", inert(hint))?;
        }
    }
    out.flush()
}
