//! Takes in a body of runs: each chunk goes, as it arrives, to the scanner and to where it will lie.
//!
//! A small body waits for its end and shares a commit with others. A large one is written to the blob store while it
//! still arrives, and is undone when the rest of it turns out to be no good. Nothing is stored before the whole
//! body has been seen to be right.

use std::io;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use futures_util::Stream;
use tracing::Instrument;
use uuid::Uuid;

use super::rows::{place, row};
use super::scanner::{FieldProblem, Form, Rejection, ScanLimits, Scanned, ScannedRun, Scanner};
use super::{CreatedRuns, RunService};
use crate::error::{Error, FieldError, Result};
use crate::repository::entity::run;
use crate::repository::runs::{NewSegment, Verdict};
use crate::repository::{BlobKey, BlobWriter};
use crate::service::accounts::Caller;
use crate::service::body::{Body, Encoding};
use crate::service::time;

/// A body up to this size is held until its end and shares a commit.
const SMALL: usize = 1024 * 1024;
/// Levels of nesting that a body may have, counted from its root.
const MAX_DEPTH: usize = 256;

/// Where the bytes of a body go.
enum Sink {
    /// They are held: the body may be small.
    Held { chunks: Vec<Bytes>, size: usize },
    /// They go to a blob of their own.
    Blob { key: BlobKey, writer: Box<BlobWriter>, size: u64 },
}

impl RunService {
    /// Stores the runs of a body, all of them or none, and returns their ids in its order.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for a viewer, [`Error::Malformed`], [`Error::Invalid`] and [`Error::TooLarge`] with the
    /// place in the body, [`Error::Conflict`] when an id belongs to a different run, [`Error::Unavailable`] when a
    /// store does not answer; after any of them nothing of the body is stored.
    #[tracing::instrument(target = "otel", name = "runs.ingest", skip_all)]
    pub async fn ingest(
        &self,
        caller: &Caller,
        encoding: Encoding,
        raw: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<CreatedRuns> {
        caller.may_write()?;
        let mut body = Body::new(encoding, raw, &self.limits);
        match self.receive(caller.workspace_id, &mut body).await {
            Ok((scanned, sink)) => self.store(caller.workspace_id, scanned, sink).await,
            // Whoever pauses for too long is not waited for once more.
            Err(Error::Slow) => Err(Error::Slow),
            Err(refusal) => {
                body.drain().await;
                Err(refusal)
            }
        }
    }

    async fn receive(&self, workspace: Uuid, body: &mut Body) -> Result<(Scanned, Sink)> {
        let mut scanner = Scanner::new(ScanLimits {
            max_depth: MAX_DEPTH,
            max_run: self.limits.max_run.as_u64(),
            max_batch: self.limits.max_batch,
        });
        let mut sink = Sink::Held { chunks: Vec::new(), size: 0 };
        while let Some(chunk) = body.next().await? {
            scanner.feed(&chunk);
            if scanner.is_rejected() {
                Box::pin(sink.undo()).await;
                sink = Sink::Held { chunks: Vec::new(), size: 0 };
                continue;
            }
            self.metrics.ingest_bytes.inc_by(chunk.len() as u64);
            let chunk = self.budget.hold(chunk).await?;
            sink = self.keep(workspace, sink, chunk).await?;
        }
        match scanner.finish() {
            Ok(scanned) => Ok((scanned, sink)),
            Err(rejection) => {
                Box::pin(sink.undo()).await;
                Err(rejection.into())
            }
        }
    }

    async fn keep(&self, workspace: Uuid, sink: Sink, chunk: Bytes) -> Result<Sink> {
        match sink {
            Sink::Blob { key, mut writer, size } => {
                let size = size + chunk.len() as u64;
                writer.write(chunk).await?;
                Ok(Sink::Blob { key, writer, size })
            }
            Sink::Held { mut chunks, size } => {
                let size = size + chunk.len();
                chunks.push(chunk);
                if size <= SMALL {
                    return Ok(Sink::Held { chunks, size });
                }
                let key = BlobKey { workspace, segment: Uuid::now_v7() };
                let mut writer = Box::new(self.blobs.writer(key).await?);
                for chunk in chunks {
                    writer.write(chunk).await?;
                }
                Ok(Sink::Blob { key, writer, size: size as u64 })
            }
        }
    }

    async fn store(&self, workspace: Uuid, scanned: Scanned, sink: Sink) -> Result<CreatedRuns> {
        let Scanned { form, runs } = scanned;
        let runs = self.rows(workspace, runs).await?;
        let ids: Vec<Uuid> = runs.iter().map(|run| run.id).collect();
        let verdict = match sink {
            Sink::Held { chunks, .. } => self.committer.submit(workspace, chunks, runs).await?,
            Sink::Blob { key, writer, size } => self.store_large(NewSegment { key, size }, *writer, runs).await?,
        };
        match verdict {
            Verdict::Stored => Ok(CreatedRuns { ids }),
            Verdict::Conflict(index) => {
                let field = match form {
                    Form::Array => format!("[{index}].id"),
                    Form::Object => "id".to_owned(),
                };
                Err(Error::conflict(field, "this id belongs to a different run; runs are not overwritten"))
            }
        }
    }

    async fn rows(&self, workspace: Uuid, scanned: Vec<ScannedRun>) -> Result<Vec<run::Model>> {
        let now = time::now();
        let mut rows = Vec::with_capacity(scanned.len());
        for run in scanned {
            let project = self.projects.resolve(now, workspace, &run).await?;
            rows.push(row(now, workspace, project, run));
        }
        Ok(rows)
    }

    async fn store_large(&self, segment: NewSegment, writer: BlobWriter, runs: Vec<run::Model>) -> Result<Verdict> {
        let (now, key) = (time::now(), segment.key);
        // The collector takes a blob without a row for an orphan after the whole grace; nothing may come close.
        if now - key.made_at() > chrono::TimeDelta::from_std(self.limits.segment_grace.0 / 2).unwrap_or_default() {
            return Err(Error::unavailable(anyhow!("a body took longer than half of SEGMENT_GRACE to arrive")));
        }
        let runs: Vec<run::Model> = runs.into_iter().map(|run| place(run, key.segment, 0)).collect();
        // The last bytes go to the disk while the rows are written, which are committed after them.
        let finishing = tokio::spawn(writer.finish().in_current_span());
        let durable = async { finishing.await.context("finishing a blob")?.map(drop) };
        let (size, count) = (segment.size, runs.len());
        let verdicts = self.runs.insert(now, segment, vec![runs], durable).await?;
        self.metrics.wrote_segment(size, count);
        verdicts.first().copied().ok_or_else(|| Error::Internal(anyhow!("an insert without a verdict")))
    }
}

impl Sink {
    /// Takes back what was written.
    async fn undo(self) {
        if let Self::Blob { writer, .. } = self {
            writer.abort().await;
        }
    }
}

impl From<FieldProblem> for FieldError {
    fn from(problem: FieldProblem) -> Self {
        Self { field: problem.field, message: problem.message }
    }
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Syntax { offset, field, message } => {
                Self::Malformed(FieldError::new(field, format!("{message} (at byte {offset})")))
            }
            Rejection::Invalid(problems) => Self::Invalid(problems.into_iter().map(FieldError::from).collect()),
            Rejection::TooLarge { field, message } => Self::too_large(field, message),
        }
    }
}
