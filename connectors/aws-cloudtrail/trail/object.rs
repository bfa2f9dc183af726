//! Reads one object, range by range, through the reader of log files.
//!
//! The surprising fact: an object that could not be fetched is not one that cannot be read. Its last part is held back
//! then, so that it does not count as read and is fetched again.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;

use super::bucket::{Bucket, Got, Object};
use crate::aws_cloudtrail::Log;
use crate::log::reader::{self, Limits};
use crate::{Error, Run, Sink, Unit};

/// Bytes that are asked for at once.
const RANGE: u64 = 4 * 1024 * 1024;

/// Fetches an object and hands over what is in it.
pub(super) async fn read(bucket: Arc<Bucket>, object: Object, run: &Run, sink: &Sink) -> Result<(), Error> {
    let day = reader::day(&object.key, None);
    let unit = Unit { key: object.key.clone(), etag: object.etag.clone(), day, ..Unit::default() };
    let (redactor, sink) = (Arc::clone(&run.redactor), sink.clone());
    let reading = tokio::task::spawn_blocking(move || {
        let stopped = Arc::new(Mutex::new(None));
        let bytes =
            Bytes { bucket, object, asked: 0, chunk: io::Cursor::new(Vec::new()), stopped: Arc::clone(&stopped) };
        let why = || stopped.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut failure = None;
        let mut emit = |unit: Unit| match why().filter(|_| unit.last) {
            Some(Stopped::Failed(error)) => {
                failure = Some(error);
                Ok(())
            }
            Some(Stopped::Never(reason)) => sink.send_blocking(Unit { incomplete: Some(reason), ..unit }),
            None => sink.send_blocking(unit),
        };
        reader::read(bytes, unit, &Log, Limits::default(), &redactor, &mut emit)?;
        failure.map_or(Ok(()), Err)
    });
    reading.await.map_err(|source| Error::Worker { source: source.into() })?
}

/// Why the bytes ended early.
pub(super) enum Stopped {
    Failed(Error),
    Never(String),
}

/// The bytes of an object, on a thread that may wait.
pub(super) struct Bytes {
    bucket: Arc<Bucket>,
    object: Object,
    asked: u64,
    chunk: io::Cursor<Vec<u8>>,
    stopped: Arc<Mutex<Option<Stopped>>>,
}

impl Bytes {
    /// `stopped` gets to know why the bytes ended early.
    pub(super) fn new(bucket: Arc<Bucket>, object: Object, stopped: Arc<Mutex<Option<Stopped>>>) -> Self {
        Self { bucket, object, asked: 0, chunk: io::Cursor::new(Vec::new()), stopped }
    }
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.chunk.read(buffer)?;
        if count > 0 || self.asked >= self.object.size || buffer.is_empty() {
            return Ok(count);
        }
        let to = (self.asked + RANGE).min(self.object.size);
        let (reason, stopped) = match Handle::current().block_on(self.bucket.range(&self.object, self.asked, to)) {
            Ok(Got::Bytes(bytes)) if bytes.len() as u64 == to - self.asked => {
                self.asked = to;
                self.chunk = io::Cursor::new(bytes);
                return self.chunk.read(buffer);
            }
            Ok(Got::Bytes(bytes)) => {
                let problem = format!("{} bytes of {} came, not {}", bytes.len(), self.object.key, to - self.asked);
                (problem.clone(), Stopped::Failed(self.bucket.bad(problem)))
            }
            Ok(Got::Never(reason)) => (reason.clone(), Stopped::Never(reason)),
            Err(error) => (error.to_string(), Stopped::Failed(error)),
        };
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = Some(stopped);
        Err(io::Error::other(reason))
    }
}
