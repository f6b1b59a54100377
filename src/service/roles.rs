//! What works in the background: each role is a step that can be repeated, in one shared loop that ends between steps.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::error::Result;
use crate::metrics::Metrics;
use crate::service::time;

/// Longest wait before what failed is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// What a step had to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There may be more at once.
    Busy,
    /// There was nothing, or the last of it.
    Idle,
}

/// Something that works in the background.
pub trait Worker: Send + 'static {
    /// What it is called in the log.
    const NAME: &'static str;

    /// Longest wait between two steps when there is nothing to do.
    fn pause(&self) -> Duration;

    /// One bounded piece of work, which may be repeated and of which other processes may do the same.
    ///
    /// # Errors
    /// Those of the stores; whatever was done by then is whole, and the next step is the retry.
    fn step(&mut self, now: DateTime<Utc>) -> impl Future<Output = Result<Step>> + Send;
}

/// Steps again and again until it is told to stop, and never in the middle of a step. Whoever knows of work rings
/// `bell`.
pub async fn work<W: Worker>(mut worker: W, bell: Arc<Notify>, metrics: Metrics, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        let wait = match worker.step(time::now()).await {
            Ok(Step::Busy) => {
                metrics.stepped(W::NAME, "busy");
                continue;
            }
            Ok(Step::Idle) => {
                metrics.stepped(W::NAME, "idle");
                worker.pause()
            }
            Err(error) => {
                metrics.stepped(W::NAME, "error");
                let error = format!("{:#}", anyhow::Error::new(error));
                tracing::warn!(worker = W::NAME, %error, "a step failed; the next one tries again");
                // A bell that was rung for this work must not make its retries a busy loop.
                let wait = worker.pause().min(RETRY);
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = tokio::time::sleep(wait) => continue,
                }
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = bell.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}
