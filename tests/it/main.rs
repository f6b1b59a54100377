//! The integration tests: one binary, over real sockets, each test with stores of its own.
//!
//! `TEST_STORES=distributed` runs the same tests on PostgreSQL, S3 over HTTP and Redis.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a panic is the report")]
#![expect(clippy::disallowed_methods, reason = "which stores to test is said by the environment")]

mod accounts;
mod blob;
mod cache;
mod cli;
mod collecting;
mod durability;
mod errors;
mod faults;
mod favorites;
mod health;
mod helm;
mod metrics;
mod migrations;
mod openapi;
mod profiling;
mod queue;
mod roles;
mod runs;
mod security;
mod sharing;
mod streamer;
mod support;
mod tasks;
mod telemetry;
mod tidy;
mod tracing;
