//! What the tests share: a folder to work in, the program, and tables to compare.

pub(crate) mod emulator;
pub(crate) mod fake;
pub(crate) mod harbour;
pub(crate) mod place;
pub(crate) mod shorthand;
pub(crate) mod table;
pub(crate) mod truth;
pub(crate) mod world;

use std::path::{Path, PathBuf};

pub(crate) use place::{Output, Place};
pub(crate) use table::Table;

/// A path in the checkout.
pub(crate) fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
/// Says that a test was left out, and why; where everything must run, that is a failure.
pub(crate) fn skip(what: &str, why: &str) {
    assert!(std::env::var("CI").is_err(), "{what} cannot be tested, and CI is set: {why}");
    eprintln!("skipped: {what}: {why}");
}
