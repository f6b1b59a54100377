//! Numbers of many rounds in short.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A median between the least and the most.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Spread {
    /// The middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Spread {
    /// Of these values, of which there must be one at least.
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let middle = sorted.len() / 2;
        let median =
            if sorted.len() % 2 == 1 { at(middle) } else { f64::midpoint(at(middle.wrapping_sub(1)), at(middle)) };
        Self { median, min: at(0), max: at(sorted.len().wrapping_sub(1)) }
    }

    /// Of the quotients of what was measured side by side.
    pub fn of_ratios(ours: &[f64], others: &[f64]) -> Self {
        let ratios: Vec<f64> = ours.iter().zip(others).map(|(ours, other)| ours / other).collect();
        Self::of(&ratios)
    }

    /// As a multiple of what was measured at another time: the quotient of the medians, and how far it may be off when
    /// the least of one is put beside the most of the other.
    pub fn over(&self, other: &Self) -> Self {
        Self { median: self.median / other.median, min: self.min / other.max, max: self.max / other.min }
    }
}

/// A duration in milliseconds.
pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// The duration that so many of a hundred do not exceed, in milliseconds.
pub fn percentile(durations: &[Duration], percent: usize) -> f64 {
    let mut sorted = durations.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().map_or(f64::NAN, milliseconds)
}

/// A number with about three digits that say something.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
