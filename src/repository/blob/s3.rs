//! Blobs as objects of a bucket; every call is bounded in time, and what is only slow today is told from what is wrong.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, tls};
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use futures_util::{Stream, stream};
use secrecy::ExposeSecret;

use super::s3_writer::S3Writer;
use super::{BlobKey, CHUNK, length, missing, short};
use crate::config::AwsConfig;
use crate::error::{Error, Result};

/// Longest that making a connection may take; a store that is near is there at once or not at all.
const CONNECT: Duration = Duration::from_secs(3);

/// Most keys that S3 answers at once.
const PAGE: usize = 1_000;

/// Blobs as objects of a bucket.
#[derive(Debug, Clone)]
pub struct S3Store {
    pub(super) client: Client,
    pub(super) bucket: Arc<str>,
    /// What the name of every object starts with: nothing, or a folder with its slash.
    prefix: Arc<str>,
    timeout: Duration,
}

impl S3Store {
    pub(super) async fn open(bucket: &str, prefix: &str, aws: &AwsConfig, timeout: Duration) -> Result<Self> {
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let store = Self { client: client(aws, timeout)?, bucket: bucket.into(), prefix: prefix.into(), timeout };
        store.make_bucket(&aws.aws_region).await?;
        Ok(store)
    }

    /// Makes the bucket unless it is there. Several replicas may start at once: then one of them makes it.
    async fn make_bucket(&self, region: &str) -> Result<()> {
        match self.client.head_bucket().bucket(&*self.bucket).send().await {
            Ok(_) => return Ok(()),
            Err(error) if status(&error) == Some(404) => {}
            Err(error) => return Err(failure("looking for the bucket", error)),
        }
        // The first region is the one that is meant when none is named, and may not be named here.
        let location = (region != "us-east-1").then(|| BucketLocationConstraint::from(region));
        let place = location.map(|location| CreateBucketConfiguration::builder().location_constraint(location).build());
        let request = self.client.create_bucket().bucket(&*self.bucket).set_create_bucket_configuration(place);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.code(), Some("BucketAlreadyOwnedByYou" | "BucketAlreadyExists")) => {
                self.ping().await
            }
            Err(error) => Err(failure("making the bucket", error)),
        }
    }

    /// The name of a key's object.
    pub(super) fn name(&self, key: &BlobKey) -> String {
        format!("{}{}", self.prefix, key.path())
    }

    pub(super) async fn put(&self, key: BlobKey, chunks: Vec<Bytes>) -> Result<()> {
        let body = match <[Bytes; 1]>::try_from(chunks) {
            Ok([only]) => only,
            Err(chunks) => {
                let mut whole = BytesMut::with_capacity(chunks.iter().map(Bytes::len).sum());
                chunks.iter().for_each(|chunk| whole.extend_from_slice(chunk));
                whole.freeze()
            }
        };
        let request = self.client.put_object().bucket(&*self.bucket).key(self.name(&key)).body(ByteStream::from(body));
        // Signing the body too would mean to hash all of it on an async thread; integrity is what TLS is for.
        match request.customize().disable_payload_signing().send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(failure("storing a blob", error)),
        }
    }

    pub(super) fn writer(&self, key: BlobKey) -> S3Writer {
        S3Writer::new(self.clone(), key)
    }

    pub(super) async fn read(&self, key: BlobKey, range: Range<u64>) -> Result<Option<Bytes>> {
        let Some(body) = self.body(key, &range).await? else { return Ok(None) };
        let body = self.in_time(body.collect()).await?.map_err(interrupted)?.into_bytes();
        if body.len() == length(&range)? { Ok(Some(body)) } else { Err(short(key, &range)) }
    }

    pub(super) fn stream(
        &self,
        key: BlobKey,
        range: Range<u64>,
    ) -> impl Stream<Item = Result<Bytes>> + Send + 'static + use<> {
        let store = self.clone();
        let start = (None, Bytes::new(), range);
        stream::try_unfold(start, move |(body, mut held, rest): (Option<ByteStream>, Bytes, Range<u64>)| {
            let store = store.clone();
            async move {
                let mut body = match body {
                    Some(body) => body,
                    None => store.body(key, &rest).await?.ok_or_else(|| missing(key))?,
                };
                while held.is_empty() {
                    match store.in_time(body.next()).await? {
                        Some(chunk) => held = chunk.map_err(interrupted)?,
                        None if rest.is_empty() => return Ok(None),
                        None => return Err(short(key, &rest)),
                    }
                }
                let chunk = held.split_to(held.len().min(CHUNK));
                let start = rest.start + chunk.len() as u64;
                Ok(Some((chunk, (Some(body), held, start..rest.end))))
            }
        })
    }

    /// The body that holds exactly this range, or nothing if there is no such object.
    async fn body(&self, key: BlobKey, range: &Range<u64>) -> Result<Option<ByteStream>> {
        let wanted = length(range)?;
        let name = self.name(&key);
        if wanted == 0 {
            // HTTP cannot ask for no bytes.
            return match self.client.head_object().bucket(&*self.bucket).key(name).send().await {
                Ok(_) => Ok(Some(ByteStream::default())),
                Err(error) if status(&error) == Some(404) => Ok(None),
                Err(error) => Err(failure("looking for a blob", error)),
            };
        }
        let bytes = format!("bytes={}-{}", range.start, range.end - 1);
        match self.client.get_object().bucket(&*self.bucket).key(name).range(bytes).send().await {
            // A range that goes beyond the end is cut, not refused, so the length must be looked at.
            Ok(got) if got.content_length().is_none_or(|length| usize::try_from(length) == Ok(wanted)) => {
                Ok(Some(got.body))
            }
            Ok(_) => Err(short(key, range)),
            Err(error) if error.code() == Some("NoSuchKey") => Ok(None),
            Err(error) if status(&error) == Some(416) => Err(short(key, range)),
            Err(error) => Err(failure("reading a blob", error)),
        }
    }

    pub(super) async fn delete(&self, key: BlobKey) -> Result<()> {
        match self.client.delete_object().bucket(&*self.bucket).key(self.name(&key)).send().await {
            Ok(_) => Ok(()),
            // S3 does not mind an absent object; some of its likenesses do.
            Err(error) if error.code() == Some("NoSuchKey") => Ok(()),
            Err(error) => Err(failure("removing a blob", error)),
        }
    }

    pub(super) async fn list(&self, after: Option<BlobKey>, limit: usize) -> Result<Vec<BlobKey>> {
        let mut keys = Vec::new();
        let mut after = after.map(|key| self.name(&key));
        while keys.len() < limit {
            let page = i32::try_from((limit - keys.len()).min(PAGE)).unwrap_or(i32::MAX);
            let request = self.client.list_objects_v2().bucket(&*self.bucket).prefix(&*self.prefix).max_keys(page);
            let answer =
                request.set_start_after(after).send().await.map_err(|error| failure("listing blobs", error))?;
            let names = || answer.contents().iter().filter_map(|object| object.key());
            keys.extend(names().filter_map(|name| BlobKey::parse(name.strip_prefix(&*self.prefix)?)));
            after = names().next_back().map(str::to_owned);
            if answer.is_truncated() != Some(true) || after.is_none() {
                break;
            }
        }
        Ok(keys)
    }

    pub(super) async fn abort_stale(&self, before: DateTime<Utc>) -> Result<usize> {
        let mut aborted = 0;
        let (mut key_marker, mut upload_marker) = (None, None);
        loop {
            let request = self.client.list_multipart_uploads().bucket(&*self.bucket).prefix(&*self.prefix);
            let request = request.set_key_marker(key_marker).set_upload_id_marker(upload_marker);
            let answer = match request.send().await {
                Ok(answer) => answer,
                Err(error) if error.code() == Some("NotImplemented") || status(&error) == Some(501) => {
                    tracing::debug!("the store does not list unfinished uploads, so none is given up");
                    return Ok(aborted);
                }
                Err(error) => return Err(failure("listing unfinished uploads", error)),
            };
            for upload in answer.uploads() {
                let begun =
                    upload.initiated().and_then(|begun| DateTime::from_timestamp(begun.secs(), begun.subsec_nanos()));
                let (Some(name), Some(id)) = (upload.key(), upload.upload_id()) else { continue };
                let ours = name.strip_prefix(&*self.prefix).is_some_and(|path| BlobKey::parse(path).is_some());
                if ours && begun.is_some_and(|begun| begun < before) {
                    self.abort(name, id).await?;
                    aborted += 1;
                }
            }
            if answer.is_truncated() != Some(true) {
                return Ok(aborted);
            }
            key_marker = answer.next_key_marker().map(str::to_owned);
            upload_marker = answer.next_upload_id_marker().map(str::to_owned);
        }
    }

    /// Gives up one upload in parts; one that is gone is fine.
    pub(super) async fn abort(&self, name: &str, id: &str) -> Result<()> {
        let request = self.client.abort_multipart_upload().bucket(&*self.bucket).key(name).upload_id(id);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("NoSuchUpload") => Ok(()),
            Err(error) => Err(failure("giving an upload up", error)),
        }
    }

    pub(super) async fn ping(&self) -> Result<()> {
        match self.client.head_bucket().bucket(&*self.bucket).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(failure("reaching the bucket", error)),
        }
    }

    /// Bounds what the client does not: the bytes of an answer, once its head is there.
    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        let late = |_| Error::unavailable(anyhow!("no bytes of a blob came within {:?}", self.timeout));
        tokio::time::timeout(self.timeout, work).await.map_err(late)
    }
}

