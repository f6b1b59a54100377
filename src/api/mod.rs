//! HTTP in, HTTP out: the table of routes and what every request passes through.

mod accounts;
mod compression;
mod connections;
mod context;
mod docs;
mod error;
mod etag;
mod favorites;
mod health;
mod json;
mod metrics;
mod ndjson;
mod operator;
mod paths;
mod profiling;
pub mod public;
mod queue;
mod runs;
mod security;
mod streaming;
mod tasks;
mod telemetry;
mod trace_context;

use std::sync::Arc;

use poem::endpoint::BoxEndpoint;
use poem::{EndpointExt, get};
use poem_openapi::{OpenApi, OpenApiService};

use crate::config::Limits;
use crate::logging::LogControl;
use crate::metrics::Metrics;
use crate::service::Services;

use compression::Compressed;
use context::Context;
use paths::Paths;

pub use connections::serve;
pub use operator::OperatorSecret;

/// What stands before every handler: who may come in, how often, and how much they may bring.
#[derive(Debug, Clone)]
pub struct Gate {
    /// What is counted.
    pub metrics: Metrics,
    /// Everything that is behind it.
    pub services: Services,
    /// Whether the last address of `X-Forwarded-For` is believed.
    pub trust_forwarded_for: bool,
    /// The bounds of bodies.
    pub limits: Limits,
    /// What the operator says; without one, nobody is.
    pub operator: Option<OperatorSecret>,
    /// Changes what is logged; nothing in a process whose log is not ours.
    pub log: Option<LogControl>,
}

/// Everything that the server answers.
pub fn routes(gate: Gate) -> BoxEndpoint<'static> {
    let service = document(apis(&gate.services));
    assembled(gate, service)
}

/// What a process answers that leaves the API to others: whether it is well.
pub fn probes(gate: Gate) -> BoxEndpoint<'static> {
    let service = document(health::HealthApi { health: gate.services.health.clone() });
    assembled(gate, service)
}

/// The OpenAPI document as JSON.
pub fn openapi(services: &Services) -> String {
    document(apis(services)).spec()
}

fn apis(services: &Services) -> impl OpenApi + 'static {
    (
        runs::RunsApi { runs: services.runs.clone() },
        tasks::TasksApi { tasks: services.tasks.clone() },
        favorites::FavoritesApi { favorites: services.favorites.clone() },
        queue::QueueApi { queue: services.queue.clone() },
        telemetry::TelemetryApi { telemetry: services.telemetry.clone() },
        accounts::AccountsApi { accounts: services.accounts.clone() },
        health::HealthApi { health: services.health.clone() },
    )
}

fn assembled<T: OpenApi + 'static>(gate: Gate, service: OpenApiService<T, ()>) -> BoxEndpoint<'static> {
    let gate = Arc::new(gate);
    let paths = profiling::known(Paths::new(&service.spec()));
    let context = Context::new(Arc::clone(&gate), paths);
    let debug = profiling::routes(&gate.services.profiling, gate.log.as_ref());
    let routes = docs::routes(&service)
        .at("/metrics", get(metrics::metrics))
        .nest("/debug", debug)
        .nest("/", service)
        .around(docs::lead_from_root);
    routes.data(gate).with(context).with(Compressed).map_to_response().boxed()
}

fn document<T: OpenApi + 'static>(apis: T) -> OpenApiService<T, ()> {
    OpenApiService::new(apis, "Runyard", env!("CARGO_PKG_VERSION")).description(docs::DESCRIPTION)
}
