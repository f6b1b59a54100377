//! Who changed what and when: written with the change, and there when the task is gone.

use serde_json::{Value, json};

use super::{app, create, page, viewer};

#[tokio::test]
async fn every_change_is_remembered_with_who_made_it() {
    let (app, ada) = app().await;
    let task = create(&ada, &json!({"title": "one", "assigneeID": 7})).await;
    let key = ada.post("/api/keys", &json!({"name": "ci"})).await.ok(201);
    let by_key = app.client().with("x-api-key", key["key"].as_str().unwrap());
    by_key.call("PATCH", "/api/tasks/1", &json!({"title": "two", "status": "done"})).await.ok(200);
    ada.call("PATCH", "/api/tasks/1", &json!({"title": "two"})).await.ok(200);
    ada.call("PATCH", "/api/tasks/bulk", &json!({"ids": [1], "status": "canceled"})).await.ok(200);
    assert_eq!(ada.delete("/api/tasks/1").await.status, 204);
    let grace = viewer(&app, &ada).await;
    let history = grace.get("/api/tasks/1/history").await.ok(200);
    assert_eq!((&history["status"], &history["data"]["next_cursor"]), (&json!("ok"), &Value::Null));
    let items = history["data"]["items"].as_array().unwrap();
    let actions: Vec<&str> = items.iter().map(|item| item["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["deleted", "updated", "updated", "created"]);
    assert!(items.iter().all(|item| item["user_id"] == json!(ada.user_id)));
    let keys: Vec<&Value> = items.iter().map(|item| &item["key_id"]).collect();
    assert_eq!(keys, [&Value::Null, &Value::Null, &key["id"], &Value::Null]);
    let change = |field: &str, from: Value, to: Value| json!({"field": field, "from": from, "to": to});
    assert_eq!(
        items[2]["changes"],
        json!([change("title", json!("one"), json!("two")), change("status", json!("pending"), json!("done"))])
    );
    assert_eq!(items[1]["changes"], json!([change("status", json!("done"), json!("canceled"))]));
    assert_eq!(items[0]["changes"][0], change("title", json!("two"), Value::Null));
    assert_eq!(
        items[3]["changes"],
        json!([
            change("title", Value::Null, json!("one")),
            change("description", Value::Null, json!("")),
            change("status", Value::Null, json!("pending")),
            change("assigneeID", Value::Null, json!(7)),
        ])
    );
    assert_eq!(items[3]["at"], task["createdAt"]);
    let eve = app.user("eve").await;
    eve.get("/api/tasks/1/history").await.problem(404);
    ada.get("/api/tasks/2/history").await.problem(404);
}

#[tokio::test]
async fn a_long_history_comes_in_parts() {
    let (_app, ada) = app().await;
    create(&ada, &json!({"title": "task 0"})).await;
    for n in 1..=10 {
        ada.call("PATCH", "/api/tasks/1", &json!({"title": format!("task {n}")})).await.ok(200);
    }
    let (mut seen, mut query) = (Vec::new(), String::from("limit=3"));
    loop {
        let part = ada.get(&format!("/api/tasks/1/history?{query}")).await.ok(200)["data"].clone();
        let items = part["items"].as_array().unwrap();
        seen.extend(items.iter().map(|item| item["changes"][0]["to"].as_str().unwrap().to_owned()));
        let Some(cursor) = part["next_cursor"].as_str() else { break };
        assert_eq!(items.len(), 3);
        query = format!("limit=3&cursor={cursor}");
    }
    let expected: Vec<String> = (0..=10).rev().map(|n| format!("task {n}")).collect();
    assert_eq!(seen, expected);
    create(&ada, &json!({"title": "another"})).await;
    let cursor = query.rsplit_once('=').unwrap().1.to_owned();
    for (path, field) in [
        (format!("/api/tasks/2/history?cursor={cursor}"), "cursor"),
        (format!("/api/tasks/1/history?cursor={}", &cursor[1..]), "cursor"),
        ("/api/tasks/1/history?cursor=x".to_owned(), "cursor"),
        ("/api/tasks/1/history?limit=0".to_owned(), "limit"),
        ("/api/tasks/1/history?limit=1001".to_owned(), "limit"),
    ] {
        assert_eq!(ada.get(&path).await.field(422), field, "{path}");
    }
}

#[tokio::test]
async fn what_is_refused_is_not_remembered() {
    let (_app, ada) = app().await;
    create(&ada, &json!({"title": "one"})).await;
    ada.call("PATCH", "/api/tasks/1", &json!({"title": ""})).await.problem(422);
    ada.clone().with("if-match", "\"old\"").call("PATCH", "/api/tasks/1", &json!({"title": "x"})).await.problem(412);
    let history = ada.get("/api/tasks/1/history").await.ok(200);
    assert_eq!(history["data"]["items"].as_array().unwrap().len(), 1);
    assert_eq!(page(&ada, "").await["meta"]["total"], 1);
}
