//! Probes: alive, and ready.

use poem::IntoResponse;
use poem::http::StatusCode;
use poem_openapi::registry::{MetaResponses, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiResponse, OpenApi};

use super::json::{Reply, json_response};
use crate::service::HealthService;
use crate::service::health::{Answer, Liveness, Readiness};

/// The probes.
pub struct HealthApi {
    /// Asks the stores.
    pub health: HealthService,
}

/// 200 or 503, with the same body.
pub struct ReadinessReply(Readiness);

#[OpenApi(tag = "super::docs::Tag::Operations")]
impl HealthApi {
    /// Whether the process is alive
    ///
    /// Asks nobody else, so it answers as long as there is a process.
    #[oai(path = "/healthz", method = "get", operation_id = "healthz")]
    async fn healthz(&self) -> Reply<200, Liveness> {
        Reply(self.health.liveness())
    }

    /// Whether the server can do its work
    ///
    /// Asks every store. The database and the blob store must answer; a cache that is away is reported and does not
    /// make the server unready.
    #[oai(path = "/readyz", method = "get", operation_id = "readyz")]
    async fn readyz(&self) -> ReadinessReply {
        ReadinessReply(self.health.readiness().await)
    }
}

impl IntoResponse for ReadinessReply {
    fn into_response(self) -> poem::Response {
        let ready = self.0.status == Answer::Ok;
        let mut response = Reply::<200, _>(self.0).into_response();
        if !ready {
            response.set_status(StatusCode::SERVICE_UNAVAILABLE);
            response.headers_mut().insert("retry-after", 1.into());
        }
        response
    }
}

impl ApiResponse for ReadinessReply {
    fn meta() -> MetaResponses {
        let ready = json_response(200, "The database and the blob store answer", Readiness::schema_ref());
        let unready = json_response(503, "One of them does not", Readiness::schema_ref());
        MetaResponses { responses: vec![ready, unready] }
    }

    fn register(registry: &mut Registry) {
        Readiness::register(registry);
    }
}
