//! A bucket: its folders, its objects, their bytes.
//!
//! The surprising fact: a bucket answers only in its own region, but to a request that comes to another one it says
//! which that is. So nobody has to configure it, and no permission is needed to find out.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, ResponseChecksumValidation};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::list_objects_v2::{ListObjectsV2Error, ListObjectsV2Output};

use super::super::explain::{Context, Failure};
use crate::{ConfigError, Error};

/// How often a request is made before it has failed.
const ATTEMPTS: u32 = 6;
/// How often the bytes of a range are asked for, where they stop coming.
const READS: u32 = 4;

/// One bucket.
#[derive(Debug)]
pub(crate) struct Bucket {
    pub(crate) name: String,
    client: Client,
    context: Context,
}

/// An object, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) key: String,
    /// Of the store's kind: changes when the object does.
    pub(crate) etag: String,
    pub(crate) size: u64,
    /// When it was written, where the list says so.
    pub(crate) modified: Option<jiff::Timestamp>,
}

/// One list.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) objects: Vec<Object>,
    pub(crate) token: Option<String>,
}

/// What came of asking for an object.
pub(crate) enum Got {
    Bytes(Vec<u8>),
    /// It cannot be had, now or later, and why; others can.
    Never(String),
}

impl Bucket {
    /// `by_path` where the bucket is no part of the host's name, as in emulators.
    pub(crate) async fn open(name: &str, config: &SdkConfig, by_path: bool) -> Result<Self, Error> {
        let region = config.region().map_or("us-east-1", Region::as_ref).to_owned();
        let bucket = Self::in_region(name, config, by_path, region.clone());
        let request = bucket.client.list_objects_v2().bucket(name).max_keys(1);
        let Err(error) = request.send().await else { return Ok(bucket) };
        let header = error.raw_response().and_then(|answer| answer.headers().get("x-amz-bucket-region"));
        match header.filter(|told| **told != region) {
            Some(told) => {
                tracing::debug!(bucket = name, region = told, "the bucket is in another region");
                Ok(Self::in_region(name, config, by_path, told.to_owned()))
            }
            None => Err(bucket.list_failed(error)),
        }
    }

