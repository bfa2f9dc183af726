//! What changed in live, who did it, and which approved release explains it.
//!
//! # The way of a record
//!
//! ```text
//!  systems ──collect──▶ raw_record ──map──▶ event, session, deployment_version, stage_version …
//!  (connectors/)        (evidence)   (SQL)        │
//!                                                 ├─reconcile─▶ actor, scope, link, verdict    queries/reconcile/
//!  changetrail.toml ──▶ service, scope, person …  │
//!                                                 ├─control──▶ control_result, finding          queries/controls/
//!                                                 └─report───▶ table, csv, json, ndjson         queries/reports/
//! ```
//!
//! **Rust moves bytes, SQL decides.** Rust fetches, checks, stores and renders. What a record means, who the actor is,
//! which release explains a change and which control failed is SQL in a file that an auditor can open. Records are
//! stored first and mapped second, so a better mapping or rule replays over all history.
//!
//! # Where things are
//!
//! | to change | look in |
//! |---|---|
//! | how a system is polled, what its records mean | `connectors/<system>/` (crate `changetrail-connectors`) |
//! | when, in which windows, and what is committed together | [`collect`] |
//! | the file, its schema, migrations, locks | [`store`], `queries/schema/`, `queries/store/` |
//! | who counts as the actor, what links, the verdict | `queries/reconcile/`, in the order of `src/reconcile/rules.rs` |
//! | a requirement of the standard | `queries/standards/`, `queries/controls/`, one file each; [`standard`] reads them |
//! | a report | `queries/reports/`, one file each; [`report`] parses its header and binds its parameters |
//! | how a result looks | [`output`], one file for each format |
//! | a command | [`cli`], one file each |
//! | the configuration | [`config`] |
//! | release records that a pipeline pushes | [`record`] |
//! | the chain of evidence | [`verify`], `queries/verify/`; `queries/store/batch_hash.sql` says what it is |
//!
//! # What always holds
//!
//! - A connector knows neither `DuckDB`, nor the command line, nor the clock; Cargo enforces it.
//! - [`store`] is the only module that names `duckdb`. SQL stands in files, but for single lines.
//! - A record and the unit that it came from commit in one transaction, and the cursor with them: killed at any moment,
//!   a collection loses nothing and needs no clean-up.
//! - Nothing is dropped silently: what cannot be read or mapped is a row in `quarantine`, what is not kept is counted.
//! - A judgement is one transaction, and the same whether all of it was made anew or only what the evidence since the last
//!   one concerns; only findings have a life of their own.
//! - Data goes to stdout, everything else to stderr, both through [`printer`].
//! - A run that could not do its whole job exits 2.

pub mod cli;
pub mod collect;
pub mod config;
pub mod contract;
pub mod error;
pub mod output;
pub mod printer;
pub mod progress;
pub mod reconcile;
pub mod record;
pub mod report;
pub mod standard;
pub mod store;
pub mod time;
pub mod verify;
