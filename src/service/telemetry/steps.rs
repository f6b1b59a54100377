//! Series by steps: from what their blocks keep by the minute and by the hour where a block is alone, and from samples
//! where blocks overlap, where a bound cuts a step, and where a block keeps nothing else.

use std::collections::BTreeMap;

use super::blocks::{Union, in_order_of_arrival};
use super::bucket::{Aggregate, Bucket, HOUR, MINUTE, floor};
use super::points::read_buckets;
use super::read::{Entry, SeriesReader, Span, each_point, samples_of, united};
use crate::error::Result;
use crate::repository::TelemetryRepository;
use crate::repository::telemetry::{Block, EXPIRED, Grain};

/// Blocks that are read at first.
const FIRST_ROLLED: u64 = 64;
/// Bytes that are as much as a sample, of which a piece has not too many.
const BYTES: usize = 64;
/// Blocks of many series that are read at once.
const MANY_BLOCKS: u64 = 1_000;

/// Buckets that are being filled.
#[derive(Debug)]
pub struct Buckets {
    /// Their length in microseconds; nothing for one of everything.
    step: Option<i64>,
    grain: Option<Grain>,
    open: BTreeMap<i64, Bucket>,
}

impl Buckets {
    /// Of this length.
    pub fn of(step: i64) -> Self {
        let grain = match step {
            step if step % HOUR == 0 => Some(Grain::Hours),
            step if step % MINUTE == 0 => Some(Grain::Minutes),
            _ => None,
        };
        Self { step: Some(step), grain, open: BTreeMap::new() }
    }

    /// One for all of a span of time.
    pub fn whole(span: Span) -> Self {
        let grain = match span.to.saturating_sub(span.from) {
            length if length >= 6 * HOUR => Some(Grain::Hours),
            length if length >= 6 * MINUTE => Some(Grain::Minutes),
            _ => None,
        };
        Self { step: None, grain, open: BTreeMap::new() }
    }

    /// The next whole buckets of a series in the order of time; none at the end.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn next(&mut self, reader: &mut SeriesReader) -> Result<Vec<Bucket>> {
        loop {
            let more = reader.roll(self).await?;
            let ready = match self.step {
                // What begins before the step of the next sample is whole.
                Some(step) if more => {
                    let rest = self.open.split_off(&floor(reader.from, step));
                    std::mem::replace(&mut self.open, rest)
                }
                None if more => BTreeMap::new(),
                _ => std::mem::take(&mut self.open),
            };
            if !more || !ready.is_empty() {
                return Ok(ready.into_values().collect());
            }
        }
    }

    /// One bucket for all of a span of time for each of some series that has samples in it; nothing when those are in
    /// more blocks than are good to read at once.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn whole_of_many(
        telemetry: &TelemetryRepository,
        series: &[i64],
        span: Span,
    ) -> Result<Option<Vec<(i64, Bucket)>>> {
        let (from, until) = (span.from, span.to + 1);
        loop {
            let grain = Self::whole(span).grain;
            let blocks =
                telemetry.list_blocks(series, from, span.to, grain.unwrap_or(Grain::Points), MANY_BLOCKS).await?;
            if blocks.len() as u64 == MANY_BLOCKS {
                return Ok(None);
            }
            let step = if grain == Some(Grain::Hours) { HOUR } else { MINUTE };
            let groups: Vec<&[Block]> = blocks.chunk_by(|a, b| a.series_id == b.series_id).collect();
            let pieces: Vec<Piece> = groups.iter().map(|blocks| Piece::new(blocks, from, until, step)).collect();
            let needed = groups.iter().zip(&pieces).flat_map(|(blocks, piece)| {
                blocks.iter().filter(|block| grain.is_some() && piece.needs(block)).map(|block| block.id)
            });
            let Some(found) = samples_of(telemetry, needed.collect()).await? else { continue };
            let mut all = Vec::with_capacity(groups.len());
            for (blocks, piece) in groups.iter().zip(&pieces) {
                let mut buckets = Self::whole(span);
                let series = blocks[0].series_id;
                if grain.is_some() {
                    let own: Vec<Block> = found.iter().filter(|block| block.series_id == series).cloned().collect();
                    piece.add(blocks, &own, &mut buckets)?;
                } else {
                    let points = united(blocks, from, until)?;
                    points.iter().for_each(|point| buckets.bucket(point.at).add(point.at, point.value));
                }
                all.extend(buckets.open.into_values().map(|bucket| (series, bucket)));
            }
            return Ok(Some(all));
        }
    }

    fn bucket(&mut self, at: i64) -> &mut Bucket {
        let start = self.step.map_or(0, |step| floor(at, step));
        self.open.entry(start).or_insert_with(|| Bucket::empty(start))
    }
}

