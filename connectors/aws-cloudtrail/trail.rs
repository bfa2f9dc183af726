//! Reads a trail's bucket: every account and region that is found in it, side by side.
//!
//! Each account and region is a folder of its own and is listed from two days before it was last read; what is in the
//! store already, by key and etag, is not fetched again. The surprising fact: keys do not arrive in their order (the
//! minute in a name is older than the object by up to ten), so the last key seen says nothing about what comes next,
//! and collectors that go on after it lose records for good. With a queue of notifications the folders are listed once
//! a day only, as the repair of what notifications missed.
//!
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-find-log-files.html>

pub(crate) mod bucket;
mod layout;
mod notice;
mod notices;
mod object;
mod proofs;
mod queue;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::bucket::{Bucket, Object};
use self::queue::Queue;
use super::client::{Access, Role, with_role};
use super::digest::keys::Keys;
use super::{Log, lookup};
use crate::log::Format as _;
use crate::log::streams::{cursor, gather};
use crate::log::windows::is_ahead;
use crate::params::Params;
use crate::{Collector, ConfigError, Error, Run, Sink, Unit};

/// Objects that are fetched at the same time; a large one counts as several.
const FETCHES: usize = 64;
/// Bytes for which an object counts once.
const SMALL: u64 = 256 * 1024;
/// The most that one object counts, so that four large ones can be read at once.
const LARGEST: u32 = 16;
/// Folders that are listed at the same time.
const LISTS: usize = 16;
/// Between two listings of the folders, where a queue tells what has come.
const SWEEP: SignedDuration = SignedDuration::from_hours(24);
/// Read at first.
const FIRST: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Listed again before the time at which a folder was last read.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(48);

/// A source with `bucket`.
#[derive(Debug)]
pub(super) struct TrailCollector {
    bucket: String,
    /// Ends in `/` unless it is empty.
    prefix: String,
    queue_url: Option<String>,
    /// File with CloudTrail's public keys, in place of asking for them.
    keys: Option<PathBuf>,
    role: Option<Role>,
    access: Access,
}

impl TrailCollector {
    pub(super) fn configure(params: &Params<'_>, keys: Option<PathBuf>) -> Result<Self, ConfigError> {
        params.alone("bucket", &["regions", "share", "concurrency"])?;
        let bucket = params.string("bucket")?.unwrap_or_default();
        if !bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
            return Err(params.bad("bucket", format!("`{bucket}` is no name of a bucket")));
        }
        let mut prefix = params.string("prefix")?.unwrap_or_default();
        if !prefix.is_empty() && !prefix.ends_with('/') {
            prefix.push('/');
        }
        let queue_url = params.string("queue_url")?;
        if queue_url.as_ref().is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
            return Err(params.bad("queue_url", "it must start with https://"));
        }
        let mut roles = lookup::roles(params)?;
        if roles.len() > 1 {
            return Err(params.bad("role_arn", "a bucket is read by one role"));
        }
        Ok(Self { bucket, prefix, queue_url, keys, role: roles.pop(), access: Access::configure(params)? })
    }

    async fn config(&self, base: SdkConfig) -> SdkConfig {
        match &self.role {
            Some(role) => with_role(base, &role.arn).await,
            None => base,
        }
    }

    /// As [`Collector::collect`], with credentials and address as given.
    async fn collect_with(&self, base: SdkConfig, run: &Run, sink: &Sink) -> Result<(), Error> {
        let config = self.config(base).await;
        let bucket = Arc::new(Bucket::open(&self.bucket, &config, self.access.endpoint_url.is_some()).await?);
        let fetcher =
            Fetcher { bucket, fetches: Arc::new(Semaphore::new(FETCHES)), run: run.clone(), sink: sink.clone() };
        let Some(url) = &self.queue_url else { return self.sweep(&fetcher).await };
        // A queue that fails keeps nobody from looking for himself.
        let noticed = notices::read(&Queue::new(url, &config), &fetcher, &self.prefix).await;
        let name = format!("{}#sweep", self.place());
        let is_due = cursor(run, &name)?.is_none_or(|swept| swept + SWEEP <= run.now || is_ahead(swept, run.now));
        if is_due || run.since.is_some() || noticed.is_err() {
            self.sweep(&fetcher).await?;
            let cursor = Some((name, run.now.to_string()));
            sink.send(Unit { key: self.place(), last: true, cursor, ..Unit::default() }).await?;
        }
        noticed
    }

    /// Lists every folder for what is not in the store.
    async fn sweep(&self, fetcher: &Fetcher) -> Result<(), Error> {
        let folders = layout::folders(&fetcher.bucket, &self.prefix, layout::LOGS).await?;
        if folders.is_empty() {
            return Err(self.no_trail().into());
        }
        let lists = Arc::new(Semaphore::new(LISTS));
        let (mut tasks, streams) = (JoinSet::new(), folders.len());
        for folder in folders {
            let stream = Stream { fetcher: fetcher.clone(), folder, lists: Arc::clone(&lists) };
            tasks.spawn(async move { (stream.folder.clone(), stream.read().await) });
        }
        gather(tasks, streams).await
    }

    fn place(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix)
    }

    fn no_trail(&self) -> ConfigError {
        ConfigError::BadValue {
            source_name: self.place(),
            key: "prefix".into(),
            problem: "no folder AWSLogs/…/CloudTrail/REGION/ lies below it".into(),
            help: "`prefix` is what stands before AWSLogs/ in the keys of the log files, empty if nothing does".into(),
        }
    }
}

