//! Records that somebody else brings as files: JSON or NDJSON, compressed or not, in any layout.

use std::path::Path;

use super::folder::Folder;
use crate::params::Params;
use crate::{Collector, ConfigError};

/// A collector of the files under `root`.
pub(super) fn collector(_folder: &Folder, root: &Path, params: &Params<'_>) -> Result<Box<dyn Collector>, ConfigError> {
    Err(params.bad("path", format!("{} cannot be read yet", root.display())))
}
