//! A fault of the server's own is told to nobody but the log, and never passes for an empty answer.

use runyard::repository::BlobKey;
use runyard::repository::entity::segment;
use sea_orm::{ConnectionTrait, EntityTrait};
use serde_json::json;

use crate::support::program::Serving;
use crate::support::{Client, Reply, TestApp, TestStores, run};

/// Words that an answer about a fault must not have.
const CAUSES: [&str; 9] = ["runs", "table", "relation", "sql", "segment", "blob", "s3", "No such", "column"];

fn hides_its_cause(reply: &Reply) {
    assert!([500, 503].contains(&reply.status), "{}: {}", reply.status, reply.text());
    let problem = reply.problem(reply.status);
    let text = problem["detail"].as_str().unwrap().to_lowercase();
    for cause in CAUSES {
        assert!(!text.contains(&cause.to_lowercase()), "{cause}: {text}");
    }
    assert_eq!(problem["errors"], json!(null));
    if reply.status == 503 {
        assert!(reply.header("retry-after").parse::<u64>().is_ok());
    }
}

async fn drop_runs(stores: &TestStores) {
    stores.open().await.database.writer().execute_unprepared("DROP TABLE runs").await.unwrap();
}

#[tokio::test]
async fn a_fault_of_the_database_hides_its_cause() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let id = ada.create(&json!([run(None, "Weather Query")])).await.remove(0);
    drop_runs(&app.stores).await;
    let trace = run(None, "")["trace_id"].as_str().unwrap().to_owned();
    for path in ["/runs".to_owned(), format!("/runs/{id}"), format!("/traces/{trace}")] {
        hides_its_cause(&ada.get(&path).await);
    }
    hides_its_cause(&ada.post("/runs", &json!([run(None, "Weather Query")])).await);
    hides_its_cause(&ada.delete(&format!("/runs/{id}")).await);
    // What needs no runs still works.
    ada.get("/me").await.ok(200);
}

#[tokio::test]
async fn the_log_tells_the_cause_once_under_the_requests_id() {
    let stores = TestStores::new().await;
    let server = Serving::start(stores.folder(), &stores.arguments(&[])).await;
    let ada = server.client().signed_up("ada@example.com").await;
    drop_runs(&stores).await;
    let reply = ada.with("x-request-id", "the-request-that-fails").get("/runs").await;
    hides_its_cause(&reply);
    let log = server.stop().stderr;
    let lines: Vec<_> = log.lines().filter(|line| line.contains("the-request-that-fails")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    let line: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!((&line["level"], &line["message"]), (&json!("ERROR"), &json!("request failed")));
    assert!(line["error"].as_str().unwrap().contains("runs"), "{line}");
}

/// Stores one run with a payload of this many bytes, and takes its segment away.
async fn without_its_segment(app: &TestApp, ada: &Client, bytes: usize) -> String {
    let mut large = run(None, "Weather Query");
    large["inputs"] = json!({"text": "x".repeat(bytes)});
    let id = ada.create(&json!([large])).await.remove(0);
    let stores = app.stores.open().await;
    let segments = segment::Entity::find().all(stores.database.reader()).await.unwrap();
    assert!(!segments.is_empty());
    for segment in segments {
        stores.blobs.delete(BlobKey { workspace: segment.workspace_id, segment: segment.id }).await.unwrap();
    }
    id
}

#[tokio::test]
async fn a_run_whose_segment_is_missing_is_an_error_and_never_an_empty_object() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let id = without_its_segment(&app, &ada, 100_000).await;
    // Twice, since the first read must not be remembered as nothing.
    for _ in 0..2 {
        for path in [format!("/runs/{id}"), format!("/runs/{id}?fields=inputs"), format!("/runs/{id}?fields=metadata")]
        {
            hides_its_cause(&ada.get(&path).await);
        }
    }
    // The row itself is there.
    assert_eq!(ada.get("/runs").await.ok(200)["items"][0]["id"], *id);
    assert_eq!(ada.get(&format!("/runs/{id}?fields=name")).await.ok(200), json!({"name": "Weather Query"}));
}

#[tokio::test]
async fn an_answer_that_is_streamed_never_ends_well_without_its_segment() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let id = without_its_segment(&app, &ada, 2_000_000).await;
    let trace = run(None, "")["trace_id"].as_str().unwrap().to_owned();
    for path in [format!("/runs/{id}"), format!("/traces/{trace}?payload=true")] {
        for accepted in ["identity", "gzip", "zstd"] {
            let request = ada.request(reqwest::Method::GET, &path).header("accept-encoding", accepted);
            // It may have begun before the fault was known; then it breaks off.
            if let Ok(response) = request.send().await {
                let failed = response.status().is_server_error();
                let body = response.bytes().await;
                assert!(failed || body.is_err(), "{path} {accepted}: {body:?}");
            }
        }
    }
    // One broken answer is no reason to go.
    ada.get("/me").await.ok(200);
}
