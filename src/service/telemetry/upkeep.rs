//! Keeps blocks few and large, and lets them expire.
//!
//! A collector writes a small block for each series that a batch touches. Several of those are merged into one; and
//! when there are enough of these, or enough samples, they are merged for good, together with what overlaps with them.
//! Blocks that are merged for good never overlap, but for samples that came late and were not merged yet.

use std::collections::BTreeMap;

use anyhow::Context;
use chrono::{DateTime, Utc};

use super::blocks::{LONGEST, MOST, Union, cut, expired};
use super::points::{Point, read_points};
use crate::error::Result;
use crate::repository::TelemetryRepository;
use crate::repository::entity::sample_block::Model as Block;
use crate::repository::telemetry::{FINAL, FRESH, Merge};
use crate::service::roles::Step;

/// Blocks of a series that are worth merging.
const SEVERAL: usize = 16;
/// Series in which blocks are merged at once.
const SERIES: i64 = 32;
/// Samples that are merged at once, unless one series has more.
const SAMPLES: i64 = 200_000;
/// Blocks that expire at once.
const EXPIRING: u64 = 64;
/// Blocks that are deleted at once.
const DELETING: i64 = 1_000;
/// The tier between fresh and final.
const MERGED: i64 = 1;

/// Merges the blocks of some series that have many.
///
/// # Errors
/// Those of the database.
pub async fn merge(telemetry: &TelemetryRepository) -> Result<Step> {
    let due = telemetry.list_mergeable(SEVERAL as i64, MOST as i64, SERIES).await?;
    let mut samples = 0;
    let fits = |(_, count): &&(i64, i64)| {
        samples += count;
        samples <= SAMPLES || samples == *count
    };
    let due: Vec<i64> = due.iter().take_while(fits).map(|(series, _)| *series).collect();
    if due.is_empty() {
        return Ok(Step::Idle);
    }
    let (merge, locked) = telemetry.begin_merge(&due).await?;
    if locked.is_empty() {
        // Somebody else is at it.
        return Ok(Step::Idle);
    }
    let mut jobs = Vec::new();
    for blocks in by_series(merge.list_young(&locked).await?) {
        jobs.extend(plan(&merge, blocks).await?);
    }
    let merging = tokio::task::spawn_blocking(move || {
        let old: Vec<i64> = jobs.iter().flat_map(|job| job.blocks.iter().map(|block| block.id)).collect();
        let new: Result<Vec<Vec<Block>>> = jobs.iter().map(Job::run).collect();
        new.map(|new| (old, new.concat()))
    });
    let (old, new) = merging.await.context("merging blocks")??;
    merge.replace(old, &new).await?;
    merge.finish().await?;
    Ok(Step::Busy)
}

/// Lets some samples expire that are older than one moment, and deletes what is left of those older than another.
///
/// # Errors
/// Those of the database.
pub async fn expire(telemetry: &TelemetryRepository, samples: DateTime<Utc>, rollups: DateTime<Utc>) -> Result<Step> {
    let blocks = telemetry.list_expired(samples, EXPIRING).await?;
    if !blocks.is_empty() {
        let rolled: Vec<Block> = blocks.iter().map(expired).collect::<Result<_>>()?;
        telemetry.expire(&rolled).await?;
    }
    let deleted = telemetry.delete_expired(rollups, DELETING).await?;
    let full = blocks.len() as u64 == EXPIRING || deleted == DELETING as u64;
    Ok(if full { Step::Busy } else { Step::Idle })
}

/// Blocks of a series that become others.
struct Job {
    series: i64,
    tier: i64,
    /// What came first before what came later.
    blocks: Vec<Block>,
}

impl Job {
    fn run(&self) -> Result<Vec<Block>> {
        let mut union = Union::new();
        for block in &self.blocks {
            if let Some(text) = &block.points {
                let ingested_at = block.ingested_at;
                read_points(block.start_at, text, |at, value| union.add(Point { at, value, ingested_at }))?;
            }
        }
        Ok(cut(self.series, self.tier, &union.finish()))
    }
}

fn by_series(blocks: Vec<Block>) -> Vec<Vec<Block>> {
    let mut groups: BTreeMap<i64, Vec<Block>> = BTreeMap::new();
    for block in blocks {
        groups.entry(block.series_id).or_default().push(block);
    }
    groups.into_values().collect()
}

/// What becomes of the blocks of a series that are not merged for good, given in the order in which they came.
async fn plan(merge: &Merge, blocks: Vec<Block>) -> Result<Vec<Job>> {
    let Some(series) = blocks.first().map(|block| block.series_id) else { return Ok(Vec::new()) };
    let merged = blocks.iter().filter(|block| block.tier == MERGED).count();
    let samples: i64 = blocks.iter().map(|block| block.count).sum();
    if merged + 1 < SEVERAL && samples < MOST as i64 {
        let fresh = blocks.into_iter().filter(|block| block.tier == FRESH).collect();
        return Ok(vec![Job { series, tier: MERGED, blocks: fresh }]);
    }
    let mut jobs = Vec::new();
    for young in neighbours(blocks) {
        let start = young.iter().map(|block| block.start_at).min().unwrap_or_default();
        let end = young.iter().map(|block| block.end_at).max().unwrap_or_default();
        let mut blocks = merge.list_final(series, start, end).await?;
        // One that is full and ends before is as good as it can be.
        blocks.retain(|block| block.end_at >= start || block.count < MOST as i64 / 2);
        blocks.extend(young);
        jobs.push(Job { series, tier: FINAL, blocks });
    }
    Ok(jobs)
}

/// Blocks in groups that lie so far apart that no final block has to do with two of them; in each, the blocks stay in
/// the order in which they came.
fn neighbours(blocks: Vec<Block>) -> Vec<Vec<Block>> {
    let mut spans: Vec<(i64, i64)> = blocks.iter().map(|block| (block.start_at, block.end_at)).collect();
    spans.sort_unstable();
    let mut ends: Vec<i64> = Vec::new();
    for (start, end) in spans {
        match ends.last_mut().filter(|last| start.saturating_sub(**last) <= 2 * LONGEST) {
            Some(last) => *last = end.max(*last),
            None => ends.push(end),
        }
    }
    let mut groups: Vec<Vec<Block>> = ends.iter().map(|_| Vec::new()).collect();
    for block in blocks {
        let group = ends.partition_point(|end| *end < block.start_at);
        groups[group].push(block);
    }
    groups
}
