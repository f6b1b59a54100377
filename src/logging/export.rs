//! The way out for the server's own traces: OTLP over HTTP, in batches, from a thread of its own.

use anyhow::Context;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::registry::LookupSpan;

use super::SPANS;
use crate::config::Config;

/// What exports, if a collector is configured.
///
/// # Errors
/// Says what is wrong with the collector's address.
pub fn provider(config: &Config) -> anyhow::Result<Option<SdkTracerProvider>> {
    let tracing = &config.tracing;
    let Some(endpoint) = &tracing.otel_exporter_otlp_endpoint else { return Ok(None) };
    let http = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
    let exporter = http.with_endpoint(endpoint.traces()).build().context("reading OTEL_EXPORTER_OTLP_ENDPOINT")?;
    let name = tracing.otel_service_name.clone().unwrap_or_else(|| config.service().to_owned());
    let resource = Resource::builder()
        .with_service_name(name)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    // A caller who is traced already has decided; the part is of those who are not.
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(tracing.otel_traces_sampler_arg.0)));
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_sampler(sampler);
    Ok(Some(provider.with_resource(resource.build()).build()))
}

/// Makes spans of ours into spans of a trace.
pub fn layer<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let tracer = provider.tracer(env!("CARGO_PKG_NAME"));
    let layer = tracing_opentelemetry::layer().with_tracer(tracer);
    let layer = layer.with_location(false).with_threads(false).with_target(false).with_tracked_inactivity(false);
    layer.with_filter(FilterFn::new(is_exported))
}

/// Our own spans, and those that the database's library makes of each statement, which hold its kind and no value.
fn is_exported(metadata: &Metadata<'_>) -> bool {
    let statement = || metadata.target().starts_with("sea_orm::") && *metadata.level() <= Level::INFO;
    metadata.is_span() && (metadata.target() == SPANS || statement())
}
