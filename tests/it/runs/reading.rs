//! One run: its entity tag, its fields, and who may see it.

use serde_json::json;

use crate::runs::{app, id, raw};
use crate::support::run;

#[tokio::test]
async fn a_caller_who_has_a_run_is_not_sent_it_again() {
    let (_app, ada) = app().await;
    let ids = ada.create(&json!([run(None, "A")])).await;
    let path = format!("/runs/{}", ids[0]);
    let etag = ada.get(&path).await.header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag}");
    for have in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
        let same = ada.clone().with("if-none-match", &have).get(&path).await;
        assert_eq!(same.status, 304, "{have}");
        assert!(same.bytes.is_empty());
        assert_eq!(same.header("etag"), etag);
    }
    assert_eq!(ada.clone().with("if-none-match", "\"other\"").get(&path).await.status, 200);
    let part = ada.get(&format!("{path}?fields=name")).await;
    assert_ne!(part.header("etag"), etag, "a part is not the whole");
    let same = ada.clone().with("if-none-match", part.header("etag")).get(&format!("{path}?fields=name")).await;
    assert_eq!(same.status, 304);
}

#[tokio::test]
async fn only_the_fields_that_are_asked_for_are_sent() {
    let (_app, ada) = app().await;
    let ids = ada.create(&json!([run(None, "A")])).await;
    let path = format!("/runs/{}", ids[0]);
    let part = ada.get(&format!("{path}?fields=name,metadata")).await;
    assert_eq!(part.ok(200).as_object().unwrap().keys().collect::<Vec<_>>(), ["metadata", "name"]);
    assert_eq!(raw(&part.text(), "metadata"), r#"{"model":"gpt-4","temperature":0.7,"tokens":42}"#);
    let one = ada.get(&format!("{path}?fields=outputs")).await.ok(200);
    assert_eq!(one, json!({"outputs": {"response": "It is currently 65°F and sunny in San Francisco."}}));
    for wrong in ["nope", "", "name,,id", "name;id"] {
        assert_eq!(ada.get(&format!("{path}?fields={wrong}")).await.field(422), "fields", "{wrong}");
    }
}

#[tokio::test]
async fn a_run_of_another_workspace_is_not_there() {
    let (app, ada) = app().await;
    let bob = app.user("bob").await;
    let ids = ada.create(&json!([run(None, "A")])).await;
    let path = format!("/runs/{}", ids[0]);
    // Also when it is in the cache already.
    ada.get(&path).await.ok(200);
    let absent = bob.get(&format!("/runs/{}", id())).await.problem(404);
    let foreign = bob.get(&path).await.problem(404);
    assert_eq!(absent["detail"], foreign["detail"]);
    bob.get(&format!("{path}?fields=name")).await.problem(404);
    bob.delete(&path).await.problem(404);
    bob.get("/traces/944ce838-b5c5-4628-8f23-089fbda8b9e3").await.problem(404);
    assert!(bob.get("/runs").await.ok(200)["items"].as_array().unwrap().is_empty());
    ada.get(&path).await.ok(200);
}

#[tokio::test]
async fn a_replica_sees_at_once_what_another_one_wrote_and_deleted() {
    let (app, ada) = app().await;
    let replica = app.replica().await;
    let there = replica.client().with("authorization", &format!("Bearer {}", ada.token));
    for round in 0..5 {
        let ids = ada.create(&json!([run(None, &format!("n{round}"))])).await;
        let path = format!("/runs/{}", ids[0]);
        assert_eq!(there.get(&path).await.ok(200)["name"], format!("n{round}"));
        // The in-process cache belongs to one process; replicas share one on Redis.
        if crate::support::redis::distributed() {
            ada.delete(&path).await.ok(204);
            there.get(&path).await.problem(404);
        }
    }
}

#[tokio::test]
async fn a_compressed_run_has_a_weak_tag_that_still_saves_sending_it() {
    let (_app, ada) = app().await;
    let ids = ada.create(&json!([{"trace_id": id(), "name": "long", "inputs": {"a": "x".repeat(10_000)}}])).await;
    let path = format!("/runs/{}", ids[0]);
    let strong = ada.get(&path).await.header("etag").to_owned();
    let weak = ada.clone().with("accept-encoding", "gzip").get(&path).await;
    assert_eq!(weak.header("content-encoding"), "gzip");
    assert_eq!(weak.header("etag"), format!("W/{strong}"));
    assert_eq!(ada.clone().with("if-none-match", weak.header("etag")).get(&path).await.status, 304);
}
