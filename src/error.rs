//! What a run ends with, how an error is told, and what the user may have meant.
//!
//! Messages are lowercase, say what was being done and to what, and leave their cause to the next link of the chain.
//! What to do about it is a [`Hint`], told apart from the message.

use std::io;
use std::process::ExitCode;

/// How a run ends. A partial job is never [`ExitStatus::Clean`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// Done, nothing to flag.
    Clean,
    /// Done, and there are findings at or above the level asked for.
    Findings,
    /// Could not do the whole job.
    Incomplete,
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        match status {
            ExitStatus::Clean => Self::from(0),
            ExitStatus::Findings => Self::from(1),
            ExitStatus::Incomplete => Self::from(2),
        }
    }
}

/// An error with its causes, in one line; a cause that is quoted already is not said twice.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) && !says_nothing(&said) {
            text = format!("{text}: {said}");
        }
        next = cause.source();
    }
    text
}

/// Whether a cause is none: `DuckDB`'s driver ends its chains with a number.
pub(crate) fn says_nothing(cause: &str) -> bool {
    cause.ends_with("Unknown error code")
}

/// A cause that is told in lines: what the engine says shows the place in a statement.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Lines(pub String);

/// What to do about an error.
pub trait Hint {
    /// One or two sentences, or nothing where the message says it all.
    fn hint(&self) -> Option<String>;
}

/// Whether an error is only that nobody reads our output any more (`changetrail … | head`).
#[must_use]
pub fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            return true;
        }
        next = error.source();
    }
    false
}

/// What came of telling something, where it is no failure that nobody reads it to its end: how a run ends is what it
/// found, not who listened.
///
/// # Errors
/// Anything else that went wrong.
pub fn told(result: anyhow::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if is_broken_pipe(error.as_ref()) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_pipe_is_found_in_the_chain() {
        let error = anyhow::Error::new(io::Error::from(io::ErrorKind::BrokenPipe)).context("writing");
        assert!(is_broken_pipe(error.as_ref()));
        assert!(!is_broken_pipe(&io::Error::other("x")));
    }
}
