//! Rows of GPU telemetry: GPUs and series are found without a look at samples, and samples lie in blocks.

mod blocks;
mod catalog;
mod merge;
mod store;

pub use blocks::{Block, Grain, LONGEST};
pub use catalog::MetricCount;
pub use merge::{EXPIRED, FINAL, FRESH, Merge};
pub use store::{Batch, Dead};

use super::Database;

/// The telemetry in the database.
#[derive(Debug, Clone)]
pub struct TelemetryRepository {
    database: Database,
}

impl TelemetryRepository {
    /// Over this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}
