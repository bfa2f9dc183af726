//! Files that lie in a bucket of S3 or in a container of a storage account, for connectors that read them whole.
//!
//! What is in the store already, by key and etag, is not fetched again. The surprising fact: a file that was replaced
//! between the list and the fetch is an error, not a file: the next collection finds it as it is then.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use crate::aws_cloudtrail::trail::bucket::{Bucket, Got, Object};
use crate::azure_activity_log::blob::{Container, Listed};
use crate::files::{day_in, hex};
use crate::http::Connection;
use crate::http::aws::{Access, with_role};
use crate::params::Params;
use crate::{ConfigError, Error, Redactor, Run, Sink, Unit};

/// Lists of one place; more are a system that never ends.
const MAX_LISTS: usize = 100_000;

/// Where the files lie.
#[derive(Debug)]
pub(crate) enum Objects {
    Bucket { name: String, prefix: String, role: Option<String>, access: Access },
    Container(Container),
}

/// What makes units of a file's bytes.
pub(crate) trait Parse: Send + Sync {
    /// Whether a file of this name is one of those that are read.
    fn is_wanted(&self, key: &str) -> bool;

    /// Bytes that a file may have.
    fn limit(&self) -> u64;

    /// The parts of the unit that a file is, the last one last; `written` is when it was, where that is known.
    fn parse(&self, unit: Unit, bytes: &[u8], written: Option<Timestamp>, redactor: &Redactor) -> Vec<Unit>;
}

impl Objects {
    /// The place that a source names, if it names one.
    pub(crate) fn configure(params: &Params<'_>) -> Result<Option<Self>, ConfigError> {
        if params.has("container") {
            params.alone("container", &["path", "bucket", "role_arn", "profile", "endpoint_url"])?;
            return Container::configure(params).map(|container| Some(Self::Container(container)));
        }
        let Some(name) = params.string("bucket")? else {
            params.needed_for("bucket", &["prefix", "role_arn", "profile", "endpoint_url", "tenant_id"])?;
            return Ok(None);
        };
        params.alone("bucket", &["path", "tenant_id"])?;
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
            return Err(params.bad("bucket", format!("`{name}` is no name of a bucket")));
        }
        let prefix = params.string("prefix")?.unwrap_or_default();
        Ok(Some(Self::Bucket { name, prefix, role: params.string("role_arn")?, access: Access::configure(params)? }))
    }

    /// What stands before every key.
    pub(crate) fn prefix(&self) -> &str {
        match self {
            Self::Bucket { prefix, .. } => prefix,
            Self::Container(container) => container.prefix.as_deref().unwrap_or_default(),
        }
    }

    pub(crate) fn target(&self) -> String {
        match self {
            Self::Bucket { name, prefix, .. } => format!("s3://{name}/{prefix}"),
            Self::Container(container) => format!("{}/{}", container.target(), self.prefix()),
        }
    }

    /// Reads every file that is new or has changed, and says how far it has read.
    pub(crate) async fn collect(&self, parse: Arc<dyn Parse>, run: &Run, sink: &Sink) -> Result<(), Error> {
        let place = Place::open(self).await?;
        let (mut next, mut others) = (None, 0);
        for _ in 0..MAX_LISTS {
            let (listed, token) = place.list(self.prefix(), next.as_deref()).await?;
            let count = listed.len();
            let wanted: Vec<Listed> =
                listed.into_iter().filter(|file| parse.is_wanted(&file.name.to_lowercase())).collect();
            others += count - wanted.len();
            for file in unseen(wanted, run).await? {
                for unit in read(&place, &*parse, file, run).await? {
                    sink.send(unit).await?;
                }
            }
            if token.is_none() || token == next {
                if others > 0 {
                    tracing::warn!(place = %self.target(), files = others, "files of other kinds were left out");
                }
                let cursor = Some((self.target(), run.now.to_string()));
                return sink.send(Unit { key: self.target(), last: true, cursor, ..Unit::default() }).await;
            }
            next = token;
        }
        let problem = format!("more than {MAX_LISTS} lists");
        Err(Error::BadResponse { target: self.target(), problem, source: None })
    }
}

/// Those that the store does not have as they are now.
async fn unseen(files: Vec<Listed>, run: &Run) -> Result<Vec<Listed>, Error> {
    if run.since.is_some() || files.is_empty() {
        return Ok(files);
    }
    let (seen, keys) = (Arc::clone(&run.seen), files.iter().map(|file| file.name.clone()).collect::<Vec<_>>());
    let asked = tokio::task::spawn_blocking(move || seen.etags(&keys)).await;
    let seen = asked.map_err(|source| Error::Worker { source: source.into() })??;
    Ok(files
        .into_iter()
        .zip(seen)
        .filter(|(file, seen)| seen.as_ref() != Some(&file.etag))
        .map(|(file, _)| file)
        .collect())
}

/// The parts of the unit that a file is.
async fn read(place: &Place<'_>, parse: &dyn Parse, file: Listed, run: &Run) -> Result<Vec<Unit>, Error> {
    let day = day_in(&file.name).unwrap_or_else(|| run.now.to_zoned(TimeZone::UTC).date());
    let unit = Unit { key: file.name.clone(), etag: file.etag.clone(), day: Some(day), ..Unit::default() };
    let incomplete = |problem: String| vec![Unit { last: true, incomplete: Some(problem), ..unit.clone() }];
    if file.size > parse.limit() {
        return Ok(incomplete(format!(
            "the file has {} bytes, more than the {} that it may have",
            file.size,
            parse.limit()
        )));
    }
    let bytes = match place.get(&file).await? {
        Got::Bytes(bytes) => bytes,
        Got::Never(problem) => return Ok(incomplete(problem)),
    };
    let mut units = parse.parse(unit.clone(), &bytes, file.modified, &run.redactor);
    if let Some(last) = units.last_mut() {
        last.last = true;
        last.size = bytes.len() as u64;
        last.sha256 = hex(&Sha256::digest(&bytes));
    }
    Ok(units)
}

/// A place that is open.
enum Place<'a> {
    Bucket(Bucket),
    Container(&'a Container, Box<Connection>),
}

impl<'a> Place<'a> {
    async fn open(objects: &'a Objects) -> Result<Self, Error> {
        Ok(match objects {
            Objects::Bucket { name, role, access, .. } => {
                let mut config = access.load_anywhere().await;
                if let Some(role) = role {
                    config = with_role(config, role).await;
                }
                Self::Bucket(Bucket::open(name, &config, access.endpoint_url.is_some()).await?)
            }
            Objects::Container(container) => Self::Container(container, Box::new(container.connect()?)),
        })
    }

    async fn list(&self, prefix: &str, token: Option<&str>) -> Result<(Vec<Listed>, Option<String>), Error> {
        match self {
            Self::Bucket(bucket) => {
                let page = bucket.objects(prefix, "", token).await?;
                let listed = |object: Object| Listed {
                    name: object.key,
                    etag: object.etag,
                    size: object.size,
                    modified: object.modified,
                };
                Ok((page.objects.into_iter().map(listed).collect(), page.token))
            }
            Self::Container(container, storage) => container.list(storage, token).await,
        }
    }

    async fn get(&self, file: &Listed) -> Result<Got, Error> {
        match self {
            Self::Bucket(bucket) => {
                let object =
                    Object { key: file.name.clone(), etag: file.etag.clone(), size: file.size, modified: None };
                bucket.range(&object, 0, file.size).await
            }
            Self::Container(container, storage) => container.bytes(storage, file).await.map(Got::Bytes),
        }
    }
}
