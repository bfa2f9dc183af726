//! Lists the connector folders that need no Rust, so that a new one is built in by being there.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=.");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("Cargo sets it"));
    let mut list = String::from("&[\n");
    for folder in entries(&root)? {
        if folder.join("connector.toml").is_file() && !folder.join("mod.rs").exists() {
            writeln!(list, "    ({:?}, &[", name(&folder)).expect("a text");
            for file in entries(&folder)? {
                let wanted = file.extension().is_some_and(|kind| kind == "toml" || kind == "sql" || kind == "csv");
                if file.is_file() && wanted {
                    // Where the checkout lies is asked when this is compiled: the list may be older than its place.
                    let place = format!("/{}/{}", name(&folder), name(&file));
                    let text = format!("include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {place:?}))");
                    writeln!(list, "        ({:?}, {text}),", name(&file)).expect("a text");
                }
            }
            list.push_str("    ]),\n");
        }
    }
    list.push(']');
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("Cargo sets it"));
    fs::write(out.join("folders.rs"), list)
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort_unstable();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