#[async_trait]
impl Collector for TrailCollector {
    async fn collect(&self, run: &Run, sink: &Sink) -> Result<(), Error> {
        self.collect_with(self.access.load_anywhere().await, run, sink).await
    }

    async fn validate(&self, run: &Run, sink: &Sink) -> Result<(), Error> {
        let config = self.config(self.access.load_anywhere().await).await;
        let bucket = Bucket::open(&self.bucket, &config, self.access.endpoint_url.is_some()).await?;
        let keys = self.keys.as_deref().map(Keys::of_file).transpose()?.map(Arc::new);
        proofs::check(Arc::new(bucket), &config, &self.prefix, keys, run, sink).await
    }

    fn plan(&self, run: &Run) -> Vec<String> {
        let place = self.place();
        let cursors = run.cursors.iter().filter(|(name, _)| name.starts_with(&place));
        let oldest = cursors.filter_map(|(_, time)| time.parse::<Timestamp>().ok()).min();
        let start = start(oldest, run.since, run.now);
        let queue = self.queue_url.iter().map(|url| format!("every log file that {url} names; once a day also"));
        let sweep = format!(
            "every log file below {place} that was delivered since {} and is new: one request for each folder of an \
             account and region and for each 1,000 of its files, and one for each file",
            start.strftime("%Y-%m-%d")
        );
        queue.chain([sweep]).collect()
    }

    fn is_path(&self) -> bool {
        true
    }
}

/// From which time on a folder is listed.
fn start(cursor: Option<Timestamp>, since: Option<Timestamp>, now: Timestamp) -> Timestamp {
    match (cursor, since) {
        (None, None) => now - FIRST,
        (None, Some(since)) => since,
        (Some(cursor), None) => cursor.min(now) - LOOK_BACK,
        // What lies between the cursor and `since` must not be left out.
        (Some(cursor), Some(since)) => (cursor.min(now) - LOOK_BACK).min(since),
    }
}

/// Fetches objects and hands over what is in them, so many at once.
#[derive(Clone)]
struct Fetcher {
    bucket: Arc<Bucket>,
    fetches: Arc<Semaphore>,
    run: Run,
    sink: Sink,
}

