//! GPU telemetry: samples that come over the queue, kept in blocks, and read as entries or as buckets of time.

pub mod message;
