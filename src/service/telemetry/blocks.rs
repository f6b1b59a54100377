//! Samples in and out of blocks: cut so that none is too long, and put together so that each sample counts once.

use super::bucket::{HOUR, MINUTE, rolled};
use super::points::{Point, read_points, write_buckets, write_points};
use crate::error::Result;
use crate::repository::entity::sample_block;
use crate::repository::telemetry::Block;

/// Samples in a block at most.
pub const MOST: usize = 4_096;
/// How much time a block spans at most, in microseconds.
pub const LONGEST: i64 = crate::repository::telemetry::LONGEST;
/// Below this many samples, reading them is as fast as reading what they were by the minute.
const FEW: usize = 64;
/// Samples that each bucket must stand for, or the samples are shorter.
const WORTHWHILE: usize = 4;

/// Samples of a series, in the order of their times and each once, as blocks of a tier.
pub fn cut(series_id: i64, tier: i64, points: &[Point]) -> Vec<sample_block::Model> {
    let mut blocks = Vec::new();
    let mut rest = points;
    while let Some(first) = rest.first() {
        let many = rest.len().min(MOST);
        let count = rest[..many].partition_point(|point| point.at - first.at <= LONGEST);
        let (block, others) = rest.split_at(count);
        blocks.push(row(series_id, tier, block));
        rest = others;
    }
    blocks
}

fn row(series_id: i64, tier: i64, points: &[Point]) -> sample_block::Model {
    let start = points.first().map_or(0, |point| point.at);
    let by = |step| {
        let buckets = if points.len() < FEW { Vec::new() } else { rolled(points, step) };
        let pays = !buckets.is_empty() && buckets.len() * WORTHWHILE <= points.len();
        pays.then(|| write_buckets(start, step, &buckets))
    };
    sample_block::Model {
        id: 0,
        series_id,
        tier,
        start_at: start,
        end_at: points.last().map_or(start, |point| point.at),
        count: points.len() as i64,
        ingested_at: points.iter().map(|point| point.ingested_at).max().unwrap_or_default(),
        points: Some(write_points(start, points)),
        minutes: by(MINUTE),
        hours: by(HOUR),
    }
}

/// The block without its samples, and with what they were by the minute and by the hour.
///
/// # Errors
/// Those of [`read_points`].
pub fn expired(block: &sample_block::Model) -> Result<sample_block::Model> {
    let mut points = Vec::new();
    if let Some(text) = &block.points {
        read_points(block.start_at, text, |at, value| points.push(Point { at, value, ingested_at: 0 }))?;
    }
    let by = |step| Some(write_buckets(block.start_at, step, &rolled(&points, step)));
    Ok(sample_block::Model { points: None, minutes: by(MINUTE), hours: by(HOUR), ..block.clone() })
}

/// Samples of one series that are put together from several blocks.
#[derive(Debug, Default)]
pub struct Union {
    points: Vec<Point>,
    /// Whether they came in the order of their times, each once.
    in_order: bool,
}

impl Union {
    /// Without samples.
    pub fn new() -> Self {
        Self { points: Vec::new(), in_order: true }
    }

    /// Adds a sample that came later than those before it.
    pub fn add(&mut self, point: Point) {
        self.in_order = self.in_order && self.points.last().is_none_or(|last| last.at < point.at);
        self.points.push(point);
    }

    /// The samples in the order of their times; of those of one time, the one that came last.
    pub fn finish(mut self) -> Vec<Point> {
        if !self.in_order {
            self.points.sort_by_key(|point| point.at);
            // What is kept of two is the first one of the list, which thus has to have what came last.
            self.points.dedup_by(|later, kept| {
                let same = later.at == kept.at;
                if same {
                    *kept = *later;
                }
                same
            });
        }
        self.points
    }
}

/// Brings blocks into the order in which they came: those of a higher tier first, and in a tier by their numbers.
pub fn in_order_of_arrival(blocks: &mut [&Block]) {
    blocks.sort_by_key(|block| (std::cmp::Reverse(block.tier), block.id));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(at: i64) -> Point {
        Point { at, value: Some(at as f64), ingested_at: at + 1 }
    }

    #[test]
    fn blocks_have_at_most_so_many_samples_and_span_at_most_a_day() {
        let dense: Vec<Point> = (0..10_000).map(|n| point(n * 1_000_000)).collect();
        let blocks = cut(7, 2, &dense);
        assert_eq!(blocks.iter().map(|block| block.count).collect::<Vec<_>>(), [4_096, 4_096, 1_808]);
        assert!(blocks.iter().all(|block| block.minutes.is_some() && block.hours.is_some() && block.series_id == 7));
        assert_eq!((blocks[1].start_at, blocks[1].end_at), (4_096_000_000, 8_191_000_000));
        assert_eq!(blocks[1].ingested_at, 8_191_000_001);
        let sparse: Vec<Point> = (0..100).map(|n| point(n * HOUR)).collect();
        let blocks = cut(7, 0, &sparse);
        assert_eq!(blocks.iter().map(|block| block.count).collect::<Vec<_>>(), [25, 25, 25, 25]);
        assert!(blocks.iter().all(|block| block.end_at - block.start_at == LONGEST && block.minutes.is_none()));
        assert!(cut(7, 0, &[]).is_empty());
    }

    #[test]
    fn of_samples_of_one_time_the_last_one_counts() {
        let mut union = Union::new();
        for (at, value) in [(5, 1.0), (7, 1.0), (5, 2.0), (6, 1.0), (5, 3.0), (7, 2.0)] {
            union.add(Point { at, value: Some(value), ingested_at: 0 });
        }
        let found: Vec<_> = union.finish().iter().map(|point| (point.at, point.value.unwrap())).collect();
        assert_eq!(found, [(5, 3.0), (6, 1.0), (7, 2.0)]);
    }
}
