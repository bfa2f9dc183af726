//! Whether the rules and the controls can be run: over no evidence, in a store that is gone afterwards.

use jiff::Timestamp;

use super::{Item, Level, chain};
use crate::config::Config;
use crate::reconcile;

pub(super) fn check(config: &Config, now: Timestamp) -> Item {
    match reconcile::try_rules(config, now) {
        Ok(()) => {
            let controls = &config.requirements.controls;
            let own = controls.iter().filter(|control| !control.built_in).count();
            Item::new(Level::Ok, "rules", format!("{} controls can be asked, {own} of your own", controls.len()))
        }
        Err(error) => Item::new(Level::Fail, "rules", chain(&error)).hint(error.hint()),
    }
}
