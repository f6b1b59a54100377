//! Blobs as files below one folder: what was answered was synced, file and folders; what was not finished is removed.
//!
//! A file is written under its final name. Nothing refers to a blob before it is finished, so half of one, left
//! behind by a crash, is only an orphan, which is collected like any other.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt, future, stream};
use moka::future::Cache;
use tokio::task::{JoinHandle, spawn_blocking};

use super::disk_writer::DiskWriter;
use super::files::{self, Place};
use super::{BlobKey, CHUNK, length, missing};
use crate::error::{Error, Result};

/// Folders of which a store remembers that they are there and durable.
const KNOWN_FOLDERS: u64 = 10_000;

/// Blobs as files below one folder.
#[derive(Debug, Clone)]
pub struct DiskStore {
    root: Arc<Path>,
    timeout: Duration,
    known: Cache<PathBuf, ()>,
}

impl DiskStore {
    pub(super) async fn open(root: &Path, timeout: Duration) -> Result<Self> {
        let store = Self { root: root.into(), timeout, known: Cache::new(KNOWN_FOLDERS) };
        let root = store.root.clone();
        store.run("opening the blob folder", move || files::make_root(&root)).await?;
        Ok(store)
    }

    pub(super) async fn put(&self, key: BlobKey, chunks: Vec<Bytes>) -> Result<()> {
        let place = Place::of(&self.root, &key);
        let folder = place.folder().to_owned();
        let known = self.known.contains_key(&folder);
        let work = move || {
            let file = place.create(known)?;
            let stored = files::append(&file, &chunks).and_then(|()| place.sync(&file));
            // Half a blob would only be an orphan, but a full disk is the last place to leave one.
            stored.inspect_err(|_| drop(place.remove()))
        };
        self.run("storing a blob", work).await?;
        self.remember(known, folder).await;
        Ok(())
    }

    pub(super) async fn writer(&self, key: BlobKey) -> Result<DiskWriter> {
        let place = Place::of(&self.root, &key);
        let folder = place.folder().to_owned();
        let known = self.known.contains_key(&folder);
        // The writer is made where the file is: if the caller goes away meanwhile, it is dropped and removes it.
        let timeout = self.timeout;
        let work = move || DiskWriter::new(place.create(known)?, place, timeout);
        let writer = self.run("beginning a blob", work).await?;
        self.remember(known, folder).await;
        Ok(writer)
    }

    async fn remember(&self, known: bool, folder: PathBuf) {
        if !known {
            self.known.insert(folder, ()).await;
        }
    }

    pub(super) async fn read(&self, key: BlobKey, range: Range<u64>) -> Result<Option<Bytes>> {
        let length = length(&range)?;
        let place = Place::of(&self.root, &key);
        let Range { start, end } = range;
        let work = move || {
            let Some(file) = place.open(end)? else { return Ok(None) };
            read_at(&file, start, length).map(Some)
        };
        self.run("reading a blob", work).await
    }

    pub(super) fn stream(
        &self,
        key: BlobKey,
        range: Range<u64>,
    ) -> impl Stream<Item = Result<Bytes>> + Send + 'static + use<> {
        let store = self.clone();
        let place = Place::of(&self.root, &key);
        // Each chunk is a task of its own, so that somebody who takes them slowly occupies no thread.
        let chunks = stream::try_unfold((None, range), move |(file, rest): (Option<File>, Range<u64>)| {
            let (store, place) = (store.clone(), place.clone());
            async move {
                let length = length(&rest)?.min(CHUNK);
                if length == 0 && file.is_some() {
                    return Ok(None);
                }
                let Range { start, end } = rest;
                let work = move || {
                    let opened = file.map_or_else(|| place.open(end), |file| Ok(Some(file)))?;
                    opened.map(|file| Ok((read_at(&file, start, length)?, file))).transpose()
                };
                let (chunk, file) = store.run("reading a blob", work).await?.ok_or_else(|| missing(key))?;
                Ok(Some((chunk, (Some(file), start + length as u64..end))))
            }
        });
        // An empty range is looked up like any other and has no chunks.
        chunks.try_filter(|chunk| future::ready(!chunk.is_empty()))
    }

    pub(super) async fn delete(&self, key: BlobKey) -> Result<()> {
        let place = Place::of(&self.root, &key);
        self.run("removing a blob", move || place.remove()).await
    }

    pub(super) async fn list(&self, after: Option<BlobKey>, limit: usize) -> Result<Vec<BlobKey>> {
        let root = self.root.clone();
        self.run("listing blobs", move || files::list(&root, after, limit)).await
    }

    pub(super) async fn ping(&self) -> Result<()> {
        let root = self.root.clone();
        self.run("reaching the blob folder", move || files::probe(&root)).await
    }

    async fn run<T, W>(&self, what: &'static str, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: FnOnce() -> io::Result<T> + Send + 'static,
    {
        settle(self.timeout, what, &mut spawn_blocking(work)).await
    }
}

/// The outcome of blocking work, if it comes in time.
pub(super) async fn settle<T>(
    timeout: Duration,
    what: &'static str,
    task: &mut JoinHandle<io::Result<T>>,
) -> Result<T> {
    let error = match tokio::time::timeout(timeout, task).await {
        Ok(Ok(Ok(value))) => return Ok(value),
        Ok(Ok(Err(error))) => error,
        Ok(Err(panic)) => return Err(Error::Internal(anyhow::Error::new(panic).context(what))),
        Err(_) => return Err(Error::unavailable(anyhow!("the disk did not answer within {timeout:?}").context(what))),
    };
    // A blob that is cut off or there twice stays so however often one tries again.
    let lasting = matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::AlreadyExists);
    let error = anyhow::Error::new(error).context(what);
    Err(if lasting { Error::Internal(error) } else { Error::unavailable(error) })
}

/// Exactly `length` bytes from `start` on.
fn read_at(file: &File, start: u64, length: usize) -> io::Result<Bytes> {
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, start)?;
    Ok(bytes.into())
}
