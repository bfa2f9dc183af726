//! Finds the DuckDB library to link, and sees to it that what is built finds it again when it runs.
//!
//! Taken in this order: the folder named by `DUCKDB_LIB_DIR`; `.duckdb/`, which `.ci/duckdb` (called by `make`)
//! fills with the pinned official build; with `DUCKDB_DOWNLOAD_LIB=1`, what libduckdb-sys fetches. With feature
//! `bundled` DuckDB is compiled in, and nothing is done here.
//!
//! libduckdb-sys sets no rpath, so without this file every binary would need `LD_LIBRARY_PATH`. The library is put
//! beside the binaries, and they look there first (`$ORIGIN`): a release folder can be moved or copied as it is.

use std::path::{Path, PathBuf};
use std::{env, fs, io, process};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Folders that are embedded whole: the macro does not notice a file that is new.
    for folder in [
        "queries/reports",
        "queries/explain",
        "queries/controls",
        "queries/standards",
        "queries/what-if",
        "src/cli/demo/sample",
    ] {
        println!("cargo::rerun-if-changed={folder}");
    }
    for name in ["DUCKDB_LIB_DIR", "DUCKDB_STATIC", "DUCKDB_DOWNLOAD_LIB"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let is_static = env::var("DUCKDB_STATIC").is_ok_and(|value| value != "0");
    if env::var_os("CARGO_FEATURE_BUNDLED").is_some() || is_static {
        return;
    }
    if let Err(error) = link() {
        println!("cargo::error={error}");
    }
}

fn link() -> Result<(), String> {
    let (name, origin) = match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("macos") => ("libduckdb.dylib", "@loader_path"),
        _ => ("libduckdb.so", "$ORIGIN"),
    };
    rpath(origin);

    let checkout = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("Cargo sets CARGO_MANIFEST_DIR")?);
    let folder = match env::var_os("DUCKDB_LIB_DIR") {
        Some(folder) => checkout.join(folder),
        None => checkout.join(".duckdb"),
    };
    let library = folder.join(name);
    println!("cargo::rerun-if-changed={}", library.display());
    if library.is_file() {
        println!("cargo::rustc-link-search=native={}", folder.display());
        rpath(&folder.display().to_string());
        return place_beside_binaries(&library, name);
    }

    if env::var_os("DUCKDB_LIB_DIR").is_some() {
        return Err(format!("DUCKDB_LIB_DIR is {}, and there is no {name} in it", folder.display()));
    }
    if env::var("DUCKDB_DOWNLOAD_LIB").is_ok_and(|value| value == "1" || value.eq_ignore_ascii_case("true")) {
        // libduckdb-sys puts its download into `deps`, perhaps after this script has run.
        rpath(&format!("{origin}/deps"));
        return Ok(());
    }
    Err(format!(
        "there is no {name} in {}: run `.ci/duckdb` once (`make demo` and `make test` do), \
         or name its folder in DUCKDB_LIB_DIR, or set DUCKDB_DOWNLOAD_LIB=1, \
         or compile DuckDB with `--features bundled` (over 20 minutes)",
        folder.display()
    ))
}

/// Adds a folder in which the binaries look for shared libraries.
///
/// `-Xlinker` rather than `-Wl,`: a comma in the path is then no separator.
fn rpath(folder: &str) {
    for argument in ["-Xlinker", "-rpath", "-Xlinker", folder] {
        println!("cargo::rustc-link-arg={argument}");
    }
}

/// Puts the library into `target/<profile>` for the binaries and into `deps` for the tests.
fn place_beside_binaries(library: &Path, name: &str) -> Result<(), String> {
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").ok_or("Cargo sets OUT_DIR")?);
    // target/<profile>/build/changetrail-<hash>/out
    let profile = out_dir.ancestors().nth(3).ok_or_else(|| format!("{} has no profile folder", out_dir.display()))?;
    for folder in [profile.to_path_buf(), profile.join("deps")] {
        let copy = folder.join(name);
        println!("cargo::rerun-if-changed={}", copy.display());
        place(library, &copy)
            .map_err(|error| format!("cannot put {} at {}: {error}", library.display(), copy.display()))?;
    }
    Ok(())
}

/// Links or copies `library` to `copy` in one step, so that a running binary never sees half a library.
fn place(library: &Path, copy: &Path) -> io::Result<()> {
    let original = fs::metadata(library)?;
    if let Ok(existing) = fs::metadata(copy)
        && existing.len() == original.len()
        && existing.modified()? == original.modified()?
    {
        return Ok(());
    }
    let fresh = copy.with_extension(format!("{}.tmp", process::id()));
    if fs::hard_link(library, &fresh).is_err() {
        fs::copy(library, &fresh)?;
        // Else the copy would look newer than this run of the script, and Cargo would run it every time.
        fs::File::options().write(true).open(&fresh)?.set_modified(original.modified()?)?;
    }
    fs::rename(&fresh, copy)
}
