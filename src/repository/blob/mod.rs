//! Immutable blobs on disk or in S3, with the same promises on both: what was answered is durable, what was not
//! finished leaves nothing that a reader could see, and memory does not grow with a blob's size.

mod appender;
mod disk;
mod disk_writer;
mod files;
mod key;
mod s3;
mod s3_writer;

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use anyhow::anyhow;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::future::Either;
use futures_util::{Stream, StreamExt};

use crate::config::{AwsConfig, BlobUrl};
use crate::error::{Error, Result};

pub use disk::DiskStore;
pub use key::BlobKey;
pub use s3::S3Store;

/// Longest chunk of a stream.
const CHUNK: usize = 256 * 1024;

/// Where payloads are kept.
#[derive(Debug, Clone)]
pub enum BlobStore {
    /// Files below a folder of this machine.
    Disk(DiskStore),
    /// Objects of a bucket.
    S3(S3Store),
}

impl BlobStore {
    /// The store that `url` names; its folder or bucket is made if it is missing.
    ///
    /// # Errors
    /// The store does not answer or refuses, or S3 is meant and a variable is missing.
    pub async fn open(url: &BlobUrl, aws: &AwsConfig, timeout: Duration) -> Result<Self> {
        match url {
            BlobUrl::Disk(root) => DiskStore::open(root, timeout).await.map(Self::Disk),
            BlobUrl::S3 { bucket, prefix } => S3Store::open(bucket, prefix, aws, timeout).await.map(Self::S3),
        }
    }

    /// Stores a small blob in one go; it is durable when this returns.
    ///
    /// # Errors
    /// The store does not answer; then the blob may or may not be there, and nothing may refer to it.
    #[tracing::instrument(target = "otel", name = "blob.put", skip_all, fields(otel.kind = "client"))]
    pub async fn put(&self, key: BlobKey, chunks: Vec<Bytes>) -> Result<()> {
        match self {
            Self::Disk(disk) => disk.put(key, chunks).await,
            Self::S3(s3) => s3.put(key, chunks).await,
        }
    }

    /// Begins a blob of unknown size that is stored while it arrives.
    ///
    /// # Errors
    /// The store does not answer.
    #[tracing::instrument(target = "otel", name = "blob.begin", skip_all, fields(otel.kind = "client"))]
    pub async fn writer(&self, key: BlobKey) -> Result<BlobWriter> {
        Ok(BlobWriter(match self {
            Self::Disk(disk) => Writer::Disk(disk.writer(key).await?),
            Self::S3(s3) => Writer::S3(s3.writer(key)),
        }))
    }

    /// Exactly these bytes of a blob, or nothing if there is no such blob.
    ///
    /// # Errors
    /// The blob is shorter than the range demands, or the store does not answer.
    #[tracing::instrument(target = "otel", name = "blob.read", skip_all, fields(otel.kind = "client"))]
    pub async fn read(&self, key: BlobKey, range: Range<u64>) -> Result<Option<Bytes>> {
        match self {
            Self::Disk(disk) => disk.read(key, range).await,
            Self::S3(s3) => s3.read(key, range).await,
        }
    }

