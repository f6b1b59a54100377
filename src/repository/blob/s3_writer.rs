//! Uploads to S3 while the body still arrives: in parts, or as one object when the body is no longer than a part.
//!
//! An upload holds two parts in memory and no more: one that fills and one that is sent, or two that are sent.

use std::mem;

use anyhow::anyhow;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::s3::{S3Store, failure};
use super::{BlobKey, broken};
use crate::error::{Error, Result};

/// Size of a part; S3 wants at least 5 MiB and takes 10,000 of them.
const PART: usize = 8 * 1024 * 1024;

/// Parts under way while the next one fills.
const BESIDE: usize = 1;

/// An object that is being uploaded while its bytes arrive.
pub(super) struct S3Writer {
    store: S3Store,
    key: BlobKey,
    /// The part that fills. Bytes are copied into it because those that arrive may hold far larger buffers alive.
    filling: BytesMut,
    size: u64,
    /// The upload's id once it has begun and until nothing needs to be undone any more.
    upload: Option<String>,
    sent: i32,
    sending: JoinSet<Result<CompletedPart>>,
    stored: Vec<CompletedPart>,
    /// Whether a call did not come to its end, so that bytes are missing.
    broken: bool,
}

impl S3Writer {
    pub(super) fn new(store: S3Store, key: BlobKey) -> Self {
        Self {
            store,
            key,
            filling: BytesMut::new(),
            size: 0,
            upload: None,
            sent: 0,
            sending: JoinSet::new(),
            stored: Vec::new(),
            broken: false,
        }
    }

    pub(super) async fn write(&mut self, mut chunk: Bytes) -> Result<()> {
        // It stays broken also when the caller stops waiting in the middle of this.
        if mem::replace(&mut self.broken, true) {
            return Err(broken());
        }
        self.size += chunk.len() as u64;
        while !chunk.is_empty() {
            // Only when more comes: what ends with the first part is no upload in parts.
            if self.filling.len() == PART {
                self.send().await?;
                self.settle(BESIDE).await?;
            }
            // Memory that is not written to costs nothing, and a buffer that never grows is never copied.
            self.filling.reserve(PART - self.filling.len());
            let piece = chunk.split_to(chunk.len().min(PART - self.filling.len()));
            self.filling.extend_from_slice(&piece);
        }
        self.broken = false;
        Ok(())
    }

    pub(super) async fn finish(mut self) -> Result<u64> {
        if self.broken {
            return Err(broken());
        }
        if self.upload.is_none() {
            let whole = mem::take(&mut self.filling).freeze();
            self.store.put(self.key, vec![whole]).await?;
            return Ok(self.size);
        }
        self.send().await?;
        self.settle(0).await?;
        self.complete().await?;
        self.upload = None;
        Ok(self.size)
    }

    /// Begins to send the part that filled.
    async fn send(&mut self) -> Result<()> {
        let id = self.begin().await?;
        self.sent += 1;
        let number = self.sent;
        let body = mem::take(&mut self.filling).freeze();
        let request = self.store.client.upload_part().bucket(&*self.store.bucket).key(self.store.name(&self.key));
        let request = request.upload_id(id).part_number(number).body(ByteStream::from(body));
        self.sending.spawn(async move {
            let answer = request.customize().disable_payload_signing().send().await;
            let answer = answer.map_err(|error| failure("storing a part of a blob", error))?;
            Ok(CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag).build())
        });
        Ok(())
    }

    /// The upload's id; the first call begins the upload.
    async fn begin(&mut self) -> Result<String> {
        if let Some(id) = &self.upload {
            return Ok(id.clone());
        }
        let request = self.store.client.create_multipart_upload().bucket(&*self.store.bucket);
        let answer = request.key(self.store.name(&self.key)).send().await;
        let answer = answer.map_err(|error| failure("beginning a blob", error))?;
        let id = answer.upload_id.ok_or_else(|| Error::Internal(anyhow!("the store began an upload without an id")))?;
        self.upload = Some(id.clone());
        Ok(id)
    }

    /// Waits until no more than `most` parts are under way.
    async fn settle(&mut self, most: usize) -> Result<()> {
        while self.sending.len() > most {
            match self.sending.join_next().await {
                Some(Ok(part)) => self.stored.push(part?),
                Some(Err(panic)) => return Err(Error::Internal(anyhow::Error::new(panic).context("sending a part"))),
                None => break,
            }
        }
        Ok(())
    }

    async fn complete(&mut self) -> Result<()> {
        let mut parts = mem::take(&mut self.stored);
        parts.sort_unstable_by_key(CompletedPart::part_number);
        let request = self.store.client.complete_multipart_upload().bucket(&*self.store.bucket);
        let request = request.key(self.store.name(&self.key)).set_upload_id(self.upload.clone());
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        match request.multipart_upload(parts).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(failure("finishing a blob", error)),
        }
    }

    pub(super) async fn abort(mut self) {
        if let Some(undoing) = self.undo() {
            undoing.await;
        }
    }

    /// What remains to be done when the upload is given up. Parts under way are waited for, because one that arrives
    /// after the upload was given up would stay in the bucket unseen.
    fn undo(&mut self) -> Option<impl Future<Output = ()> + Send + 'static + use<>> {
        let id = self.upload.take()?;
        let (store, name) = (self.store.clone(), self.store.name(&self.key));
        let mut sending = mem::take(&mut self.sending);
        Some(async move {
            while sending.join_next().await.is_some() {}
            if let Err(error) = store.abort(&name, &id).await {
                tracing::warn!(%error, blob.path = %name, "an unfinished upload stays until it is given up as stale");
            }
        })
    }
}

impl Drop for S3Writer {
    fn drop(&mut self) {
        // Without a runtime the process is ending, and the upload is given up as stale by the next one.
        if let (Some(undoing), Ok(runtime)) = (self.undo(), Handle::try_current()) {
            runtime.spawn(undoing);
        }
    }
}
