//! Traces of the server's own, as a collector gets them, and the log, as the operator has it.
//!
//! The log and the exporter are of a whole process, so each test has a server in a process of its own.

mod collector;

use std::collections::HashMap;

use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};

use crate::support::program::{Ended, Serving};
use crate::support::{Client, TestApp, TestStores, run};
use collector::{Collector, attributes};

const CALLER: &str = "00f067aa0ba902b7";

/// The caller's header for a trace of this number.
fn parent(trace: u128, flags: &str) -> String {
    format!("00-{trace:032x}-{CALLER}-{flags}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The spans of one trace, each of which must be below another one or below the caller's.
struct Trace(Vec<Span>);

impl Trace {
    fn of(spans: &[(String, Span)], trace: u128) -> Self {
        let of_trace = spans.iter().map(|(_, span)| span).filter(|span| hex(&span.trace_id) == format!("{trace:032x}"));
        let spans: Vec<Span> = of_trace.cloned().collect();
        let ids: HashMap<String, &Span> = spans.iter().map(|span| (hex(&span.span_id), span)).collect();
        for span in &spans {
            let above = hex(&span.parent_span_id);
            assert!(above == CALLER || ids.contains_key(&above), "{} is below nothing", span.name);
            assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{}", span.name);
            if let Some(above) = ids.get(&above) {
                assert!(above.start_time_unix_nano <= span.start_time_unix_nano, "{} < {}", span.name, above.name);
            }
        }
        Self(spans)
    }

    fn names(&self) -> Vec<&str> {
        self.0.iter().map(|span| span.name.as_str()).collect()
    }

    fn get(&self, name: &str) -> &Span {
        let found: Vec<&Span> = self.0.iter().filter(|span| span.name == name).collect();
        assert_eq!(found.len(), 1, "{name} of {:?}", self.names());
        found[0]
    }

    /// The names from this span up to the caller's.
    fn path(&self, span: &Span) -> Vec<String> {
        let mut path = vec![span.name.clone()];
        let mut above = hex(&span.parent_span_id);
        while let Some(span) = self.0.iter().find(|span| hex(&span.span_id) == above) {
            path.push(span.name.clone());
            above = hex(&span.parent_span_id);
        }
        assert_eq!(above, CALLER);
        path
    }

    /// Statements to the database, by their kinds, with the path of each.
    fn statements(&self) -> Vec<(String, Vec<String>)> {
        let statements = self.0.iter().filter(|span| span.name.starts_with("sea_orm."));
        statements.map(|span| (attributes(&span.attributes)["db.operation"].clone(), self.path(span))).collect()
    }
}

async fn traced(stores: &TestStores, collector: &Collector, more: &[&str]) -> Serving {
    let endpoint = format!("--otel-exporter-otlp-endpoint={}", collector.endpoint);
    let arguments: Vec<&str> = [endpoint.as_str()].into_iter().chain(more.iter().copied()).collect();
    Serving::start(stores.folder(), &stores.arguments(&arguments)).await
}

/// Stops it, and waits elsewhere: its last spans have to be taken meanwhile.
async fn stopped(server: Serving) -> Ended {
    tokio::task::spawn_blocking(move || server.stop()).await.unwrap()
}

fn under(client: &Client, trace: u128, flags: &str) -> Client {
    client.clone().with("traceparent", &parent(trace, flags))
}

#[tokio::test]
async fn a_write_and_two_reads_arrive_as_traces_below_their_callers() {
    let (stores, mut collector) = (TestStores::new().await, Collector::start().await);
    let server = traced(&stores, &collector, &["--otel-service-name=runs of ada", "--log-level=debug"]).await;
    let ada = server.client().signed_up("ada@example.com").await;
    let created = under(&ada, 1, "01").post("/runs", &json!([run(None, "Weather Query")])).await;
    let id = created.ok(201)["ids"][0].as_str().unwrap().to_owned();
    let said = created.header("traceresponse").to_owned();
    let path = format!("/runs/{id}");
    for trace in [2, 3] {
        under(&ada, trace, "01").get(&path).await.ok(200);
    }
    let ended = stopped(server).await;
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    let spans = collector.arrived();
    assert!(spans.iter().all(|(service, _)| service == "runs of ada"));

    let write = Trace::of(&spans, 1);
    let root = write.get("POST /runs");
    assert_eq!((hex(&root.parent_span_id).as_str(), root.kind), (CALLER, 2));
    assert_eq!(said, format!("00-{:032x}-{}-01", 1, hex(&root.span_id)));
    let about = attributes(&root.attributes);
    let expected = [("http.request.method", "POST"), ("http.route", "/runs"), ("http.response.status_code", "201")];
    for (name, value) in expected {
        assert_eq!(about[name], value, "{about:?}");
    }
    assert_eq!(write.path(write.get("accounts.authenticate")), ["accounts.authenticate", "POST /runs"]);
    let flush = ["runs.flush", "runs.submit", "runs.ingest", "POST /runs"];
    assert_eq!(write.path(write.get("runs.flush")), flush);
    assert_eq!(write.path(write.get("blob.put"))[1..], flush);
    let statements = write.statements();
    let below_flush = statements.iter().filter(|(_, path)| path[1..] == flush);
    assert!(below_flush.clone().count() > 0, "{statements:?}");
    assert!(statements.iter().all(|(_, path)| path.len() > 2), "{statements:?}");

    let read = Trace::of(&spans, 2);
    let root = read.get("GET /runs/{id}");
    assert_eq!(attributes(&root.attributes)["http.route"], "/runs/{id}");
    let below = ["runs.get", "GET /runs/{id}"];
    assert_eq!(read.path(read.get("blob.read"))[1..], below);
    assert_eq!(read.path(read.get("cache.fill"))[1..], below);
    let kinds: Vec<_> = read.statements().into_iter().filter(|(_, path)| path[1..] == below).collect();
    assert!(!kinds.is_empty() && kinds.iter().all(|(kind, _)| kind == "SELECT"), "{kinds:?}");
    let hit = |trace: &Trace| {
        let looks = trace.0.iter().filter(|span| span.name == "cache.get");
        looks.map(|span| attributes(&span.attributes)["cache.hit"].clone()).collect::<Vec<_>>()
    };
    assert!(!hit(&read).is_empty() && hit(&read).iter().all(|hit| hit == "false"));

    let again = Trace::of(&spans, 3);
    assert_eq!(hit(&again), ["true"]);
    assert_eq!(again.path(again.get("cache.get"))[1..], below);
    let stores = again.names().into_iter().filter(|name| name.starts_with("blob.") || name.starts_with("sea_orm."));
    assert_eq!(stores.count(), 0, "{:?}", again.names());

    let everything = format!("{spans:?}");
    for secret in ["ada@example.com", "Weather Query", "San Francisco", crate::support::PASSWORD, &ada.token] {
        assert!(!everything.contains(secret), "a span shows {secret}");
    }
    for trace in [1, 2, 3] {
        let trace = format!("\"trace_id\":\"{trace:032x}\"");
        assert!(ended.stderr.contains(&trace), "{trace}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn a_caller_decides_what_is_traced_and_the_part_is_of_the_others() {
    let (stores, mut collector) = (TestStores::new().await, Collector::start().await);
    let server = traced(&stores, &collector, &["--otel-traces-sampler-arg=0"]).await;
    let client = server.client();
    assert_eq!(under(&client, 7, "01").get("/healthz").await.header("traceresponse").rsplit('-').next(), Some("01"));
    assert_eq!(under(&client, 8, "00").get("/healthz").await.header("traceresponse").rsplit('-').next(), Some("00"));
    assert_eq!(client.get("/healthz").await.header("traceresponse").rsplit('-').next(), Some("00"));
    stopped(server).await;
    let spans = collector.arrived();
    assert_eq!(Trace::of(&spans, 7).names(), ["GET /healthz"]);
    assert_eq!(spans.len(), 1);
}

#[tokio::test]
async fn a_collector_that_is_away_harms_nobody() {
    let stores = TestStores::new().await;
    let collector = Collector::start().await;
    let server = traced(&stores, &collector, &[]).await;
    drop(collector);
    let ada = server.client().signed_up("ada@example.com").await;
    ada.create(&json!([run(None, "Weather Query")])).await;
    assert_eq!(stopped(server).await.status, 0);
}

#[tokio::test]
async fn a_server_that_exports_nothing_still_knows_its_callers_trace() {
    let app = TestApp::spawn().await;
    let client = app.client();
    let answered = under(&client, 9, "01").get("/healthz").await;
    let said: Vec<&str> = answered.header("traceresponse").split('-').collect();
    assert_eq!((said[0], said[1], said[3]), ("00", format!("{:032x}", 9).as_str(), "00"));
    assert_eq!(client.get("/healthz").await.header("traceresponse"), "");
    let wrong = client.with("traceparent", "00-nonsense").get("/healthz").await;
    assert_eq!((wrong.status, wrong.header("traceresponse")), (200, ""));
}

/// The lines of a log that say that a request was answered.
fn requests(log: &str) -> Vec<Value> {
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["message"] == "request").collect()
}

#[tokio::test]
async fn the_operator_changes_what_is_logged_while_the_server_runs() {
    let stores = TestStores::new().await;
    let credentials = ["--metrics-username=prometheus", "--metrics-password=of the operator"];
    let server = Serving::start(stores.folder(), &stores.arguments(&credentials)).await;
    let operator = server.client().with("authorization", "Basic cHJvbWV0aGV1czpvZiB0aGUgb3BlcmF0b3I=");
    let level = "/debug/log-level";
    assert_eq!(operator.get(level).await.ok(200), json!({"level": "info"}));
    operator.get("/healthz").await.ok(200);
    let chattier = json!({"level": "info,runyard=debug"});
    assert_eq!(operator.call("PUT", level, &chattier).await.ok(200)["level"], "runyard=debug,info");
    let shown = under(&operator, 10, "01").with("x-request-id", "req-1").get("/runs/nonsense").await;
    assert_eq!(shown.status, 401);
    operator.call("PUT", level, &json!({"level": "warn"})).await.ok(200);
    operator.get("/readyz").await.ok(200);
    for (wrong, field) in [
        (json!({"level": "loud"}), "level"),
        (json!({"level": "info,"}), "level"),
        (json!({"level": 3}), "level"),
        (json!({"level": "info", "for": "1h"}), "for"),
    ] {
        assert_eq!(operator.call("PUT", level, &wrong).await.field(422), field);
    }
    assert_eq!(operator.get(level).await.ok(200), json!({"level": "warn"}));
    server.client().call("PUT", level, &chattier).await.problem(401);

    let ended = stopped(server).await;
    let requests = requests(&ended.stderr);
    let seen: Vec<_> = requests.iter().map(|line| (line["route"].as_str().unwrap(), &line["status"])).collect();
    assert_eq!(seen, [("/debug/log-level", &json!(200)), ("/runs/{id}", &json!(401))]);
    let line = &requests[1];
    assert_eq!((&line["level"], &line["method"]), (&json!("DEBUG"), &json!("GET")));
    assert!(line["duration_ms"].is_f64(), "{line}");
    assert_eq!(line["span"], json!({"name": "request", "request_id": "req-1", "trace_id": format!("{:032x}", 10)}));
}

#[tokio::test]
async fn a_server_whose_log_is_not_its_own_has_no_level_to_change() {
    let credentials = ["--metrics-username=prometheus", "--metrics-password=of the operator"];
    let app = TestApp::with(&credentials).await;
    let operator = app.client().with("authorization", "Basic cHJvbWV0aGV1czpvZiB0aGUgb3BlcmF0b3I=");
    operator.get("/debug/log-level").await.problem(404);
}
