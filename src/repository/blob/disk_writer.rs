//! A file that is written while its bytes arrive; unless it is finished it is removed.
//!
//! One thread at a time writes what has gathered and leaves when nothing is left, so that the disk is never kept
//! waiting by a fast sender, and a sender that pauses occupies no thread. About 6 MiB are held in memory.

use std::fs::File;
use std::io;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::{JoinHandle, spawn_blocking};

use super::appender::Appender;
use super::broken;
use super::disk::settle;
use super::files::Place;
use crate::error::Result;

/// Bytes from which it is worth waking a thread to write them.
const BATCH: usize = 1024 * 1024;

/// Batches that may wait behind the one that is being written before the sender has to wait.
const WAITING: usize = 3;

/// Bytes after which the disk is told to begin, so that little remains to be done for the one who waits at the end.
const SYNC: usize = 4 * 1024 * 1024;

/// What an error of the writing itself says.
const WRITING: &str = "writing a blob";

type Batch = Vec<Bytes>;

/// What whoever writes works on.
struct Work {
    queue: Receiver<Batch>,
    output: Appender,
}

impl Work {
    /// Writes until nothing waits.
    fn write(&mut self) -> io::Result<()> {
        while let Ok(batch) = self.queue.try_recv() {
            self.output.append(&batch)?;
        }
        Ok(())
    }
}

/// A file that is being written.
pub(super) struct DiskWriter {
    /// For syncing early what lies in the system's cache.
    file: Arc<File>,
    /// Where the file is, until nothing needs to be undone any more.
    place: Option<Place>,
    timeout: Duration,
    size: u64,
    gathered: Batch,
    gathered_bytes: usize,
    queue: Sender<Batch>,
    /// The queue's other end and the file's, while nobody writes.
    idle: Option<Work>,
    /// Whoever writes, and gives the work back.
    writing: Option<JoinHandle<io::Result<Work>>>,
    /// Whether what is written lies in the system's cache.
    is_cached: bool,
    unsynced: usize,
    syncing: Option<JoinHandle<io::Result<()>>>,
    /// Whether a call did not come to its end, so that bytes may be missing.
    broken: bool,
}

impl DiskWriter {
    pub(super) fn new(file: File, place: Place, timeout: Duration) -> io::Result<Self> {
        let (queue, waiting) = mpsc::channel(WAITING);
        let output = Appender::new(file, place.path());
        let file = Arc::new(output.handle()?);
        let is_cached = output.is_cached();
        let name = place.clone();
        // The name goes to the disk while the bytes are still to come.
        let syncing = Handle::try_current().ok().map(|runtime| runtime.spawn_blocking(move || name.sync_name()));
        Ok(Self {
            file,
            place: Some(place),
            timeout,
            size: 0,
            gathered: Vec::new(),
            gathered_bytes: 0,
            queue,
            idle: Some(Work { queue: waiting, output }),
            writing: None,
            is_cached,
            unsynced: 0,
            syncing,
            broken: false,
        })
    }

    pub(super) async fn write(&mut self, chunk: Bytes) -> Result<()> {
        // It stays broken also when the caller stops waiting in the middle of this.
        if mem::replace(&mut self.broken, true) {
            return Err(broken());
        }
        self.size += chunk.len() as u64;
        self.gathered_bytes += chunk.len();
        self.gathered.push(chunk);
        if self.gathered_bytes >= BATCH {
            self.unsynced += mem::take(&mut self.gathered_bytes);
            let batch = mem::take(&mut self.gathered);
            self.enqueue(batch).await?;
            self.sync_early().await?;
        }
        self.broken = false;
        Ok(())
    }

    /// Hands a batch to whoever writes, and waits only while too many wait already.
    async fn enqueue(&mut self, mut batch: Batch) -> Result<()> {
        loop {
            match self.queue.try_send(batch) {
                Ok(()) => return self.start().await,
                Err(TrySendError::Full(back) | TrySendError::Closed(back)) => batch = back,
            }
            self.start().await?;
            let Some(writing) = &mut self.writing else { continue };
            // Who is about to leave makes no room any more, so that is waited for as well.
            let left = tokio::select! {
                Ok(room) = self.queue.reserve() => {
                    drop(room);
                    continue;
                }
                left = settle(self.timeout, WRITING, writing) => left,
            };
            self.writing = None;
            self.rest(left?);
        }
    }

    /// Sees to it that somebody writes. Who leaves just now may miss a batch, which then goes with the next one.
    async fn start(&mut self) -> Result<()> {
        if self.writing.as_ref().is_some_and(JoinHandle::is_finished) {
            self.stop().await?;
        }
        if let Some(mut work) = self.idle.take() {
            self.writing = Some(spawn_blocking(move || work.write().map(|()| work)));
        }
        Ok(())
    }

    /// Takes the work back from whoever wrote.
    fn rest(&mut self, work: Work) {
        self.is_cached = work.output.is_cached();
        self.idle = Some(work);
    }

    /// Waits until nobody writes.
    async fn stop(&mut self) -> Result<()> {
        if let Some(writing) = &mut self.writing {
            let left = settle(self.timeout, WRITING, writing).await;
            self.writing = None;
            self.rest(left?);
        }
        Ok(())
    }

    /// Has what was written go to the disk while the rest still arrives.
    async fn sync_early(&mut self) -> Result<()> {
        if !self.is_cached || self.unsynced < SYNC || self.syncing.as_ref().is_some_and(|task| !task.is_finished()) {
            return Ok(());
        }
        self.synced().await?;
        self.unsynced = 0;
        let file = self.file.clone();
        self.syncing = Some(spawn_blocking(move || file.sync_data()));
        Ok(())
    }

    /// Waits for an early sync. The system tells of a write that failed only once, so no outcome may be passed over.
    async fn synced(&mut self) -> Result<()> {
        if let Some(syncing) = &mut self.syncing {
            let outcome = settle(self.timeout, WRITING, syncing).await;
            self.syncing = None;
            outcome?;
        }
        Ok(())
    }

    pub(super) async fn finish(mut self) -> Result<u64> {
        if self.broken {
            return Err(broken());
        }
        self.stop().await?;
        self.synced().await?;
        let (place, last) = (self.place.clone(), mem::take(&mut self.gathered));
        let mut work = self.idle.take().ok_or_else(broken)?;
        let work = move || {
            work.write()?;
            work.output.append(&last)?;
            work.output.sync()?;
            // The name was synced at the beginning; a disk that went away since has taken it along.
            place.map_or(Ok(()), |place| place.check_name())
        };
        settle(self.timeout, "finishing a blob", &mut spawn_blocking(work)).await?;
        self.place = None;
        Ok(self.size)
    }

    pub(super) async fn abort(mut self) {
        if let Some(task) = undo(self.place.take()) {
            // Whether it went is logged where it is tried; nobody can do more about it.
            drop(tokio::time::timeout(self.timeout, task).await);
        }
    }
}

impl Drop for DiskWriter {
    fn drop(&mut self) {
        undo(self.place.take());
    }
}

/// Removes an unfinished file on another thread, even while something still writes to it.
fn undo(place: Option<Place>) -> Option<JoinHandle<()>> {
    let place = place?;
    let work = move || {
        if let Err(error) = place.remove() {
            tracing::warn!(%error, blob.path = %place.path().display(), "an unfinished blob is left to be collected");
        }
    };
    // Without a runtime the process is ending, and the file is an orphan that the next one collects.
    Some(Handle::try_current().ok()?.spawn_blocking(work))
}
