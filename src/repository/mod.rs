//! Storage: rows in the database, payloads in the blob store, and what was read in the cache.
//!
//! Nothing here knows HTTP or reads the clock; times are arguments.

pub mod blob;
pub mod cache;
pub mod database;
pub mod entity;

pub mod accounts;
pub mod favorites;
pub mod projects;
pub mod queue;
pub mod runs;
pub mod segments;
pub mod spool;
pub mod streamer;
pub mod tasks;
pub mod telemetry;
mod text;

pub use accounts::AccountRepository;
pub use blob::{BlobKey, BlobStore, BlobWriter};
pub use cache::{Cache, CacheKey};
pub use database::Database;
pub use favorites::FavoriteRepository;
pub use projects::ProjectRepository;
pub use queue::QueueRepository;
pub use runs::RunRepository;
pub use segments::SegmentRepository;
pub use spool::Spool;
pub use streamer::StreamerRepository;
pub use tasks::TaskRepository;
pub use telemetry::TelemetryRepository;

/// Every store that the server keeps its state in.
#[derive(Debug, Clone)]
pub struct Stores {
    /// Rows.
    pub database: Database,
    /// Payloads.
    pub blobs: BlobStore,
    /// What was read; never a source of truth.
    pub cache: Cache,
}
