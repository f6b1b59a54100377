//! The metrics, for the operator's Prometheus: a page beside the API, not a part of it.

use poem::web::Data;
use poem::{IntoResponse, Response, Result, handler};
use std::sync::Arc;

use super::Gate;
use super::operator::Operator;

/// The text format of Prometheus.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers with the metrics of this process.
#[handler]
pub async fn metrics(_operator: Operator, gate: Data<&Arc<Gate>>) -> Result<Response> {
    let text = gate.services.scrape.scrape().await?;
    Ok(Response::builder().content_type(TEXT).body(text).into_response())
}