    /// Exactly these bytes of a blob in chunks of at most 256 KiB, read only as fast as they are taken.
    ///
    /// A missing or short blob and a store that stops answering are one error, which is the last item.
    pub fn stream(
        &self,
        key: BlobKey,
        range: Range<u64>,
    ) -> impl Stream<Item = Result<Bytes>> + Send + 'static + use<> {
        let span = tracing::info_span!(target: "otel", "blob.stream", otel.kind = "client");
        let stream = match self {
            Self::Disk(disk) => Either::Left(disk.stream(key, range)),
            Self::S3(s3) => Either::Right(s3.stream(key, range)),
        };
        // It lasts as long as the stream.
        stream.inspect(move |_| {
            let _lasting = &span;
        })
    }

    /// Removes a blob; an absent one is fine.
    ///
    /// # Errors
    /// The store does not answer.
    #[tracing::instrument(target = "otel", name = "blob.delete", skip_all, fields(otel.kind = "client"))]
    pub async fn delete(&self, key: BlobKey) -> Result<()> {
        match self {
            Self::Disk(disk) => disk.delete(key).await,
            Self::S3(s3) => s3.delete(key).await,
        }
    }

    /// Keys in path order after `after`, at most `limit`; for finding orphans. What is not ours is passed over.
    ///
    /// # Errors
    /// The store does not answer.
    #[tracing::instrument(target = "otel", name = "blob.list", skip_all, fields(otel.kind = "client"))]
    pub async fn list(&self, after: Option<BlobKey>, limit: usize) -> Result<Vec<BlobKey>> {
        match self {
            Self::Disk(disk) => disk.list(after, limit).await,
            Self::S3(s3) => s3.list(after, limit).await,
        }
    }

    /// Gives up uploads that were begun before `before` and never finished, and returns how many.
    ///
    /// S3 keeps the parts of such an upload where `list` does not see them. On disk they are ordinary files that
    /// nothing refers to, so there is nothing to give up.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn abort_stale(&self, before: DateTime<Utc>) -> Result<usize> {
        match self {
            Self::Disk(_) => Ok(0),
            Self::S3(s3) => s3.abort_stale(before).await,
        }
    }

    /// Asks the store whether it is there and would take a blob.
    ///
    /// # Errors
    /// It is not, or would not.
    pub async fn ping(&self) -> Result<()> {
        match self {
            Self::Disk(disk) => disk.ping().await,
            Self::S3(s3) => s3.ping().await,
        }
    }
}

/// A blob that is being stored while it arrives. Dropping it before [`finish`](Self::finish) undoes it.
pub struct BlobWriter(Writer);

enum Writer {
    Disk(disk_writer::DiskWriter),
    S3(s3_writer::S3Writer),
}

impl BlobWriter {
    /// Takes the next bytes; waits while the store is slower than they come.
    ///
    /// # Errors
    /// The store does not answer; the blob is lost then, and every later call fails too, as it does after a call that
    /// was not awaited to its end.
    pub async fn write(&mut self, chunk: Bytes) -> Result<()> {
        match &mut self.0 {
            Writer::Disk(disk) => disk.write(chunk).await,
            // S3's futures are large, and every writer would have to make room for them.
            Writer::S3(s3) => Box::pin(s3.write(chunk)).await,
        }
    }

    /// Ends the blob and returns its size; it is durable when this returns.
    ///
    /// # Errors
    /// The store does not answer, or an earlier call failed.
    #[tracing::instrument(target = "otel", name = "blob.finish", skip_all, fields(otel.kind = "client"))]
    pub async fn finish(self) -> Result<u64> {
        match self.0 {
            Writer::Disk(disk) => disk.finish().await,
            Writer::S3(s3) => Box::pin(s3.finish()).await,
        }
    }

    /// Undoes everything and waits until that is done, as far as the store lets it.
    #[tracing::instrument(target = "otel", name = "blob.abort", skip_all, fields(otel.kind = "client"))]
    pub async fn abort(self) {
        match self.0 {
            Writer::Disk(disk) => disk.abort().await,
            Writer::S3(s3) => Box::pin(s3.abort()).await,
        }
    }
}

impl fmt::Debug for BlobWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is gathered in it are users' bytes, which do not belong in a log.
        f.debug_struct("BlobWriter").finish_non_exhaustive()
    }
}

/// How many bytes a range has.
fn length(range: &Range<u64>) -> Result<usize> {
    let length = range.end.checked_sub(range.start).and_then(|length| usize::try_from(length).ok());
    length.ok_or_else(|| Error::Internal(anyhow!("{range:?} is no range of a blob")))
}

/// The error of a blob that a row refers to and that is not there.
fn missing(key: BlobKey) -> Error {
    Error::Internal(anyhow!("blob {} is missing", key.path()))
}

/// The error of a blob that ends before the range does.
fn short(key: BlobKey, range: &Range<u64>) -> Error {
    Error::Internal(anyhow!("blob {} does not have the bytes {range:?}", key.path()))
}

/// The error of a writer that is used again after it failed.
fn broken() -> Error {
    Error::unavailable(anyhow!("an earlier part of this blob could not be stored"))
}
