//! Clients that go away in the middle, and clients that stall: they leave nothing and keep nobody from being served.

use super::*;
use crate::support::raw::RawRequest;
use crate::support::s3::S3Server;
use crate::support::{TestApp, TestStores};

const MIB: usize = 1024 * 1024;

/// The beginning of a batch of this trace: one whole run, and another that has come to `size` bytes.
fn half(trace: Uuid, size: usize) -> String {
    let mut text = batch(trace).to_string();
    text.pop();
    text.push_str(r#",{"name":"cut","inputs":{"text":""#);
    text.push_str(&"x".repeat(size));
    text
}

/// A server whose blobs are its own.
async fn app(arguments: &[&str]) -> (TestApp, Client, Option<S3Server>) {
    let s3 = crate::support::redis::distributed().then(S3Server::start);
    let stores = TestStores::with_s3(s3.as_ref().map(|server| server.endpoint.as_str())).await;
    let app = TestApp::over(stores, arguments).await;
    let ada = app.user("ada").await;
    (app, ada, s3)
}

#[tokio::test]
async fn a_client_that_goes_away_in_the_middle_of_its_body_leaves_nothing() {
    let (app, ada, s3) = app(&[]).await;
    let blobs = app.stores.open().await.blobs;
    // Held until its end; stored while it arrives; and, in S3, an upload in parts.
    for size in [1_000, 3 * MIB, 20 * MIB] {
        for chunked in [false, true] {
            let trace = Uuid::new_v4();
            let body = half(trace, size);
            let headers = match chunked {
                true => "Transfer-Encoding: chunked".to_owned(),
                false => format!("Content-Length: {}", body.len() + 100),
            };
            let mut request = RawRequest::post(app.address, &ada.token, &headers).await;
            if chunked {
                // One chunk that is whole, and one that is not.
                request.send(format!("{:x}\r\n{body}\r\n64\r\nabc", body.len()).as_bytes()).await;
            } else {
                request.send(body.as_bytes()).await;
            }
            let begun = async || {
                let unfinished = s3.as_ref().is_some_and(|server| !server.unfinished().is_empty());
                unfinished || !blobs.list(None, 10).await.unwrap().is_empty()
            };
            // In S3 what is shorter than a part is sent when it has ended.
            if size > 8 * MIB || (s3.is_none() && size > MIB) {
                until("some of it is stored", begun).await;
            }
            drop(request);
            until("nothing is left of it", async || !begun().await).await;
            assert_eq!(runs_of(&ada, trace).await, 0);
        }
    }
    ada.create(&batch(Uuid::new_v4())).await;
    assert_eq!(blobs.list(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn three_hundred_clients_that_stall_keep_nobody_from_being_served() {
    let (app, ada, _s3) = app(&[]).await;
    let mut stalled = Vec::new();
    for _ in 0..150 {
        let mut head = RawRequest::connect(app.address).await;
        head.send(b"POST /runs HTTP/1.1\r\nHost: loc").await;
        let mut body = RawRequest::post(app.address, &ada.token, "Content-Length: 100000").await;
        body.send(half(Uuid::new_v4(), 1_000).as_bytes()).await;
        stalled.extend([head, body]);
    }
    let load = Load::start(&ada, 8);
    load.answers(100).await;
    let tally = load.finish().await;
    assert_eq!(tally.refused.len(), 0);
    tally.assert_whole(&ada).await;
    drop(stalled);
}

#[tokio::test]
async fn bodies_that_stall_fill_their_room_and_no_more() {
    let (app, ada, _s3) = app(&["--max-inflight-bytes=2MiB", "--upstream-timeout=500ms"]).await;
    let mut stalled = Vec::new();
    for _ in 0..40 {
        let mut request = RawRequest::post(app.address, &ada.token, "Content-Length: 200000").await;
        request.send(half(Uuid::new_v4(), 100_000).as_bytes()).await;
        stalled.push(request);
    }
    let mut large = batch(Uuid::new_v4());
    large[0]["inputs"]["filler"] = json!("x".repeat(500_000));
    until("the room is full", async || {
        let reply = ada.post("/runs", &large).await;
        if reply.status != 201 {
            assert_refused(&reply);
        }
        reply.status == 503
    })
    .await;
    // Reading needs no room.
    ada.get("/runs").await.ok(200);
    drop(stalled);
    until("there is room again", async || {
        let reply = ada.post("/runs", &large).await;
        if reply.status != 201 {
            assert_refused(&reply);
        }
        reply.status == 201
    })
    .await;
}
