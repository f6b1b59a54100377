//! A span of time and what was measured in it: filled sample by sample, or put together from parts.

use poem_openapi::Enum;
use serde::Serialize;

use super::points::Point;

/// A second, in microseconds.
pub const SECOND: i64 = 1_000_000;
/// A minute, in microseconds.
pub const MINUTE: i64 = 60 * SECOND;
/// An hour, in microseconds.
pub const HOUR: i64 = 60 * MINUTE;

/// What is told of the values in a bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Enum, Serialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// Their mean.
    #[default]
    Avg,
    /// The least.
    Min,
    /// The largest.
    Max,
    /// The one that was measured last.
    Last,
    /// How many there are.
    Count,
}

/// What was measured from a moment on. Samples without a value are none of its values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// When it begins.
    pub start: i64,
    /// How many values it has; when there are none, the rest means nothing.
    pub count: i64,
    /// The least.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// All together.
    pub sum: f64,
    /// The one that was measured last.
    pub last: f64,
    /// When that was.
    pub last_at: i64,
}

impl Bucket {
    /// Without a value.
    pub fn empty(start: i64) -> Self {
        Self { start, count: 0, min: 0.0, max: 0.0, sum: 0.0, last: 0.0, last_at: start }
    }

    /// Adds a sample.
    pub fn add(&mut self, at: i64, value: Option<f64>) {
        if let Some(value) = value {
            let one = Self { count: 1, min: value, max: value, sum: value, last: value, last_at: at, ..*self };
            self.join(&one);
        }
    }

    /// Adds what was measured at other moments of the same bucket.
    pub fn join(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = Self { start: self.start, ..*other };
            return;
        }
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum += other.sum;
        if other.last_at >= self.last_at {
            (self.last, self.last_at) = (other.last, other.last_at);
        }
    }

    /// One figure of it; nothing when there is no value to tell it of.
    pub fn value(&self, aggregate: Aggregate) -> Option<f64> {
        match aggregate {
            Aggregate::Count => Some(self.count as f64),
            _ if self.count == 0 => None,
            // A sum beyond every number is told by no number.
            Aggregate::Avg => Some(self.sum / self.count as f64).filter(|mean| mean.is_finite()),
            Aggregate::Min => Some(self.min),
            Aggregate::Max => Some(self.max),
            Aggregate::Last => Some(self.last),
        }
    }
}

/// The beginning of the step that a moment lies in.
pub fn floor(at: i64, step: i64) -> i64 {
    at.div_euclid(step) * step
}

/// Samples in the order of their times, by steps.
pub fn rolled(points: &[Point], step: i64) -> Vec<Bucket> {
    let mut buckets: Vec<Bucket> = Vec::new();
    for point in points {
        let start = floor(point.at, step);
        match buckets.last_mut().filter(|last| last.start == start) {
            Some(last) => last.add(point.at, point.value),
            None => {
                let mut bucket = Bucket::empty(start);
                bucket.add(point.at, point.value);
                buckets.push(bucket);
            }
        }
    }
    buckets
}
