//! Metrics: for the operator alone, right to the last request, and of a size that no caller can make grow.

mod promql;
mod promtool;
mod queue;
mod series;
mod telemetry;
mod watched;

use std::collections::BTreeSet;

use serde_json::json;
use uuid::Uuid;

use crate::support::redis::distributed;
use crate::support::s3::S3Server;
use crate::support::{Client, TestApp, TestStores, run, until};

/// What the operator of the tests says, as `runyard:password of the operator` in Base64.
const OPERATOR: &str = "Basic cnVueWFyZDpwYXNzd29yZCBvZiB0aGUgb3BlcmF0b3I=";
/// Two names that users of the seeds look for, whatever the rules of Prometheus are.
const GIVEN: [&str; 2] = ["tasks_count", "request_latency_histogram"];
const ARGUMENTS: [&str; 2] = ["--metrics-username=runyard", "--metrics-password=password of the operator"];

/// The lines of the metrics of a server.
async fn scrape(client: &Client) -> Vec<String> {
    let reply = client.clone().with("authorization", OPERATOR).get("/metrics").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.header("content-type").starts_with("text/plain; version=0.0.4"));
    reply.text().lines().map(str::to_owned).collect()
}

/// The value of the series of this name and these labels; nothing when there is none.
fn value(lines: &[String], series: &str) -> Option<f64> {
    let line = lines.iter().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// The names of all series, with their labels.
fn series(lines: &[String]) -> BTreeSet<String> {
    let samples = lines.iter().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

#[tokio::test]
async fn metrics_are_for_the_operator_and_otherwise_not_there() {
    let without = TestApp::spawn().await;
    let reply = without.client().with("authorization", OPERATOR).get("/metrics").await.problem(404);
    assert_eq!(reply["detail"], without.client().get("/nowhere").await.problem(404)["detail"]);

    let app = TestApp::with(&ARGUMENTS).await;
    let ada = app.user("ada").await;
    for stranger in [
        app.client(),
        ada,
        app.client().with("authorization", "Basic cnVueWFyZDp3cm9uZw=="),
        app.client().with("authorization", "Basic !"),
    ] {
        let reply = stranger.get("/metrics").await;
        assert_eq!(reply.problem(401)["code"], "unauthenticated");
        assert_eq!(reply.header("www-authenticate"), "Basic realm=\"operator\"");
    }
    scrape(&app.client()).await;
    let collector = TestApp::over(app.stores.clone(), &[&ARGUMENTS[..], &["--roles=collector"]].concat()).await;
    scrape(&collector.client()).await;
}

#[tokio::test]
async fn a_known_sequence_of_requests_is_counted_and_only_where_it_was_made() {
    let (app, other) = (TestApp::with(&ARGUMENTS).await, TestApp::with(&ARGUMENTS).await);
    let ada = app.user("ada").await;
    let id = ada.create(&json!([run(None, "a"), run(None, "b")])).await.remove(0);
    for _ in 0..3 {
        ada.get(&format!("/runs/{id}")).await.ok(200);
    }
    ada.get(&format!("/runs/{}", Uuid::new_v4())).await.problem(404);
    ada.post("/api/tasks", &json!({"title": "x"})).await.ok(201);
    ada.get("/nowhere/at/all").await.problem(404);

    let lines = scrape(&app.client()).await;
    let count = |labels: &str| value(&lines, &format!("http_requests_total{{{labels}}}"));
    assert_eq!(count(r#"method="POST",route="/runs",status="201""#), Some(1.0));
    assert_eq!(count(r#"method="GET",route="/runs/{id}",status="200""#), Some(3.0));
    assert_eq!(count(r#"method="GET",route="/runs/{id}",status="404""#), Some(1.0));
    assert_eq!(count(r#"method="GET",route="unknown",status="404""#), Some(1.0));
    let durations = r#"http_request_duration_seconds_count{method="GET",route="/runs/{id}",status="200"}"#;
    assert_eq!(value(&lines, durations), Some(3.0));
    // Two to sign up and log in, eight above; this scrape itself has not been answered.
    assert_eq!(value(&lines, "request_latency_histogram_count"), Some(9.0));
    assert_eq!(value(&lines, "http_requests_in_flight"), Some(1.0));
    assert_eq!(value(&lines, "tasks_count"), Some(1.0));
    assert_eq!(value(&lines, "segments_written_total"), Some(1.0));
    assert_eq!(value(&lines, "segment_runs_total"), Some(2.0));
    assert_eq!(value(&lines, "segment_flush_requests_count"), Some(1.0));
    assert!(value(&lines, "ingest_bytes_total") > Some(100.0));
    assert_eq!(value(&lines, r#"cache_reads_total{kind="run",outcome="hit"}"#), Some(2.0));
    assert_eq!(value(&lines, r#"cache_reads_total{kind="run",outcome="miss"}"#), Some(2.0));
    for pool in
        value(&lines, "database_connections_limit{pool=\"all\"}").map_or(vec!["readers", "writer"], |_| vec!["all"])
    {
        assert!(value(&lines, &format!("database_connections_limit{{pool=\"{pool}\"}}")) >= Some(1.0));
        assert!(value(&lines, &format!("database_connections{{pool=\"{pool}\",state=\"in_use\"}}")) >= Some(0.0));
    }
    for there in ["process_resident_memory_bytes", "process_open_fds", "process_cpu_seconds_total", "password_hashes"] {
        assert!(value(&lines, there).is_some(), "{there}");
    }

    let lines = scrape(&other.client()).await;
    assert_eq!(value(&lines, "segments_written_total"), Some(0.0));
    assert_eq!(value(&lines, r#"http_requests_total{method="POST",route="/runs",status="201"}"#), None);
}

#[tokio::test]
async fn every_metric_says_what_it_is_in_the_way_of_prometheus() {
    let app = TestApp::with(&ARGUMENTS).await;
    app.user("ada").await;
    let lines = scrape(&app.client()).await;
    let mut seen = 0;
    for line in lines.iter().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        assert!(lines.iter().any(|line| line.starts_with(&format!("# HELP {name} "))), "{name}");
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name} is a {kind}");
        if !GIVEN.contains(&name) {
            for suffix in ["_count", "_sum", "_bucket", "_histogram", "_gauge", "_counter", "_ms"] {
                assert!(!name.ends_with(suffix), "{name}");
            }
        }
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
}

#[tokio::test]
async fn a_store_that_is_away_is_said_to_be() {
    let mut s3 = S3Server::start();
    let stores = TestStores::with_s3(Some(&s3.endpoint)).await;
    let app = TestApp::over(stores, &[&ARGUMENTS[..], &["--upstream-timeout=2s"]].concat()).await;
    let ready = async |app: &TestApp| {
        let lines = scrape(&app.client()).await;
        ["database", "blob", "cache"].map(|store| value(&lines, &format!("store_ready{{store=\"{store}\"}}")).unwrap())
    };
    assert_eq!(ready(&app).await, [1.0, 1.0, 1.0]);
    if distributed() {
        s3.stop();
    } else {
        let blobs = app.stores.folder().join("blobs");
        std::fs::rename(&blobs, blobs.with_extension("away")).unwrap();
    }
    until("the blob store is away", async || ready(&app).await == [1.0, 0.0, 1.0]).await;
}
