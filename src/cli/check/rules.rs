//! Whether the rules, the mappings and the controls can be run: over no evidence, in a store that is gone afterwards; and
//! controls of one's own over what was judged the last time.

use std::collections::BTreeSet;

use changetrail_connectors::Catalog;
use jiff::Timestamp;

use super::{Item, Level};
use crate::config::Config;
use crate::error::with_causes;
use crate::reconcile;
use crate::store::Db;

pub(super) fn check(config: &Config, now: Timestamp) -> Item {
    match reconcile::try_rules(config, now) {
        Ok(()) => {
            let controls = &config.requirements.controls;
            let own = controls.iter().filter(|control| !control.built_in).count();
            Item::new(Level::Ok, "rules", format!("{} controls can be asked, {own} of your own", controls.len()))
        }
        Err(error) => Item::new(Level::Fail, "rules", with_causes(&error)).hint(error.hint()),
    }
}

/// Mappings that cannot be run, of the connectors that sources use.
pub(super) fn check_mappings(config: &Config, catalog: &Catalog, now: Timestamp) -> Vec<Item> {
    let used: BTreeSet<&str> = config.sources.iter().map(|source| source.connector.as_str()).collect();
    // One that is not there is told of with its source.
    let found = used.into_iter().filter_map(|name| catalog.find(name).ok());
    let failed = found.filter_map(|connector| {
        let error = reconcile::try_mapping(&*connector, now).err()?;
        let what = format!("connector {}", connector.spec().name);
        Some(Item::new(Level::Fail, what, with_causes(&error)).hint(error.hint()))
    });
    failed.collect()
}

/// Whether the controls of one's own can be asked about what was judged the last time too; says nothing if they can.
pub(super) fn check_over(config: &Config, db: &Db) -> Option<Item> {
    let failed = |error: &reconcile::Error| Item::new(Level::Fail, "rules", with_causes(error)).hint(error.hint());
    // Foreign SQL reaches nothing.
    if let Err(error) = db.sandbox() {
        return Some(failed(&error.into()));
    }
    reconcile::try_over(db, &config.requirements.controls).err().as_ref().map(failed)
}
