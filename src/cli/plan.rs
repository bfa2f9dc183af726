//! `explain --plan`: who changed what a Terraform plan finds drifted.
//!
//! Which attribute differs and who did it is for `queries/plan/drift.sql` to say. Values are not printed: they may be
//! secrets.

use std::io::Read;
use std::path::Path;

use anyhow::Context as _;
use serde_json::Value as Json;

use crate::error::ExitStatus;
use crate::output::{Format, sink};
use crate::store::{Value, sql};

use super::context::{Context, Usage};

pub(super) fn run(plan: &Path, context: &Context) -> anyhow::Result<ExitStatus> {
    let text = read(plan).with_context(|| format!("reading {}", plan.display()))?;
    let is_plan = serde_json::from_str::<Json>(&text).is_ok_and(|plan| plan.get("resource_changes").is_some());
    if !is_plan {
        return Err(Usage::error(
            "this is no Terraform plan as JSON".to_owned(),
            "make one with `terraform plan -out plan` and `terraform show -json plan`",
        ));
    }
    let (db, _) = context.open()?;
    db.sandbox()?;
    let (columns, rows) = db.rows(sql!("plan/drift.sql"), &[("plan", Value::Text(text))])?;
    if rows.is_empty() {
        context.printer.note("the plan finds nothing drifted");
    } else {
        let mut table = sink(Format::Table, context.printer.stdout(), context.printer.table_options());
        table.begin(&columns)?;
        for row in &rows {
            table.row(row)?;
        }
        table.end()?;
    }
    Ok(ExitStatus::Clean)
}

fn read(plan: &Path) -> std::io::Result<String> {
    if plan.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(plan)
}
