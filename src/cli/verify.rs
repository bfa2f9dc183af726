//! `verify`: whether the evidence is as it was stored.

use std::io::Write;

use crate::error::{ExitStatus, told};
use crate::output::inert;
use crate::store::Db;
use crate::verify;

use super::context::Context;

const EXAMPLES: &str = "\
Examples:
  changetrail verify                  check every record, batch and link, and print the head
  changetrail verify --head 3f2a…     also that the head which was kept elsewhere is still in the chain";

/// Check that the evidence is as it was stored
///
/// Every record is held against its hash, every batch against its records, every batch against the one before. Names
/// each edit that is found, and prints the head of the chain: kept where nobody edits it, it proves next time that
/// nothing before it was changed. What the systems' own digests of their logs did not vouch for, when `collect --validate`
/// last checked them, is named too. Exits 1 when the chain is broken or a log is not what was vouched for.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A head that was printed before: it must still be in the chain
    #[arg(long, value_name = "HASH", value_parser = hash)]
    head: Option<String>,
}

/// A head as it was printed: one that was cut off on its way proves nothing, and is no sign of an edit.
fn hash(text: &str) -> Result<String, String> {
    let hash = text.trim().to_ascii_lowercase();
    if hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(hash);
    }
    Err("a head has 64 hexadecimal digits, as `changetrail verify` prints it".to_owned())
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitStatus> {
    let (db, _) = context.open()?;
    let mut broken = Vec::new();
    let (checked, faults) = verify::digests(&db)?;
    for problem in verify::chain(&db)?.into_iter().chain(faults) {
        broken.push(format!("{} (source {}): {}", problem.subject, problem.source, problem.problem));
    }
    if let Some(head) = &args.head
        && !verify::is_in_chain(&db, head)?
    {
        broken.push(format!("head {head}: it is not in the chain, which was cut off or made anew"));
    }
    told(print(&db, &broken, checked, context))?;
    Ok(if broken.is_empty() { ExitStatus::Clean } else { ExitStatus::Findings })
}

fn print(db: &Db, broken: &[String], checked: i64, context: &Context) -> anyhow::Result<()> {
    let mut out = context.printer.stdout();
    for line in broken {
        writeln!(out, "broken  {}", inert(line))?;
    }
    match verify::head(db)? {
        Some(head) => writeln!(
            out,
            "head    {}  batch {}, {} records, {}",
            head.hash, head.batch, head.records, head.committed_at
        )?,
        None => writeln!(out, "head    nothing is stored yet")?,
    }
    if checked > 0 {
        writeln!(out, "digests {checked} held against the log files that they vouch for (`collect --validate`)")?;
    }
    out.flush()?;
    Ok(())
}

/// Says the head of the chain beside a report: whoever keeps the report keeps the proof.
pub(super) fn tell_head(db: &Db, context: &Context) -> anyhow::Result<()> {
    if let Some(head) = verify::head(db)? {
        context.printer.note(&format!("evidence head {}, batch {}", head.hash, head.batch));
    }
    Ok(())
}
