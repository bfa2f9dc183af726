//! Where the configuration is looked for: this folder, the user's, the machine's.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

/// The name of the file wherever it lies.
pub(super) const FILE_NAME: &str = "changetrail.toml";

/// The places in which a configuration is looked for, the most specific first.
pub(super) fn places() -> Vec<PathBuf> {
    let mut places = vec![PathBuf::from(FILE_NAME)];
    if let Ok(strategy) = etcetera::choose_base_strategy() {
        places.push(strategy.config_dir().join("changetrail").join(FILE_NAME));
    }
    places.push(Path::new("/etc/changetrail").join(FILE_NAME));
    places
}
