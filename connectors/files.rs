//! Reading folders and files: a walk in a fixed order, names as text, content that is hashed while it is read.
//!
//! A walk holds one folder's names for each level, so its memory does not grow with the number of files. The
//! surprising fact: a compressed file is recognised by its first bytes, not by its name, because copies of buckets
//! are renamed and unpacked by hand.

use std::collections::HashSet;
use std::fmt::Write;
use std::fs::{self, Metadata};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use flate2::bufread::MultiGzDecoder;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use sha2::{Digest, Sha256};

use crate::Error;

/// A file that was found, or a folder that could not be listed.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// Path relative to the root, with `/`; a folder ends in `/`.
    pub(crate) key: String,
    /// Why it cannot be read.
    pub(crate) problem: Option<String>,
    /// Size and modification time; empty where they are not known.
    pub(crate) etag: String,
    /// UTC day of the last modification.
    pub(crate) modified: Option<Date>,
}

/// Every file under a folder, or the file itself, in order of folder and name.
pub(crate) struct Walk {
    root: PathBuf,
    /// Names still to be visited, last first, one list for each level.
    levels: Vec<Vec<PathBuf>>,
    /// Folders that were entered through a link: a link may lead back up.
    entered: HashSet<PathBuf>,
    wanted: Box<dyn Fn(&str) -> bool + Send>,
    /// Files that are not wanted.
    pub(crate) others: u64,
    /// The first of them, relative to the root.
    pub(crate) passed_over: Vec<String>,
}

/// How many files that are passed over are kept by name.
const NAMED: usize = 1_000;

impl Walk {
    /// Starts at `root`. A root that is a file is wanted whatever its name.
    pub(crate) fn new(root: &Path, wanted: impl Fn(&str) -> bool + Send + 'static) -> Result<Self, Error> {
        let failed = |source| Error::Io { action: "read", path: root.to_owned(), source };
        let metadata = fs::metadata(root).map_err(failed)?;
        if metadata.is_dir() {
            // Listed here so that a root that cannot be read is an error, not an empty source.
            let names = list(root).map_err(failed)?;
            let entered = HashSet::from([fs::canonicalize(root).map_err(failed)?]);
            Ok(Self {
                root: root.to_owned(),
                levels: vec![names],
                entered,
                wanted: Box::new(wanted),
                others: 0,
                passed_over: Vec::new(),
            })
        } else {
            let parent = root.parent().unwrap_or(Path::new("")).to_owned();
            let levels = vec![vec![root.to_owned()]];
            Ok(Self {
                root: parent,
                levels,
                entered: HashSet::new(),
                wanted: Box::new(|_| true),
                others: 0,
                passed_over: Vec::new(),
            })
        }
    }

    fn found(&self, path: PathBuf, metadata: io::Result<Metadata>) -> Found {
        let key = key(path.strip_prefix(&self.root).unwrap_or(&path));
        match metadata {
            Ok(metadata) => {
                // A pipe would be waited on for ever.
                let problem = (!metadata.is_file()).then(|| "not a regular file".to_owned());
                let (etag, modified) = (etag(&metadata), modified(&metadata));
                Found { path, key, problem, etag, modified }
            }
            Err(error) => {
                let problem = Some(format!("cannot read the file: {error}"));
                Found { path, key, problem, etag: String::new(), modified: None }
            }
        }
    }

    /// Enters a folder; says why if it cannot.
    fn enter(&mut self, path: PathBuf) -> Option<Found> {
        let is_link = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink());
        if is_link && !fs::canonicalize(&path).is_ok_and(|real| self.entered.insert(real)) {
            return None;
        }
        match list(&path) {
            Ok(names) => {
                self.levels.push(names);
                None
            }
            Err(error) => {
                let mut key = key(path.strip_prefix(&self.root).unwrap_or(&path));
                key.push('/');
                let problem = Some(format!("cannot list the folder: {error}"));
                Some(Found { path, key, problem, etag: String::new(), modified: None })
            }
        }
    }
}

