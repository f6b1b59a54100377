//! Every refusal has the one body of errors, the framework's own included, and names what is wrong.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Client, Reply, TestApp, run};

/// The members of an error's body, and nothing else.
fn is_whole(reply: &Reply, status: u16, code: &str) {
    let problem = reply.problem(status);
    let members: Vec<_> = problem.as_object().unwrap().keys().map(String::as_str).collect();
    let known = ["type", "title", "status", "detail", "code", "request_id", "errors"];
    assert!(members.iter().all(|member| known.contains(member)), "{problem}");
    assert_eq!((&problem["type"], &problem["code"]), (&json!("about:blank"), &json!(code)), "{problem}");
    for error in problem["errors"].as_array().into_iter().flatten() {
        assert!(!error["field"].as_str().unwrap().is_empty() && !error["message"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn every_refusal_has_the_same_body() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let absent = format!("/runs/{}", Uuid::new_v4());
    let coded = ada.request(Method::POST, "/api/keys").header("content-encoding", "br").body("{}");
    let large = json!({"name": "a".repeat(1024 * 1024)});
    let replies = [
        (400, "malformed", ada.post_bytes("/api/keys", "{").await),
        (401, "unauthenticated", ada.anonymous().get("/runs").await),
        (404, "not_found", ada.get(&absent).await),
        (404, "not_found", ada.get("/nowhere").await),
        (404, "not_found", ada.get("/runs/a/b/c").await),
        (405, "method_not_allowed", ada.call("PUT", "/runs", &json!({})).await),
        (405, "method_not_allowed", ada.delete("/healthz").await),
        (405, "method_not_allowed", ada.post("/docs", &json!({})).await),
        (413, "too_large", ada.post("/api/keys", &large).await),
        (415, "unsupported_encoding", ada.send(coded).await),
        (422, "invalid", ada.get("/runs?limit=0").await),
        (422, "invalid", ada.post("/api/keys", &json!({})).await),
        (422, "invalid", ada.get("/runs/zz").await),
    ];
    for (status, code, reply) in &replies {
        is_whole(reply, *status, code);
    }
}

#[tokio::test]
async fn a_form_is_not_filled_from_an_array() {
    let app = TestApp::spawn().await;
    let client = app.client();
    let problem = client.post("/signup", &json!(["ada@example.com", "correct horse"])).await.problem(422);
    assert_eq!(problem["detail"], "must be an object");
    assert_eq!(client.post_bytes("/signup", " [1,").await.problem(400)["code"], "malformed");
    let ada = app.user("ada").await;
    let bulk = ada.post("/api/tasks/bulk", &json!([["t", "d", "done", 5, null]])).await.ok(200);
    assert_eq!(bulk["data"][0]["result"], "invalid", "{bulk}");
    let line = r#"[50,"t","d","done",5,null,"2020-01-01T00:00:00Z","2020-01-01T00:00:00Z"]"#;
    assert_eq!(ada.post_bytes("/api/tasks/import", line).await.problem(422)["errors"][0]["field"], "[0]");
}

#[tokio::test]
async fn what_is_not_json_is_said_before_what_does_not_fit() {
    let app = TestApp::spawn().await;
    for body in [r#"{"email":5"#, r#"{"foo":1,"#, r#"{"email":"a@b.c","password":7 !!"#] {
        assert_eq!(app.client().post_bytes("/signup", body).await.problem(400)["code"], "malformed", "{body}");
    }
}

#[tokio::test]
async fn a_value_of_the_wrong_type_is_invalid_and_not_malformed() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let member = ada.post("/api/members", &json!({"email": "grace@example.com", "role": 5})).await;
    assert_eq!(member.field(422), "role");
    assert_eq!(ada.post("/api/tasks", &json!({"title": "Look", "status": {"a": 1}})).await.field(422), "status");
    assert_eq!(ada.post_bytes("/api/tasks", r#"{"title":"\ud800"}"#).await.field(422), "title");
}

#[tokio::test]
async fn a_slash_at_the_end_of_a_path_says_no_more() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let id = ada.post("/api/tasks/", &json!({"title": "Look"})).await.ok(201)["data"]["id"].clone();
    assert_eq!(ada.get("/api/tasks/?per_page=5").await.ok(200)["meta"]["total"], 1);
    ada.get(&format!("/api/tasks/{id}/")).await.ok(200);
    ada.get("/runs/").await.ok(200);
    ada.get("/nowhere/").await.problem(404);
}

#[tokio::test]
async fn a_wrong_method_is_answered_with_the_right_ones() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let run = format!("/runs/{}", Uuid::new_v4());
    for (path, allowed) in [("/runs", "GET, POST"), (run.as_str(), "DELETE, GET"), ("/docs", "GET")] {
        let reply = ada.call("PUT", path, &json!({})).await;
        assert_eq!((reply.status, reply.header("allow")), (405, allowed), "{path}");
    }
}

#[tokio::test]
async fn a_parameter_of_the_wrong_type_is_told_what_would_be_right() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    for (query, message) in [
        ("limit=-1", "must be a whole number, 0 or more"),
        ("has_error=maybe", "must be true or false"),
        ("trace_id=zz", "must be a UUID"),
        ("status=odd", "must be one of the words that /docs lists for it"),
    ] {
        let problem = ada.get(&format!("/runs?{query}")).await.problem(422);
        assert_eq!(problem["errors"][0]["message"], message, "{query}");
    }
}

#[tokio::test]
async fn every_title_is_the_status_in_words() {
    let app = TestApp::spawn().await;
    let client = app.client();
    assert_eq!(client.get("/nowhere").await.problem(404)["title"], "Not Found");
    assert_eq!(client.get("/runs").await.problem(401)["title"], "Unauthorized");
    assert_eq!(client.delete("/healthz").await.problem(405)["title"], "Method Not Allowed");
    assert_eq!(client.post("/login", &json!([])).await.problem(422)["title"], "Unprocessable Entity");
}

/// Each of these is refused as invalid at this place.
async fn are_refused(client: &Client, requests: &[(&str, &str, &str)]) {
    for (method, path, field) in requests {
        let reply = client.call(method, path, &Value::Null).await;
        assert_eq!(reply.status, 422, "{method} {path}: {}", reply.text());
        is_whole(&reply, 422, "invalid");
        assert_eq!(reply.field(422), *field, "{method} {path}");
    }
}

#[tokio::test]
async fn a_bad_id_in_a_path_is_named() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let requests = [
        ("GET", "/runs/zz", "id"),
        ("DELETE", "/runs/zz", "id"),
        ("GET", "/runs/944ce838-b5c5-4628-8f23-089fbda8b9e", "id"),
        ("GET", "/runs/%00", "id"),
        ("GET", "/runs/..%2f..%2fetc", "id"),
        ("GET", "/traces/zz", "trace_id"),
        ("DELETE", "/api/keys/zz", "id"),
        ("DELETE", "/api/members/ada@example.com", "user_id"),
    ];
    are_refused(&ada, &requests).await;
    // What is no text at all is not even an id of the wrong form.
    ada.get("/runs/%ff").await.problem(400);
}

