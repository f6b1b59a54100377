//! The integration tests: one binary, over real sockets, each test with stores of its own.
//!
//! `TEST_STORES=distributed` runs the same tests on PostgreSQL, S3 over HTTP and Redis.

mod support;

mod accounts;
mod blob;
mod cache;
mod cli;
mod errors;
mod health;
mod migrations;
mod openapi;
mod security;
mod smoke;
