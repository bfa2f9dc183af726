//! Runs connector folders: what a `connector.toml` says, without code.
//!
//! `tables.rs` is the file as it is written, `check.rs` makes [`stream::Stream`]s of it, `collect.rs` reads them: events
//! window by window (`events.rs`), objects snapshot by snapshot (`state.rs`), each page by page (`pages.rs`), every
//! request through [`crate::http`]. The surprising fact: a description only says what to ask; that a cursor never passes
//! what is stored, that a walk ends, and that a secret goes nowhere else, is not for it to say.

mod ask;
mod auth;
mod check;
mod collect;
mod events;
mod files;
mod folder;
mod gone;
mod pages;
mod parse;
mod parts;
mod records;
mod sense;
mod snapshot;
mod source;
mod state;
mod stream;
mod tables;
mod template;
#[cfg(test)]
mod tests;
mod together;

pub use auth::throwaway_rsa_key;
pub(crate) use check::seconds;
pub(crate) use folder::Folder;
pub use folder::FolderError;
pub(crate) use parse::parse;
pub(crate) use tables::{
    Auth, Cursor, Errors, ForEach, Identity, Limits, Paginate, Records, Request, Stream, errors, redact, some,
};
