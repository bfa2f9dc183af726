//! Whether each source can be read, and whether the last collection read it to its end.

use std::path::Path;

use changetrail_connectors::{Catalog, Collector};
use jiff::Timestamp;

use super::{Item, Level, seconds};
use crate::cli::context::Context;
use crate::collect;
use crate::config::{Config, Source};
use crate::error::with_causes;
use crate::output::inert;
use crate::store::{Db, Value, sql};

const POLLS: &str = sql!("audit/polls.sql");

/// How many files are named of those that cannot be read.
const NAMED: usize = 5;

pub(super) fn check(source: &Source, config: &Config, catalog: &Catalog, online: bool, context: &Context) -> Item {
    let what = format!("source {}", source.name);
    let configured =
        catalog.find(&source.connector).and_then(|connector| connector.configure(&source.for_connector(config.base())));
    let collector = match configured {
        Ok(collector) => collector,
        Err(error) => return Item::new(Level::Fail, what, with_causes(&error)).hint(error.hint()),
    };
    let Some(path) = source.params.get("path").and_then(toml::Value::as_str) else {
        let asked = format!("{} is configured", source.connector);
        return match plan(source, config, online, context) {
            None => Item::new(Level::Ok, what, asked),
            Some(collect::Plan { lines: Ok(lines), clock, .. }) => {
                let level = if clock.is_some() { Level::Warn } else { Level::Ok };
                let hint = clock
                    .is_some()
                    .then(|| "set it: what is new may lie outside of the time that is asked for".to_owned());
                let finding = [vec![asked], lines, Vec::from_iter(clock)].concat().join("\n");
                Item::new(level, what, finding).hint(hint)
            }
            Some(collect::Plan { lines: Err(error), .. }) => {
                Item::new(Level::Fail, what, with_causes(&error)).hint(error.hint())
            }
        };
    };
    let path = config.base().join(path);
    if !path.exists() {
        let finding = format!("{} does not exist", path.display());
        return Item::new(Level::Fail, what, finding)
            .hint(Some("relative paths start at the folder of the configuration".to_owned()));
    }
    match unreadable(&*collector) {
        Ok(None) => passed_over(&*collector, what, &path),
        Ok(Some(files)) => Item::new(Level::Fail, what, format!("of {}, {files}", path.display()))
            .hint(Some("whoever runs the audit must be allowed to read them; links must lead somewhere".to_owned())),
        Err(error) => Item::new(Level::Fail, what, with_causes(&error)).hint(error.hint()),
    }
}

/// What of its files cannot be read, in words.
fn unreadable(collector: &dyn Collector) -> Result<Option<String>, changetrail_connectors::Error> {
    let files = collector.unreadable()?;
    Ok((!files.is_empty()).then(|| format!("{} cannot be read:\n{}", files.len(), some(&files))))
}

/// What is read of a folder, and what is passed over there.
fn passed_over(collector: &dyn Collector, what: String, path: &Path) -> Item {
    let finding = format!("reads {}", path.display());
    match collector.passed_over() {
        Ok(files) if files.is_empty() => Item::new(Level::Ok, what, finding),
        Ok(files) => {
            let finding =
                format!("{finding}, and passes over {} that are named as no log:\n{}", files.len(), some(&files));
            let hint =
                "what is a log must end in .json, .jsonl, .ndjson or .gz, which the README of the connector says";
            Item::new(Level::Warn, what, finding).hint(Some(hint.to_owned()))
        }
        Err(error) => Item::new(Level::Fail, what, with_causes(&error)).hint(error.hint()),
    }
}

/// The first of these files, a line each.
fn some(files: &[String]) -> String {
    // A name may have lines in it.
    let mut lines: Vec<String> = files.iter().take(NAMED).map(|file| inert(file).into_owned()).collect();
    if files.len() > NAMED {
        lines.push(format!("… and {} more", files.len() - NAMED));
    }
    lines.join("\n")
}

/// What the next collection asks of a source; nothing where the store cannot be read, which is told of by itself.
fn plan(source: &Source, config: &Config, online: bool, context: &Context) -> Option<collect::Plan> {
    let everything = collect::Options::new(context.now, context.reader_wait());
    let options = collect::Options { sources: vec![source.name.clone()], ..everything };
    collect::plan(config, &context.store(config), &options, online).ok()?.into_iter().next()
}

/// When each source was last read to its end, and whether its system still keeps what came after.
pub(super) fn check_polls(config: &Config, catalog: &Catalog, db: &Db, now: Timestamp, items: &mut Vec<Item>) {
    let polls = match db.rows(POLLS, &[]) {
        Ok((_, polls)) => polls,
        Err(error) => {
            return items.push(Item::new(Level::Fail, "store", with_causes(&error)).hint(error.hint()));
        }
    };
    for source in &config.sources {
        let what = format!("source {}", source.name);
        let poll = polls.iter().find(|poll| poll.first() == Some(&Value::Text(source.name.clone())));
        if let Some([_, _, error, Value::Int(units), unit, why]) = poll.map(Vec::as_slice) {
            items.extend(unread(&what, error, *units, unit, why));
        }
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

/// What the last collection did not read to its end.
fn unread(what: &str, error: &Value, units: i64, unit: &Value, why: &Value) -> Vec<Item> {
    let mut items = Vec::new();
    if let Value::Text(error) = error {
        let finding = format!("the last collection failed: {error}");
        items.push(Item::new(Level::Warn, what, finding));
    }
    if let (1.., Value::Text(unit), Value::Text(why)) = (units, unit, why) {
        let finding =
            format!("{units} parts could not be read to their end, the first {}: {}", inert(unit), inert(why));
        let hint = "report `coverage` has them all; a file is read again when it changes".to_owned();
        items.push(Item::new(Level::Warn, what, finding).hint(Some(hint)));
    }
    items
}
