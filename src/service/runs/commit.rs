//! Shares commits: one task owns what waits for each workspace, and while one flush is under way the requests that
//! arrive gather for the next.
//!
//! A flush is one blob write, then one insert of all rows, then every request is answered; an idle server flushes
//! at once. A request is never answered before its bytes and its rows are durable.

use std::collections::HashMap;
use std::future::ready;
use std::sync::Arc;
use std::time::Instant;

use anyhow::anyhow;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{Id, JoinSet};
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::rows::place;
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::repository::entity::run;
use crate::repository::runs::{NewSegment, Verdict};
use crate::repository::{BlobKey, BlobStore, RunRepository};
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
    workspace: Uuid,
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
    door: mpsc::Sender<Submission>,
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
        let (waiting, of) = (HashMap::new(), HashMap::new());
        let owner = Owner { runs, blobs, metrics, watch, waiting, flushes: JoinSet::new(), of };
        (Self { door }, owner.run(arrivals))
    }

    /// Stores a request's runs, whose ranges count from the start of its body.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when a store does not answer; then nothing of it is stored.
    #[tracing::instrument(target = "otel", name = "runs.submit", skip_all)]
    pub async fn submit(&self, workspace: Uuid, body: Vec<Bytes>, runs: Vec<run::Model>) -> Result<Verdict> {
        let (reply, answer) = oneshot::channel();
        let closed = || Error::unavailable(anyhow!("the server is stopping"));
        let submission = Submission { workspace, body, runs, reply, span: Span::current() };
        self.door.send(submission).await.map_err(|_| closed())?;
        match answer.await.map_err(|_| closed())? {
            Ok(verdict) => Ok(verdict),
            Err(error) => Err(shared(&error)),
        }
    }
}

/// One error for each of the requests that share a flush.
fn shared(error: &Arc<Error>) -> Error {
    let cause = anyhow!("storing a segment: {:#}", anyhow::Error::new(Arc::clone(error)));
    match error.as_ref() {
        Error::Unavailable(_) => Error::Unavailable(cause),
        _ => Error::Internal(cause),
    }
}

struct Owner {
    runs: RunRepository,
    blobs: BlobStore,
    metrics: Metrics,
    watch: Watch,
    /// Who waits, by workspace; a workspace that is in here has a flush under way.
    waiting: HashMap<Uuid, Vec<Submission>>,
    flushes: JoinSet<()>,
    /// Which workspace each flush is of.
    of: HashMap<Id, Uuid>,
}

impl Owner {
    async fn run(mut self, mut arrivals: mpsc::Receiver<Submission>) {
        let mut open = true;
        while open || !self.flushes.is_empty() {
            tokio::select! {
                arrival = arrivals.recv(), if open => match arrival {
                    Some(submission) => self.arrived(submission),
                    None => open = false,
                },
                Some(ended) = self.flushes.join_next_with_id() => {
                    let id = match ended {
                        Ok((id, ())) => id,
                        Err(error) => {
                            tracing::error!(%error, "a flush died");
                            error.id()
                        }
                    };
                    if let Some(workspace) = self.of.remove(&id) {
                        self.flushed(workspace);
                    }
                }
            }
        }
    }

    fn arrived(&mut self, submission: Submission) {
        let workspace = submission.workspace;
        match self.waiting.get_mut(&workspace) {
            Some(waiting) => waiting.push(submission),
            None => {
                self.waiting.insert(workspace, Vec::new());
                self.flush(workspace, vec![submission]);
            }
        }
    }

    fn flushed(&mut self, workspace: Uuid) {
        let Some(waiting) = self.waiting.get_mut(&workspace) else { return };
        if waiting.is_empty() {
            self.waiting.remove(&workspace);
            return;
        }
        let (mut bytes, mut rows) = (0, 0);
        let fitting = waiting.iter().take_while(|submission| {
            bytes += submission.size();
            rows += submission.runs.len();
            bytes <= FLUSH_BYTES && rows <= FLUSH_ROWS
        });
        let count = fitting.count().max(1);
        let next: Vec<Submission> = waiting.drain(..count).collect();
        self.flush(workspace, next);
    }

    fn flush(&mut self, workspace: Uuid, submissions: Vec<Submission>) {
        let span = span(&submissions);
        let flush = flush(self.runs.clone(), self.blobs.clone(), self.metrics.clone(), workspace, submissions);
        let flush = flush.instrument(span);
        let id = self.flushes.spawn(self.watch.watched("flush", flush)).id();
        self.of.insert(id, workspace);
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