impl Iterator for Walk {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        while let Some(level) = self.levels.last_mut() {
            let Some(path) = level.pop() else {
                self.levels.pop();
                continue;
            };
            // Follows links: a link that leads nowhere is reported as a file that cannot be read.
            let metadata = fs::metadata(&path);
            if metadata.as_ref().is_ok_and(Metadata::is_dir) {
                if let Some(found) = self.enter(path) {
                    return Some(found);
                }
                continue;
            }
            let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
            if (self.wanted)(&name) {
                return Some(self.found(path, metadata));
            }
            self.others += 1;
            if self.passed_over.len() < NAMED {
                self.passed_over.push(key(path.strip_prefix(&self.root).unwrap_or(&path)));
            }
        }
        None
    }
}

/// What a walk meets that cannot be opened, each with why.
pub(crate) fn unreadable(walk: Walk) -> Vec<String> {
    let told = |found: Found| {
        let problem = match found.problem {
            Some(problem) => problem,
            None => format!("cannot read the file: {}", fs::File::open(&found.path).err()?),
        };
        Some(format!("{}: {problem}", found.key))
    };
    walk.filter_map(told).collect()
}

/// The entries of a folder, last name first.
fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        paths.push(entry?.path());
    }
    paths.sort_unstable_by(|a, b| b.file_name().cmp(&a.file_name()));
    Ok(paths)
}

/// A path as text with `/`; bytes that are no UTF-8 are written `\xNN`, so that two names never become one.
pub(crate) fn key(path: &Path) -> String {
    let mut key = String::new();
    for part in path.components() {
        if !key.is_empty() {
            key.push('/');
        }
        for chunk in part.as_os_str().as_encoded_bytes().utf8_chunks() {
            key.push_str(chunk.valid());
            for byte in chunk.invalid() {
                let _ = write!(key, "\\x{byte:02x}");
            }
        }
    }
    key
}

fn etag(metadata: &Metadata) -> String {
    let nanos = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    format!("{}-{}", metadata.len(), nanos.map_or(0, |nanos| nanos.as_nanos()))
}

fn modified(metadata: &Metadata) -> Option<Date> {
    let time = Timestamp::try_from(metadata.modified().ok()?).ok()?;
    Some(time.to_zoned(TimeZone::UTC).date())
}

/// Whether the system did not give the bytes of a file: permissions, a disk, a network. That says nothing of the file,
/// which will have the same size and time when it can be read.
pub(crate) fn is_failure(error: &io::Error) -> bool {
    error.raw_os_error().is_some() && error.kind() != io::ErrorKind::Interrupted
}

/// A reader that hashes and counts what passes.
pub(crate) struct Hashing<R> {
    input: R,
    hash: Sha256,
    size: u64,
    failed: bool,
}

impl<R: Read> Hashing<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, hash: Sha256::new(), size: 0, failed: false }
    }

    /// Whether the system did not give the bytes: see [`is_failure`].
    pub(crate) fn failed(&self) -> bool {
        self.failed
    }

    /// Reads what is left; gives size and SHA-256 (hex) of all, and the error that stopped it.
    pub(crate) fn finish(mut self) -> (u64, String, Option<io::Error>) {
        let error = io::copy(&mut self, &mut io::sink()).err();
        (self.size, hex(&self.hash.finalize()), error)
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer).inspect_err(|error| self.failed |= is_failure(error))?;
        self.hash.update(&buffer[..count]);
        self.size += count as u64;
        Ok(count)
    }
}

/// Content, inflated if its first bytes say gzip.
pub(crate) enum Content<R: Read> {
    Plain(BufReader<Hashing<R>>),
    Gzip { decoder: Box<MultiGzDecoder<BufReader<Hashing<R>>>>, left: u64 },
}

impl<R: Read> Content<R> {
    /// At most `inflated` bytes come out of a compressed file.
    pub(crate) fn new(input: R, inflated: u64) -> io::Result<Self> {
        let mut input = BufReader::with_capacity(64 * 1024, Hashing::new(input));
        if input.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
            return Ok(Self::Gzip { decoder: Box::new(MultiGzDecoder::new(input)), left: inflated });
        }
        Ok(Self::Plain(input))
    }

    /// Whether the file has no bytes; asked before reading.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Plain(input) if input.buffer().is_empty())
    }

    /// The reader of the bytes as they are stored.
    pub(crate) fn into_stored(self) -> Hashing<R> {
        match self {
            Self::Plain(input) => input.into_inner(),
            Self::Gzip { decoder, .. } => decoder.into_inner().into_inner(),
        }
    }
}

