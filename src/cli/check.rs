//! `check`: whether everything is in place for the nightly job, and what it will ask. Reads only; no system is asked
//! anything but with `--online`, and then what the next collection asks first. What the store and the rules need is tried
//! where nothing is left of it.

mod rules;
mod sources;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;

use crate::config::Config;
use crate::error::{ExitStatus, Hint, told, with_causes};
use crate::output::inert;
use crate::store::{self, Access, Db, Value, sql};

use super::context::Context;

const EXAMPLES: &str = "\
Examples:
  changetrail check
  changetrail check --online                   ask the systems too: do they answer, with these credentials?
  changetrail --config /etc/changetrail/changetrail.toml check";

const CLOCK: &str = sql!("audit/clock.sql");

/// Check configuration, store, sources, rules and clock
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
                config.sources.iter().map(|source| sources::check(source, &config, &catalog, args.online, context)),
            );
            items.extend(rules::check_mappings(&config, &catalog, context.now));
            items.push(rules::check(&config, context.now));
            if let Some(db) = check_store(&context.store(&config), context, &mut items) {
                sources::check_polls(&config, &catalog, &db, context.now, &mut items);
                items.extend(rules::check_over(&config, &db));
            }
        }
        Err(error) => {
            let hint = error.hint();
            items.push(Item::new(Level::Fail, "configuration", with_causes(&error)).hint(hint));
            if let Some(store) = &context.global.store {
                check_store(store, context, &mut items);
            }
        }
    }
    told(print(&items, context).map_err(anyhow::Error::from))?;
    let failed = items.iter().any(|item| item.level == Level::Fail);
    Ok(if failed { ExitStatus::Incomplete } else { ExitStatus::Clean })
}

fn check_store(path: &Path, context: &Context, items: &mut Vec<Item>) -> Option<Db> {
    let place = path.display().to_string();
    // Before it is opened: closing a second handle would let go of the first one's lock.
    if let Err(error) = store::writable(path) {
        items.push(Item::new(Level::Fail, "store", with_causes(&error)).hint(error.hint()));
        if !path.is_file() {
            return None;
        }
    }
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
            items.push(Item::new(Level::Fail, "store", with_causes(&error)).hint(error.hint()));
            None
        }
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
        Err(error) => Item::new(Level::Fail, "store", with_causes(&error)).hint(error.hint()),
    }
}

fn program_made() -> Option<Timestamp> {
    let program: PathBuf = std::env::current_exe().ok()?;
    let modified: SystemTime = program.metadata().ok()?.modified().ok()?;
    Timestamp::try_from(modified).ok()
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
