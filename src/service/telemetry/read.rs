//! One series as it is read: its samples, or its buckets, piece by piece in the order of time.
//!
//! Blocks are asked for in the order of their beginnings. Up to the beginning of the last one that came, no other
//! block has a sample, so that a piece ends there; each piece is one look at the database, and what is merged between
//! two looks is the same samples.

use std::collections::BTreeMap;

use super::blocks::{MOST, Union, in_order_of_arrival};
use super::bucket::{Aggregate, Bucket, HOUR, MINUTE, floor};
use super::points::{Point, read_buckets, read_points};
use crate::error::Result;
use crate::repository::TelemetryRepository;
use crate::repository::telemetry::{Block, EXPIRED, Grain};

/// Blocks that are read at first for a short answer, which is to read little, and for a long one.
const FIRST_BLOCKS: std::ops::RangeInclusive<u64> = 2..=12;
/// The same of blocks without their samples.
const FIRST_ROLLED: u64 = 64;
/// Samples beyond which a piece does not grow.
const ENOUGH: usize = 16_384;
/// Blocks in a piece at most, unless more begin at once.
const MOST_BLOCKS: u64 = 1_024;

/// The span of time that is asked for, in microseconds: from a moment on, and to one, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first moment.
    pub from: i64,
    /// The last moment.
    pub to: i64,
}

/// A sample or a bucket as it is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    /// When it was, or begins.
    pub at: i64,
    /// Its value.
    pub value: Option<f64>,
    /// When it was stored; nothing for a bucket.
    pub ingested_at: Option<i64>,
}

/// A series that is being read.
#[derive(Debug)]
pub struct SeriesReader {
    telemetry: TelemetryRepository,
    series: i64,
    /// The first moment that was not read, and the one after the last that is to be.
    from: i64,
    end: i64,
    limit: u64,
    first: u64,
    done: bool,
}

impl SeriesReader {
    /// Of this series, within a span of time, of which so many samples are likely to be read.
    pub fn new(telemetry: TelemetryRepository, series: i64, span: Span, likely: u64) -> Self {
        let first = (likely / MOST as u64 + 2).clamp(*FIRST_BLOCKS.start(), *FIRST_BLOCKS.end());
        Self { telemetry, series, from: span.from, end: span.to + 1, limit: 0, first, done: span.from > span.to }
    }

    /// The next samples, in the order of their times and each once; none at the end.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn samples(&mut self) -> Result<Vec<Point>> {
        self.limit = self.limit.max(self.first);
        while !self.done {
            let blocks = self.blocks(Grain::Points).await?;
            let Some(until) = self.until(&blocks, 1) else { continue };
            let from = self.from;
            let mut union = Union::new();
            let mut blocks: Vec<&Block> = blocks.iter().collect();
            if blocks.windows(2).any(|pair| pair[1].start_at <= pair[0].end_at) {
                in_order_of_arrival(&mut blocks);
            }
            for block in blocks {
                each_point(block, |point| {
                    if (from..until).contains(&point.at) {
                        union.add(point);
                    }
                })?;
            }
            let points = union.finish();
            self.advance(until, points.len());
            if !points.is_empty() {
                return Ok(points);
            }
        }
        Ok(Vec::new())
    }

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
            let piece = Piece { from: self.from, until, step, unclear: unclear(&blocks, self.from, until, step) };
            let needed: Vec<&Block> = blocks.iter().filter(|block| piece.needs(block)).collect();
            let found = match needed.is_empty() {
                true => Vec::new(),
                false => self.telemetry.find_blocks(needed.iter().map(|block| block.id).collect()).await?,
            };
            // What was merged meanwhile is found with the next look.
            if found.len() < needed.len() || found.iter().any(|block| block.text.is_none()) {
                continue;
            }
            piece.add(&blocks, &found, into)?;
            let read = blocks.len();
            self.advance(until, if read == 0 { ENOUGH } else { read });
            return Ok(true);
        }
        Ok(false)
    }

    async fn blocks(&self, grain: Grain) -> Result<Vec<Block>> {
        self.telemetry.list_blocks(&[self.series], self.from, self.end - 1, grain, self.limit).await
    }

    /// Where the piece of these blocks ends; nothing when more of them are needed to get on.
    fn until(&mut self, blocks: &[Block], step: i64) -> Option<i64> {
        let Some(last) = blocks.last().filter(|_| blocks.len() as u64 == self.limit) else { return Some(self.end) };
        let until = floor(last.start_at, step);
        if until <= self.from {
            self.limit *= 2;
            return None;
        }
        Some(until)
    }

    fn advance(&mut self, until: i64, samples: usize) {
        self.from = until;
        self.done = until >= self.end;
        if samples < ENOUGH {
            self.limit = (self.limit * 2).min(MOST_BLOCKS.max(self.limit));
        }
    }
}

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

    fn bucket(&mut self, at: i64) -> &mut Bucket {
        let start = self.step.map_or(0, |step| floor(at, step));
        self.open.entry(start).or_insert_with(|| Bucket::empty(start))
    }
}

/// What is told of a bucket.
pub fn entry(bucket: &Bucket, aggregate: Aggregate) -> Entry {
    Entry { at: bucket.start, value: bucket.value(aggregate), ingested_at: None }
}

/// What is told of a sample.
pub fn sample(point: &Point) -> Entry {
    Entry { at: point.at, value: point.value, ingested_at: Some(point.ingested_at) }
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

fn each_point(block: &Block, mut take: impl FnMut(Point)) -> Result<()> {
    let Some(text) = &block.text else { return Ok(()) };
    read_points(block.start_at, text, |at, value| take(Point { at, value, ingested_at: block.ingested_at }))
}