impl Fetcher {
    /// Starts to fetch an object, as soon as its turn comes.
    async fn fetch(&self, object: Object, fetching: &mut JoinSet<(String, Result<(), Error>)>) {
        let weight = u32::try_from(object.size / SMALL + 1).map_or(LARGEST, |weight| weight.min(LARGEST));
        let permit = Arc::clone(&self.fetches).acquire_many_owned(weight).await;
        let (bucket, run, sink) = (Arc::clone(&self.bucket), self.run.clone(), self.sink.clone());
        fetching.spawn(async move {
            let _permit = permit;
            (object.key.clone(), object::read(bucket, object, &run, &sink).await)
        });
    }

    /// Those that the store does not have as they are now.
    async fn unseen(&self, objects: Vec<Object>) -> Result<Vec<Object>, Error> {
        if self.run.since.is_some() || objects.is_empty() {
            return Ok(objects);
        }
        let seen = Arc::clone(&self.run.seen);
        let keys: Vec<String> = objects.iter().map(|object| object.key.clone()).collect();
        let asked = tokio::task::spawn_blocking(move || seen.etags(&keys)).await;
        let seen = asked.map_err(|source| Error::Worker { source: source.into() })??;
        let new = objects.into_iter().zip(seen).filter(|(object, seen)| seen.as_ref() != Some(&object.etag));
        Ok(new.map(|(object, _)| object).collect())
    }
}

/// The log files of one region of one account.
struct Stream {
    fetcher: Fetcher,
    /// Ends in `/`.
    folder: String,
    lists: Arc<Semaphore>,
}

impl Stream {
    async fn read(&self) -> Result<(), Error> {
        let Fetcher { bucket, run, sink, .. } = &self.fetcher;
        let name = format!("s3://{}/{}", bucket.name, self.folder);
        let from = start(cursor(run, &name)?, run.since, run.now).to_zoned(TimeZone::UTC);
        let after = format!("{}{}", self.folder, from.strftime("%Y/%m/%d/"));
        let mut fetching = JoinSet::new();
        let listed = self.list(&after, &mut fetching).await;
        let mut failed = listed.err();
        while let Some(ended) = fetching.join_next().await {
            let (_, ended) = ended.map_err(|source| Error::Worker { source: source.into() })?;
            failed = failed.or(ended.err());
        }
        if let Some(error) = failed {
            return Err(error);
        }
        // Also where nothing came: that it was looked at is what the next look starts from.
        let cursor = Some((name, run.now.to_string()));
        sink.send(Unit { key: self.folder.clone(), last: true, cursor, ..Unit::default() }).await
    }

    /// Lists the folder and fetches what is new, until there is no more or something fails.
    async fn list(&self, after: &str, fetching: &mut JoinSet<(String, Result<(), Error>)>) -> Result<(), Error> {
        let _permit = self.lists.acquire().await;
        let bucket = &self.fetcher.bucket;
        let (mut token, mut others) = (None, 0);
        loop {
            let page = bucket.objects(&self.folder, after, token.as_deref()).await?;
            let (wanted, rest): (Vec<Object>, Vec<Object>) =
                page.objects.into_iter().partition(|object| Log.is_wanted(&object.key.to_lowercase()));
            others += rest.len();
            for object in self.fetcher.unseen(wanted).await? {
                self.fetcher.fetch(object, fetching).await;
                // What has failed stops the folder: the rest would mostly fail the same way.
                while let Some(ended) = fetching.try_join_next() {
                    ended.map_err(|source| Error::Worker { source: source.into() })?.1?;
                }
            }
            match page.token {
                Some(next) if token.as_ref() != Some(&next) => token = Some(next),
                Some(_) => return Err(bucket.bad("the same next list was named twice".into())),
                None => break,
            }
        }
        if others > 0 {
            tracing::warn!(folder = %self.folder, objects = others, "objects that are no log files were left out");
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod fake;
#[cfg(test)]
mod tests;