impl<R: Read> Read for Content<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(input) => input.read(buffer),
            Self::Gzip { decoder, left } => {
                let count = decoder.read(buffer)?;
                *left = left.checked_sub(count as u64).ok_or_else(|| {
                    io::Error::other("the file inflates to more than a log file can hold, the rest is left out")
                })?;
                Ok(count)
            }
        }
    }
}

#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// The first `yyyy/mm/dd` in a path: the day of delivery in a trail bucket.
pub(crate) fn day_in(key: &str) -> Option<Date> {
    let parts: Vec<&str> = key.split('/').collect();
    parts.windows(3).find_map(|window| {
        let number = |text: &str, digits| {
            // Storage accounts write `y=2026/m=10/d=02`.
            let (_, text) = text.split_once('=').unwrap_or(("", text));
            (text.len() == digits).then(|| text.parse::<i16>().ok()).flatten()
        };
        let (year, month, day) = (number(window[0], 4)?, number(window[1], 2)?, number(window[2], 2)?);
        civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_is_sorted_and_counts_what_it_leaves_out() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["b/2.json", "b/1.json", "a.json", "c.txt", "b.json"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, name).expect("a file");
        }
        let mut walk = Walk::new(folder.path(), |name| name.ends_with("json")).expect("a walk");
        let keys: Vec<String> = walk.by_ref().map(|found| found.key).collect();
        assert_eq!(keys, ["a.json", "b/1.json", "b/2.json", "b.json"]);
        assert_eq!(walk.others, 1);
    }

    #[test]
    fn a_root_may_be_a_file_and_must_exist() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("trail.txt");
        fs::write(&file, "x").expect("a file");
        let found: Vec<Found> = Walk::new(&file, |_| false).expect("a walk").collect();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].key, "trail.txt");
        let missing = Walk::new(&folder.path().join("nowhere"), |_| true).err().expect("an error");
        assert!(missing.hint().expect("a hint").contains("nowhere"));
    }

    #[cfg(unix)]
    #[test]
    fn odd_names_and_links_in_a_circle_are_survived() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().expect("a folder");
        let odd = folder.path().join(std::ffi::OsStr::from_bytes(b"odd\xff.json"));
        fs::write(odd, "x").expect("a file");
        std::os::unix::fs::symlink(folder.path(), folder.path().join("up")).expect("a link");
        std::os::unix::fs::symlink("nowhere", folder.path().join("gone.json")).expect("a link");
        let found: Vec<Found> = Walk::new(folder.path(), |_| true).expect("a walk").collect();
        let keys: Vec<&str> = found.iter().map(|found| found.key.as_str()).collect();
        assert_eq!(keys, ["gone.json", "odd\\xff.json"]);
        assert!(found[0].problem.is_some());
    }

    #[test]
    fn the_hash_is_of_the_stored_bytes() {
        let content = Content::new(&b"abc"[..], 10).expect("content");
        let (size, hash, error) = content.into_stored().finish();
        assert_eq!(size, 3);
        assert!(hash.starts_with("ba7816bf"), "{hash}");
        assert!(error.is_none());
    }

    #[test]
    fn the_day_of_delivery_is_in_the_path() {
        let day = day_in("AWSLogs/1/CloudTrail/eu-west-2/2026/10/02/x.json.gz").expect("a day");
        assert_eq!(day, civil::date(2026, 10, 2));
        assert_eq!(day_in("resourceId=/s/y=2026/m=10/d=02/h=13/m=00/PT1H.json"), civil::Date::new(2026, 10, 2).ok());
        assert_eq!(day_in("a/2026/13/02/x"), None);
        assert_eq!(day_in("x.json"), None);
    }
}
