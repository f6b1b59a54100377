//! Favorites: what may be kept, lists that neither repeat nor skip, a cache that never shows what is gone, and streams
//! both ways.

mod caching;
mod forms;
mod imports;
mod many;
mod pages;
mod patches;
mod streams;

use serde_json::{Value, json};

use crate::support::{Client, TestApp};

/// A server and a user of it.
pub async fn app() -> (TestApp, Client) {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    (app, ada)
}

/// An insight of this name.
pub fn insight(name: &str) -> Value {
    json!({"type": "insight", "name": name, "content": "40 % of millennials"})
}

/// A chart of this name.
pub fn chart(name: &str) -> Value {
    json!({"type": "chart", "name": name, "x_axis": "day", "data": [1, 2]})
}

/// An audience of this name.
pub fn audience(name: &str) -> Value {
    json!({"type": "audience", "name": name, "rules": {"gender": "female"}})
}

/// Keeps a favorite and returns its id.
pub async fn keep(client: &Client, favorite: &Value) -> String {
    client.post("/favorites", favorite).await.ok(201)["id"].as_str().unwrap().to_owned()
}

/// One member of each item of a page.
pub async fn listed(client: &Client, query: &str, member: &str) -> Vec<String> {
    let page = client.get(&format!("/favorites?{query}")).await.ok(200);
    page["items"].as_array().unwrap().iter().map(|item| item[member].as_str().unwrap().to_owned()).collect()
}

/// The ids of the whole list, page by page.
pub async fn walk(client: &Client, query: &str) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    for _ in 0..100_000 {
        let page = client.get(&format!("/favorites?{query}{cursor}")).await.ok(200);
        ids.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
    }
    panic!("a list without end");
}

/// The whole list as lines.
pub async fn lines(client: &Client, path: &str) -> String {
    let reply = client.clone().with("accept", "application/x-ndjson").get(path).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "application/x-ndjson"), "{}", reply.text());
    reply.text()
}
