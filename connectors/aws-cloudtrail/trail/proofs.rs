//! Holds a bucket's log files against the digests beside them, with the public keys of a file, else of each region.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use aws_config::{Region, SdkConfig};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::bucket::Bucket;
use super::object::Bytes;
use super::{LISTS, LOOK_BACK, layout};
use crate::aws_cloudtrail::digest::DIGESTS;
use crate::aws_cloudtrail::digest::check::{self, Place};
use crate::aws_cloudtrail::digest::keys::Keys;
use crate::log::streams::gather;
use crate::{Error, Run, Sink};

/// Keys are asked for from this long before the first digest: those of one made late may be older.
const EARLIER: SignedDuration = SignedDuration::from_hours(2);

/// Checks the digests of the last two days, or since the time asked for; without `keys` each region is asked for its own.
pub(super) async fn check(
    bucket: Arc<Bucket>,
    config: &SdkConfig,
    prefix: &str,
    keys: Option<Arc<Keys>>,
    run: &Run,
    sink: &Sink,
) -> Result<(), Error> {
    let from = run.since.unwrap_or(run.now - LOOK_BACK);
    let folders = layout::folders(&bucket, prefix, DIGESTS).await?;
    let (permits, mut tasks, streams) = (Arc::new(Semaphore::new(LISTS)), JoinSet::new(), folders.len());
    let any = Arc::new(AtomicBool::new(false));
    let none = Error::NoDigest { place: format!("the bucket, from {from:.0} on") };
    for folder in folders {
        let region = folder.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        let config = config.to_builder().region(Region::new(region.clone())).build();
        let (bucket, permits, sink, now) = (Arc::clone(&bucket), Arc::clone(&permits), sink.clone(), run.now);
        let (keys, any) = (keys.clone(), Arc::clone(&any));
        tasks.spawn(async move {
            let _permit = permits.acquire_owned().await;
            let client = aws_sdk_cloudtrail::Client::new(&config);
            let result = one_folder(bucket, &client, keys, &region, &folder, (from, now), sink).await;
            any.fetch_or(matches!(result, Ok(true) | Err(_)), Ordering::Relaxed);
            (folder, result.map(|_| ()))
        });
    }
    gather(tasks, streams).await?;
    // A region may have none; every hour has one where there is a trail.
    if any.load(Ordering::Relaxed) { Ok(()) } else { Err(none) }
}

/// Whether it has any.
async fn one_folder(
    bucket: Arc<Bucket>,
    client: &aws_sdk_cloudtrail::Client,
    keys: Option<Arc<Keys>>,
    region: &str,
    folder: &str,
    (from, now): (Timestamp, Timestamp),
    sink: Sink,
) -> Result<bool, Error> {
    let after = format!("{folder}{}", from.to_zoned(TimeZone::UTC).strftime("%Y/%m/%d/"));
    let (mut found, mut token) = (Vec::new(), None);
    loop {
        let page = bucket.objects(folder, &after, token.as_deref()).await?;
        found.extend(page.objects.into_iter().map(|object| object.key));
        match page.token {
            Some(next) if token.as_ref() != Some(&next) => token = Some(next),
            Some(_) => return Err(bucket.bad("the same next list was named twice".into())),
            None => break,
        }
    }
    if found.is_empty() {
        return Ok(false);
    }
    let keys = match keys {
        Some(keys) => keys,
        None => Arc::new(Keys::of_region(client, region, from - EARLIER, now).await?),
    };
    let checking = tokio::task::spawn_blocking(move || {
        let place: Arc<dyn Place> = Arc::new(Remote(bucket));
        for (chain, digests) in check::chains(found) {
            check::chain(&place, &chain, &keys, &digests, &sink)?;
        }
        Ok(true)
    });
    checking.await.map_err(|source| Error::Worker { source: source.into() })?
}

struct Remote(Arc<Bucket>);

impl Place for Remote {
    fn open(&self, key: &str) -> Result<Option<Box<dyn Read>>, Error> {
        let Some((object, _)) = Handle::current().block_on(self.0.object(key))? else { return Ok(None) };
        let stopped = Arc::new(Mutex::new(None));
        Ok(Some(Box::new(Bytes::new(Arc::clone(&self.0), object, stopped))))
    }

    fn signature(&self, key: &str) -> Result<Option<String>, Error> {
        Ok(Handle::current().block_on(self.0.object(key))?.and_then(|(_, signature)| signature))
    }
}
