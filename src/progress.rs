//! What long work tells whoever watches: the work does not know whether anybody does.

/// Receives the progress of long work. Called from several threads.
pub trait Progress: Send + Sync {
    /// A task starts; `total` steps if their number is known.
    fn begin(&self, task: &str, total: Option<u64>);
    /// The task has gone `steps` further; `message` says where it is.
    fn advance(&self, task: &str, steps: u64, message: &str);
    /// The task has ended.
    fn end(&self, task: &str);
    /// Something that a person should know, without failing the work.
    fn warn(&self, message: &str);
}

/// Nobody watches.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, _: &str, _: u64, _: &str) {}
    fn end(&self, _: &str) {}
    fn warn(&self, _: &str) {}
}
