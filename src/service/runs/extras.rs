//! A run with more than itself. It goes out beside what is cached of the run, and is never cached with it.

use bytes::{Buf, Bytes};
use futures_util::stream;
use futures_util::{StreamExt, TryStreamExt};
use uuid::Uuid;

use super::RunService;
use super::read::{Found, RunBody};
use super::vocabulary::RunField;
use crate::error::Result;
use crate::service::accounts::Caller;

impl RunService {
    /// As [`RunService::get`], with how many tasks are about the run.
    ///
    /// # Errors
    /// As [`RunService::get`].
    #[tracing::instrument(target = "otel", name = "runs.get_with_task_count", skip_all)]
    pub async fn get_with_task_count(
        &self,
        caller: &Caller,
        id: Uuid,
        fields: Option<&[RunField]>,
        has: impl Fn(&str) -> bool + Send,
    ) -> Result<Found> {
        let found = self.get(caller, id, fields, |_| false).await?;
        let count = self.tasks.count_about(caller.workspace_id, id).await?;
        let etag = format!("{}-{count:x}", found.etag);
        if has(&etag) {
            return Ok(Found { etag, body: None });
        }
        // Every run has a first member, which this one comes before.
        let head = Bytes::from(format!("{{\"task_count\":{count},"));
        let body = found.body.map(|body| match body {
            RunBody::Whole(bytes) => RunBody::Whole([&head, bytes.get(1..).unwrap_or_default()].concat().into()),
            RunBody::Stream(size, chunks) => {
                let (mut brace, more) = (1, head.len() as u64);
                let rest = chunks.map_ok(move |mut chunk| {
                    let skipped = brace.min(chunk.len());
                    chunk.advance(skipped);
                    brace -= skipped;
                    chunk
                });
                RunBody::Stream(size - 1 + more, stream::once(async { Ok(head) }).chain(rest).boxed())
            }
        });
        Ok(Found { etag, body })
    }
}