#[tokio::test]
async fn a_bad_value_in_a_query_is_named() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let run = format!("/runs/{}", ada.create(&json!([run(None, "Weather Query")])).await[0]);
    let values = [
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "-1"),
        ("limit", "ten"),
        ("limit", "1.5"),
        ("limit", "18446744073709551616"),
        ("cursor", "x"),
        ("cursor", "%00"),
        ("cursor", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ("status", "done"),
        ("status", "SUCCESS"),
        ("start_time", "yesterday"),
        ("start_time", "2026-01-31"),
        ("start_time", "1700000000"),
        ("end_time", "2026-02-30T00:00:00Z"),
        ("trace_id", "zz"),
        ("has_error", "maybe"),
        ("metadata.", "x"),
    ];
    for (field, value) in values {
        are_refused(&ada, &[("GET", &format!("/runs?{field}={value}"), field)]).await;
    }
    are_refused(&ada, &[("GET", &format!("{run}?fields=name,nothing"), "fields")]).await;
    are_refused(&ada, &[("GET", "/traces/944ce838-b5c5-4628-8f23-089fbda8b9e3?payload=perhaps", "payload")]).await;
    ada.get("/runs?limit=1").await.ok(200);
    ada.get("/runs?limit=1000").await.ok(200);
}

#[tokio::test]
async fn a_query_parameter_that_nobody_knows_is_refused() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let requests = [
        ("GET", "/runs?statsu=error", "statsu"),
        ("GET", "/runs?limit=5&page=2", "page"),
        ("GET", "/runs?Limit=5", "Limit"),
    ];
    are_refused(&ada, &requests).await;
}

#[tokio::test]
async fn text_with_u0000_in_a_query_finds_nothing_and_breaks_nothing() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    ada.create(&json!([run(None, "Weather Query")])).await;
    for filter in ["name", "project", "run_type", "tag", "metadata.model", "metadata.%00"] {
        let reply = ada.get(&format!("/runs?{filter}=a%00b")).await;
        assert_eq!(reply.ok(200)["items"], json!([]), "{filter}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_without_what_was_sent() {
    let app = TestApp::spawn().await;
    // A password that was mistyped into the wrong place must not come back, or go into somebody's log.
    let reply = app.client().post_bytes("/login", r#"{"email": "ada@example.com", "password": hunter2"#).await;
    reply.problem(400);
    assert!(!reply.text().contains("hunter2"), "{}", reply.text());
}

#[tokio::test]
async fn a_form_may_nest_deeply_without_harm() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    for depth in [200, 100_000] {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let reply = ada.post_bytes("/api/keys", format!(r#"{{"name": {nested}}}"#)).await;
        assert_eq!(reply.field(422), "name", "{depth}");
    }
    ada.get("/me").await.ok(200);
}

#[tokio::test]
async fn a_form_that_is_too_large_is_refused_however_it_comes() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let form = |bytes: usize| format!("{}{{\"name\": \"ci\"}}", " ".repeat(bytes - 14));
    const MAX: usize = 1024 * 1024;
    ada.post_bytes("/api/keys", form(MAX)).await.ok(201);
    ada.post_bytes("/api/keys", form(MAX + 1)).await.problem(413);
    // Of unknown length.
    let chunks = |bytes: usize| {
        let form = form(bytes).into_bytes();
        let chunks: Vec<_> = form.chunks(10_000).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect();
        reqwest::Body::wrap_stream(futures_util::stream::iter(chunks))
    };
    ada.post_bytes("/api/keys", chunks(MAX)).await.ok(201);
    ada.post_bytes("/api/keys", chunks(MAX + 1)).await.problem(413);
    ada.post_bytes("/api/keys", chunks(5 * MAX)).await.problem(413);
}