/// The client of the store that `aws` describes.
fn client(aws: &AwsConfig, timeout: Duration) -> Result<Client> {
    let wanted = |variable| move || Error::Internal(anyhow!("{variable} is required when BLOB_URL is s3://…"));
    let access = aws.aws_access_key_id.as_deref().ok_or_else(wanted("AWS_ACCESS_KEY_ID"))?;
    let secret = aws.aws_secret_access_key.as_ref().ok_or_else(wanted("AWS_SECRET_ACCESS_KEY"))?.expose_secret();
    let token = aws.aws_session_token.as_ref().map(|token| token.expose_secret().to_owned());
    let plain = aws.aws_endpoint_url.as_deref().is_some_and(|url| url.starts_with("http://"));
    // The TLS client wants the system's certificates, which a small container need not have.
    let http = match plain {
        true => Builder::new().build_http(),
        false => Builder::new().tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).build_https(),
    };
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT.min(timeout)).operation_timeout(timeout).build();
    let retries = RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(50));
    let mut config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .region(Region::new(aws.aws_region.clone()))
        .credentials_provider(Credentials::new(access, secret, token, None, "configuration"))
        .timeout_config(timeouts)
        .retry_config(retries)
        // A slow answer is bounded by `in_time`, which does not mistake a slow taker for a slow store.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    if let Some(endpoint) = &aws.aws_endpoint_url {
        config = config.endpoint_url(endpoint).force_path_style(true);
    }
    Ok(Client::from_conf(config.build()))
}

/// The HTTP status of a refusal.
fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// Tells a store that is away, overloaded or does not let us in for now from a request that can never succeed.
pub(super) fn failure<E: std::error::Error + Send + Sync + 'static>(what: &'static str, error: SdkError<E>) -> Error {
    let lasting = matches!(status(&error), Some(400..=499)) && !matches!(status(&error), Some(401 | 403 | 408 | 429));
    let built = matches!(error, SdkError::ConstructionFailure(_));
    let cause = anyhow::Error::new(error).context(what);
    if lasting || built { Error::Internal(cause) } else { Error::unavailable(cause) }
}

/// The error of an answer that broke off.
fn interrupted(error: aws_sdk_s3::primitives::ByteStreamError) -> Error {
    Error::unavailable(anyhow::Error::new(error).context("a blob broke off while it was read"))
}
