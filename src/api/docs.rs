//! The API's own documentation, from the binary alone: a browser that shows it asks nobody else.

use std::sync::Arc;

use poem::endpoint::make_sync;
use poem::http::{Method, header};
use poem::web::Redirect;
use poem::{Endpoint, IntoResponse, Request, Response, Result, Route, get};
use poem_openapi::{OpenApi, OpenApiService};

/// What stands at the head of the document.
pub const DESCRIPTION: &str = "\
Keeps every run of an LLM application with its full inputs and outputs.\n\n\
Sign up with `POST /signup`, log in with `POST /login`, and send the token as `Authorization: Bearer …`; \
programs use an API key from `POST /api/keys` as `x-api-key`. \
A member of several workspaces chooses one with `X-Workspace-Id`; the default is their own.\n\n\
Errors are `application/problem+json` with `code` and, where one is known, the field. \
Ids are UUIDs, times are RFC 3339 in UTC, lists are cut by opaque cursors. \
Bodies are read as JSON whatever their `Content-Type` says, and may be gzip or zstd.";

/// No page may load anything from anywhere else, whatever its scripts try.
const OWN_ASSETS_ONLY: &str = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob:; \
    style-src 'unsafe-inline'; img-src data: blob:; font-src data:; connect-src 'self'; worker-src blob:";

/// The pages and the document itself.
pub fn routes<T: OpenApi + 'static>(service: &OpenApiService<T, ()>) -> Route {
    Route::new()
        .at("/docs", page(service.swagger_ui_html()))
        .at("/redoc", page(without_foreign_fonts(&service.redoc_html())))
        .at("/swagger/index.html", get(make_sync(|_| Redirect::moved_permanent("/docs"))))
        .at("/openapi.json", text(service.spec(), "application/json"))
        .at("/openapi.yaml", text(service.spec_yaml(), "application/yaml"))
}

/// Leads who asks for nothing in particular to the documentation; everybody else goes on.
pub async fn lead_from_root<E: Endpoint>(endpoint: Arc<E>, request: Request) -> Result<Response> {
    if request.uri().path() == "/" && request.method() == Method::GET {
        return Ok(Redirect::see_other("/docs").into_response());
    }
    endpoint.call(request).await.map(IntoResponse::into_response)
}

fn page(html: String) -> poem::RouteMethod {
    get(make_sync(move |_| {
        Response::builder()
            .content_type("text/html; charset=utf-8")
            .header(header::CONTENT_SECURITY_POLICY, OWN_ASSETS_ONLY)
            .body(html.clone())
    }))
}

fn text(text: String, content_type: &'static str) -> poem::RouteMethod {
    get(make_sync(move |_| text.clone().with_content_type(content_type).into_response()))
}

/// The page's template names a font server; the text is as good without.
fn without_foreign_fonts(html: &str) -> String {
    let mut lines: Vec<&str> = html.lines().collect();
    lines.retain(|line| !line.contains("fonts.googleapis.com") || line.len() > 1_000);
    lines.join("\n")
}

/// What operations are grouped by.
#[derive(poem_openapi::Tags)]
pub enum Tag {
    /// Runs and traces.
    Runs,
    /// Tasks.
    Tasks,
    /// Charts, insights and audiences that users keep.
    Favorites,
    /// Topics and their messages.
    Queue,
    /// GPUs and what was measured of them.
    Telemetry,
    /// Users, sessions, members and API keys.
    Accounts,
    /// Probes.
    Operations,
}
