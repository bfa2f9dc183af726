//! `completions`: for the user's shell. Reads no configuration.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::error::ExitStatus;

use super::Cli;
use super::context::Context;

const EXAMPLES: &str = "\
Examples:
  changetrail completions bash > ~/.local/share/bash-completion/completions/changetrail
  changetrail completions fish > ~/.config/fish/completions/changetrail.fish";

/// Print completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    shell: Shell,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitStatus> {
    // Generated into memory first: the generator gives up on a broken pipe in its own, louder way.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "changetrail", &mut script);
    let mut out = context.printer.stdout();
    out.write_all(&script)?;
    out.flush()?;
    Ok(ExitStatus::Clean)
}
