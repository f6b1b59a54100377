//! One series as it is read, piece by piece in the order of time.
//!
//! Blocks are asked for in the order of their beginnings. Up to the beginning of the last one that came, no other
//! block has a sample, so that a piece ends there; each piece is one look at the database, and what is merged between
//! two looks is the same samples.

use super::blocks::{MOST, Union, in_order_of_arrival};
use super::bucket::floor;
use super::points::{Point, read_points};
use crate::error::Result;
use crate::repository::TelemetryRepository;
use crate::repository::telemetry::{Block, Grain};

/// Blocks that are read at first for a short answer, which is to read little, and for a long one.
const FIRST_BLOCKS: std::ops::RangeInclusive<u64> = 2..=12;
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
    pub(super) telemetry: TelemetryRepository,
    series: i64,
    /// The first moment that was not read.
    pub(super) from: i64,
    /// The one after the last that is to be.
    end: i64,
    /// Blocks that are asked for next.
    pub(super) limit: u64,
    first: u64,
    pub(super) done: bool,
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
            let points = united(&blocks, self.from, until)?;
            self.advance(until, points.len());
            if !points.is_empty() {
                return Ok(points);
            }
        }
        Ok(Vec::new())
    }

    pub(super) async fn blocks(&self, grain: Grain) -> Result<Vec<Block>> {
        self.telemetry.list_blocks(&[self.series], self.from, self.end - 1, grain, self.limit).await
    }

    /// Where the piece of these blocks ends; nothing when more of them are needed to get on.
    pub(super) fn until(&mut self, blocks: &[Block], step: i64) -> Option<i64> {
        let Some(last) = blocks.last().filter(|_| blocks.len() as u64 == self.limit) else { return Some(self.end) };
        let until = floor(last.start_at, step);
        if until <= self.from {
            self.limit *= 2;
            return None;
        }
        Some(until)
    }

    pub(super) fn advance(&mut self, until: i64, samples: usize) {
        self.from = until;
        self.done = until >= self.end;
        if samples < ENOUGH {
            self.limit = (self.limit * 2).min(MOST_BLOCKS.max(self.limit));
        }
    }
}

/// What is told of a sample.
pub fn sample(point: &Point) -> Entry {
    Entry { at: point.at, value: point.value, ingested_at: Some(point.ingested_at) }
}

/// The samples of blocks of one series, given by their beginnings, within a span of time.
pub(super) fn united(blocks: &[Block], from: i64, until: i64) -> Result<Vec<Point>> {
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
    Ok(union.finish())
}

/// These blocks with their samples; nothing when one of them is not there any more, or has none any more.
pub(super) async fn samples_of(telemetry: &TelemetryRepository, ids: Vec<i64>) -> Result<Option<Vec<Block>>> {
    let count = ids.len();
    let found = if ids.is_empty() { Vec::new() } else { telemetry.find_blocks(ids).await? };
    Ok(Some(found).filter(|found| found.len() == count && found.iter().all(|block| block.text.is_some())))
}

pub(super) fn each_point(block: &Block, mut take: impl FnMut(Point)) -> Result<()> {
    let Some(text) = &block.text else { return Ok(()) };
    read_points(block.start_at, text, |at, value| take(Point { at, value, ingested_at: block.ingested_at }))
}
