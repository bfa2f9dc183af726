//! The tests of the whole program: the command and the library with all their real parts, on data that lies in a folder of
//! its own. One binary, because each one links `DuckDB`.
//!
//! Rules are tested in `cases/` (data, no Rust); the other files are about what a whole run does.

mod support;

mod again;
mod answers;
mod approved;
mod auditor;
mod azure;
mod cases;
mod check;
mod ci;
mod clock;
mod connectors;
mod digests;
mod echoes;
mod entra;
mod habits;
mod history;
mod hostile;
mod idempotence;
mod import;
mod input;
mod integrity;
mod kill;
mod life;
mod lists;
mod localstack;
mod lock;
mod mapping;
mod named;
mod pages;
mod pipelines;
mod real_records;
mod reports;
mod retold;
mod rewritten;
mod sample;
mod scenarios;
mod standard;
mod store;
mod streams;
mod terraform;
mod trail;
mod verify;
mod wordpress;
