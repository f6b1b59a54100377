//! Heads and connections have bounds: size, time and number, each with its own end.

use reqwest::Method;

use crate::support::TestApp;
use crate::support::raw::RawRequest;

const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn headers_beyond_the_limit_are_refused_in_the_usual_form() {
    let app = TestApp::with(&["--max-header=4KiB"]).await;
    let client = app.client();
    let asked = |size: usize| client.request(Method::GET, "/healthz").header("x-filler", "x".repeat(size));
    client.send(asked(3_000)).await.ok(200);
    assert_eq!(client.send(asked(5_000)).await.problem(431)["code"], "headers_too_large");
}

#[tokio::test]
async fn a_head_that_does_not_come_to_its_end_is_given_up() {
    let app = TestApp::with(&["--header-timeout=100ms"]).await;
    let mut stalled = RawRequest::connect(app.address).await;
    stalled.send(b"GET /healthz HTTP/1.1\r\nHost: loc").await;
    // The connection ends, with or without a word.
    stalled.rest().await;
    app.client().get("/healthz").await.ok(200);
}

#[tokio::test]
async fn who_says_nothing_or_nearly_nothing_is_given_up() {
    let app = TestApp::with(&["--header-timeout=100ms"]).await;
    // The last one is how HTTP/2 begins, and `POST` as well.
    for begun in ["", "G", "P"] {
        let mut silent = RawRequest::connect(app.address).await;
        silent.send(begun.as_bytes()).await;
        silent.rest().await;
    }
    let mut idle = RawRequest::connect(app.address).await;
    idle.send(GET).await;
    assert_eq!(idle.status_line().await, "HTTP/1.1 200 OK");
    idle.rest().await;
}

#[tokio::test]
async fn a_connection_beyond_the_most_waits_until_another_ends() {
    let app = TestApp::with(&["--max-connections=1"]).await;
    let mut first = RawRequest::connect(app.address).await;
    first.send(GET).await;
    first.status_line().await;
    let mut second = RawRequest::connect(app.address).await;
    second.send(GET).await;
    for _ in 0..200 {
        first.send(GET).await;
        first.status_line().await;
    }
    assert!(!second.has_answer(), "the second was served beside the first");
    drop(first);
    assert_eq!(second.status_line().await, "HTTP/1.1 200 OK");
}