impl SeriesReader {
    /// Brings what comes next into buckets, by the minute or by the hour where the buckets are made of those; false at
    /// the end.
    async fn roll(&mut self, into: &mut Buckets) -> Result<bool> {
        let Some(grain) = into.grain else {
            let points = self.samples().await?;
            points.iter().for_each(|point| into.bucket(point.at).add(point.at, point.value));
            return Ok(!points.is_empty());
        };
        let step = if grain == Grain::Hours { HOUR } else { MINUTE };
        self.limit = self.limit.max(FIRST_ROLLED);
        while !self.done {
            let blocks = self.blocks(grain).await?;
            let Some(until) = self.until(&blocks, step) else { continue };
            let piece = Piece::new(&blocks, self.from, until, step);
            let needed = blocks.iter().filter(|block| piece.needs(block)).map(|block| block.id).collect();
            // What was merged meanwhile is found with the next look.
            let Some(found) = samples_of(&self.telemetry, needed).await? else { continue };
            piece.add(&blocks, &found, into)?;
            let bytes: usize = blocks.iter().filter_map(|block| block.text.as_ref().map(String::len)).sum();
            self.advance(until, bytes / BYTES);
            return Ok(true);
        }
        Ok(false)
    }
}

/// What is told of a bucket.
pub fn entry(bucket: &Bucket, aggregate: Aggregate) -> Entry {
    Entry { at: bucket.start, value: bucket.value(aggregate), ingested_at: None }
}

/// A piece of a series that is read by steps, from a moment until another, which is not in it.
struct Piece {
    from: i64,
    until: i64,
    step: i64,
    /// Spans of whole steps in which only samples say what there is, in the order of time.
    unclear: Vec<(i64, i64)>,
}

impl Piece {
    fn new(blocks: &[Block], from: i64, until: i64, step: i64) -> Self {
        Self { from, until, step, unclear: unclear(blocks, from, until, step) }
    }

    fn is_unclear(&self, at: i64) -> bool {
        let next = self.unclear.partition_point(|(start, _)| *start <= at);
        next > 0 && at < self.unclear[next - 1].1
    }

    /// Whether a block's samples must be read.
    fn needs(&self, block: &Block) -> bool {
        let next = self.unclear.partition_point(|(_, end)| *end <= block.start_at);
        let touched = self.unclear.get(next).is_some_and(|(start, _)| *start <= block.end_at);
        block.tier != EXPIRED && (touched || block.text.is_none())
    }

    fn add(&self, blocks: &[Block], found: &[Block], into: &mut Buckets) -> Result<()> {
        for block in blocks {
            let Some(text) = &block.text else { continue };
            read_buckets(block.start_at, self.step, text, |mut part| {
                let counts = if self.is_unclear(part.start) {
                    // The samples are gone: a step counts where it begins.
                    block.tier == EXPIRED && (self.from..self.until).contains(&part.start)
                } else {
                    part.start >= self.from && part.start + self.step <= self.until
                };
                if counts {
                    // Parts of one step that are clear do not overlap, so that any moment of each orders them.
                    part.last_at = part.start.max(block.start_at);
                    into.bucket(part.start).join(&part);
                }
            })?;
        }
        let rolled: Vec<i64> = blocks.iter().filter(|block| block.text.is_some()).map(|block| block.id).collect();
        let mut found: Vec<&Block> = found.iter().collect();
        in_order_of_arrival(&mut found);
        let mut union = Union::new();
        for block in found {
            let is_rolled = rolled.contains(&block.id);
            each_point(block, |point| {
                let counts = !is_rolled || self.is_unclear(floor(point.at, self.step));
                if counts && (self.from..self.until).contains(&point.at) {
                    union.add(point);
                }
            })?;
        }
        for point in union.finish() {
            into.bucket(point.at).add(point.at, point.value);
        }
        Ok(())
    }
}

/// The steps of which parts alone are asked for, or in which several blocks may have the same sample.
fn unclear(blocks: &[Block], from: i64, until: i64, step: i64) -> Vec<(i64, i64)> {
    let mut found = Vec::new();
    for cut in [from, until] {
        if cut % step != 0 {
            found.push((floor(cut, step), floor(cut, step) + step));
        }
    }
    let mut reached = i64::MIN;
    for block in blocks {
        if block.start_at <= reached {
            let end = reached.min(block.end_at);
            found.push((floor(block.start_at, step), floor(end, step) + step));
        }
        reached = reached.max(block.end_at);
    }
    found.sort_unstable();
    found.dedup_by(|next, kept| {
        let touch = next.0 <= kept.1;
        if touch {
            kept.1 = kept.1.max(next.1);
        }
        touch
    });
    found
}