    fn in_region(name: &str, config: &SdkConfig, by_path: bool, region: String) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(10))
            .operation_attempt_timeout(Duration::from_mins(1))
            .build();
        let settings = Builder::from(config)
            .region(Region::new(region.clone()))
            .force_path_style(by_path)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(timeouts)
            // The ranges of an object have no checksum of their own.
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        let context = Context { target: format!("s3://{name}"), region, role: None };
        Self { name: name.to_owned(), client: Client::from_conf(settings), context }
    }

    /// The folders of a folder, and which that was.
    pub(super) async fn folders(&self, folder: String) -> Result<(String, Vec<String>), Error> {
        let (mut folders, mut token) = (Vec::new(), None);
        loop {
            let request = self.client.list_objects_v2().bucket(&self.name).prefix(&folder).delimiter("/");
            let answer = request.set_continuation_token(token.clone()).send().await;
            let answer = answer.map_err(|error| self.list_failed(error))?;
            folders.extend(answer.common_prefixes().iter().filter_map(|common| common.prefix.clone()));
            match next(&answer) {
                Some(next) if token.as_ref() != Some(&next) => token = Some(next),
                Some(_) => return Err(self.bad("the same next list was named twice".into())),
                None => return Ok((folder, folders)),
            }
        }
    }

    /// The objects of a folder and all that is below it, whose keys come after `after`.
    pub(crate) async fn objects(&self, folder: &str, after: &str, token: Option<&str>) -> Result<Page, Error> {
        let request = self.client.list_objects_v2().bucket(&self.name).prefix(folder).start_after(after);
        let answer = request.set_continuation_token(token.map(str::to_owned)).send().await;
        let answer = answer.map_err(|error| self.list_failed(error))?;
        let token = next(&answer);
        let objects = answer.contents.unwrap_or_default().into_iter().filter_map(|object| {
            let size = u64::try_from(object.size.unwrap_or_default()).unwrap_or_default();
            let key = object.key.filter(|key| !key.ends_with('/'))?;
            let modified = object.last_modified.and_then(|time| jiff::Timestamp::from_second(time.secs()).ok());
            Some(Object { key, etag: etag(object.e_tag.as_deref(), size), size, modified })
        });
        Ok(Page { objects: objects.collect(), token })
    }

    /// What is known of one object without reading it, and its signature; `None` if it is not there.
    pub(super) async fn object(&self, key: &str) -> Result<Option<(Object, Option<String>)>, Error> {
        match self.client.head_object().bucket(&self.name).key(key).send().await {
            Ok(answer) => {
                let size = u64::try_from(answer.content_length.unwrap_or_default()).unwrap_or_default();
                let object = Object { key: key.to_owned(), etag: etag(answer.e_tag(), size), size, modified: None };
                Ok(Some((object, answer.metadata.and_then(|mut said| said.remove("signature")))))
            }
            Err(error) if error.raw_response().is_some_and(|answer| answer.status().as_u16() == 404) => Ok(None),
            Err(error) => Err(self.read_failed(error)),
        }
    }

    /// The bytes of an object from `from` to before `to`.
    pub(crate) async fn range(&self, object: &Object, from: u64, to: u64) -> Result<Got, Error> {
        let mut request = self.client.get_object().bucket(&self.name).key(&object.key);
        if (from, to) != (0, object.size) {
            request = request.range(format!("bytes={from}-{}", to - 1));
        }
        let mut reads = 0;
        loop {
            let answer = match request.clone().send().await {
                Ok(answer) => answer,
                Err(error) => match error.code() {
                    Some("NoSuchKey") => return Ok(Got::Never("it was deleted after it was listed".into())),
                    Some("InvalidObjectState") => {
                        return Ok(Got::Never("it is archived: restore it, and it is read".into()));
                    }
                    _ => return Err(self.read_failed(error)),
                },
            };
            if etag(answer.e_tag(), object.size) != object.etag {
                return Err(self.bad(format!("{} has changed while it was read", object.key)));
            }
            reads += 1;
            match answer.body.collect().await {
                Ok(bytes) => return Ok(Got::Bytes(bytes.to_vec())),
                Err(error) if reads < READS => {
                    tracing::warn!(key = %object.key, %error, "the bytes stopped coming, will ask again");
                }
                Err(error) => {
                    let help = "check the network".into();
                    let target = format!("{}/{}", self.context.target, object.key);
                    return Err(Error::Unreachable { target, help, source: error.into() });
                }
            }
        }
    }

    /// An answer that makes no sense.
    pub(crate) fn bad(&self, problem: String) -> Error {
        self.context.bad(problem)
    }

    fn list_failed(&self, error: SdkError<ListObjectsV2Error>) -> Error {
        if error.code() == Some("NoSuchBucket") {
            return Error::Config(ConfigError::BadValue {
                source_name: self.context.target.clone(),
                key: "bucket".into(),
                problem: "there is no such bucket".into(),
                help: "`bucket` is the bucket's name, without s3:// and without a path".into(),
            });
        }
        self.explain(&format!("s3:ListBucket on arn:aws:s3:::{}", self.name), error)
    }

    fn read_failed<E>(&self, error: SdkError<E>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        // S3 says only "Access Denied" where the bucket is in another account: it may be the key's permission then.
        let permission = format!(
            "s3:GetObject on arn:aws:s3:::{}/* (and kms:Decrypt of its key, if it is encrypted with one)",
            self.name
        );
        self.explain(&permission, error)
    }

    fn explain<E>(&self, permission: &str, error: SdkError<E>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let failure: Failure = self.context.explain(permission, error);
        failure.into_error(ATTEMPTS)
    }
}

fn next(answer: &ListObjectsV2Output) -> Option<String> {
    answer.next_continuation_token.clone().filter(|_| answer.is_truncated == Some(true))
}

/// What the store knows an object by.
pub(super) fn etag(etag: Option<&str>, size: u64) -> String {
    format!("{}-{size}", etag.unwrap_or_default().trim_matches('"'))
}
