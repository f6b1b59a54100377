//! Tasks: what was written is what every later answer shows, and what is wrong is said where it is.

mod bulk;
mod cached;
mod history;
mod lists;
mod runs;
mod searches;
mod single;
mod tags;
mod transfer;

use serde_json::{Value, json};

use crate::support::{Client, TestApp};

/// A server and a user of it.
async fn app() -> (TestApp, Client) {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    (app, ada)
}

/// Makes a task and returns it.
async fn create(client: &Client, task: &Value) -> Value {
    client.post("/api/tasks", task).await.ok(201)["data"].clone()
}

/// Makes a task of this title and returns its path.
async fn titled(client: &Client, title: &str) -> String {
    path(&create(client, &json!({"title": title})).await)
}

fn path(task: &Value) -> String {
    format!("/api/tasks/{}", task["id"])
}

/// A page of tasks.
async fn page(client: &Client, query: &str) -> Value {
    let page = client.get(&format!("/api/tasks?{query}")).await.ok(200);
    assert_eq!((&page["message"], &page["status"], &page["errors"]), (&json!("success"), &json!("ok"), &json!([])));
    page
}

/// The titles on a page.
async fn titles(client: &Client, query: &str) -> Vec<String> {
    let page = page(client, query).await;
    page["data"].as_array().unwrap().iter().map(|task| task["title"].as_str().unwrap().to_owned()).collect()
}

/// A viewer of this owner's workspace.
async fn viewer(app: &TestApp, owner: &Client) -> Client {
    let grace = app.user("grace").await;
    owner.post("/api/members", &json!({"email": "grace@example.com", "role": "viewer"})).await.ok(201);
    grace.with("x-workspace-id", &owner.workspace_id)
}
