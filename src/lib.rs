//! What changed in live, who did it, and which approved release explains it.

pub mod cli;
pub mod collect;
pub mod config;
pub mod error;
pub mod output;
pub mod printer;
pub mod progress;
pub mod reconcile;
pub mod record;
pub mod report;
pub mod store;
pub mod time;
