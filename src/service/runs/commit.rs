//! Shares commits: the small requests of a workspace that arrive while one flush is under way are one flush.
//!
//! A flush is one blob write, then one insert of all rows, then every request is answered; an idle server flushes
//! at once. A request is never answered before its bytes and its rows are durable.

use std::future::ready;
use std::sync::Arc;
use std::time::Instant;

use anyhow::anyhow;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::rows::place;
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::repository::entity::run;
use crate::repository::runs::{NewSegment, Verdict};
use crate::repository::{BlobKey, BlobStore, RunRepository};
use crate::service::gather::{Together, gather, shared};
use crate::service::time;
use crate::watch::Watch;

/// Submissions that may wait for the owner to look at them; more wait at the door.
const DOOR: usize = 256;
/// Bytes that one flush takes.
const FLUSH_BYTES: usize = 8 * 1024 * 1024;
/// Rows that one flush takes, unless one request alone has more.
const FLUSH_ROWS: usize = 4_096;

/// One request that waits to be stored.
#[derive(Debug)]
struct Submission {
    body: Vec<Bytes>,
    runs: Vec<run::Model>,
    reply: oneshot::Sender<Result<Verdict, Arc<Error>>>,
    /// Where it waits, for whoever follows its trace.
    span: Span,
}

impl Submission {
    fn size(&self) -> usize {
        self.body.iter().map(Bytes::len).sum()
    }
}

/// The way to the task that stores small requests.
#[derive(Debug, Clone)]
pub struct Committer {
    door: mpsc::Sender<(Uuid, Submission)>,
}

impl Committer {
    /// The way in, and the task to be run, which ends after the last way in is gone and everything is stored.
    pub fn new(
        runs: RunRepository,
        blobs: BlobStore,
        metrics: Metrics,
        watch: Watch,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (door, arrivals) = mpsc::channel(DOOR);
        (Self { door }, gather(Flushes { runs, blobs, metrics }, watch, arrivals))
    }

    /// Stores a request's runs, whose ranges count from the start of its body.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when a store does not answer; then nothing of it is stored.
    #[tracing::instrument(target = "otel", name = "runs.submit", skip_all)]
    pub async fn submit(&self, workspace: Uuid, body: Vec<Bytes>, runs: Vec<run::Model>) -> Result<Verdict> {
        let (reply, answer) = oneshot::channel();
        let closed = || Error::unavailable(anyhow!("the server is stopping"));
        let submission = Submission { body, runs, reply, span: Span::current() };
        self.door.send((workspace, submission)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?.map_err(|error| shared(&error, "storing a segment"))
    }
}

/// What a flush needs.
struct Flushes {
    runs: RunRepository,
    blobs: BlobStore,
    metrics: Metrics,
}

impl Together for Flushes {
    const NAME: &'static str = "flush";
    const AT_ONCE: usize = 1;
    /// The workspace.
    type Key = Uuid;
    type Item = Submission;

    fn fitting(waiting: &[Submission]) -> usize {
        let (mut bytes, mut rows) = (0, 0);
        let fitting = waiting.iter().take_while(|submission| {
            bytes += submission.size();
            rows += submission.runs.len();
            bytes <= FLUSH_BYTES && rows <= FLUSH_ROWS
        });
        fitting.count()
    }

    fn work(&self, workspace: Uuid, submissions: Vec<Submission>) -> impl Future<Output = ()> + Send + 'static {
        let span = span(&submissions);
        flush(self.runs.clone(), self.blobs.clone(), self.metrics.clone(), workspace, submissions).instrument(span)
    }
}

/// The span of a flush: a part of the first request's trace, to which those of the others refer.
fn span(submissions: &[Submission]) -> Span {
    let Some((first, others)) = submissions.split_first() else { return Span::none() };
    let span = tracing::info_span!(target: "otel", parent: &first.span, "runs.flush", requests = submissions.len());
    for other in others {
        span.follows_from(&other.span);
    }
    // Nothing is exported: what goes wrong is logged under the first request.
    if span.is_disabled() { first.span.clone() } else { span }
}

async fn flush(runs: RunRepository, blobs: BlobStore, metrics: Metrics, workspace: Uuid, submissions: Vec<Submission>) {
    let started = Instant::now();
    metrics.flush_requests.observe(submissions.len() as f64);
    let key = BlobKey { workspace, segment: Uuid::now_v7() };
    let (mut chunks, mut requests, mut replies) = (Vec::new(), Vec::new(), Vec::new());
    let mut size = 0;
    for submission in submissions {
        let base = size;
        size += submission.size() as u64;
        chunks.extend(submission.body);
        requests.push(submission.runs.into_iter().map(|run| place(run, key.segment, base)).collect::<Vec<_>>());
        replies.push(submission.reply);
    }
    let count = requests.iter().map(Vec::len).sum();
    match store(&runs, &blobs, NewSegment { key, size }, chunks, requests).await {
        Ok(verdicts) => {
            metrics.flush_seconds.observe(started.elapsed().as_secs_f64());
            metrics.wrote_segment(size, count);
            for (reply, verdict) in replies.into_iter().zip(verdicts) {
                // Whoever has gone away does not hear that their runs are stored, and may send them again.
                let _ = reply.send(Ok(verdict));
            }
        }
        Err(error) => {
            let error = Arc::new(error);
            for reply in replies {
                let _ = reply.send(Err(Arc::clone(&error)));
            }
        }
    }
}

async fn store(
    runs: &RunRepository,
    blobs: &BlobStore,
    segment: NewSegment,
    chunks: Vec<Bytes>,
    requests: Vec<Vec<run::Model>>,
) -> Result<Vec<Verdict>> {
    blobs.put(segment.key, chunks).await?;
    runs.insert(time::now(), segment, requests, ready(Ok(()))).await
}
