//! Runyard keeps every run of an LLM application with its full inputs and outputs.
//!
//! Read it from the top of a request down: [`api`] is HTTP in and out, [`service`] is the rules, [`repository`]
//! is storage. The same noun names a feature in every layer. [`app`] is the only place that builds things.

pub mod app;
pub mod config;
pub mod error;
pub mod logging;
pub mod metrics;
pub mod watch;

pub mod api;
pub mod service;

pub mod repository;
