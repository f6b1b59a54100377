//! A trace: its runs in the order of the tree, streamed, with their payloads when asked for.

use serde_json::{Value, json};

use crate::runs::{TRACE, app, id, raw};

fn node(id: &str, parent: Option<&str>, second: u32) -> Value {
    json!({
        "id": id, "trace_id": TRACE, "name": format!("s{second}"), "parent_run_id": parent,
        "inputs": {"s": second}, "start_time": format!("2026-01-02T03:04:{second:02}Z"),
    })
}

#[tokio::test]
async fn runs_come_in_the_order_of_the_tree_whatever_order_they_arrived_in() {
    let (_app, ada) = app().await;
    let [root, a, b, leaf, orphan] = [id(), id(), id(), id(), id()];
    let mut runs = vec![
        node(&root, None, 1),
        node(&a, Some(&root), 2),
        node(&b, Some(&root), 4),
        node(&leaf, Some(&a), 3),
        node(&orphan, Some(&id()), 5),
    ];
    runs.reverse();
    ada.create(&runs.into()).await;
    let trace = ada.get(&format!("/traces/{TRACE}")).await.ok(200);
    assert_eq!(trace["trace_id"], TRACE);
    let order: Vec<(&str, u64)> = trace["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| (run["name"].as_str().unwrap(), run["depth"].as_u64().unwrap()))
        .collect();
    assert_eq!(order, [("s1", 0), ("s2", 1), ("s3", 2), ("s4", 1), ("s5", 0)]);
    assert!(trace["runs"][0].get("inputs").is_none());
}

#[tokio::test]
async fn payloads_come_byte_for_byte_when_asked_for() {
    let (_app, ada) = app().await;
    let odd =
        format!("[{{\"trace_id\":\"{TRACE}\",\"name\":\"odd\",\"inputs\":{{ \"a\" :1e400 , \"a\":\"\\ud800\"}}}}]");
    ada.post_bytes("/runs", odd).await.ok(201);
    let trace = ada.get(&format!("/traces/{TRACE}?payload=true")).await;
    assert_eq!(trace.status, 200);
    let text = trace.text();
    let run = raw(&text, "runs").trim_start_matches('[').trim_end_matches(']');
    assert_eq!(raw(run, "inputs"), "{ \"a\" :1e400 , \"a\":\"\\ud800\"}");
    assert_eq!(raw(run, "depth"), "0");
}

#[tokio::test]
async fn a_trace_of_many_pages_is_whole() {
    let (_app, ada) = app().await;
    let root = id();
    let mut runs = vec![node(&root, None, 0)];
    runs.extend((0..1_100).map(|_| node(&id(), Some(&root), 1)));
    ada.create(&runs.into()).await;
    for query in ["", "?payload=true"] {
        let trace = ada.get(&format!("/traces/{TRACE}{query}")).await.ok(200);
        let runs = trace["runs"].as_array().unwrap();
        assert_eq!(runs.len(), 1_101, "{query}");
        assert_eq!(runs[0]["id"], root);
        let ids: std::collections::BTreeSet<&str> = runs.iter().map(|run| run["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 1_101, "{query}");
    }
}

#[tokio::test]
async fn a_trace_without_runs_is_not_there() {
    let (_app, ada) = app().await;
    ada.get(&format!("/traces/{TRACE}")).await.problem(404);
    assert_eq!(ada.get("/traces/zz").await.field(422), "trace_id");
    assert_eq!(ada.get(&format!("/traces/{TRACE}?payload=perhaps")).await.field(422), "payload");
}
