//! The key of the hashes that stand for bytes with secrets in them. It lies beside the store, not in it: whoever is handed
//! the store alone cannot try out secrets against the hashes.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::Error;
use crate::store::{self, Db, sql};

/// The key of a store.
pub(crate) struct Key {
    pub(crate) bytes: [u8; 32],
    path: PathBuf,
    /// There was none before.
    made: bool,
}

impl Key {
    /// The key of the store at this path; made where there is none.
    pub(crate) fn of(store: &Path) -> Result<Self, Error> {
        let mut path = store.as_os_str().to_owned();
        path.push(".key");
        let path = PathBuf::from(path);
        let failed = |source| Error::Key { path: path.clone(), source };
        match std::fs::read(&path) {
            Ok(bytes) => {
                let bytes =
                    <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| Error::KeyLength { path: path.clone() })?;
                Ok(Self { bytes, path, made: false })
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let mut bytes = [0; 32];
                getrandom::fill(&mut bytes).map_err(|error| failed(io::Error::other(error.to_string())))?;
                write_private(&path, &bytes).map_err(failed)?;
                Ok(Self { bytes, path, made: true })
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// What to say where the key of a store with evidence was not there any more.
    pub(crate) fn lost(&self, evidence: bool) -> Option<String> {
        (self.made && evidence).then(|| {
            format!(
                "the key file {} was not there, though the store has evidence: a new one was made; hashes of records with \
                 secrets in them cannot be compared with those of before, unless the old one is restored from a backup",
                self.path.display()
            )
        })
    }
}

/// Whether anything was ever stored.
pub(crate) fn has_evidence(db: &Db) -> Result<bool, store::Error> {
    Ok(!db.rows(sql!("store/last_batch.sql"), &[])?.1.is_empty())
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
