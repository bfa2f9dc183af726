//! Holds a connector folder against its fixtures, over a system on the loopback that answers with them.
//!
//! The same suite is behind `changetrail connectors test DIR` and our own tests, so that a folder of the user's is held to
//! what ours are held to.

mod server;

pub use server::{Answer, Asked, Server};
