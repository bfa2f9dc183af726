//! `explain`: everything that is known about one change or one finding, section by section.
//!
//! Each section is a query of `queries/explain/change/` or `…/finding/`, in the order of their names. The first one
//! tells the change or the finding itself: without a row there, the id is unknown.

use std::path::PathBuf;

use include_dir::{Dir, include_dir};

use crate::error::ExitStatus;

use super::context::{Context, Usage};
use super::sections::{self, Layout};

static CHANGE: Dir = include_dir!("$CARGO_MANIFEST_DIR/queries/explain/change");
static FINDING: Dir = include_dir!("$CARGO_MANIFEST_DIR/queries/explain/finding");

const EXAMPLES: &str = "\
Examples:
  changetrail explain 5c1f0a9e3b7d2468                      a change, by change_id
  changetrail explain 3a7c5e12-90ab-4cde-8f01-23456789abcd  by the provider's event id
  changetrail explain 8f14e45fceea167a5a36                  a finding, by finding_id
  changetrail explain 5c1f0a9e3b7d2468 -o json              for machines
  terraform show -json plan | changetrail explain --plan -";

/// Explain one change or finding: the evidence, who was behind it, which releases were considered, which rule decided
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A `change_id`, `record_id` or `finding_id`, as the reports have them
    #[arg(value_name = "ID", required_unless_present = "plan", conflicts_with = "plan")]
    id: Option<String>,

    /// Instead: who changed what this Terraform plan finds drifted; the output of `terraform show -json PLAN`, or -
    #[arg(long, value_name = "FILE|-", conflicts_with = "output")]
    plan: Option<PathBuf>,

    /// How it is written
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Layout::Table)]
    output: Layout,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitStatus> {
    if let Some(plan) = &args.plan {
        return super::plan::run(plan, context);
    }
    let id = args.id.as_deref().unwrap_or_default();
    let (db, _) = context.open()?;
    db.sandbox()?;
    for (folder, param) in [(&CHANGE, "change_id"), (&FINDING, "finding_id")] {
        if let Some(said) = sections::ask_of(&db, folder, param, id)? {
            sections::print(&said, args.output, context)?;
            return Ok(ExitStatus::Clean);
        }
    }
    Err(Usage::error(
        format!("there is no change or finding `{id}`"),
        "take a change_id or record_id from `changetrail report changes -o csv`, a finding_id from `changetrail report \
         findings`; attempts and reads are not changes, `changetrail report attempts` has the former",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::header;

    #[test]
    fn every_section_has_a_header_that_takes_the_id() {
        for (folder, param) in [(&CHANGE, "change_id"), (&FINDING, "finding_id")] {
            for file in folder.files() {
                let header = header::parse(file.contents_utf8().unwrap()).unwrap();
                assert_eq!(header.params.len(), 1, "{}", file.path().display());
                assert_eq!(header.params[0].name, param);
            }
        }
    }
}
