//! `init`: writes a commented configuration to start from.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::error::ExitStatus;

use super::context::{Context, Usage};

const TEMPLATE: &str = include_str!("init.toml");

const EXAMPLES: &str = "\
Examples:
  changetrail init                                     write ./changetrail.toml
  changetrail --config audit/changetrail.toml init     write it somewhere else";

/// Write a commented changetrail.toml
///
/// An existing file is never overwritten.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {}

pub(super) fn run(context: &Context) -> anyhow::Result<ExitStatus> {
    let path = context.global.config.clone().unwrap_or_else(|| PathBuf::from("changetrail.toml"));
    write(&path)?;
    context.printer.note(&format!(
        "wrote {}: name your sources, services and people in it, then run `changetrail check`",
        path.display()
    ));
    Ok(ExitStatus::Clean)
}

fn write(path: &Path) -> anyhow::Result<()> {
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let message = format!("{} is there already", path.display());
            return Err(Usage::error(message, "edit it, or name another file with --config"));
        }
        Err(error) => return Err(error).with_context(|| format!("writing {}", path.display())),
    };
    file.write_all(TEMPLATE.as_bytes()).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_template_is_a_configuration() {
        let config = Config::parse(Path::new("changetrail.toml"), TEMPLATE).unwrap();
        assert_eq!(config.warnings, Vec::<String>::new());
        assert!(!config.sources.is_empty() && !config.people.is_empty());
    }

    #[test]
    fn so_is_everything_that_it_comments_out() {
        // A comment that is one keyword and an equals sign, or a table header, is an example of the configuration.
        let is_example = |text: &str| {
            text.starts_with("[[") || text.split_once(" = ").is_some_and(|(key, _)| !key.trim().contains(' '))
        };
        let uncommented: Vec<&str> = TEMPLATE
            .lines()
            .map(|line| line.strip_prefix("# ").filter(|text| is_example(text)).unwrap_or(line))
            .collect();
        Config::parse(Path::new("changetrail.toml"), &uncommented.join("\n")).unwrap();
    }

    #[test]
    fn nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("changetrail.toml");
        write(&path).unwrap();
        let error = write(&path).unwrap_err();
        assert!(error.to_string().ends_with("is there already"), "{error}");
    }
}
