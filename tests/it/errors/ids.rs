//! Every answer has the id under which the log knows its request: the caller's own when that is harmless.

use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Client, Reply, TestApp, run};

async fn asked_as(client: &Client, id: &[u8]) -> Reply {
    let id = reqwest::header::HeaderValue::from_bytes(id).unwrap();
    client.send(client.request(Method::GET, "/healthz").header("x-request-id", id)).await
}

#[tokio::test]
async fn every_answer_has_an_id_of_its_own() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let created = ada.post("/runs", &json!([run(None, "Weather Query")])).await;
    let path = format!("/runs/{}", created.ok(201)["ids"][0].as_str().unwrap());
    let found = ada.get(&path).await;
    let etag = found.header("etag").to_owned();
    let same = ada.clone().with("if-none-match", &etag).get(&path).await;
    let replies = [
        created,
        found,
        same,
        ada.get("/docs").await,
        ada.get("/openapi.json").await,
        ada.get("/swagger/index.html").await,
        ada.get("/readyz").await,
        ada.get("/nowhere").await,
        ada.delete("/healthz").await,
        ada.post_bytes("/signup", "{").await,
        ada.anonymous().get("/runs").await,
        ada.delete(&path).await,
    ];
    let statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [201, 200, 304, 200, 200, 301, 200, 404, 405, 400, 401, 204]);
    let mut ids: Vec<_> = replies.iter().map(|reply| reply.header("x-request-id").to_owned()).collect();
    assert!(ids.iter().all(|id| id.parse::<Uuid>().is_ok()), "{ids:?}");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), replies.len());
}

#[tokio::test]
async fn a_harmless_id_of_the_callers_is_taken_over() {
    let app = TestApp::spawn().await;
    for id in ["a", "job-17/step:3", "!~", &"x".repeat(128), &Uuid::new_v4().to_string()] {
        assert_eq!(asked_as(&app.client(), id.as_bytes()).await.header("x-request-id"), id);
        let refused = app.client().with("x-request-id", id).get("/runs").await;
        assert_eq!(refused.problem(401)["request_id"], id);
    }
}

#[tokio::test]
async fn an_id_that_could_do_harm_is_replaced() {
    let app = TestApp::spawn().await;
    let long = "x".repeat(129);
    let evil: [&[u8]; 7] = [b"", b" ", b"a b", b"a\tb", "\u{fc}".as_bytes(), b"\xff", long.as_bytes()];
    for id in evil {
        let reply = asked_as(&app.client(), id).await;
        assert!(reply.header("x-request-id").parse::<Uuid>().is_ok(), "{id:?}: {:?}", reply.headers);
    }
}
