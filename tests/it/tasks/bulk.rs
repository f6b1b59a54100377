//! Many tasks in one request: each stands or falls alone.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{app, create, page, titles};
use crate::support::run;

#[tokio::test]
async fn those_that_can_be_made_are_made_and_the_answer_says_which() {
    let (app, ada) = app().await;
    let run = ada.create(&json!([run(None, "Weather Query")])).await.remove(0);
    let body = json!([
        {"title": "one", "run_id": run},
        {"title": ""},
        {"titel": "x"},
        {"title": "two", "status": "done"},
        {"title": "x", "run_id": "00000000-0000-4000-8000-000000000000"},
        7,
        {"title": "x", "status": "finished"},
    ]);
    let answer = ada.post("/api/tasks/bulk", &body).await.ok(200);
    assert_eq!((&answer["message"], &answer["meta"]["total"]), (&json!("success"), &json!(0)));
    let results = answer["data"].as_array().unwrap();
    let shown: Vec<(&str, Option<u64>, &str)> = results
        .iter()
        .map(|result| {
            let field = result["errors"][0]["field"].as_str().unwrap_or_default();
            (result["result"].as_str().unwrap(), result["id"].as_u64(), field)
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("created", Some(1), ""),
            ("invalid", None, "[1].title"),
            ("invalid", None, "[2].titel"),
            ("created", Some(2), ""),
            ("invalid", None, "[4].run_id"),
            ("invalid", None, "[5]"),
            ("invalid", None, "[6].status"),
        ]
    );
    assert_eq!(titles(&ada, "").await, ["two", "one"]);
    assert_eq!(create(&ada, &json!({"title": "three"})).await["id"], 3);
    let eve = app.user("eve").await;
    assert_eq!(page(&eve, "").await["meta"]["total"], 0);
}

#[tokio::test]
async fn a_thousand_are_taken_and_one_more_is_not() {
    let (_app, ada) = app().await;
    let tasks = |count: usize| -> Value { (0..count).map(|n| json!({"title": format!("task {n}")})).collect() };
    let answer = ada.post("/api/tasks/bulk", &tasks(1_000)).await.ok(200);
    assert!(answer["data"].as_array().unwrap().iter().all(|result| result["result"] == "created"));
    assert_eq!(page(&ada, "").await["meta"]["total"], 1_000);
    for count in [0, 1_001] {
        ada.post("/api/tasks/bulk", &tasks(count)).await.problem(422);
    }
    let ids: Vec<u64> = (1..=1_000).collect();
    let answer = ada.call("PATCH", "/api/tasks/bulk", &json!({"ids": ids, "status": "done"})).await.ok(200);
    assert!(answer["data"].as_array().unwrap().iter().all(|result| result["result"] == "ok"));
    assert_eq!(page(&ada, "status=done").await["meta"]["total"], 1_000);
    for ids in [vec![], (1..=1_001).collect::<Vec<u64>>()] {
        let reply = ada.call("PATCH", "/api/tasks/bulk", &json!({"ids": ids, "status": "done"})).await;
        assert_eq!(reply.field(422), "ids");
    }
    assert_eq!(page(&ada, "").await["meta"]["total"], 1_000);
    let huge = json!([{"title": "x", "description": "x".repeat(9 << 20)}]);
    ada.post("/api/tasks/bulk", &huge).await.problem(413);
}

#[tokio::test]
async fn a_status_is_given_to_those_that_are_there() {
    let (app, ada) = app().await;
    for n in 0..3 {
        create(&ada, &json!({"title": format!("task {n}")})).await;
    }
    let eve = app.user("eve").await;
    create(&eve, &json!({"title": "mine"})).await;
    let body = json!({"ids": [3, 1, 99, 1], "status": "canceled"});
    let answer = ada.call("PATCH", "/api/tasks/bulk", &body).await.ok(200);
    let results: Vec<(u64, &str)> = answer["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| (result["id"].as_u64().unwrap(), result["result"].as_str().unwrap()))
        .collect();
    assert_eq!(results, [(3, "ok"), (1, "ok"), (99, "not_found"), (1, "ok")]);
    assert_eq!(titles(&ada, "status=canceled").await, ["task 2", "task 0"]);
    assert_eq!(ada.get("/api/tasks/1").await.ok(200)["data"]["status"], "canceled");
    assert_eq!(eve.get("/api/tasks/1").await.ok(200)["data"]["status"], "pending");
    // What is so already does not change.
    let before = ada.get("/api/tasks/1").await;
    ada.call("PATCH", "/api/tasks/bulk", &body).await.ok(200);
    assert_eq!(ada.get("/api/tasks/1").await.header("etag"), before.header("etag"));
    for (body, field) in [
        (json!({"ids": [1]}), "status"),
        (json!({"status": "done"}), "ids"),
        (json!({"ids": ["1"], "status": "done"}), "ids[0]"),
        (json!({"ids": [1], "status": "done", "title": "x"}), "title"),
    ] {
        assert_eq!(ada.call("PATCH", "/api/tasks/bulk", &body).await.field(422), field, "{body}");
    }
}

#[tokio::test]
async fn those_who_change_the_same_tasks_in_opposite_orders_all_succeed() {
    let (_app, ada) = app().await;
    let tasks: Value = (0..100).map(|n| json!({"title": format!("task {n}")})).collect();
    ada.post("/api/tasks/bulk", &tasks).await.ok(200);
    let mut changing = JoinSet::new();
    for turn in 0..8 {
        let mut ids: Vec<u64> = (1..=100).collect();
        if turn % 2 == 0 {
            ids.reverse();
        }
        let (client, status) = (ada.clone(), if turn < 4 { "done" } else { "canceled" });
        let body = json!({"ids": ids, "status": status});
        changing.spawn(async move { client.call("PATCH", "/api/tasks/bulk", &body).await.ok(200) });
    }
    for answer in changing.join_all().await {
        assert!(answer["data"].as_array().unwrap().iter().all(|result| result["result"] == "ok"));
    }
    assert_eq!(page(&ada, "status=pending").await["meta"]["total"], 0);
}
