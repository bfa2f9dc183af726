//! `check`: whether everything is in place for the nightly job, and what it will ask. Reads only; no system is asked
//! anything but with `--online`, and then what the next collection asks first.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use changetrail_connectors::Catalog;
use jiff::Timestamp;

use crate::collect;
use crate::config::{Config, Source};
use crate::error::{ExitStatus, Hint};
use crate::output::inert;
use crate::store::{self, Access, Db, Value};

use super::context::Context;

const EXAMPLES: &str = "\
Examples:
  changetrail check
  changetrail check --online                   ask the systems too: do they answer, with these credentials?
  changetrail --config /etc/changetrail/changetrail.toml check";

const CLOCK: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/queries/audit/clock.sql"));
const POLLS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/queries/audit/polls.sql"));

/// Check configuration, store, sources and clock
///
/// Prints everything that was checked, with what to do about what is not right. Exits 2 if anything failed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Begin what the next collection asks of each system, for up to 10 seconds each, and keep nothing of it: shows
    /// whether credentials and permissions do
    #[arg(long)]
    online: bool,
}

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

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitStatus> {
    let mut items = Vec::new();
    match Config::load(context.global.config.as_deref()) {
        Ok(config) => {
            items.push(Item::new(Level::Ok, "configuration", config.path().display().to_string()));
            let warnings = config.warnings.iter();
            items.extend(warnings.map(|warning| Item::new(Level::Warn, "configuration", warning)));
            let catalog = config.connectors();
            items.extend(catalog.broken().map(|folder| {
                let what = format!("connector {}", folder.name);
                let hint = "`changetrail connectors test` with its folder says more".to_owned();
                Item::new(Level::Fail, what, folder.problems.join("\n")).hint(Some(hint))
            }));
            items.extend(
                config.sources.iter().map(|source| check_source(source, &config, &catalog, args.online, context)),
            );
            if let Some(db) = check_store(&context.store(&config), context, &mut items) {
                check_polls(&config, &catalog, &db, context.now, &mut items);
            }
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

fn check_source(source: &Source, config: &Config, catalog: &Catalog, online: bool, context: &Context) -> Item {
    let what = format!("source {}", source.name);
    let configured =
        catalog.find(&source.connector).and_then(|connector| connector.configure(&source.for_connector(config.base())));
    if let Err(error) = configured {
        return Item::new(Level::Fail, what, chain(&error)).hint(error.hint());
    }
    let Some(path) = source.params.get("path").and_then(toml::Value::as_str) else {
        let asked = format!("{} is configured", source.connector);
        return match plan(source, config, online, context) {
            None => Item::new(Level::Ok, what, asked),
            Some(Ok(lines)) => Item::new(Level::Ok, what, [vec![asked], lines].concat().join("\n")),
            Some(Err(error)) => Item::new(Level::Fail, what, chain(&error)).hint(error.hint()),
        };
    };
    let path = config.base().join(path);
    if path.exists() {
        Item::new(Level::Ok, what, format!("reads {}", path.display()))
    } else {
        let finding = format!("{} does not exist", path.display());
        Item::new(Level::Fail, what, finding)
            .hint(Some("relative paths start at the folder of the configuration".to_owned()))
    }
}

/// What the next collection asks of a source; nothing where the store cannot be read, which is told of by itself.
fn plan(
    source: &Source,
    config: &Config,
    online: bool,
    context: &Context,
) -> Option<Result<Vec<String>, changetrail_connectors::Error>> {
    let wait = context.reader_wait();
    let options =
        collect::Options { sources: vec![source.name.clone()], since: None, validate: false, now: context.now, wait };
    let plans = collect::plan(config, &context.store(config), &options, online).ok()?;
    plans.into_iter().next().map(|plan| plan.lines)
}

fn check_store(path: &Path, context: &Context, items: &mut Vec<Item>) -> Option<Db> {
    let place = path.display().to_string();
    match Db::open(path, Access::Read, context.reader_wait()) {
        Ok(db) => {
            items.push(Item::new(Level::Ok, "store", place));
            items.push(check_clock(&db, context.now));
            Some(db)
        }
        Err(error @ store::Error::Missing { .. }) => {
            items.push(Item::new(Level::Warn, "store", format!("{place} is not there yet")).hint(error.hint()));
            None
        }
        Err(error) => {
            items.push(Item::new(Level::Fail, "store", chain(&error)).hint(error.hint()));
            None
        }
    }
}

/// When each source was last read to its end, and whether its system still keeps what came after.
fn check_polls(config: &Config, catalog: &Catalog, db: &Db, now: Timestamp, items: &mut Vec<Item>) {
    let polls = match db.rows(POLLS, &[]) {
        Ok((_, polls)) => polls,
        Err(error) => {
            return items.push(Item::new(Level::Fail, "store", chain(&error)).hint(error.hint()));
        }
    };
    for source in &config.sources {
        let what = format!("source {}", source.name);
        let poll = polls.iter().find(|poll| poll.first() == Some(&Value::Text(source.name.clone())));
        let Some(Value::Time(read)) = poll.and_then(|poll| poll.get(1)) else {
            let finding = "was never read to its end";
            let hint = format!("`changetrail collect --source {}` reads it", source.name);
            items.push(Item::new(Level::Warn, what, finding).hint(Some(hint)));
            continue;
        };
        let kept = catalog
            .find(&source.connector)
            .ok()
            .filter(|connector| {
                let collector = connector.configure(&source.for_connector(config.base()));
                collector.is_ok_and(|collector| !collector.is_path())
            })
            .and_then(|connector| connector.spec().kept());
        let finding = format!("last read to its end at {}", seconds(*read));
        items.push(match kept {
            Some(kept) if *read + kept < now => Item::new(
                Level::Fail,
                what,
                format!("{finding}; the system keeps {} days, so there is a gap", kept.as_hours() / 24),
            )
            .hint(Some("look for what is missing in a copy of the system's log; poll every day".to_owned())),
            Some(kept) if *read + kept / 2 < now => {
                Item::new(Level::Warn, what, format!("{finding}; the system keeps only {} days", kept.as_hours() / 24))
                    .hint(Some("poll it every day".to_owned()))
            }
            _ => Item::new(Level::Ok, what, finding),
        });
    }
}

/// A time without its fraction.
fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// Says that the clock is wrong, where the store shows it: what is judged by it is judged wrongly.
pub(super) fn tell_clock(store: &Path, context: &Context) {
    // A store that is not there yet, or cannot be read, is told by whoever needs it.
    let Ok(db) = Db::open(store, Access::Read, context.reader_wait()) else { return };
    let item = check_clock(&db, context.now);
    if item.level == Level::Fail {
        context.printer.warning(&format!("{}: {}", item.what, item.finding));
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
            Some(Value::Time(last)) if *last > now => {
                fail(format!("it is {}, but the store was written at {last}", seconds(now)))
            }
            _ if made > now => fail(format!("it is {}, but this program was made at {made}", seconds(now))),
            _ => Item::new(Level::Ok, "clock", seconds(now).to_string()),
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
