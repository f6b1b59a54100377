//! Collects segments that nothing refers to: a blob is deleted before its row is, and an orphan gets a dead row before
//! its blob is deleted, so that a kill at any point leaves something that the next look finds.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::roles::{Step, Worker};
use crate::config::Limits;
use crate::error::Result;
use crate::repository::{BlobKey, BlobStore, SegmentRepository};

/// Segments looked at in one step.
const PAGE: usize = 500;
/// A dead segment is kept this long for readers who found their row just before it went.
const DEAD_GRACE: Duration = Duration::from_secs(60);

/// The collector of segments.
#[derive(Debug, Clone)]
pub struct SegmentService {
    segments: SegmentRepository,
    blobs: BlobStore,
    grace: Duration,
    interval: Duration,
    /// How far the look for orphans has come; the next process starts anew, which is safe.
    after: Option<BlobKey>,
}

impl SegmentService {
    /// Over these stores.
    pub fn new(segments: SegmentRepository, blobs: BlobStore, limits: &Limits) -> Self {
        let grace = limits.segment_grace.0;
        Self { segments, blobs, grace, interval: limits.collect_segments_interval.0, after: None }
    }

    async fn collect_dead(&self, now: DateTime<Utc>) -> Result<Step> {
        let keys = self.segments.list_dead(now - self.grace.min(DEAD_GRACE), PAGE as u64).await?;
        for key in &keys {
            self.blobs.delete(*key).await?;
        }
        let full = keys.len() == PAGE;
        if !keys.is_empty() {
            let count = self.segments.delete_dead(keys.into_iter().map(|key| key.segment).collect()).await?;
            tracing::info!(count, "collected segments");
        }
        Ok(if full { Step::Busy } else { Step::Idle })
    }

    async fn condemn_orphans(&mut self, now: DateTime<Utc>) -> Result<Step> {
        let before = now - self.grace;
        if self.after.is_none() {
            self.blobs.abort_stale(before).await?;
        }
        let keys = self.blobs.list(self.after, PAGE).await?;
        self.after = if keys.len() == PAGE { keys.last().copied() } else { None };
        let old: Vec<BlobKey> = keys.into_iter().filter(|key| key.made_at() < before).collect();
        let known = self.segments.known(old.iter().map(|key| key.segment).collect()).await?;
        for key in old.into_iter().filter(|key| !known.contains(&key.segment)) {
            self.segments.condemn(now, key).await?;
            tracing::info!(segment.id = %key.segment, "found a segment that nothing refers to");
        }
        Ok(if self.after.is_some() { Step::Busy } else { Step::Idle })
    }
}

impl Worker for SegmentService {
    const NAME: &'static str = "segments";

    fn pause(&self) -> Duration {
        self.interval
    }

    async fn step(&mut self, now: DateTime<Utc>) -> Result<Step> {
        let dead = self.collect_dead(now).await?;
        let orphans = self.condemn_orphans(now).await?;
        Ok(if dead == Step::Busy || orphans == Step::Busy { Step::Busy } else { Step::Idle })
    }
}
