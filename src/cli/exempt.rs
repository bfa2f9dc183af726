//! `exempt`: writes an exemption into the configuration's file of exemptions.
//!
//! An exemption is configuration: it is read, reviewed and kept where the rest of the configuration is. What the rules
//! would ignore is refused here, by asking them; nothing is written then.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};

use anyhow::Context as _;

use crate::config::{Exemption, Moment};
use crate::error::ExitStatus;
use crate::reconcile;
use crate::time::parse_absolute;

use super::context::{Context, Usage, operator};

const EXAMPLES: &str = "\
Examples:
  changetrail exempt --id BG-7 --reason \"incident 4711\" --requested-by \"Alice Green\" --approved-by \"Dana White\" \\
    --from 2026-11-03T00:00:00Z --to 2026-11-04T00:00:00Z --service register --actor alice.green@example.org
  changetrail exempt --id BG-8 … --deployment register:812:prod --control proven-in-preprod    an emergency release";

/// Add an exemption: an approved exception for changes made in its time
///
/// Appends it to the file that the key `exemptions` of the configuration names, else to the configuration itself. What
/// the rules would ignore is refused: an approver without the role, who also asked for it or made the changes. It counts
/// from the next `changetrail reconcile` on; report `exemptions` shows each and what it covers.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// What it is called, once and for all
    #[arg(long)]
    id: String,

    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,

    /// Who asks for it
    #[arg(long, value_name = "PERSON")]
    requested_by: String,

    /// Who approves it: another person, senior or manager
    #[arg(long, value_name = "PERSON")]
    approved_by: String,

    /// For changes from here on: 2026-11-03 or 2026-11-03T09:30:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Moment,

    /// For changes before this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Moment,

    /// Only of this service
    #[arg(long)]
    service: Option<String>,

    /// Only in this kind of environment
    #[arg(long, value_parser = ["dev", "preprod", "live"])]
    environment: Option<String>,

    /// Only by this person or machine; may be given again
    #[arg(long = "actor", value_name = "IDENTITY")]
    actors: Vec<String>,

    /// Only in place of this verdict; may be given again
    #[arg(long = "verdict", value_parser = ["unapproved", "nonconforming", "manual", "unrecorded", "unattributed"])]
    verdicts: Vec<String>,

    /// Of this deployment, for an emergency release that went through the pipeline; may be given again
    #[arg(long = "deployment", value_name = "DEPLOYMENT_ID")]
    deployments: Vec<String>,

    /// Only where no other control fails; may be given again
    #[arg(long = "control")]
    controls: Vec<String>,
}

fn moment(text: &str) -> Result<Moment, String> {
    parse_absolute(text).map(Moment).ok_or_else(|| "write for example 2026-11-03 or 2026-11-03T09:30:00Z".to_owned())
}

impl Args {
    /// As it stands in the file: what was not given is left out.
    fn table(&self) -> toml::Table {
        let mut table = toml::Table::new();
        let mut put = |key: &str, value: &str| {
            table.insert(key.to_owned(), value.into());
        };
        put("id", &self.id);
        put("reason", &self.reason);
        put("requested_by", &self.requested_by);
        put("approved_by", &self.approved_by);
        put("from", &self.from.0.to_string());
        put("to", &self.to.0.to_string());
        for (key, value) in [("service", &self.service), ("environment", &self.environment)] {
            if let Some(value) = value {
                put(key, value);
            }
        }
        let lists = [
            ("actors", &self.actors),
            ("verdicts", &self.verdicts),
            ("deployments", &self.deployments),
            ("controls", &self.controls),
        ];
        for (key, values) in lists {
            if !values.is_empty() {
                table.insert(key.to_owned(), values.clone().into());
            }
        }
        table
    }
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitStatus> {
    let config = context.config()?;
    let table = args.table();
    let exemption: Exemption = table.clone().try_into().context("the exemption")?;
    let config = config.with(exemption)?;
    if let Some(problem) = reconcile::exemption_refused(&config, &args.id, context.now)? {
        return Err(Usage::error(
            format!("exemption `{}` is refused: {problem}", args.id),
            "another person with the role senior or manager, as [[person]] says, has to approve it; nothing was written",
        ));
    }
    let file = &config.exemptions_file;
    let entry = format!(
        "\n# added by {} at {}\n[[exemption]]\n{table}",
        operator()?.replace(char::is_control, " "),
        context.now
    );
    let doing = || format!("adding the exemption to {}", file.display());
    let before = match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read.with_context(doing)?,
    };
    // What stands there may not let a table follow, or end in the middle of a line.
    let entry = if before.is_empty() || before.ends_with('\n') { entry } else { format!("\n{entry}") };
    format!("{before}{entry}").parse::<toml::Table>().with_context(doing)?;
    let mut file = OpenOptions::new().create(true).append(true).open(file).with_context(doing)?;
    file.write_all(entry.as_bytes()).and_then(|()| file.sync_all()).with_context(doing)?;
    context.printer.note(&format!(
        "exemption {} is in {}; `changetrail reconcile` applies it",
        args.id,
        config.exemptions_file.display()
    ));
    Ok(ExitStatus::Clean)
}
