//! Whether the user of this process may write the store, asked of the file system: the engine's own errors name files that
//! only it knows.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;

use super::Error;

/// Tries whether the store can be written, and leaves nothing. Not while this process has the store open: closing a second
/// handle lets go of its lock.
///
/// # Errors
/// The file cannot be written, or no file can be made beside it.
pub fn writable(path: &Path) -> Result<(), Error> {
    let forbidden = |path: &Path, source| Error::Forbidden { path: path.to_owned(), source };
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Err(Error::IsFolder { path: path.to_owned() }),
        Ok(_) => {
            OpenOptions::new().append(true).open(path).map_err(|source| forbidden(path, source))?;
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
        Err(source) => return Err(forbidden(path, source)),
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    // What is not there yet is made by the first collection.
    let existing = folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    tempfile::tempfile_in(existing).map(drop).map_err(|source| Error::Folder { path: existing.to_owned(), source })
}

/// Whether the store cannot be read for want of permission.
pub(super) fn readable(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        return Err(Error::IsFolder { path: path.to_owned() });
    }
    match fs::File::open(path) {
        Err(source) if source.kind() == ErrorKind::PermissionDenied => {
            Err(Error::Forbidden { path: path.to_owned(), source })
        }
        // Whatever else is wrong with it the engine says.
        _ => Ok(()),
    }
}
